// Settings of a replica's health: how it is asked whether it lives, and how long and how often a request waits for it. One
// row each; fields.ts says what a row is.

import { z } from 'zod';
import { list, oneOf, parseStatuses, row, text, whole } from './kinds.ts';

/** A command in the container would need a process in it for each heartbeat; its HEALTHCHECK is just that, and the engine's. */
const modes = oneOf('http', 'grpc', 'tcp', 'docker');
const heartbeatMode = {
  ...modes,
  schema: z
    .string()
    .refine(
      mode => mode !== 'exec',
      'is not done by torc: give the image or service a HEALTHCHECK, and set docker',
    )
    .pipe(modes.schema),
};

export const healthFields = {
  heartbeatPath: row(
    'TORC_HEARTBEAT_PATH',
    text(
      /^(\/[!-~]*)?$/,
      'is not a path',
      'a path that starts with "/"; empty with the static driver: no probes',
    ),
    null,
    '',
    "liveness question; not set: the first that is answered well of /heartbeat, the container's HEALTHCHECK and /, and the log says which",
    'live',
  ),
  heartbeatIntervalMs: row(
    'TORC_HEARTBEAT_INTERVAL_MS',
    whole(50, 600000),
    '1000',
    'ms',
    'between two heartbeats',
    'live',
  ),
  heartbeatTimeoutMs: row(
    'TORC_HEARTBEAT_TIMEOUT_MS',
    whole(10, 60000),
    '500',
    'ms',
    'until a heartbeat is missed',
    'live',
  ),
  heartbeatFall: row(
    'TORC_HEARTBEAT_FALL',
    whole(1, 100),
    '2',
    '',
    'misses in a row until a replica is out',
    'live',
  ),
  heartbeatRise: row(
    'TORC_HEARTBEAT_RISE',
    whole(1, 100),
    '1',
    '',
    'answers in a row until it is in',
    'live',
  ),
  retries: row(
    'TORC_RETRIES',
    whole(0, 10),
    '2',
    '',
    'attempts after the first, on the next choices',
    'live',
  ),
  retryMethods: row(
    'TORC_RETRY_METHODS',
    list(item => (/^[A-Z][A-Z-]{0,19}$/.test(item) ? item : null), 'a list of methods, in capitals'),
    'GET,HEAD,OPTIONS,PUT,DELETE,TRACE',
    '',
    'may be sent again although bytes had left and no answer had begun, and so may any request with an Idempotency-Key',
    'live',
  ),
  retryBudgetPercent: row(
    'TORC_RETRY_BUDGET',
    whole(0, 100),
    '20',
    '%',
    "share of requests that may be retries, beyond a burst of one replica's requests in flight (at least 3)",
    'live',
  ),
  holdMs: row(
    'TORC_HOLD_MS',
    whole(0, 600000),
    null,
    'ms',
    'how long a request that may be sent waits while no replica is ready, or none takes it, before it is answered 503 (at once where there is no slot at all); unset: 30000 with the follow driver (Compose stops all before it starts the first), else 0',
    'live',
  ),
  connectTimeoutMs: row(
    'TORC_CONNECT_TIMEOUT_MS',
    whole(10, 60000),
    '1000',
    'ms',
    'until connected to a replica',
    'live',
  ),
  responseTimeoutMs: row(
    'TORC_RESPONSE_TIMEOUT_MS',
    whole(10, 3600000),
    '30000',
    'ms',
    'until the response head',
    'live',
  ),
  maxConnectionsPerReplica: row(
    'TORC_MAX_CONNECTIONS_PER_REPLICA',
    whole(1, 65536),
    '256',
    '',
    'connections of one worker to one replica',
    'live',
  ),
  maxQueue: row(
    'TORC_MAX_QUEUE',
    whole(0, 1048576),
    '1024',
    '',
    'requests of one worker waiting for one replica',
    'live',
  ),
  deadAfterMs: row(
    'TORC_DEAD_AFTER_MS',
    whole(100, 3600000),
    '10000',
    'ms',
    'without any sign of life (an answered heartbeat, a byte of an answer) until a replica that misses heartbeats is ended; before that it is only out of routing',
    'live',
  ),
  startTimeoutMs: row(
    'TORC_START_TIMEOUT_MS',
    whole(100, 3600000),
    '60000',
    'ms',
    'until a replica that starts has answered; one that prints meanwhile gets up to three times as long; then it is replaced, and the log says why',
    'live',
    ['docker', 'process'],
  ),
  heartbeatStatus: row(
    'TORC_HEARTBEAT_STATUS',
    list(parseStatuses, 'a list of statuses and ranges, 200 to 599: 200-399,401'),
    '200-399',
    '',
    'answers that mean alive; one with another status takes the replica out of routing at once',
    'live',
  ),
  heartbeatHost: row(
    'TORC_HEARTBEAT_HOST',
    text(
      /^[A-Za-z0-9._-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/,
      'is not a host',
      'a host name, with a port or without',
    ),
    null,
    '',
    'Host field of the heartbeat, for programs that answer only their own name; not set: the address',
    'live',
  ),
  heartbeatMethod: row(
    'TORC_HEARTBEAT_METHOD',
    oneOf('GET', 'HEAD', 'OPTIONS'),
    'GET',
    '',
    'method of the heartbeat',
    'live',
  ),
  heartbeatPort: row(
    'TORC_HEARTBEAT_PORT',
    whole(1, 65535),
    null,
    '',
    'port of the heartbeat, where it is another than that of the requests; child processes have a port of their own each',
    'live',
    ['docker', 'static', 'follow'],
  ),
  heartbeatMode: row(
    'TORC_HEARTBEAT_MODE',
    heartbeatMode,
    'http',
    '',
    "http: a whole exchange; grpc: gRPC's health check, grpc.health.v1.Health/Check (TORC_REPLICA_PROTOCOL=h2c); tcp: a connection is enough; docker: the container's own HEALTHCHECK alone",
    'live',
  ),
} as const;
