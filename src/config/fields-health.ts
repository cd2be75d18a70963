// Settings of a replica's health: how it is asked whether it lives, and how long and how often a request waits for it. One
// row each; fields.ts says what a row is.

import { row, text, whole } from './kinds.ts';

export const healthFields = {
  heartbeatPath: row(
    'TORC_HEARTBEAT_PATH',
    text(
      /^(\/[!-~]*)?$/,
      'is not a path',
      'a path that starts with "/"; empty with the static driver: no probes',
    ),
    '/heartbeat',
    '',
    'liveness question; 2xx is alive; a replica that does not answer it within 30 s of its start is replaced, and the log says why',
  ),
  heartbeatIntervalMs: row(
    'TORC_HEARTBEAT_INTERVAL_MS',
    whole(50, 600000),
    '1000',
    'ms',
    'between two heartbeats',
  ),
  heartbeatTimeoutMs: row(
    'TORC_HEARTBEAT_TIMEOUT_MS',
    whole(10, 60000),
    '500',
    'ms',
    'until a heartbeat is missed',
  ),
  heartbeatFall: row('TORC_HEARTBEAT_FALL', whole(1, 100), '2', '', 'misses in a row until a replica is out'),
  heartbeatRise: row('TORC_HEARTBEAT_RISE', whole(1, 100), '1', '', 'answers in a row until it is in'),
  retries: row('TORC_RETRIES', whole(0, 10), '2', '', 'attempts after the first, on the next choices'),
  retryBudgetPercent: row(
    'TORC_RETRY_BUDGET',
    whole(0, 100),
    '20',
    '%',
    "share of requests that may be retries, beyond a burst of one replica's requests in flight (at least 3)",
  ),
  connectTimeoutMs: row(
    'TORC_CONNECT_TIMEOUT_MS',
    whole(10, 60000),
    '1000',
    'ms',
    'until connected to a replica',
  ),
  responseTimeoutMs: row(
    'TORC_RESPONSE_TIMEOUT_MS',
    whole(10, 3600000),
    '30000',
    'ms',
    'until the response head',
  ),
  maxConnectionsPerReplica: row(
    'TORC_MAX_CONNECTIONS_PER_REPLICA',
    whole(1, 65536),
    '256',
    '',
    'connections of one worker to one replica',
  ),
  maxQueue: row(
    'TORC_MAX_QUEUE',
    whole(0, 1048576),
    '1024',
    '',
    'requests of one worker waiting for one replica',
  ),
  deadAfterMs: row(
    'TORC_DEAD_AFTER_MS',
    whole(100, 3600000),
    '10000',
    'ms',
    'without any sign of life (an answered heartbeat, a byte of an answer) until a replica that misses heartbeats is ended; before that it is only out of routing',
  ),
} as const;
