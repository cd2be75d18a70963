// Settings of the data plane: how a request is routed, how long it may take, and what its answer carries. One row each;
// fields.ts says what a row is.

import { z } from 'zod';
import { RINGS } from '../core/types.ts';
import { keySources } from './key-sources.ts';
import { flag, oneOf, row, whole } from './kinds.ts';

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
  outliveMs: row(
    'TORC_OUTLIVE_MS',
    whole(0, 3600000),
    '600000',
    'ms',
    'how long workers serve on when their primary dies (a crash, SIGKILL), until a torc that is started anew takes over; 0: they end with it',
    'restart',
  ),
  key: row(
    'TORC_KEY',
    keySources,
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
  balanceWaitMs: row(
    'TORC_BALANCE_WAIT_MS',
    whole(0, 60000),
    '0',
    'ms',
    "bounded load: a request waits so long for its key's own slot before another one serves it; 0: not at all",
    'live',
  ),
  lentStickyMs: row(
    'TORC_LENT_STICKY_MS',
    whole(0, 3600000),
    '0',
    'ms',
    'a key that another slot than its own served stays there until it was silent for so long; 0: it goes home at once',
    'live',
  ),
  slowStartMs: row(
    'TORC_SLOW_START_MS',
    whole(0, 3600000),
    '0',
    'ms',
    'a slot that is new, or has a new replica, takes its keys little by little over this time; 0: at once',
    'live',
  ),
  returnHow: row(
    'TORC_RETURN',
    oneOf('now', 'gradual'),
    'now',
    '',
    'gradual: when a slot is back, keys that were lent go home when they have been silent for half of TORC_SLOW_START_MS, or that time is over, the others at once',
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
