// What the page shows, as one document: the figures of all, each slot with its state, its load and its share of the table,
// and who serves its keys while it is out. Pure: from two samples of the counters (rates are their difference) and the
// supervisor's present. The schema is the document's type; it holds no null, because it is told as merge patches.

import type { z } from 'zod';
import type { DriverState, RolloutView, SlotView } from '../control/supervisor.ts';
import { proxyErrors } from '../core/errors.ts';
import type { WorkerRing } from '../core/messages.ts';
import type { SnapshotMessage } from '../core/types.ts';
import type { Totals } from '../routing/counters.ts';
import type { RecentView } from '../routing/recent.ts';
import type { Ownership } from './lent.ts';
import type { stats } from './schemas.ts';
import { rolloutView, slotView } from './views.ts';

/** Latencies are those of the last 10 to 20 s: buckets of ten seconds that began within this time. */
const LATENCY_WINDOW_MS = 20_000;

/** What a reader is told first: the document, and who the reader is, which never changes. */
export type StatsAnswer = z.infer<typeof stats>;
export type StatsDocument = Omit<StatsAnswer, 'caller'>;

/** Counts since the start, at one moment. */
export interface Sample {
  readonly atMs: number;
  readonly all: Counts;
  readonly slots: ReadonlyMap<string, Counts>;
}

interface Counts {
  readonly requests: number;
  readonly errors: number;
}

interface Rates {
  readonly requestsPerSecond: number;
  readonly errorsPerSecond: number;
}

/**
 * Errors of a slot: attempts that failed at it, and its answers of 5xx. Of all: what clients got, so 5xx of replicas and
 * torc's own; an attempt that failed and was made good by another is none.
 */
export function sampleOf(totals: Totals, atMs: number): Sample {
  const slots = new Map<string, Counts>();
  let failed = 0;
  for (const [name, { requests, errors, statuses }] of totals.slots) {
    slots.set(name, { requests, errors: errors + statuses[4]! });
    failed += statuses[4]!;
  }
  for (const { code, count } of totals.errors) if (proxyErrors[code].status >= 500) failed += count;
  return { atMs, all: { requests: totals.requests, errors: failed }, slots };
}

/** Counters of a slot begin anew when it was removed and came back: no rate is below 0. */
function rates(before: Counts | undefined, after: Counts | undefined, seconds: number): Rates {
  const per = (what: keyof Counts): number =>
    Math.max(0, round(((after?.[what] ?? 0) - (before?.[what] ?? 0)) / seconds));
  return { requestsPerSecond: per('requests'), errorsPerSecond: per('errors') };
}

export interface StatsSource {
  readonly wallMs: number;
  readonly version: string;
  readonly startedMs: number;
  readonly driver: DriverState & {
    readonly name: string;
    readonly creates: boolean;
    readonly orders: boolean;
  };
  readonly slots: readonly SlotView[];
  readonly spares: readonly SlotView[];
  readonly wantedSpares: number;
  readonly rollout: RolloutView | null;
  readonly snapshot: Pick<SnapshotMessage, 'algorithm' | 'rows' | 'epoch' | 'checksum'>;
  readonly ownership: ReadonlyMap<string, Ownership>;
  readonly workers: readonly WorkerRing[];
  readonly wantedWorkers: number;
  readonly inFlight: (slot: string) => number;
  readonly recent: (replicaId: string | null, windowMs: number) => RecentView;
  /** Null: nothing was measured yet. */
  readonly samples: readonly [before: Sample, after: Sample] | null;
}

export function statsView(source: StatsSource): StatsDocument {
  const { wallMs, driver, slots, spares, snapshot, samples } = source;
  const seconds = samples === null ? 1 : (samples[1].atMs - samples[0].atMs) / 1000;
  const latency = source.recent(null, LATENCY_WINDOW_MS);
  return {
    at: iso(wallMs),
    version: source.version,
    startedAt: iso(source.startedMs),
    driver: {
      name: driver.name,
      creates: driver.creates,
      orders: driver.orders,
      reachable: driver.reachable,
      since: iso(driver.sinceMs),
      ...(driver.cause === null ? {} : { cause: driver.cause }),
    },
    total: {
      ...(samples && rates(samples[0].all, samples[1].all, seconds)),
      p50Us: latency.p50Us,
      p99Us: latency.p99Us,
      inFlight: slots.reduce((sum, slot) => sum + source.inFlight(slot.name), 0),
    },
    replicas: { ready: readyOf(slots), of: slots.length },
    spares: {
      ready: readyOf(spares),
      of: source.wantedSpares,
      each: Object.fromEntries(spares.map(slot => [slot.name, identity(slot, wallMs)])),
    },
    ring: { algorithm: snapshot.algorithm, rows: snapshot.rows, epoch: snapshot.epoch },
    workers: {
      current: source.workers.filter(
        ({ epoch, checksum }) => epoch === snapshot.epoch && checksum === snapshot.checksum,
      ).length,
      of: source.wantedWorkers,
    },
    rollout: withoutNulls(rolloutView(source.rollout)) as StatsDocument['rollout'],
    slots: Object.fromEntries(
      slots.map(slot => {
        const { share = 0, lent = [] } = source.ownership.get(slot.name) ?? {};
        const { p50Us, p99Us } = source.recent(slot.replicaId, LATENCY_WINDOW_MS);
        return [
          slot.name,
          {
            ...identity(slot, wallMs),
            share,
            ...(slot.weight === 1 ? {} : { weight: slot.weight }),
            ...(lent.length === 0 ? {} : { lent: [...lent] }),
            ...(samples && rates(samples[0].slots.get(slot.name), samples[1].slots.get(slot.name), seconds)),
            p50Us,
            p99Us,
            inFlight: source.inFlight(slot.name),
          },
        ];
      }),
    ),
  };
}

/** As /admin/slots shows it. Since when it is ready is told to the second, so that it stays the same from one document to the next. */
function identity(slot: SlotView, wallMs: number) {
  const { readyForMs } = slot;
  const sinceMs = readyForMs === null ? null : Math.round((wallMs - readyForMs) / 1000) * 1000;
  return { ...slotView(slot), ...(sinceMs === null ? {} : { readySince: iso(sinceMs) }) };
}

const withoutNulls = (view: object): object =>
  Object.fromEntries(Object.entries(view).filter(([, value]) => value !== null));

const readyOf = (slots: readonly SlotView[]): number => slots.filter(({ state }) => state === 'ready').length;
const iso = (ms: number): string => new Date(ms).toISOString();
const round = (rate: number): number => Math.round(rate * 10) / 10;
