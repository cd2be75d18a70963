// Settings of the data plane: how a request is routed, how long it may take, and what its answer carries. One row each;
// fields.ts says what a row is.

import { z } from 'zod';
import { RINGS } from '../core/types.ts';
import { flag, list, oneOf, parseKeySource, row, whole } from './kinds.ts';

export const trafficFields = {
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
    'restart',
  ),
  key: row(
    'TORC_KEY',
    list(parseKeySource, 'a list of query:NAME, header:NAME, cookie:NAME, path, uri, ip, random'),
    'query:request_id,path',
    '',
    'what a request is routed by; the first that is present',
    'live',
  ),
  ring: row(
    'TORC_RING',
    oneOf(...RINGS),
    'rendezvous',
    '',
    'how the table is built (docs/decisions/); the last four place keys exactly as nginx, HAProxy and libmemcached do (docs/migrating.md)',
    'live',
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
    'live',
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
    'live',
  ),
  express: row(
    'TORC_EXPRESS',
    oneOf('on', 'off'),
    'on',
    '',
    "on: plain requests are read in torc's own lane; off: all by node:http",
    'live',
  ),
  pipelining: row(
    'TORC_PIPELINING',
    oneOf('auto', 'off'),
    'off',
    '',
    'auto: GET and HEAD that are ready together may share a connection to a replica that answers fast and evenly',
    'live',
  ),
  trace: row('TORC_TRACE', flag, 'false', '', 'serve TRACE; else it is refused with 405', 'live'),
  compat: row(
    'TORC_COMPAT',
    oneOf('off', 'assignment'),
    'off',
    '',
    "assignment: a replica's 404 becomes the assignment's 400 JSON",
    'live',
  ),
  idleTimeoutMs: row(
    'TORC_IDLE_TIMEOUT_MS',
    whole(100, 3600000),
    '60000',
    'ms',
    'between two chunks of a body',
    'live',
  ),
  tunnelTimeoutMs: row(
    'TORC_TUNNEL_TIMEOUT_MS',
    whole(100, 86400000),
    '3600000',
    'ms',
    'a tunnel (WebSocket) without a byte in either direction ends after this',
    'live',
  ),
} as const;
