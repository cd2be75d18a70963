// The keys of session tickets, made by the primary and the same in all workers. A new one comes at each rotation; tickets
// by the last two are still taken, so what was recorded before that cannot be read with what torc has now.

import { randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { TICKET_KEY_BYTES } from '../front/session-tickets.ts';

const KEPT = 3;

export class TicketKeys {
  /** Newest first. */
  #keys: readonly Uint8Array[] = [randomBytes(TICKET_KEY_BYTES)];
  #timer: { cancel(): void } | null = null;

  get keys(): readonly Uint8Array[] {
    return this.#keys;
  }

  rotate(): void {
    this.#keys = [randomBytes(TICKET_KEY_BYTES), ...this.#keys].slice(0, KEPT);
  }

  /** Rotates every `everyMs`, and tells so, until `close`. */
  run(clock: Clock, everyMs: number, told: () => void): void {
    this.#timer = clock.after(everyMs, () => {
      this.rotate();
      told();
      this.run(clock, everyMs, told);
    });
  }

  close(): void {
    this.#timer?.cancel();
  }
}
