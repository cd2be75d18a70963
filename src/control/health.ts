// Is each replica well? Has its heartbeats asked, judges them (vitality.ts) and says what follows, as signals for the next
// tick. Heartbeats alone end nobody: while one misses them, the workers are asked too whether anything came from it, each
// time, because who decides must know what the others see (memberlist asks other members before it declares one dead).
// Nobody is asked on the way of a request: the workers count reads anyway, and are asked only about who is in trouble.

import type { ProbeResult, Replica } from './driver.ts';
import { Heartbeats } from './heartbeat.ts';
import type { Signal } from './inbox.ts';
import type { SupervisorOptions } from './options.ts';
import type { Change, Member, Slot, Slots } from './slots.ts';
import { illnessOf, judgeBeat, noteReads } from './vitality.ts';

export interface HealthOptions extends SupervisorOptions {
  readonly slots: Slots;
  /** Somebody has to look at a replica. */
  readonly onSignal: (signal: Signal) => void;
  /** It may get requests, and did not until now. */
  readonly onWell: (slot: Slot, member: Member, cause: string) => void;
  readonly change: (cause: string, source: 'heartbeat') => Change;
}

export class Health {
  readonly #options: HealthOptions;
  readonly #heartbeats: Heartbeats;

  constructor(options: HealthOptions) {
    const { probe, clock, random, settings } = options;
    this.#options = options;
    this.#heartbeats = new Heartbeats({
      probe,
      clock,
      random,
      path: settings.heartbeatPath,
      intervalMs: settings.heartbeatIntervalMs,
      timeoutMs: settings.heartbeatTimeoutMs,
      onBeat: (replicaId, result) => this.#onBeat(replicaId, result),
      onVoid: replicaId => this.#onVoid(replicaId),
    });
  }

  /** False: every replica counts as alive until a worker says otherwise. */
  get isAsked(): boolean {
    return this.#options.settings.heartbeatPath !== '';
  }

  watch({ id, host, port }: Replica): void {
    this.#heartbeats.watch(id, host, port);
  }

  steady({ replica }: Member): void {
    this.#heartbeats.steady(replica.id);
  }

  /** The next beat decides a doubt. */
  confirm(member: Member): void {
    if (!this.isAsked) return;
    member.confirming = true;
    this.#heartbeats.confirm(member.replica.id);
  }

  unwatch({ replica }: Member): void {
    this.#heartbeats.unwatch(replica.id);
  }

  close(): void {
    this.#heartbeats.close();
  }

  #onBeat(replicaId: string, result: ProbeResult): void {
    const { slots, clock, settings, onWell } = this.#options;
    const slot = slots.byReplica(replicaId);
    if (!slot?.member) return;
    const { member } = slot;
    const { heartbeatFall: fall, heartbeatRise: rise } = settings;
    const before = member.state;
    const cause = this.#inWords(member, result);
    const verdict = judgeBeat(member, result, clock.nowMs(), { fall, rise });
    if (result.alive) {
      member.confirming = false;
      member.readsSeen = null;
      if (before === 'ready') slot.trouble = null;
      if (verdict !== 'none') onWell(slot, member, cause);
      return;
    }
    if (before === 'starting') slot.change = this.#options.change(cause, 'heartbeat');
    else if (before === 'ready') slot.trouble ??= this.#signalOf(member, 'suspect', cause);
    if (verdict === 'overdue') this.#signal(member, 'hung', cause);
    else if (verdict === 'refused') this.#signal(member, 'failing', cause);
    else if (before === 'ready' || before === 'suspect') {
      if (verdict === 'leave') this.#signal(member, 'suspect', cause);
      void this.#askWorkers(slot, member, result.got, cause);
    }
  }

  /** torc itself could not listen: whatever silence there was before says nothing. */
  #onVoid(replicaId: string): void {
    const member = this.#options.slots.byReplica(replicaId)?.member;
    if (member) member.silentSinceMs = null;
  }

  async #askWorkers(slot: Slot, member: Member, got: ProbeResult['got'], cause: string): Promise<void> {
    const { dataPlane, clock, settings } = this.#options;
    const signs = await dataPlane.signs(member.replica.id);
    if (slot.member !== member || signs === null) return;
    const nowMs = clock.nowMs();
    noteReads(member, signs.reads, nowMs);
    const illness = illnessOf(member, got, nowMs, settings.heartbeatFall, settings.deadAfterMs);
    if (illness === 'silent')
      this.#signal(
        member,
        'hung',
        `no sign of life for ${inSeconds(nowMs - member.silentSinceMs!)}: ${cause}`,
      );
    else if (illness === 'unwell')
      this.#signal(member, 'failing', `not well for ${inSeconds(nowMs - member.unwellSinceMs!)}: ${cause}`);
  }

  #signal(member: Member, kind: Signal['kind'], cause: string): void {
    this.#options.onSignal(this.#signalOf(member, kind, cause));
  }

  #signalOf({ replica }: Member, kind: Signal['kind'], cause: string): Signal {
    return { replicaId: replica.id, kind, source: 'heartbeat', cause, atMs: this.#options.clock.nowMs() };
  }

  #inWords({ state, replica: { host, port } }: Member, { alive, detail }: ProbeResult): string {
    if (alive) return `heartbeat answered: ${detail}`;
    const asked = `GET ${this.#options.settings.heartbeatPath} on ${host.includes(':') ? `[${host}]` : host}:${port}`;
    const what = state === 'starting' ? 'no heartbeat answered yet' : 'heartbeat missed';
    return `${what}: ${asked}: ${detail}`;
  }
}

const inSeconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`;
