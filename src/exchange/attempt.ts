// May a failed attempt be made again? Pure, so that the table of CONTRACT.md ("Safe to send again") is a table of tests.
// A retry may never make the replica do something twice that the client asked for once (RFC 9110 section 9.2.2), and
// retries together may never be a load of their own: a budget limits them to a share of the requests, with a floor so
// that a quiet service may retry at all.

import type { ProxyErrorCode } from '../core/errors.ts';

const MOST_DEATHS = 1;

/** A replica that ended with the request in its hands. */
export interface Ended {
  /** It was told to stop before, so the request is not why. Perhaps that is heard of only now. */
  readonly isLeaving: boolean;
}

/** Exchanges that may always be on a retry at once, however little credit there is. */
const MIN_BUDGET = 3;

export interface FailedAttempt {
  readonly code: ProxyErrorCode;
  readonly replica: Ended;
  /** A used connection ended before it answered at all, as the replica may end idle ones. */
  readonly stale: boolean;
  /** Bytes of the request may have reached the replica. */
  readonly sent: boolean;
  readonly idempotent: boolean;
  /** All of the body that was read is still there to be sent again. */
  readonly replayable: boolean;
  /** The head of an answer arrived: the client may have seen it. */
  readonly answered: boolean;
}

/**
 * After a failure: the same replica on a new connection, the key's next choice, an end, or a moment's wait for word of why
 * those that had it ended (`another`).
 */
export type Verdict = 'same' | 'other' | 'no budget' | 'end' | 'doubt';

/** One attempt that failed, for the log. */
export interface Tried {
  readonly slot: string;
  readonly code: ProxyErrorCode;
  readonly detail: string;
  /** From the request to this. */
  readonly afterMs: number;
}

/** What went wrong with one request so far; made at its first failure. */
export class Failures {
  /** As many as there are attempts: their number is bounded. */
  readonly log: Tried[] = [];
  /** Slot ids that are not to be picked again. */
  readonly tried: number[] = [];
  readonly #ended: Ended[] = [];
  #wasDoubted = false;
  /** The last failure might have been repeated, but for TORC_RETRIES. */
  isSpent = false;
  #retries = 0;
  #staleRetried = false;
  #wasStale = false;

  /**
   * Replicas that died with this request in their hands. One may die by chance; a request that kills whoever has it must not
   * have them all, so after a death it has one more try. How the connection ended says nothing of it: the kernel closes
   * those of a program that crashed with the request as it does those of one that stopped (a FIN), and resets them where bytes were
   * not read. Whether it was being stopped is known where torc stops it or the driver tells of it.
   */
  get deaths(): number {
    return this.#ended.filter(replica => !replica.isLeaving).length;
  }

  get isDeadly(): boolean {
    return this.deaths > MOST_DEATHS;
  }

  next(failed: FailedAttempt, mostRetries: number, budget: RetryBudget): Verdict {
    const { stale, sent, code } = failed;
    this.isSpent = false;
    if (failed.answered || !failed.replayable || (sent && !failed.idempotent)) return 'end';
    // No failure, and the key's own slot is still the right one.
    if (stale && !this.#staleRetried) {
      this.#staleRetried = true;
      this.#wasStale = sent;
      return 'same';
    }
    // Behind a connection that seemed stale nobody listens any more, or the one that is made ends unused: it was a death.
    if ((sent && code === 'RESET') || (this.#wasStale && (code === 'REFUSED' || code === 'RESET')))
      this.#ended.push(failed.replica);
    this.#wasStale = false;
    if (!isWorthIt(code)) return 'end';
    if (this.isDeadly && !this.#wasDoubted) {
      this.#wasDoubted = true;
      return 'doubt';
    }
    return this.another(mostRetries, budget);
  }

  /** May another replica have it? Asked again after a doubt: what was to be heard was heard by then, or will not be. */
  another(mostRetries: number, budget: RetryBudget): Verdict {
    if (this.isDeadly) return 'end';
    this.isSpent = this.#retries >= mostRetries;
    if (this.isSpent) return 'end';
    if (!budget.take(this.#retries === 0)) return 'no budget';
    this.#retries++;
    return 'other';
  }

  /** The request waits, and begins anew after that: everybody may be asked again. What died of it is not forgotten. */
  rest(budget: RetryBudget): void {
    this.over(budget);
    this.#retries = 0;
    this.tried.length = 0;
  }

  /** The request is over. */
  over(budget: RetryBudget): void {
    if (this.#retries > 0) budget.end();
  }
}

/** Another replica may do better. */
const isWorthIt = (code: ProxyErrorCode): boolean =>
  code === 'REFUSED' || code === 'TLS_FAILED' || code === 'RESET' || code === 'CONNECT_TIMEOUT';

/**
 * Every request deposits its share of a retry, every retry takes a whole one (Finagle's RetryBudget). The credit starts
 * full and is bounded by `burst`: what one replica can have in flight, because its death fails all of that in one moment.
 * A share of the requests in flight, as Envoy has it, loses them: with N = 3 a third comes back at once, and 20 % may go
 * on (measured: 20 of 28,000 requests lost at 4 kills).
 */
export class RetryBudget {
  #percent = 0;
  #most = 0;
  /** Hundredths of a retry: whole numbers, so that a deposit allocates nothing. */
  #credit = 0;
  #retrying = 0;

  constructor(percent: number, burst: number) {
    this.configure(percent, burst);
  }

  /** What was spent of the credit is spent of the new one. */
  configure(percent: number, burst: number): void {
    const spent = this.#most - this.#credit;
    this.#percent = percent;
    this.#most = percent === 0 ? 0 : burst * 100;
    this.#credit = Math.max(0, this.#most - spent);
  }

  /** A request came. */
  deposit(): void {
    if (this.#credit < this.#most) this.#credit += this.#percent;
  }

  /** May one be made? `isFirst`: of its exchange, which then counts as retrying until `end`. */
  take(isFirst: boolean): boolean {
    const hasCredit = this.#credit >= 100;
    if (!hasCredit && isFirst && this.#retrying >= MIN_BUDGET) return false;
    if (hasCredit) this.#credit -= 100;
    if (isFirst) this.#retrying++;
    return true;
  }

  /** An exchange that was retrying is over. */
  end(): void {
    this.#retrying--;
  }
}

/** As a field of the head; not in a body behind it. */
const IDEMPOTENCY_KEY = /\r\nidempotency-key:[ \t]*[^\r\n\t ]/i;

/**
 * May the replica get it a second time? By its method (TORC_RETRY_METHODS; RFC 9110 section 9.2.2 says which may always), or
 * because the client promises by `Idempotency-Key` that the replica knows one that it has seen
 * (draft-ietf-httpapi-idempotency-key-header). Asked where something went wrong, so the head is searched then.
 */
export function isRepeatable(method: string, head: string, methods: readonly string[]): boolean {
  if (methods.includes(method)) return true;
  const at = head.search(IDEMPOTENCY_KEY);
  return at !== -1 && at < head.indexOf('\r\n\r\n');
}
