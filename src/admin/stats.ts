// `/admin/stats`: what the page shows, once as JSON, or as server-sent events (`Accept: text/event-stream`): the whole
// document first, then every second, and at once after a change of state, a merge patch of it (merge-patch.ts); between them
// the journal's entries as they come, and every other second the hot keys. One ticker measures and one text is sent, however many read; without a reader
// nothing runs. A reader that falls behind is cut off by its relay, comes back and begins with a whole document.

import type { Config } from '../config/fields.ts';
import type { Driver } from '../control/driver.ts';
import type { JournalEntry, Supervisor } from '../control/supervisor.ts';
import type { Clock } from '../core/clock.ts';
import type { AdminChannel, AdminReply, AdminRequest, WorkerRing } from '../core/messages.ts';
import type { Totals } from '../routing/counters.ts';
import type { HotKeysReport } from '../routing/hot-keys.ts';
import type { RecentView } from '../routing/recent.ts';
import { type Rights, valuesOf } from './access.ts';
import { DEFAULT_COUNT, hotKeysView } from './hot-keys.ts';
import { type Ownership, ownershipOf } from './lent.ts';
import { type JsonObject, mergePatch } from './merge-patch.ts';
import { failure, json, streamReply } from './replies.ts';
import { type Sample, type StatsDocument, sampleOf, statsView } from './stats-view.ts';

const MAX_STATS_READERS = 100;
const EVERY_MS = 1_000;
/** Of the measurements: each worker sorts a thousand keys for them. */
const HOT_KEYS_EVERY = 2;
/** Changes of state come in bunches; those of one are told together. */
const BUNCH_MS = 50;

/** What it takes of the endpoints' context. */
export interface StatsContext {
  readonly config: Pick<Config, 'spares' | 'hotKeys' | 'key' | 'showKeys'>;
  readonly clock: Clock;
  readonly supervisor: Supervisor;
  readonly totals: Totals;
  readonly driver: Pick<Driver, 'name' | 'creates' | 'orders'>;
  readonly version: string;
  readonly startedMs: number;
  readonly wantedWorkers: number;
  readonly secret: Buffer;
  collect(what: 'counts' | 'hot keys'): Promise<boolean>;
  hotKeys(): readonly HotKeysReport[];
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
  /** As the event that tells them; '' while they were not measured. */
  #hotKeys = '';
  #ownership: { readonly epoch: number; readonly bySlot: Map<string, Ownership> } | null = null;

  constructor(context: StatsContext) {
    this.#context = context;
    context.supervisor.subscribe(entry => this.#onEntry(entry));
  }

  /** `caller` is who asks. */
  answer(request: AdminRequest, channel: AdminChannel, caller: Rights): Promise<AdminReply> | AdminReply {
    const isStream = valuesOf(request, 'accept').some(types => types.includes('text/event-stream'));
    if (!isStream) return this.#answerOnce(caller);
    if (request.method === 'HEAD') return { ...streamReply, more: false };
    if (this.#readers.size >= MAX_STATS_READERS)
      return failure(503, `${MAX_STATS_READERS} readers of this stream are enough: try again later`, {
        'retry-after': '10',
      });
    return this.#open(channel, Number(valuesOf(request, 'last-event-id')[0] ?? 0) || 0, caller);
  }

  async #answerOnce(caller: Rights): Promise<AdminReply> {
    if (this.#told !== null && this.#samples !== null) return json(200, { ...this.#told, caller });
    this.#once ??= Promise.withResolvers();
    const { promise } = this.#once;
    this.#start();
    return json(200, { ...(await promise), caller });
  }

  #open(channel: AdminChannel, lastSeq: number, caller: Rights): AdminReply {
    this.#readers.add(channel);
    channel.onCancel = () => {
      channel.onCancel = null;
      this.#readers.delete(channel);
    };
    this.#told ??= this.#view();
    const past = this.#context.supervisor.events().filter(({ seq }) => seq > lastSeq);
    this.#start();
    const first = eventText('stats', { ...this.#told, caller });
    return { ...streamReply, body: `${first}${past.map(journalText).join('')}${this.#hotKeys}` };
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
    for (let count = 0; this.#readers.size > 0 || this.#once !== null; count++) {
      const dueMs = clock.nowMs() + EVERY_MS;
      const withHotKeys = this.#readers.size > 0 && count % HOT_KEYS_EVERY === 0;
      await collect(withHotKeys ? 'hot keys' : 'counts');
      const sample = sampleOf(totals, clock.nowMs());
      if (before !== null) this.#samples = [before, sample];
      before = sample;
      this.#tell(withHotKeys ? this.#newHotKeys() : '');
      if (this.#samples !== null) this.#once?.resolve(this.#told!);
      if (this.#samples !== null) this.#once = null;
      await new Promise<void>(resolve => clock.after(Math.max(0, dueMs - clock.nowMs()), resolve));
    }
    this.#samples = null;
    this.#told = null;
    this.#hotKeys = '';
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

  /** With what else there is to say, in one message: each costs every reader's worker. */
  #tell(more = ''): void {
    const view = this.#view();
    if (this.#told !== null && this.#readers.size > 0)
      this.#send(eventText('patch', mergePatch(this.#told as JsonObject, view as JsonObject)) + more);
    this.#told = view;
  }

  /** '' where all have them. */
  #newHotKeys(): string {
    const { config, supervisor, secret, ...context } = this.#context;
    const view = hotKeysView(config, supervisor.snapshot(), context.hotKeys(), DEFAULT_COUNT, secret);
    const text = eventText('hot-keys', view);
    if (text === this.#hotKeys) return '';
    this.#hotKeys = text;
    return text;
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
      driver: {
        ...supervisor.driverState(),
        name: driver.name,
        creates: driver.creates,
        orders: driver.orders !== undefined,
      },
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
