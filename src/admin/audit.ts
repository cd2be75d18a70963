// What is written down of the control side: each change with who, from where, what and how it ended; and refusals, which
// anybody can cause, as counts and one line per while that says how many there were. Change lines cannot be flooded:
// whoever causes them may change things.

import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { AdminRequest } from '../core/messages.ts';
import { RareLine } from '../core/rare-line.ts';
import { type Refusal, valuesOf } from './access.ts';

const REFUSALS_EVERY_MS = 10_000;
const LONGEST_SHOWN = 300;

export class Audit {
  readonly #log: Log;
  readonly #refusal: RareLine;
  /** Refusals since the start, by reason. */
  readonly refusals = new Map<Refusal['reason'], number>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#refusal = new RareLine(clock, REFUSALS_EVERY_MS, (refused, seconds) =>
      log.warn({ refused }, `${refused} more control requests were refused in ${seconds} s`),
    );
  }

  changed(request: AdminRequest, who: string, body: string, status: number): void {
    const level = status < 500 ? 'info' : 'warn';
    this.#log[level](
      { who, ...whence(request), target: pathOf(request), body: shown(body), status },
      `${request.method} ${pathOf(request)} by ${who}: ${status}`,
    );
  }

  refused(request: AdminRequest, { reason, status, message }: Refusal): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
    if (!this.#refusal.isDue()) return;
    this.#log.warn(
      { reason, status, ...whence(request), target: pathOf(request) },
      `a control request was refused: ${message}`,
    );
  }
}

function whence(request: AdminRequest): { from: string; forwardedFor?: string } {
  const forwardedFor = valuesOf(request, 'x-forwarded-for').join(', ');
  const from = request.peer === '' ? 'unix socket' : request.peer;
  return forwardedFor === '' ? { from } : { from, forwardedFor: shown(forwardedFor) };
}

/** Without its query and who it names before its host: somebody may have put a token or a password there. */
const pathOf = ({ target }: AdminRequest): string =>
  shown(target.split('?', 1)[0]!.replace(/^(https?:\/\/)[^/]*@/i, '$1'));

const shown = (text: string): string =>
  text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}...` : text;
