// Latencies in whole microseconds in one histogram of three digits: a percentile is right to 0.1 % from 1 us to 60 s, and
// what waits longer counts as 60 s. autocannon's own histogram floors to milliseconds, so that a fast proxy has latency 0.

import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js';

const MOST_US = 60_000_000;

export interface Percentiles {
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

export class Latencies {
  readonly #histogram: Histogram;

  constructor(histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: MOST_US })) {
    this.#histogram = histogram;
  }

  record(us: number): void {
    this.#histogram.recordValue(Math.min(MOST_US, Math.max(1, Math.round(us))));
  }

  add(other: Latencies): void {
    this.#histogram.add(other.#histogram);
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  atPercentile(percent: number): number {
    return this.count === 0 ? 0 : this.#histogram.getValueAtPercentile(percent);
  }

  percentiles(): Percentiles {
    return {
      p50Us: this.atPercentile(50),
      p90Us: this.atPercentile(90),
      p99Us: this.atPercentile(99),
      p999Us: this.atPercentile(99.9),
      maxUs: this.count === 0 ? 0 : this.#histogram.maxValue,
    };
  }

  /** For the way between processes. */
  toText(): string {
    return encodeIntoCompressedBase64(this.#histogram);
  }

  static fromText(text: string): Latencies {
    return new Latencies(decodeFromCompressedBase64(text));
  }
}
