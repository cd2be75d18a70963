// What all exchanges of a worker share: settings, the current snapshot, counters, and the few numbers that the sweep keeps
// for them. Made once by the data plane (front/data-plane.ts); a reload swaps the settings, never this object, because every
// exchange holds it.

import type { Config } from '../config/fields.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import type { SuspectHint } from '../core/types.ts';
import type { Counters } from '../routing/counters.ts';
import type { Lending } from '../routing/lending.ts';
import type { SnapshotHolder } from '../routing/snapshot.ts';
import type { RetryBudget } from './attempt.ts';
import type { FaultLog } from './fault-log.ts';
import type { OwnSlotQueues } from './own-slot.ts';
import type { RequestIds } from './request-id.ts';
import type { Tunnels } from './tunnel.ts';

/** What the sweep needs of an exchange. */
export interface Swept {
  /** Where it stands in the list: entering and leaving one costs less than hashing into a set. */
  runningIndex: number;
  deadlineMs: number;
  expired(): void;
}

/** The last one takes its place. */
export function leave(running: Swept[], one: Swept): void {
  const last = running.pop()!;
  if (last === one) return;
  running[one.runningIndex] = last;
  last.runningIndex = one.runningIndex;
}

export interface Shared {
  /** In force now, swapped whole by a reload; an exchange keeps the one that it began with. */
  config: Config;
  readonly snapshots: SnapshotHolder;
  readonly counters: Counters;
  readonly suspect: (hint: SuspectHint) => void;
  /** Takes a line of the access log. */
  readonly access: Log['info'];
  readonly faults: FaultLog;
  readonly tunnels: Tunnels;
  readonly ids: RequestIds;
  readonly clock: Clock;
  readonly random: Random;
  /** Exchanges at work; the sweep looks at their deadlines. */
  readonly running: Swept[];
  /** Attempts at work, as bounded load counts them. */
  inFlight: number;
  /** Exchanges that nobody has: they wait for a replica to be ready, or for their own slot. */
  held: number;
  readonly lending: Lending;
  readonly ownSlots: OwnSlotQueues;
  readonly retryBudget: RetryBudget;
  draining: boolean;
  /** Answers that may still end their connection: 0 while nobody has to go, Infinity while all have to (front/parting.ts). */
  farewells: number;
  /** The value of a Date field for this second. */
  date: string;
  /** The time of the last sweep plus one interval: deadlines count from here, which saves reading the clock. */
  soonMs: number;
}
