// Every setting torc has, one row each: name, default, schema, unit and meaning. `--help`, the faults, the frozen
// Config and docs/operations.md all come from this table, so they cannot disagree (a test compares the docs with it).
// Schemas are zod's; a row's `allowed` is the second half of every fault: "NAME: what is wrong; allowed: ...".

import { z } from 'zod';
import { flag, list, oneOf, parseAddress, parseCidr, parseKeySource, row, text, whole } from './kinds.ts';

export type { Address, KeySource } from './kinds.ts';

/** `fallback` is what an unset variable means, in the form a user would write it; null means "not set". */
export const fields = {
  host: row(
    'HOST',
    text(/^[A-Za-z0-9.:-]+$/, 'is not a host', 'an address or host name'),
    '127.0.0.1',
    '',
    'address of the public listener',
  ),
  port: row('PORT', whole(1, 65535), '5000', '', 'port of the public listener'),
  workers: row(
    'TORC_WORKERS',
    {
      schema: z.union([z.literal('auto').transform(() => 0), whole(1, 256).schema]) as z.ZodType<
        number,
        string
      >,
      allowed: 'auto (one per available core), or a whole number, 1 to 256',
    },
    'auto',
    '',
    'data-plane processes',
  ),
  driver: row(
    'TORC_DRIVER',
    oneOf('auto', 'docker', 'process', 'static'),
    'auto',
    '',
    'what makes the replicas; auto: Docker where an engine answers, else child processes',
  ),
  replicas: row('TORC_REPLICAS', whole(1, 1000), '3', '', 'replicas kept alive at start, named 1 to N'),
  least: row('TORC_MIN', whole(1, 1000), '1', '', 'autoscaling: fewest replicas'),
  most: row('TORC_MAX', whole(1, 1000), null, '', 'autoscaling: most replicas; unset: no autoscaling'),
  scaleTarget: row(
    'TORC_SCALE_TARGET',
    whole(1, 100000),
    '10',
    'requests',
    'autoscaling: requests in flight per replica that are aimed at',
  ),
  scalePeriodMs: row(
    'TORC_SCALE_PERIOD_MS',
    whole(100, 3600000),
    '15000',
    'ms',
    'autoscaling: over which requests in flight are averaged before each decision',
  ),
  scaleDownWindowMs: row(
    'TORC_SCALE_DOWN_WINDOW_MS',
    whole(0, 3600000),
    '300000',
    'ms',
    'autoscaling: replicas go only when none of the decisions of this time would have kept them',
  ),
  upstreams: row(
    'TORC_UPSTREAMS',
    list(parseAddress, 'host:port,host:port,...'),
    null,
    '',
    'static driver: the given replicas; nothing is created, heartbeats eject and readmit',
  ),
  image: row(
    'TORC_IMAGE',
    text(/^[\w][\w./:@-]*$/, 'is not an image name', 'an image name, as docker run takes it'),
    'torc-replica',
    '',
    'docker driver: image of a replica, any HTTP program',
  ),
  replicaPort: row(
    'TORC_REPLICA_PORT',
    whole(1, 65535),
    '5000',
    '',
    'docker driver: port the image listens on; where it is another, no heartbeat is answered and no slot gets ready',
  ),
  network: row(
    'TORC_NETWORK',
    text(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/, 'is not a network name', 'letters, digits, "_", ".", "-"'),
    'torc',
    '',
    'docker driver: user-defined network of the replicas; also tells one torc from another on one engine',
  ),
  replicaCommand: row(
    'TORC_REPLICA_COMMAND',
    text(/\S/, 'is empty', 'a command line'),
    null,
    '',
    'process driver: command of a replica, run by the shell; gets PORT and SERVER_ID; the end of its output is in the log when it does not come up; unset: the bundled replica',
  ),
  dockerReach: row(
    'TORC_DOCKER_REACH',
    oneOf('auto', 'ip', 'published'),
    'auto',
    '',
    'docker driver: reach replicas by container address (Linux) or by a port published on 127.0.0.1',
  ),
  adopt: row('TORC_ADOPT', flag, 'true', '', 'take over replicas that an earlier run left behind'),
  stateDir: row(
    'TORC_STATE_DIR',
    text(/^\/[^\0]*$/, 'is not an absolute path', 'an absolute path'),
    null,
    '',
    "what must outlive torc: identity, records of replicas, events; unset: the platform's place for state",
  ),
  onExit: row(
    'TORC_ON_EXIT',
    oneOf('remove', 'keep'),
    'remove',
    '',
    'what happens to replicas when torc exits',
  ),
  key: row(
    'TORC_KEY',
    list(parseKeySource, 'a list of query:NAME, header:NAME, cookie:NAME, path, uri, ip, random'),
    'query:request_id,path',
    '',
    'what a request is routed by; the first that is present',
  ),
  ring: row(
    'TORC_RING',
    oneOf('rendezvous', 'ring', 'maglev', 'assignment', 'seed'),
    'rendezvous',
    '',
    'how the table is built (docs/decisions/)',
  ),
  ringRows: row(
    'TORC_RING_ROWS',
    {
      schema: whole(512, 1048576).schema.refine(rows => (rows & (rows - 1)) === 0, 'is not a power of two'),
      allowed: 'a power of two, 512 to 1048576 (assignment has always 512, seed 1024)',
    },
    '65536',
    'rows',
    'size of the table',
  ),
  balanceFactor: row(
    'TORC_BALANCE_FACTOR',
    {
      schema: z
        .string()
        .regex(/^\d{1,2}(\.\d{1,4})?$/, 'is not a number')
        .transform(Number)
        .refine(factor => factor === 0 || (factor >= 1.05 && factor <= 10), 'is out of range'),
      allowed: '0 (off), or 1.05 to 10',
    },
    '0',
    'x mean',
    'bounded load: no slot above ceil(factor x mean requests in flight)',
  ),
  spares: row('TORC_SPARES', whole(0, 100), '0', '', 'warm spares: started, proven, outside the table'),
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
  clientIdleTimeoutMs: row(
    'TORC_CLIENT_IDLE_TIMEOUT_MS',
    whole(100, 3_600_000),
    '75000',
    'ms',
    'between two requests of a client connection; longer than the 60 s of the common balancers in front, which use it again until then',
  ),
  idleTimeoutMs: row(
    'TORC_IDLE_TIMEOUT_MS',
    whole(100, 3600000),
    '60000',
    'ms',
    'between two chunks of a body',
  ),
  headerTimeoutMs: row(
    'TORC_HEADER_TIMEOUT_MS',
    whole(100, 600000),
    '10000',
    'ms',
    "for a client's request head",
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
  tunnelTimeoutMs: row(
    'TORC_TUNNEL_TIMEOUT_MS',
    whole(100, 86400000),
    '3600000',
    'ms',
    'a tunnel (WebSocket) without a byte in either direction ends after this',
  ),
  maxConnections: row(
    'TORC_MAX_CONNECTIONS',
    whole(1, 1000000),
    '16384',
    '',
    'client connections of one worker; beyond: dropped, counted, logged once a minute',
  ),
  maxConnectionsPerClient: row(
    'TORC_MAX_CONNECTIONS_PER_CLIENT',
    whole(0, 1000000),
    '0',
    '',
    'connections of one client address (IPv6: of one /64) to one worker; 0: no bound',
  ),
  underscoreFields: row(
    'TORC_UNDERSCORE_FIELDS',
    oneOf('drop', 'pass'),
    'drop',
    '',
    "request fields with _ in their names, which CGI-like replicas read as -; one of torc's own so spelled is always dropped",
  ),
  express: row(
    'TORC_EXPRESS',
    oneOf('on', 'off'),
    'on',
    '',
    "on: plain requests are read in torc's own lane; off: all by node:http",
  ),
  pipelining: row(
    'TORC_PIPELINING',
    oneOf('auto', 'off'),
    'off',
    '',
    'auto: GET and HEAD that are ready together may share a connection to a replica that answers fast and evenly',
  ),
  trace: row('TORC_TRACE', flag, 'false', '', 'serve TRACE; else it is refused with 405'),
  drainTimeoutMs: row(
    'TORC_DRAIN_TIMEOUT_MS',
    whole(0, 3600000),
    '10000',
    'ms',
    'how long /rm, replacement and exit wait for requests in flight',
  ),
  adminToken: row(
    'TORC_ADMIN_TOKEN',
    text(/^[!-~]{8,}$/, 'is too short or has spaces', 'at least 8 printable characters'),
    null,
    '',
    'bearer token that opens the control endpoints; not as a flag, which every process list shows',
  ),
  adminOpen: row(
    'TORC_ADMIN_OPEN',
    flag,
    'false',
    '',
    'control endpoints open to everybody who reaches the port, unless a token is set',
  ),
  adminHosts: row(
    'TORC_ADMIN_HOSTS',
    list(item => (/^[A-Za-z0-9._-]+$/.test(item) ? item.toLowerCase() : null), 'a list of host names'),
    null,
    '',
    'host names under which the control endpoints may be asked (besides addresses and localhost)',
  ),
  adminTokenFile: row(
    'TORC_ADMIN_TOKEN_FILE',
    text(/^[^\0]+$/, 'is not a path', 'a path'),
    null,
    '',
    'file of tokens: one token alone, or a line "NAME read|operate TOKEN" for each (docs/api.md)',
  ),
  adminPort: row(
    'TORC_ADMIN_PORT',
    whole(1, 65535),
    null,
    '',
    'port of a listener for the control endpoints alone, on TORC_ADMIN_LISTEN',
  ),
  adminListen: row(
    'TORC_ADMIN_LISTEN',
    text(
      /^(unix:\/[^\0]+|[A-Za-z0-9.:-]+)$/,
      'is neither an address nor unix:PATH',
      'an address, or unix: and an absolute path',
    ),
    null,
    '',
    'where the listener for the control endpoints alone listens; 127.0.0.1 where only its port is set',
  ),
  adminPaths: row(
    'TORC_ADMIN_PATHS',
    oneOf('both', 'separate', 'off-public'),
    'both',
    '',
    'control endpoints on the public port: all (both), only /rep, /add, /rm and /requests/ID (separate), none (off-public)',
  ),
  showKeys: row(
    'TORC_SHOW_KEYS',
    flag,
    'false',
    '',
    'show keys that may be credentials (all but path, ip, random, query:request_id) as they are, not as hashes',
  ),
  trustedProxies: row(
    'TORC_TRUSTED_PROXIES',
    list(parseCidr, 'a list of CIDRs or addresses'),
    null,
    '',
    'peers whose X-Forwarded-* is kept and appended to; of all others it is replaced',
  ),
  servedBy: row('TORC_SERVED_BY', flag, 'true', '', 'add x-served-by: SLOT to responses'),
  compat: row(
    'TORC_COMPAT',
    oneOf('off', 'assignment'),
    'off',
    '',
    "assignment: a replica's 404 becomes the assignment's 400 JSON",
  ),
  log: row(
    'TORC_LOG',
    oneOf('silent', 'error', 'warn', 'info', 'debug'),
    'info',
    '',
    'least level that is logged',
  ),
  accessLog: row('TORC_ACCESS_LOG', flag, 'false', '', 'log each request'),
} as const;

type Fields = typeof fields;
type FieldValue<K extends keyof Fields> = z.output<Fields[K]['schema']>;
/** Fields without a default may be null; lists without one are empty instead. */
type OrNull<K extends keyof Fields> = Fields[K]['fallback'] extends string
  ? FieldValue<K>
  : FieldValue<K> | (FieldValue<K> extends readonly unknown[] ? never : null);

/** Every setting, checked and frozen. `workers` 0 means auto. */
export type Config = { readonly [K in keyof Fields]: OrNull<K> };
