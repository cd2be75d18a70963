// What a worker counts, per slot and in all. Counts belong to the slot, not to the replica, so they survive its
// replacement. Recording is hot (increments, one histogram cell, the bytes of one key); the
// rest happens at `collect`, which hands the primary what is new since the last time as plain data.
//
// Recent keys (recent-keys.ts) are handed in only when somebody asks for them or their slot is idle: to hand in 30,000 of them
// was a stall of 20 ms every five seconds. Latencies are microseconds in cells of 7 bits and
// a power of two, which are those of an HdrHistogram with 2 digits: 13 KiB a slot, error below 1 %. The primary's sum is
// an HdrHistogram; its own recording takes two logarithms and 1.3 % of a request, ours a shift (docs/benchmarks.md).

// The package's front door brings 11 MB of it into each process, with a WebAssembly build that is not used.
import int32 from 'hdr-histogram-js/dist/Int32Histogram.js';
import type { ProxyErrorCode } from '../core/errors.ts';
import type { HotKeys, HotKeysReport } from './hot-keys.ts';
import { RecentKeys } from './recent-keys.ts';
import {
  add,
  emptyTally,
  HANDSHAKES,
  type HandshakeEnd,
  REFUSALS,
  type RefusalReason,
  type Tally,
  take,
} from './tally.ts';

/** Recent keys: at most so many per slot, and so many of all slots together. */
const MAX_KEYS_PER_SLOT = 10_000;
const MAX_KEYS = 65_536;
const MAX_LATENCY_US = 3_600_000_000;
/**
 * Upper bounds of the histogram that Prometheus gets: 1, 2.5, 5 of each power of ten from half a millisecond to half a
 * minute. Fixed, because buckets of other bounds cannot be added up.
 */
export const LATENCY_BOUNDS_US = [
  500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
  5_000_000, 10_000_000, 30_000_000,
];

export const Int32Histogram = int32.default;
export type Int32Histogram = InstanceType<typeof Int32Histogram>;

export interface SlotDelta {
  readonly slot: string;
  /** The replica that these are of; a slot that got another one meanwhile has a delta for each. */
  readonly replicaId: string;
  /** Now, of this worker; not a difference. */
  readonly inFlight: number;
  /** Those in flight that are tunnels: they last for hours and are no load by themselves. */
  readonly tunnels: number;
  /** Those in flight that wait for a connection. */
  readonly queued: number;
  /** Answers that came from the slot's replica. */
  readonly requests: number;
  /** Attempts that failed at it: refused, reset, late, invalid. */
  readonly errors: number;
  /** Answers by class: [1xx, 2xx, 3xx, 4xx, 5xx and above]. */
  readonly statuses: readonly number[];
  /** Keys of the latest answers, oldest first. */
  readonly keys: readonly string[];
  readonly latenciesUs: readonly number[];
  readonly latencyCounts: readonly number[];
}

/** Answers that torc itself gave for one cause; `slot` is '' where none had been tried. */
export interface ErrorCount {
  readonly code: ProxyErrorCode;
  readonly slot: string;
  count: number;
}

export interface CountersDelta {
  readonly slots: readonly SlotDelta[];
  readonly errors: readonly ErrorCount[];
  readonly refused: Readonly<Tally<RefusalReason>>;
  readonly handshakes: Readonly<Tally<HandshakeEnd>>;
  /** Lines that the log lost because nobody read it. */
  readonly logDropped: number;
  readonly retries: number;
  /** Retries that the budget refused. */
  readonly budgetRefusals: number;
  /** Requests that another slot served because their own was full; and that waited for their own. */
  readonly lent: number;
  readonly ownSlotWaits: number;
  /** Requests answered, by whomever. */
  readonly requests: number;
  /** Where they were asked for, and are counted. */
  readonly hotKeys: HotKeysReport | null;
}

const CELLS = 25 * 128 + 128;

/** 0..255 have a cell each; above, each power of two has 128. */
function cellOf(us: number): number {
  const shift = Math.max(0, 24 - Math.clz32(us));
  return shift * 128 + (us >>> shift);
}

/** A latency of the cell. */
function usOf(cell: number): number {
  const shift = Math.max(0, (cell >> 7) - 1);
  return (cell - shift * 128) * 2 ** shift;
}

export const newHistogram = (): Int32Histogram => new Int32Histogram(1, MAX_LATENCY_US, 2);

/** Of one replica in its slot. */
export class SlotCounters {
  readonly slot: string;
  readonly replicaId: string;
  inFlight = 0;
  tunnels = 0;
  queued = 0;
  requests = 0;
  errors = 0;
  readonly statuses = [0, 0, 0, 0, 0];
  readonly #latencies = new Uint32Array(CELLS);
  #keys: RecentKeys;
  #capacity: number;

  constructor(slot: string, replicaId: string, capacity: number) {
    this.slot = slot;
    this.replicaId = replicaId;
    this.#keys = new RecentKeys(capacity);
    this.#capacity = capacity;
  }

  /** An answer of the slot's replica. The key is `text[start, end)`; an `end` of -1 says that `start` is a random key. */
  answered(status: number, text: string, start: number, end: number): void {
    this.requests++;
    const statusClass = Math.min(Math.trunc(status / 100), 5) - 1;
    this.statuses[statusClass]!++;
    this.#keys.add(text, start, end);
  }

  tookUs(latencyUs: number): void {
    this.#latencies[cellOf(Math.min(latencyUs, MAX_LATENCY_US))]!++;
  }

  /** What is new since the last call, or null. */
  collect(capacity: number, withKeys: boolean): SlotDelta | null {
    const isIdle = this.requests === 0 && this.errors === 0 && this.inFlight === 0;
    if (isIdle && this.#keys.isEmpty) return null;
    const handsInKeys = withKeys || this.requests === 0 || capacity !== this.#capacity;
    const latenciesUs: number[] = [];
    const latencyCounts: number[] = [];
    for (let cell = 0; cell < CELLS; cell++) {
      const count = this.#latencies[cell]!;
      if (count === 0) continue;
      latenciesUs.push(usOf(cell));
      latencyCounts.push(count);
    }
    const delta = {
      slot: this.slot,
      replicaId: this.replicaId,
      inFlight: this.inFlight,
      requests: this.requests,
      errors: this.errors,
      tunnels: this.tunnels,
      queued: this.queued,
      statuses: this.statuses.slice(),
      keys: handsInKeys ? this.#keys.list() : [],
      latenciesUs,
      latencyCounts,
    };
    this.requests = 0;
    this.errors = 0;
    this.statuses.fill(0);
    this.#latencies.fill(0);
    if (!handsInKeys) return delta;
    this.#keys = new RecentKeys(capacity);
    this.#capacity = capacity;
    return delta;
  }
}

export class Counters {
  requests = 0;
  retries = 0;
  budgetRefusals = 0;
  lent = 0;
  ownSlotWaits = 0;
  logDropped = 0;
  readonly refused = emptyTally(REFUSALS);
  readonly handshakes = emptyTally(HANDSHAKES);
  /** null where TORC_HOT_KEYS is off; a reload may turn it on and off. */
  hotKeys: HotKeys | null;
  readonly #errors: ErrorCount[] = [];
  readonly #all = new Set<SlotCounters>();
  /** Those of the slots' replicas of now, by slot id, so that the hot path needs no map. */
  readonly #byId: (SlotCounters | undefined)[] = [];

  constructor(hotKeys: HotKeys | null = null) {
    this.hotKeys = hotKeys;
  }

  /** The counters of a replica in its slot; they are made at its first request. */
  of(slotId: number, slot: string, replicaId: string): SlotCounters {
    const known = this.#byId[slotId];
    if (known !== undefined && known.replicaId === replicaId && known.slot === slot) return known;
    const counters = this.#find(slot, replicaId);
    this.#byId[slotId] = counters;
    return counters;
  }

  #find(slot: string, replicaId: string): SlotCounters {
    for (const known of this.#all) if (known.slot === slot && known.replicaId === replicaId) return known;
    const counters = new SlotCounters(slot, replicaId, capacityFor(this.#all.size + 1));
    this.#all.add(counters);
    return counters;
  }

  /** Idle since the last collection: a slot that comes back gets new ones, one that was removed leaves nothing. */
  #forget(counters: SlotCounters): void {
    this.#all.delete(counters);
    const slotId = this.#byId.indexOf(counters);
    if (slotId !== -1) this.#byId[slotId] = undefined;
  }

  /** torc answered by itself; `slot` is '' where none had been tried. */
  error(code: ProxyErrorCode, slot: string): void {
    addError(this.#errors, code, slot, 1);
  }

  /**
   * Counts are always whole; keys come with them when they are asked for, or when their slot is idle. Hot keys come as of
   * `hotKeysAtMs`.
   */
  collect(withKeys = false, hotKeysAtMs: number | null = null): CountersDelta {
    const slots: SlotDelta[] = [];
    const capacity = capacityFor(this.#all.size);
    for (const counters of this.#all) {
      const delta = counters.collect(capacity, withKeys);
      if (delta !== null) slots.push(delta);
      else this.#forget(counters);
    }
    const errors = this.#errors.splice(0);
    const { retries, budgetRefusals, lent, ownSlotWaits, requests, logDropped } = this;
    const refused = take(this.refused);
    const handshakes = take(this.handshakes);
    this.logDropped = 0;
    this.retries = 0;
    this.budgetRefusals = 0;
    this.lent = 0;
    this.ownSlotWaits = 0;
    this.requests = 0;
    const hotKeys = hotKeysAtMs === null ? null : (this.hotKeys?.report(hotKeysAtMs) ?? null);
    const counts = { retries, budgetRefusals, lent, ownSlotWaits, requests, logDropped };
    return { slots, errors, ...counts, refused, handshakes, hotKeys };
  }
}

/** Few: some causes for each slot that fails. */
function addError(into: ErrorCount[], code: ProxyErrorCode, slot: string, count: number): void {
  for (let index = 0; index < into.length; index++) {
    const known = into[index]!;
    if (known.code === code && known.slot === slot) {
      known.count += count;
      return;
    }
  }
  into.push({ code, slot, count });
}

const capacityFor = (slots: number): number =>
  Math.min(MAX_KEYS_PER_SLOT, Math.max(1, Math.floor(MAX_KEYS / Math.max(1, slots))));

/** The primary's sum of all deltas of all workers. */
export interface SlotTotals {
  requests: number;
  errors: number;
  readonly statuses: number[];
  keys: string[];
  readonly latencies: Int32Histogram;
  /** By LATENCY_BOUNDS_US, not cumulative; the last is beyond all bounds. */
  readonly latencyCounts: number[];
  latencySumUs: number;
}

export interface Totals {
  readonly slots: Map<string, SlotTotals>;
  errors: ErrorCount[];
  readonly refused: Tally<RefusalReason>;
  readonly handshakes: Tally<HandshakeEnd>;
  logDropped: number;
  retries: number;
  budgetRefusals: number;
  lent: number;
  ownSlotWaits: number;
  requests: number;
}

export const emptyTotals = (): Totals => ({
  slots: new Map(),
  errors: [],
  refused: emptyTally(REFUSALS),
  handshakes: emptyTally(HANDSHAKES),
  logDropped: 0,
  retries: 0,
  budgetRefusals: 0,
  lent: 0,
  ownSlotWaits: 0,
  requests: 0,
});

/** Adds a delta to the totals. `inFlight` is a worker's own present and is not added: sum the workers' latest. */
export function mergeDelta(into: Totals, delta: CountersDelta): void {
  into.retries += delta.retries;
  into.budgetRefusals += delta.budgetRefusals;
  into.lent += delta.lent;
  into.ownSlotWaits += delta.ownSlotWaits;
  into.requests += delta.requests;
  add(into.refused, delta.refused);
  add(into.handshakes, delta.handshakes);
  into.logDropped += delta.logDropped;
  for (const { code, slot, count } of delta.errors) addError(into.errors, code, slot, count);
  for (const slot of delta.slots) mergeSlot(into, slot);
}

/** Over the replicas that a slot had. */
export function sumsBySlot(
  { slots }: CountersDelta,
  what: 'inFlight' | 'tunnels' | 'queued',
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const delta of slots) sums.set(delta.slot, (sums.get(delta.slot) ?? 0) + delta[what]);
  return sums;
}

/** Drops the sums of slots that are no more; a new slot of that name starts from nothing. */
export function keepOnly(totals: Totals, names: ReadonlySet<string>): void {
  for (const slot of totals.slots.keys()) if (!names.has(slot)) totals.slots.delete(slot);
  totals.errors = totals.errors.filter(({ slot }) => slot === '' || names.has(slot));
}

function mergeSlot(into: Totals, delta: SlotDelta): void {
  let totals = into.slots.get(delta.slot);
  if (totals === undefined) {
    totals = {
      requests: 0,
      errors: 0,
      statuses: [0, 0, 0, 0, 0],
      keys: [],
      latencies: newHistogram(),
      latencyCounts: new Array<number>(LATENCY_BOUNDS_US.length + 1).fill(0),
      latencySumUs: 0,
    };
    into.slots.set(delta.slot, totals);
  }
  totals.requests += delta.requests;
  totals.errors += delta.errors;
  for (let index = 0; index < totals.statuses.length; index++)
    totals.statuses[index]! += delta.statuses[index]!;
  totals.keys = totals.keys.concat(delta.keys).slice(-capacityFor(into.slots.size));
  for (let index = 0; index < delta.latenciesUs.length; index++) {
    const us = delta.latenciesUs[index]!;
    const count = delta.latencyCounts[index]!;
    totals.latencies.recordValueWithCount(us, count);
    totals.latencyCounts[bucketOf(us)]! += count;
    totals.latencySumUs += us * count;
  }
}

function bucketOf(us: number): number {
  const bucket = LATENCY_BOUNDS_US.findIndex(bound => us <= bound);
  return bucket === -1 ? LATENCY_BOUNDS_US.length : bucket;
}
