// What is written down of the control side: each change with who, from where, what and how it ended; and refusals, which
// anybody can cause, as counts and one line per while that says how many there were. Change lines cannot be flooded:
// whoever causes them may change things.

import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { AdminRequest } from '../core/messages.ts';
import { type Refusal, valuesOf } from './access.ts';

const REFUSALS_EVERY_MS = 10_000;
const LONGEST_SHOWN = 300;

export class Audit {
  readonly #log: Log;
  readonly #clock: Clock;
  /** Refusals since the start, by reason. */
  readonly refusals = new Map<Refusal['reason'], number>();
  /** Refusals since the last line; null while no line was written lately. */
  #unsaid: number | null = null;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  changed(request: AdminRequest, who: string, body: string, status: number): void {
    const level = status < 500 ? 'info' : 'warn';
    this.#log[level](
      { who, ...whence(request), target: shown(request.target), body: shown(body), status },
      `${request.method} ${shown(request.target)} by ${who}: ${status}`,
    );
  }

  refused(request: AdminRequest, { reason, status, message }: Refusal): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
    if (this.#unsaid !== null) {
      this.#unsaid++;
      return;
    }
    this.#unsaid = 0;
    this.#log.warn(
      { reason, status, ...whence(request), target: shown(request.target) },
      `a control request was refused: ${message}`,
    );
    this.#clock.after(REFUSALS_EVERY_MS, () => {
      const more = this.#unsaid ?? 0;
      this.#unsaid = null;
      if (more > 0)
        this.#log.warn(
          { refused: more },
          `${more} more control requests were refused in ${REFUSALS_EVERY_MS / 1000} s`,
        );
    });
  }
}

function whence(request: AdminRequest): { from: string; forwardedFor?: string } {
  const forwardedFor = valuesOf(request, 'x-forwarded-for').join(', ');
  const from = request.peer === '' ? 'unix socket' : request.peer;
  return forwardedFor === '' ? { from } : { from, forwardedFor: shown(forwardedFor) };
}

const shown = (text: string): string =>
  text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}...` : text;
