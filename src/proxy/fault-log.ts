// One line for each answer that torc had to make itself (502, 503, 504), saying which slot and why: but when a replica
// dies under load the thousandth line says nothing that the first did not, and writing it costs more than the request.
// So each slot has one line a second; the next line says how many were left out.

import { type ProxyErrorCode, proxyErrors } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

const INTERVAL_MS = 1000;
/** Slots come and go; the map is emptied rather than kept for names that are gone. */
const MAX_SLOTS = 2048;

interface Window {
  openedAtMs: number;
  suppressed: number;
}

export class FaultLog {
  readonly #log: Log;
  readonly #windows = new Map<string, Window>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** `slot` is '' where none was found. */
  note(slot: string, code: ProxyErrorCode, detail: string, target: string, nowMs: number): void {
    const window = this.#windows.get(slot);
    if (window !== undefined && nowMs - window.openedAtMs < INTERVAL_MS) {
      window.suppressed++;
      return;
    }
    const suppressed = window?.suppressed ?? 0;
    if (this.#windows.size >= MAX_SLOTS) this.#windows.clear();
    this.#windows.set(slot, { openedAtMs: nowMs, suppressed: 0 });
    const { status, message } = proxyErrors[code];
    const path = target.slice(0, 200);
    this.#log.warn({ slot, code, status, detail, path, suppressed }, `${status}: ${message}`);
  }
}
