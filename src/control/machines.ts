// A machine is lost: every replica on it is silent, and so is the machine. One that hangs or computes is not enough, nor one
// that refuses connections: somebody is there to refuse. Then nothing on it answers what it was asked, so its replicas leave
// their slots at once and what waits for them is tried elsewhere; and the orchestrator, which needs longer to notice, is told
// to make them on other machines. Who sees more machines silent than well doubts itself: it may be the one that is cut off.

import type { Clock } from '../core/clock.ts';
import type { Orders, Place } from './driver.ts';
import type { Fleet } from './fleet.ts';
import { inWords } from './replace.ts';
import type { Member, Slot } from './slots.ts';

/** A machine that answers although its replicas are silent is asked again then. */
const DOUBT_AGAIN_MS = 5_000;
/** A lost one. */
const ASK_EVERY_MS = 1_000;
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

interface Lost {
  readonly place: Place;
  /** When it is asked next whether it answers. */
  askAtMs: number;
  /** Its replicas are not known to be made elsewhere yet: when that is tried next; Infinity: they are. */
  evacuateAtMs: number;
}

export class Machines {
  readonly #options: MachinesOptions;
  readonly #lost = new Map<string, Lost>();
  #isAsking = false;
  #isWriting = false;
  #doubtAtMs = 0;
  #silence: { readonly id: string; readonly untilMs: number } | null = null;
  #told = '';

  constructor(options: MachinesOptions) {
    this.#options = options;
  }

  /** What is listed there is not taken: nothing on it answers. */
  isLost(place: Place | undefined): boolean {
    return place !== undefined && this.#lost.has(place.id);
  }

  /** At each tick: begins what is due, and waits for nothing. */
  step(): void {
    const { fleet, clock, fall } = this.#options;
    const nowMs = clock.nowMs();
    const slots = fleet.slots.serving();
    const silent = silentPlace(slots, fall());
    if (silent !== null && this.#silence?.id === silent.id && nowMs < this.#silence.untilMs)
      this.#lose(silent);
    this.#askNext(slots, nowMs);
    const due = [...this.#lost.values()].find(({ evacuateAtMs }) => evacuateAtMs <= nowMs);
    if (due !== undefined && !this.#isWriting) void this.#evacuate(due);
  }

  /** The machine is asked while the next heartbeat is under way. */
  #askNext(slots: readonly Slot[], nowMs: number): void {
    if (this.#isAsking) return;
    const doubted = nowMs < this.#doubtAtMs ? null : silentPlace(slots, 1);
    if (doubted !== null) return void this.#ask(doubted);
    const due = [...this.#lost.values()].find(({ askAtMs }) => askAtMs <= nowMs);
    if (due !== undefined) void this.#ask(due.place);
  }

  async #ask(place: Place): Promise<void> {
    const { orders, clock } = this.#options;
    this.#isAsking = true;
    const isSilent = await orders.isSilent(place);
    this.#isAsking = false;
    const nowMs = clock.nowMs();
    const lost = this.#lost.get(place.id);
    if (lost === undefined) {
      if (isSilent) this.#silence = { id: place.id, untilMs: nowMs + SILENCE_MS };
      else this.#doubtAtMs = nowMs + DOUBT_AGAIN_MS;
    } else if (isSilent) lost.askAtMs = nowMs + ASK_EVERY_MS;
    else {
      this.#lost.delete(place.id);
      this.#tell(`machine ${place.name} answers again`, 'info');
    }
  }

  #lose(place: Place): void {
    const { fleet, orders, clock } = this.#options;
    this.#silence = null;
    const nowMs = clock.nowMs();
    const evacuateAtMs = orders.evacuate ? nowMs : Number.POSITIVE_INFINITY;
    this.#lost.set(place.id, { place, askAtMs: nowMs + ASK_EVERY_MS, evacuateAtMs });
    const names = fleet.lose(place, `its machine ${place.name} is lost: nothing on it answers`);
    this.#tell(`machine ${place.name} is lost: nothing on it answers (slots ${names.join(', ')})`, 'warn');
  }

  async #evacuate(lost: Lost): Promise<void> {
    const { orders, clock } = this.#options;
    const { name } = lost.place;
    this.#isWriting = true;
    try {
      const refusal = await orders.evacuate!(lost.place);
      lost.evacuateAtMs = refusal === null ? Number.POSITIVE_INFINITY : clock.nowMs() + RETRY_REFUSED_MS;
      this.#tell(refusal ?? `what ran on machine ${name} is made elsewhere`, 'info');
    } catch (error) {
      lost.evacuateAtMs = clock.nowMs() + RETRY_MS;
      this.#tell(`what ran on machine ${name} cannot be moved yet: ${inWords(error)}`, 'warn');
    }
    this.#isWriting = false;
  }

  /** Once, however often it is tried. */
  #tell(text: string, level: 'info' | 'warn'): void {
    if (text === this.#told) return;
    this.#told = text;
    this.#options.fleet.journal.announce('machine', text, level);
  }
}
