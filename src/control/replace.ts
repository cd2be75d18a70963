// The commands of a replacement, carried out against the driver: start a replica for a slot, promote a spare, retire what
// leaves. Nothing is decided here: a start that ends, well or badly, is told back, and the next tick sees the slot as it
// then is. A stop that fails is dropped, not repeated: the driver's next list shows the replica as a stray and it is
// retired again, so there is one way to end things and no queue of retries.

import type { Clock, Timer } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { Turns } from '../core/turns.ts';
import type { DataPlane } from './data-plane.ts';
import type { Driver, Replica, ReplicaSpec } from './driver.ts';
import { type Failure, type Member, moveTo, type Slot, type Version } from './slots.ts';

/** Between asking to terminate and killing, unless its own definition says how long: Docker's and Compose's default. */
const STOP_GRACE_MS = 10_000;
/** A hung one: long enough for one that is only slow, short enough that its requests are soon tried elsewhere. */
const HUNG_GRACE_MS = 1_000;

/** Calls of the driver's `stop` at once: /rm and the exit may end a thousand. Drains are only waits, and not counted. */
const STOPS_AT_ONCE = 8;

/**
 * `drain`: wait for its requests, then stop it. `going`: somebody else is stopping it; wait for its end, then clear
 * away. `hung`: stop it. `gone`: clear away what is left.
 */
export type RetireHow = 'drain' | 'going' | 'hung' | 'gone';

export interface Leaving {
  readonly slot: Slot | null;
  readonly member: Member;
  readonly how: RetireHow;
  /** What its last words explain. */
  readonly failure: Failure | null;
  /** It will answer nothing more: it hangs, or it has ended for certain, perhaps while it was drained. */
  loss: 'hung' | 'gone' | null;
  /** Ends the wait: it is over, or torc exits. */
  readonly cutWait: () => void;
}

export interface ReplacerOptions {
  readonly driver: Driver;
  readonly dataPlane: DataPlane;
  readonly clock: Clock;
  readonly log: Log;
  readonly drainTimeoutMs: () => number;
  readonly onStarted: (slot: Slot, replica: Replica, version: Version | null) => void;
  readonly onStartFailed: (slot: Slot, cause: string) => void;
  /** One that leaves has ended: to be published before it is forgotten. */
  readonly onStopped: () => void;
  readonly onRetired: (leaving: Leaving) => void;
}

export class Replacer {
  readonly #options: ReplacerOptions;
  readonly #work = new Set<Promise<void>>();
  readonly leaving = new Map<string, Leaving>();
  readonly #starting = new Set<Slot>();
  /** At most one waits for each that leaves. */
  readonly #stops = new Turns(STOPS_AT_ONCE);

  constructor(options: ReplacerOptions) {
    this.#options = options;
  }

  /** Has the driver make a replica for the slot, which must be empty. */
  start(slot: Slot): void {
    slot.generation++;
    slot.starting = specOf(slot);
    this.#starting.add(slot);
    this.#track(this.#start(slot, slot.starting, slot.version));
  }

  async #start(slot: Slot, spec: ReplicaSpec, version: Version | null): Promise<void> {
    const { driver, onStarted, onStartFailed } = this.#options;
    let replica: Replica;
    try {
      replica = await driver.start(spec);
    } catch (error) {
      this.#settleStart(slot);
      onStartFailed(slot, inWords(error));
      return;
    }
    this.#settleStart(slot);
    onStarted(slot, replica, version);
  }

  #settleStart(slot: Slot): void {
    slot.starting = null;
    this.#starting.delete(slot);
  }

  /** Replicas that leave, or are still being started for a slot that was removed meanwhile. */
  unwantedCount(): number {
    const orphans = [...this.#starting].filter(slot => slot.removed);
    return this.leaving.size + orphans.length;
  }

  /** A ready spare's member becomes the slot's. Routing needs no engine for that; the driver is told afterwards. */
  promote(slot: Slot, spare: Slot): void {
    slot.member = spare.member;
    spare.member = null;
    slot.generation++;
  }

  /** Tells the driver which slot a promoted replica fills now. */
  assign(slot: Slot, member: Member): void {
    const { driver, log } = this.#options;
    const assigned = async (): Promise<void> => {
      try {
        const replica = await driver.assign?.(member.replica, specOf(slot));
        if (replica !== undefined) member.replica = replica;
      } catch (error) {
        log.warn(
          { slot: slot.name, error: inWords(error) },
          'the driver still takes a promoted replica for a spare',
        );
      }
    };
    this.#track(assigned());
  }

  /** Takes a member that is no longer any slot's (`slot` is whose it was) to its end. */
  retire(member: Member, slot: Slot | null, how: RetireHow, failure: Failure | null = null): void {
    const { promise: cut, resolve: cutWait } = Promise.withResolvers<void>();
    const loss = how === 'hung' || how === 'gone' ? how : null;
    const leaving: Leaving = { slot, member, how, failure, loss, cutWait };
    this.leaving.set(member.replica.id, leaving);
    this.#track(this.#retire(leaving, cut));
  }

  async #retire(leaving: Leaving, cut: Promise<void>): Promise<void> {
    const { driver, clock, log, onStopped, onRetired } = this.#options;
    const { member, how, failure } = leaving;
    const isDrained = how === 'drain' && (await Promise.race([this.#drained(member), cut])) === true;
    if (how === 'going') await this.#ended(cut);
    await this.#stops.take();
    try {
      if (failure !== null) failure.output = (await driver.lastWords?.(member.replica)) ?? '';
      const graceMs = member.replica.stopGraceMs ?? STOP_GRACE_MS;
      await driver.stop(member.replica, how === 'hung' ? Math.min(graceMs, HUNG_GRACE_MS) : graceMs);
      if (!isDrained) leaving.loss = 'gone';
    } catch (error) {
      log.warn(
        { replica: member.replica.label, error: inWords(error) },
        'a replica could not be removed yet',
      );
    }
    this.#stops.give();
    if (leaving.loss === 'gone') onStopped();
    this.leaving.delete(member.replica.id);
    if (member.state !== 'dead') moveTo(member, 'dead', clock.nowMs());
    onRetired(leaving);
  }

  async #drained({ replica }: Member): Promise<boolean> {
    const { dataPlane, log } = this.#options;
    const drainTimeoutMs = this.#options.drainTimeoutMs();
    const done = await dataPlane.drained(replica.id, drainTimeoutMs);
    if (!done)
      log.warn(
        { replica: replica.label, drainTimeoutMs },
        'requests in flight were cut: the drain took too long',
      );
    return done;
  }

  async #ended(cut: Promise<void>): Promise<void> {
    let timer: Timer | undefined;
    const timeUp = new Promise<void>(resolve => {
      timer = this.#options.clock.after(this.#options.drainTimeoutMs(), resolve);
    });
    await Promise.race([cut, timeUp]);
    timer?.cancel();
  }

  /** A replica that is leaving has ended; false if it is not leaving. */
  ended(replicaId: string): boolean {
    const leaving = this.leaving.get(replicaId);
    if (leaving === undefined) return false;
    leaving.loss = 'gone';
    leaving.cutWait();
    return true;
  }

  holds(slot: Slot): boolean {
    for (const leaving of this.leaving.values()) if (leaving.slot === slot) return true;
    return false;
  }

  /** Ends all waits and resolves when every command under way has ended. Drivers bound their own calls. */
  async settle(): Promise<void> {
    for (const leaving of this.leaving.values()) leaving.cutWait();
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  #track(work: Promise<void>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }
}

/** What fills a roll-out's seat bears its slot's name from the start, and is a spare to everybody else until then. */
function specOf({ name, generation, spare, seatOf, version }: Slot): ReplicaSpec {
  return {
    slot: seatOf?.name ?? name,
    generation: seatOf === null ? generation : seatOf.generation + 1,
    spare,
    ...(version === null ? {} : { version: version.name, definition: version.definition }),
  };
}

export const inWords = (error: unknown): string => (error instanceof Error ? error.message : String(error));
