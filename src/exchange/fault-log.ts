// One line for each answer that torc had to make itself (502, 503, 504), saying which slot and why: but when a replica
// dies under load the thousandth line says nothing that the first did not, and writing it costs more than the request.
// So each slot has one line a second; what was left out is told by number and cause when that second is over. The
// worker's sweep looks, so that no slot needs a timer and the last ones are told too when nothing follows them.

import { type ProxyErrorCode, proxyErrors } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Tried } from './attempt.ts';

const INTERVAL_MS = 1000;
/** Slots whose second is not over; beyond them all are told and forgotten. */
const MAX_SLOTS = 2048;

/** Why a request failed, in one line. */
export interface Fault {
  readonly id: string;
  /** That was tried last, '' where none was. */
  readonly slot: string;
  /** That the key belongs to; '' where the request had none. */
  readonly keySlot: string;
  readonly code: ProxyErrorCode;
  readonly detail: string;
  readonly method: string;
  readonly path: string;
  /** What each attempt ended with, in their order. */
  readonly tried: readonly Tried[];
  /** From the request to this. */
  readonly ms: number;
}

interface Window {
  openedAtMs: number;
  suppressed: number;
  /** How many of each code. */
  readonly codes: Partial<Record<ProxyErrorCode, number>>;
}

export class FaultLog {
  readonly #log: Log;
  readonly #windows = new Map<string, Window>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** True where the answer's own line is due; else it is counted. `slot` is '' where none was found. */
  isDue(slot: string, code: ProxyErrorCode, nowMs: number): boolean {
    const window = this.#windows.get(slot);
    if (window !== undefined && nowMs - window.openedAtMs < INTERVAL_MS) {
      window.suppressed++;
      window.codes[code] = (window.codes[code] ?? 0) + 1;
      return false;
    }
    if (window !== undefined) this.#close(slot, window);
    if (this.#windows.size >= MAX_SLOTS) this.sweep(Number.POSITIVE_INFINITY);
    this.#windows.set(slot, { openedAtMs: nowMs, suppressed: 0, codes: {} });
    return true;
  }

  note(fault: Fault): void {
    const { status, message } = proxyErrors[fault.code];
    this.#log.warn({ ...fault, status, path: fault.path.slice(0, 200) }, `${status}: ${message}`);
  }

  /** Tells what was left out in the seconds that are over; at the end of time, in all. */
  sweep(nowMs: number): void {
    for (const [slot, window] of this.#windows)
      if (nowMs - window.openedAtMs >= INTERVAL_MS) this.#close(slot, window);
  }

  #close(slot: string, { suppressed, codes }: Window): void {
    this.#windows.delete(slot);
    if (suppressed > 0)
      this.#log.warn({ slot, suppressed, codes }, `${suppressed} more like it within a second, not logged`);
  }
}
