// Settings of the data plane: where clients come in, how a request is routed, what of it is passed on, and the bounds of a
// client's connection. One row each; fields.ts says what a row is.

import { z } from 'zod';
import { flag, list, oneOf, parseCidr, parseKeySource, row, text, whole } from './kinds.ts';

export const trafficFields = {
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
  underscoreFields: row(
    'TORC_UNDERSCORE_FIELDS',
    oneOf('drop', 'pass'),
    'drop',
    '',
    "request fields with _ in their names, which CGI-like replicas read as -; one of torc's own so spelled is always dropped",
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
  headerTimeoutMs: row(
    'TORC_HEADER_TIMEOUT_MS',
    whole(100, 600000),
    '10000',
    'ms',
    "for a client's request head",
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
} as const;
