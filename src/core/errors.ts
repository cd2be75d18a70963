// Operating errors, one row per cause: what the client gets, and whose fault it was. The proxy answers with `status`
// and `message`; `code` is the label in logs and metrics. `source` says who failed: the client, a replica, or torc.
// Programmer errors are not here (invariant.ts).

export type ErrorSource = 'client' | 'upstream' | 'torc';

interface ErrorRow {
  readonly status: number;
  readonly source: ErrorSource;
  readonly message: string;
  /** Seconds for `retry-after`; 0 sends none. */
  readonly retryAfterS: number;
}

const row = (status: number, source: ErrorSource, message: string, retryAfterS = 0): ErrorRow => ({
  status,
  source,
  message,
  retryAfterS,
});

/** Every way in which torc itself answers a proxied request. Statuses: RFC 9110 section 15. */
export const proxyErrors = {
  NO_REPLICA: row(503, 'torc', 'no replica is ready; /admin/status and the log say why', 1),
  QUEUE_FULL: row(503, 'torc', 'too many requests wait for this replica', 1),
  SHUTTING_DOWN: row(503, 'torc', 'the load balancer is shutting down', 1),
  REFUSED: row(502, 'upstream', 'the replica refused the connection', 1),
  TLS_FAILED: row(502, 'upstream', 'no trusted TLS connection to the replica'),
  RESET: row(502, 'upstream', 'the replica closed the connection before it answered', 1),
  BAD_RESPONSE: row(502, 'upstream', 'the replica sent an invalid response'),
  CONNECT_TIMEOUT: row(504, 'upstream', 'the replica did not accept the connection in time', 1),
  RESPONSE_TIMEOUT: row(504, 'upstream', 'the replica did not answer in time'),
  BODY_TIMEOUT: row(504, 'upstream', 'the transfer stalled'),
  BAD_REQUEST: row(400, 'client', 'malformed request'),
  REQUEST_TIMEOUT: row(408, 'client', 'the request head did not arrive in time'),
  REQUEST_BODY_TIMEOUT: row(408, 'client', 'the request body stalled'),
  TARGET_TOO_LONG: row(414, 'client', 'the request target is too long'),
  HEAD_TOO_LARGE: row(431, 'client', 'the request head is too large'),
  CONNECT_REFUSED: row(405, 'client', 'CONNECT is not supported'),
  TRACE_REFUSED: row(405, 'client', 'TRACE is not served'),
  UPGRADE_REFUSED: row(
    501,
    'client',
    'the replicas speak HTTP/2; an upgrade (WebSocket) needs replicas of HTTP/1.1',
  ),
  CLIENT_GONE: row(499, 'client', 'the client went away'),
} as const satisfies Record<string, ErrorRow>;

export type ProxyErrorCode = keyof typeof proxyErrors;

/** A start that cannot go on: `main` prints `message` as one line and exits with `exitCode`. */
export class StartError extends Error {
  readonly exitCode: number;
  constructor(message: string, options: { exitCode?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'StartError';
    this.exitCode = options.exitCode ?? 1;
  }
}
