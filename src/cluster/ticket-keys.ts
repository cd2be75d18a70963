// The keys of session tickets, made by the primary and the same in all workers. A new one comes at each rotation; tickets
// by the last two are still taken, so what was recorded before that cannot be read with what torc has now. A torc that takes over
// goes on with them, and with their time.

import { randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { TlsPast } from '../core/succession.ts';
import { TICKET_KEY_BYTES } from '../front/session-tickets.ts';

const KEPT = 3;

export class TicketKeys {
  /** Newest first. */
  #keys: readonly Uint8Array[];
  /** Since 1970: when the newest was made. */
  rotatedMs: number;
  #timer: { cancel(): void } | null = null;

  constructor(nowMs: number, before: Pick<TlsPast, 'ticketKeys' | 'rotatedMs'> | null) {
    this.#keys = before?.ticketKeys ?? [randomBytes(TICKET_KEY_BYTES)];
    this.rotatedMs = before?.rotatedMs ?? nowMs;
  }

  get keys(): readonly Uint8Array[] {
    return this.#keys;
  }

  rotate(nowMs: number): void {
    this.rotatedMs = nowMs;
    this.#keys = [randomBytes(TICKET_KEY_BYTES), ...this.#keys].slice(0, KEPT);
  }

  /** Rotates every `everyMs`, and tells so, until `close`. */
  run(clock: Clock, everyMs: number, told: () => void): void {
    const ageMs = Math.max(0, clock.wallMs() - this.rotatedMs);
    this.#timer = clock.after(Math.max(0, everyMs - ageMs), () => {
      this.rotate(clock.wallMs());
      told();
      this.run(clock, everyMs, told);
    });
  }

  close(): void {
    this.#timer?.cancel();
  }
}
