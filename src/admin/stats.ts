// `/admin/stats`: what the page shows, once as JSON, or as server-sent events (`Accept: text/event-stream`): the whole
// document first, then every second, and at once after a change of state, a merge patch of it (merge-patch.ts); between them
// the journal's entries as they come. One ticker measures and one text is sent, however many read; without a reader
// nothing runs. A reader that falls behind is cut off by its relay, comes back and begins with a whole document.

import type { Config } from '../config/fields.ts';
import type { JournalEntry, Supervisor } from '../control/supervisor.ts';
import type { Clock } from '../core/clock.ts';
import type { AdminChannel, AdminReply, AdminRequest, WorkerRing } from '../core/messages.ts';
import type { Totals } from '../routing/counters.ts';
import type { RecentView } from '../routing/recent.ts';
import { valuesOf } from './access.ts';
import { type Ownership, ownershipOf } from './lent.ts';
import { type JsonObject, mergePatch } from './merge-patch.ts';
import { failure, json, streamReply } from './replies.ts';
import { type Sample, type StatsDocument, sampleOf, statsView } from './stats-view.ts';

const MAX_STATS_READERS = 100;
const EVERY_MS = 1_000;
/** Changes of state come in bunches; those of one are told together. */
const BUNCH_MS = 50;

/** What it takes of the endpoints' context. */
export interface StatsContext {
  readonly config: Pick<Config, 'spares'>;
  readonly clock: Clock;
  readonly supervisor: Supervisor;
  readonly totals: Totals;
  readonly driver: { readonly name: string; readonly creates: boolean };
  readonly version: string;
  readonly startedMs: number;
  readonly wantedWorkers: number;
  collect(): Promise<boolean>;
  inFlight(slot: string): number;
  recent(replicaId: string | null, windowMs: number): RecentView;
  rings(): readonly WorkerRing[];
}

export class Stats {
  readonly #context: StatsContext;
  readonly #readers = new Set<AdminChannel>();
  /** Of those that want it once and came before anything was measured. */
  #once: PromiseWithResolvers<StatsDocument> | null = null;
  #isRunning = false;
  #isBunching = false;
  #samples: readonly [Sample, Sample] | null = null;
  /** What all readers have. */
  #told: StatsDocument | null = null;
  #ownership: { readonly epoch: number; readonly bySlot: Map<string, Ownership> } | null = null;

  constructor(context: StatsContext) {
    this.#context = context;
    context.supervisor.subscribe(entry => this.#onEntry(entry));
  }

  answer(request: AdminRequest, channel: AdminChannel): Promise<AdminReply> | AdminReply {
    const isStream = valuesOf(request, 'accept').some(types => types.includes('text/event-stream'));
    if (!isStream) return this.#answerOnce();
    if (request.method === 'HEAD') return { ...streamReply, more: false };
    if (this.#readers.size >= MAX_STATS_READERS)
      return failure(503, `${MAX_STATS_READERS} readers of this stream are enough: try again later`, {
        'retry-after': '10',
      });
    return this.#open(channel, Number(valuesOf(request, 'last-event-id')[0] ?? 0) || 0);
  }

  async #answerOnce(): Promise<AdminReply> {
    if (this.#told !== null && this.#samples !== null) return json(200, this.#told);
    this.#once ??= Promise.withResolvers();
    const { promise } = this.#once;
    this.#start();
    return json(200, await promise);
  }

  #open(channel: AdminChannel, lastSeq: number): AdminReply {
    this.#readers.add(channel);
    channel.onCancel = () => {
      channel.onCancel = null;
      this.#readers.delete(channel);
    };
    this.#told ??= this.#view();
    const past = this.#context.supervisor.events().filter(({ seq }) => seq > lastSeq);
    this.#start();
    return { ...streamReply, body: `${eventText('stats', this.#told)}${past.map(journalText).join('')}` };
  }

  #start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** Ends by itself after the last reader has gone. */
  async #run(): Promise<void> {
    const { clock, collect, totals } = this.#context;
    let before: Sample | null = null;
    while (this.#readers.size > 0 || this.#once !== null) {
      const dueMs = clock.nowMs() + EVERY_MS;
      await collect();
      const sample = sampleOf(totals, clock.nowMs());
      if (before !== null) this.#samples = [before, sample];
      before = sample;
      this.#tell();
      if (this.#samples !== null) this.#once?.resolve(this.#told!);
      if (this.#samples !== null) this.#once = null;
      await new Promise<void>(resolve => clock.after(Math.max(0, dueMs - clock.nowMs()), resolve));
    }
    this.#samples = null;
    this.#told = null;
    this.#isRunning = false;
  }

  #onEntry(entry: JournalEntry): void {
    if (this.#readers.size === 0) return;
    this.#send(journalText(entry));
    if (this.#isBunching) return;
    this.#isBunching = true;
    this.#context.clock.after(BUNCH_MS, () => {
      this.#isBunching = false;
      if (this.#told !== null) this.#tell();
    });
  }

  #tell(): void {
    const view = this.#view();
    if (this.#told !== null && this.#readers.size > 0)
      this.#send(eventText('patch', mergePatch(this.#told as JsonObject, view as JsonObject)));
    this.#told = view;
  }

  #send(text: string): void {
    for (const channel of this.#readers) channel.chunk(text, false);
  }

  #view(): StatsDocument {
    const { supervisor, clock, config, driver, ...context } = this.#context;
    return statsView({
      wallMs: clock.wallMs(),
      version: context.version,
      startedMs: context.startedMs,
      driver: { ...supervisor.driverState(), name: driver.name, creates: driver.creates },
      slots: supervisor.slots(),
      spares: supervisor.spares(),
      wantedSpares: config.spares,
      rollout: supervisor.rolloutView(),
      snapshot: supervisor.snapshot(),
      ownership: this.#ownershipNow(),
      workers: context.rings(),
      wantedWorkers: context.wantedWorkers,
      inFlight: context.inFlight,
      recent: context.recent,
      samples: this.#samples,
    });
  }

  #ownershipNow(): Map<string, Ownership> {
    const { supervisor } = this.#context;
    const snapshot = supervisor.snapshot();
    if (this.#ownership?.epoch !== snapshot.epoch)
      this.#ownership = { epoch: snapshot.epoch, bySlot: ownershipOf(snapshot, supervisor.slots()) };
    return this.#ownership.bySlot;
  }
}

const eventText = (event: string, data: object): string =>
  `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

const journalText = (entry: JournalEntry): string => `id: ${entry.seq}\n${eventText('journal', entry)}`;
