// May a failed attempt be made again? Pure, so that the table of CONTRACT.md ("Safe to send again") is a table of tests.
// A retry may never make the replica do something twice that the client asked for once (RFC 9110 section 9.2.2), and
// retries together may never be a load of their own: a budget limits them to a share of the requests in flight (Envoy's
// retry budget), with a floor so that a quiet service may retry at all.

/** Retries that are always allowed at once, however few requests are in flight. */
const MIN_BUDGET = 3;

export interface FailedAttempt {
  /** Bytes of the request may have reached the replica. */
  readonly sent: boolean;
  readonly idempotent: boolean;
  /** All of the body that was read is still there to be sent again. */
  readonly replayable: boolean;
  /** The head of an answer arrived: the client may have seen it. */
  readonly answered: boolean;
  /** Retries made so far. */
  readonly retries: number;
}

export function mayTryAgain(failed: FailedAttempt, maxRetries: number): boolean {
  if (failed.answered || !failed.replayable || failed.retries >= maxRetries) return false;
  return !failed.sent || failed.idempotent;
}

export const withinBudget = (retriesInFlight: number, inFlight: number, budgetPercent: number): boolean =>
  retriesInFlight < Math.max(MIN_BUDGET, Math.floor((inFlight * budgetPercent) / 100));

/** RFC 9110 section 9.2.2; all other methods, also unknown ones, may do something each time. */
export function isIdempotent(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'OPTIONS':
    case 'PUT':
    case 'DELETE':
    case 'TRACE':
      return true;
    default:
      return false;
  }
}
