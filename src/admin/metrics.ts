// `/metrics`: the totals as Prometheus text (prom-client). Values are set at the scrape from the sums that the workers
// hand in, so that a request costs nothing here; they are the primary's, so a worker's death takes none away. Latency is a
// histogram with fixed bounds: buckets can be added up over slots, torcs and time, which quantiles cannot. The gauges with
// quantiles that there were before it stay for one release, as what they always were, summaries. Names follow
// prometheus.io/docs/practices/naming; `promtool check metrics` is a test.

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { SlotView } from '../control/supervisor.ts';
import { proxyErrors } from '../core/errors.ts';
import type { CertificateExpiry } from '../core/tls-material.ts';
import { LATENCY_BOUNDS_US, type Totals } from '../routing/counters.ts';
import type { RecentView } from '../routing/recent.ts';
import { histogramText, summaryText } from './metric-text.ts';

export interface MetricsSource {
  readonly totals: Totals;
  readonly slots: readonly SlotView[];
  readonly spares: readonly SlotView[];
  readonly wantedSpares: number;
  readonly driver: string;
  readonly driverReachable: boolean;
  readonly epoch: number;
  readonly ring: string;
  /** What torcs of one service compare. */
  readonly digest: string;
  readonly workers: number;
  /** That route by the current snapshot. */
  readonly workersCurrent: number;
  readonly workerRestarts: number;
  readonly nowMs: number;
  /** That HTTPS is served with. */
  readonly certificates: readonly CertificateExpiry[];
  readonly workersHung: number;
  readonly replacements: number;
  readonly ejections: readonly { readonly slot: string; readonly cause: string; readonly count: number }[];
  /** Control requests that were refused, by reason. */
  readonly refusals: ReadonlyMap<string, number>;
  readonly inFlight: (slot: string) => number;
  readonly queued: (slot: string) => number;
  readonly recent: (replicaId: string, windowMs: number) => RecentView;
}

/** As labels, with the percentile that each is. */
const QUANTILES = { '0.5': 50, '0.9': 90, '0.99': 99, '0.999': 99.9 };
const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'];
const BOUNDS_S = LATENCY_BOUNDS_US.map(us => us / 1e6);
const LATENCY = 'torc_http_request_duration_seconds';
const MINUTE_MS = 60_000;
/** Gauges of prom-client whose names say that they are counters. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** Between two looks at the event loop's delay; prom-client's own 10 ms are a percent of a core. */
const LOOK_MS = 100;

export class Metrics {
  readonly #registry = new Registry();
  readonly #counters: Counter[] = [];
  readonly #gauges: Gauge[] = [];

  readonly #buildInfo = this.#gauge(
    'torc_build_info',
    'always 1; what runs is in its labels',
    'version',
    'node',
  );
  readonly #requests = this.#counter(
    'torc_requests_total',
    'answers of a slot by status class',
    'slot',
    'status',
  );
  readonly #attemptErrors = this.#counter(
    'torc_attempt_errors_total',
    'attempts that failed at a slot',
    'slot',
  );
  readonly #errors = this.#counter(
    'torc_errors_total',
    'answers that torc itself gave, by cause, slot (empty: none was tried) and whose fault it was',
    'code',
    'slot',
    'source',
  );
  readonly #refusedConnections = this.#counter(
    'torc_connections_refused_total',
    'client connections refused, by the bound that they met',
    'reason',
  );
  readonly #handshakes = this.#counter(
    'torc_tls_handshakes_total',
    'TLS handshakes of clients, by how they ended',
    'result',
  );
  readonly #expiry = this.#gauge(
    'torc_tls_certificate_expiry_seconds',
    'until a certificate, or one of its intermediates, expires; negative: since then',
    'file',
    'name',
  );
  readonly #logDropped = this.#counter('torc_log_lines_dropped_total', 'log lines that nobody read in time');
  readonly #retries = this.#counter('torc_retries_total', 'second and later attempts');
  readonly #refused = this.#counter('torc_retry_budget_refusals_total', 'retries that the budget refused');
  readonly #lent = this.#counter(
    'torc_requests_lent_total',
    "requests that another slot than their key's served because that was full",
  );
  readonly #waits = this.#counter(
    'torc_own_slot_waits_total',
    "requests that waited for room in their key's own slot",
  );
  readonly #ejections = this.#counter(
    'torc_ejections_total',
    'times that a slot left routing, by the signal that took it out',
    'slot',
    'cause',
  );
  readonly #replaced = this.#counter('torc_replacements_total', 'replicas replaced since the start');
  readonly #restarts = this.#counter('torc_worker_restarts_total', 'workers that died and were replaced');
  readonly #hung = this.#counter('torc_workers_hung_total', 'workers ended for want of a sign of life');
  readonly #controlRefused = this.#counter(
    'torc_control_refusals_total',
    'control requests that were refused, by reason',
    'reason',
  );
  readonly #inFlight = this.#gauge('torc_requests_in_flight', 'requests in flight on a slot', 'slot');
  readonly #queued = this.#gauge('torc_requests_queued', 'those of them that wait for a connection', 'slot');
  readonly #slots = this.#gauge('torc_slots', 'slots that there are');
  readonly #ready = this.#gauge('torc_slots_ready', 'slots that are ready');
  readonly #state = this.#gauge('torc_slot_ready', '1 where the slot is ready', 'slot', 'state');
  readonly #spares = this.#gauge('torc_spares', 'warm spares that are wanted');
  readonly #sparesReady = this.#gauge('torc_spares_ready', 'warm spares that are ready');
  readonly #driverUp = this.#gauge('torc_driver_up', '1 where what makes the replicas answers', 'driver');
  readonly #ring = this.#gauge(
    'torc_ring_info',
    'always 1; torcs of one digest route alike',
    'ring',
    'digest',
  );
  readonly #epoch = this.#gauge('torc_snapshot_epoch', 'number of the current snapshot');
  readonly #workers = this.#gauge('torc_workers', 'workers that are wanted');
  readonly #current = this.#gauge('torc_workers_current', 'workers that route by the current snapshot');

  constructor(version: string) {
    collectDefaultMetrics({
      register: this.#registry,
      prefix: 'torc_primary_',
      eventLoopMonitoringPrecision: LOOK_MS,
    });
    for (const name of MISNAMED) this.#registry.removeSingleMetric(`torc_primary_${name}`);
    this.#buildInfo.set({ version, node: process.versions.node }, 1);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Prometheus text of `source`. */
  async render(source: MetricsSource): Promise<string> {
    const { totals, slots, spares } = source;
    for (const metric of [...this.#counters, ...this.#gauges]) if (metric !== this.#buildInfo) metric.reset();
    this.#setSlots(source);
    for (const { code, slot, count } of totals.errors)
      this.#errors.inc({ code, slot, source: proxyErrors[code].source }, count);
    for (const { count, ...labels } of source.ejections) this.#ejections.inc(labels, count);
    for (const [reason, count] of Object.entries(totals.refused))
      this.#refusedConnections.inc({ reason }, count);
    for (const [result, count] of Object.entries(totals.handshakes)) this.#handshakes.inc({ result }, count);
    for (const { file, name, expiresMs } of source.certificates)
      this.#expiry.set({ file, name }, Math.floor((expiresMs - source.nowMs) / 1000));
    for (const [reason, count] of source.refusals) this.#controlRefused.inc({ reason }, count);
    this.#logDropped.inc(totals.logDropped);
    this.#retries.inc(totals.retries);
    this.#refused.inc(totals.budgetRefusals);
    this.#lent.inc(totals.lent);
    this.#waits.inc(totals.ownSlotWaits);
    this.#replaced.inc(source.replacements);
    this.#restarts.inc(source.workerRestarts);
    this.#hung.inc(source.workersHung);
    this.#slots.set(slots.length);
    this.#ready.set(readyOf(slots));
    this.#spares.set(source.wantedSpares);
    this.#sparesReady.set(readyOf(spares));
    this.#driverUp.set({ driver: source.driver }, source.driverReachable ? 1 : 0);
    this.#ring.set({ ring: source.ring, digest: source.digest }, 1);
    this.#epoch.set(source.epoch);
    this.#workers.set(source.workers);
    this.#current.set(source.workersCurrent);
    return [await this.#registry.metrics(), latencyText(totals), ...deprecatedTexts(source)].join('\n');
  }

  #setSlots({ totals, slots, inFlight, queued }: MetricsSource): void {
    for (const [slot, sums] of totals.slots) {
      for (let i = 0; i < STATUS_CLASSES.length; i++)
        this.#requests.inc({ slot, status: STATUS_CLASSES[i]! }, sums.statuses[i]);
      this.#attemptErrors.inc({ slot }, sums.errors);
    }
    for (const { name: slot, state } of slots) {
      this.#inFlight.set({ slot }, inFlight(slot));
      this.#queued.set({ slot }, queued(slot));
      this.#state.set({ slot, state }, state === 'ready' ? 1 : 0);
    }
  }

  #counter(name: string, help: string, ...labelNames: string[]): Counter {
    const counter = new Counter({ name, help, labelNames, registers: [this.#registry] });
    this.#counters.push(counter);
    return counter;
  }

  #gauge(name: string, help: string, ...labelNames: string[]): Gauge {
    const gauge = new Gauge({ name, help, labelNames, registers: [this.#registry] });
    this.#gauges.push(gauge);
    return gauge;
  }
}

const readyOf = (slots: readonly SlotView[]): number => slots.filter(({ state }) => state === 'ready').length;

const latencyText = ({ slots }: Totals): string =>
  histogramText(
    LATENCY,
    'from the request to its whole answer, by the slot that gave it',
    BOUNDS_S,
    [...slots].map(([slot, { latencyCounts, latencySumUs }]) => ({
      labels: { slot },
      counts: latencyCounts,
      sum: latencySumUs / 1e6,
    })),
  );

/** What quantiles were called before there was a histogram. */
function* deprecatedTexts({ totals, slots, recent }: MetricsSource): Generator<string> {
  const help = `Deprecated, gone in the next release: histogram_quantile() of ${LATENCY} tells it`;
  yield summaryText(
    'torc_request_duration_seconds',
    `${help}, over any time.`,
    [...totals.slots].map(([slot, { latencies }]) => ({
      labels: { slot },
      quantiles: Object.fromEntries(
        Object.entries(QUANTILES).map(([name, percentile]) => [
          name,
          latencies.getValueAtPercentile(percentile) / 1e6,
        ]),
      ),
    })),
  );
  yield summaryText(
    'torc_request_duration_recent_seconds',
    `${help}, of the last minute.`,
    slots.flatMap(({ name: slot, replicaId }) => {
      const { requests, p50Us, p99Us } = recent(replicaId, MINUTE_MS);
      return requests === 0
        ? []
        : [{ labels: { slot }, quantiles: { '0.5': p50Us / 1e6, '0.99': p99Us / 1e6 } }];
    }),
  );
}
