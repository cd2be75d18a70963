// `/metrics`: the totals as Prometheus text (prom-client). Values are set at the scrape from the sums that the workers
// hand in, so that a request costs nothing here. Latency comes as a summary: quantiles of one merged histogram per slot.

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { SlotView } from '../control/supervisor.ts';
import { proxyErrors } from '../core/errors.ts';
import type { Totals } from '../routing/counters.ts';
import type { RecentView } from '../routing/recent.ts';

export interface MetricsSource {
  readonly totals: Totals;
  readonly slots: readonly SlotView[];
  readonly epoch: number;
  readonly workerRestarts: number;
  readonly workersHung: number;
  readonly replacements: number;
  /** Control requests that were refused, by reason. */
  readonly refusals: ReadonlyMap<string, number>;
  readonly inFlight: (slot: string) => number;
  readonly recent: (replicaId: string, windowMs: number) => RecentView;
}

/** As labels, with the percentile that each is. */
const QUANTILES = { '0.5': 50, '0.9': 90, '0.99': 99, '0.999': 99.9 };
const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'];

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = this.#counter('torc_requests_total', 'answers of a slot by status class', [
    'slot',
    'status',
  ]);
  readonly #attemptErrors = this.#counter('torc_attempt_errors_total', 'attempts that failed at a slot', [
    'slot',
  ]);
  readonly #errors = this.#counter(
    'torc_errors_total',
    'answers that torc itself gave, by cause, slot (empty: none was tried) and whose fault it was',
    ['code', 'slot', 'source'],
  );
  readonly #refusedConnections = this.#counter(
    'torc_connections_refused_total',
    'client connections refused, by the bound that they met',
    ['reason'],
  );
  readonly #logDropped = this.#counter(
    'torc_log_lines_dropped_total',
    'log lines that nobody read in time',
    [],
  );
  readonly #retries = this.#counter('torc_retries_total', 'second and later attempts', []);
  readonly #refused = this.#counter(
    'torc_retry_budget_refusals_total',
    'retries that the budget refused',
    [],
  );
  readonly #replaced = this.#counter('torc_replacements_total', 'replicas replaced since the start', []);
  readonly #restarts = this.#counter('torc_worker_restarts_total', 'workers that died and were replaced', []);
  readonly #controlRefused = this.#counter(
    'torc_control_refusals_total',
    'control requests that were refused, by reason',
    ['reason'],
  );
  readonly #hung = this.#counter('torc_workers_hung_total', 'workers ended for want of a sign of life', []);
  readonly #latency = this.#gauge('torc_request_duration_seconds', 'time to the whole answer', [
    'slot',
    'quantile',
  ]);
  readonly #recent = this.#gauge(
    'torc_request_duration_recent_seconds',
    'time to the whole answer in the last minute, of the replica of now',
    ['slot', 'quantile'],
  );
  readonly #inFlight = this.#gauge('torc_requests_in_flight', 'requests in flight on a slot', ['slot']);
  readonly #state = this.#gauge('torc_slot_ready', '1 where the slot is ready', ['slot', 'state']);
  readonly #epoch = this.#gauge('torc_snapshot_epoch', 'number of the current snapshot', []);

  constructor(version: string) {
    this.#gauge('torc_build_info', 'which torc this is: always 1', ['version', 'node']).set(
      { version, node: process.versions.node },
      1,
    );
    collectDefaultMetrics({ register: this.#registry, prefix: 'torc_primary_' });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Prometheus text of `source`. */
  render(source: MetricsSource): Promise<string> {
    const { totals } = source;
    for (const metric of [
      this.#requests,
      this.#attemptErrors,
      this.#errors,
      this.#controlRefused,
      this.#refusedConnections,
      this.#latency,
      this.#recent,
      this.#inFlight,
      this.#state,
    ]) {
      metric.reset();
    }
    for (const [slot, sums] of totals.slots) {
      for (let i = 0; i < STATUS_CLASSES.length; i++) {
        this.#requests.inc({ slot, status: STATUS_CLASSES[i]! }, sums.statuses[i]);
      }
      this.#attemptErrors.inc({ slot }, sums.errors);
      for (const [quantile, percentile] of Object.entries(QUANTILES)) {
        this.#latency.set({ slot, quantile }, sums.latencies.getValueAtPercentile(percentile) / 1e6);
      }
    }
    for (const { code, slot, count } of totals.errors)
      this.#errors.inc({ code, slot, source: proxyErrors[code].source }, count);
    for (const [reason, count] of Object.entries(totals.refused))
      this.#refusedConnections.inc({ reason }, count);
    for (const slot of source.slots) {
      const { requests, p50Us, p99Us } = source.recent(slot.replicaId, 60_000);
      if (requests > 0) {
        this.#recent.set({ slot: slot.name, quantile: '0.5' }, p50Us / 1e6);
        this.#recent.set({ slot: slot.name, quantile: '0.99' }, p99Us / 1e6);
      }
      this.#inFlight.set({ slot: slot.name }, source.inFlight(slot.name));
      this.#state.set({ slot: slot.name, state: slot.state }, slot.state === 'ready' ? 1 : 0);
    }
    for (const [reason, count] of source.refusals) this.#controlRefused.inc({ reason }, count);
    setTo(this.#logDropped, totals.logDropped);
    setTo(this.#retries, totals.retries);
    setTo(this.#refused, totals.budgetRefusals);
    setTo(this.#replaced, source.replacements);
    setTo(this.#restarts, source.workerRestarts);
    setTo(this.#hung, source.workersHung);
    this.#epoch.set(source.epoch);
    return this.#registry.metrics();
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: string[]): Gauge {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }
}

function setTo(counter: Counter, value: number): void {
  counter.reset();
  counter.inc(value);
}
