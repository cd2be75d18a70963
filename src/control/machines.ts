// A machine is lost: every replica on it is silent, and so is the machine. One that hangs or computes is not enough, nor one
// that refuses connections: somebody is there to refuse. Then nothing on it answers what it was asked, so its replicas leave
// their slots at once and what waits for them is tried elsewhere; and the orchestrator, which needs longer to notice, is told
// to make them on other machines. Who sees more machines silent than well doubts itself: it may be the one that is cut off.

import type { Clock } from '../core/clock.ts';
import type { Orders, Place } from './driver.ts';
import type { Fleet } from './fleet.ts';
import { inWords } from './replace.ts';
import { isReady, type Member, type Slot } from './slots.ts';

/** A machine that answers although its replicas are silent is asked again then. */
const ASK_AGAIN_MS = 5_000;
/** What a machine's silence says, it says for so long. */
const SILENCE_MS = 3_000;
const RETRY_MS = 1_000;
const RETRY_REFUSED_MS = 5_000;

/**
 * The place whose replicas have all missed `misses` heartbeats in a row, without a refusal or any other answer; null: none, or
 * too many. Those that were never ready there say nothing.
 */
export function silentPlace(slots: readonly Slot[], misses: number): Place | null {
  const silent = new Map<string, Place>();
  const well = new Set<string>();
  for (const { member } of slots) {
    const place = member?.replica.place;
    if (!member || !place || member.readySinceMs === null) continue;
    if (isSilent(member, misses)) silent.set(place.id, place);
    else well.add(place.id);
  }
  const candidates = [...silent.values()].filter(({ id }) => !well.has(id));
  return candidates.length > well.size ? null : (candidates[0] ?? null);
}

const isSilent = ({ missesInRow, refusalsInRow, silentSinceMs }: Member, misses: number): boolean =>
  missesInRow >= misses && refusalsInRow === 0 && silentSinceMs !== null;

export interface MachinesOptions {
  readonly fleet: Fleet;
  readonly orders: Orders;
  readonly clock: Clock;
  /** Heartbeats that are missed before a replica is out. */
  readonly fall: () => number;
}

export class Machines {
  readonly #options: MachinesOptions;
  /** Lost, and their replicas not known to be made elsewhere yet. */
  readonly #toEvacuate = new Map<string, Place>();
  #isBusy = false;
  #dueMs = 0;
  #silence: { readonly id: string; readonly untilMs: number } | null = null;
  #toldRefusal = '';

  constructor(options: MachinesOptions) {
    this.#options = options;
  }

  /** At each tick: begins what is due, and waits for nothing. */
  step(): void {
    const { fleet, clock, fall } = this.#options;
    const nowMs = clock.nowMs();
    const slots = fleet.slots.serving();
    const lost = silentPlace(slots, fall());
    if (lost !== null && this.#silence?.id === lost.id && nowMs < this.#silence.untilMs) this.#lose(lost);
    if (this.#isBusy || nowMs < this.#dueMs) return;
    // The machine is asked while the next heartbeat is under way.
    const doubted = silentPlace(slots, 1);
    if (doubted !== null) void this.#asOne(() => this.#ask(doubted));
    else for (const place of this.#toEvacuate.values()) return void this.#asOne(() => this.#evacuate(place));
  }

  async #asOne(work: () => Promise<void>): Promise<void> {
    this.#isBusy = true;
    await work();
    this.#isBusy = false;
  }

  async #ask(place: Place): Promise<void> {
    const { orders, clock } = this.#options;
    const isSilent = await orders.isSilent(place);
    const nowMs = clock.nowMs();
    if (isSilent) this.#silence = { id: place.id, untilMs: nowMs + SILENCE_MS };
    else this.#dueMs = nowMs + ASK_AGAIN_MS;
  }

  #lose(place: Place): void {
    const { fleet, orders } = this.#options;
    this.#silence = null;
    const names = fleet.lose(place, `its machine ${place.name} is lost: nothing on it answers`);
    fleet.journal.announce(
      'machine',
      `machine ${place.name} is lost: nothing on it answers (slots ${names.join(', ')})`,
      'warn',
    );
    if (orders.evacuate) this.#toEvacuate.set(place.id, place);
  }

  async #evacuate(place: Place): Promise<void> {
    const { fleet, orders, clock } = this.#options;
    const there = fleet.slots.all().filter(({ member }) => member?.replica.place?.id === place.id);
    // It answers again, or somebody has moved them already.
    if (there.length === 0 || there.some(isReady)) {
      this.#toEvacuate.delete(place.id);
      return;
    }
    try {
      const refusal = await orders.evacuate!(place);
      this.#dueMs = clock.nowMs() + (refusal === null ? 0 : RETRY_REFUSED_MS);
      if (refusal === null) this.#toEvacuate.delete(place.id);
      if (refusal !== this.#toldRefusal)
        fleet.journal.announce('machine', refusal ?? `what ran on machine ${place.name} is made elsewhere`);
      this.#toldRefusal = refusal ?? '';
    } catch (error) {
      this.#dueMs = clock.nowMs() + RETRY_MS;
      const why = inWords(error);
      if (why !== this.#toldRefusal)
        fleet.journal.announce(
          'machine',
          `what ran on machine ${place.name} cannot be moved yet: ${why}`,
          'warn',
        );
      this.#toldRefusal = why;
    }
  }
}
