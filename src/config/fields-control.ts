// Settings of the control side: who may ask it and where, and what is logged.
// One row each; fields.ts says what a row is.

import { flag, list, oneOf, row, text, whole } from './kinds.ts';

export const controlFields = {
  adminToken: row(
    'TORC_ADMIN_TOKEN',
    {
      ...text(/^[!-~]{8,}$/, 'is too short or has spaces', 'at least 8 printable characters'),
      isSecret: true,
    },
    null,
    '',
    'bearer token that opens the control endpoints; not as a flag, which every process list shows',
    'live',
  ),
  adminTokenFile: row(
    'TORC_ADMIN_TOKEN_FILE',
    text(/^[^\0]+$/, 'is not a path', 'a path'),
    null,
    '',
    'file of tokens: one token alone, or a line "NAME read|operate TOKEN" for each (docs/api.md)',
    'live',
  ),
  adminOpen: row(
    'TORC_ADMIN_OPEN',
    flag,
    'false',
    '',
    'control endpoints open to everybody who reaches the port, unless a token is set',
    'live',
  ),
  adminHosts: row(
    'TORC_ADMIN_HOSTS',
    list(item => (/^[A-Za-z0-9._-]+$/.test(item) ? item.toLowerCase() : null), 'a list of host names'),
    null,
    '',
    'host names under which the control endpoints may be asked (besides addresses and localhost)',
    'live',
  ),
  adminPort: row(
    'TORC_ADMIN_PORT',
    whole(1, 65535),
    null,
    '',
    'port of a listener for the control endpoints alone, on TORC_ADMIN_LISTEN',
    'restart',
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
    'restart',
  ),
  adminPaths: row(
    'TORC_ADMIN_PATHS',
    oneOf('both', 'separate', 'off-public'),
    'both',
    '',
    'control endpoints on the public port: all (both), only /rep, /add, /rm and /requests/ID (separate), none (off-public)',
    'live',
  ),
  showKeys: row(
    'TORC_SHOW_KEYS',
    flag,
    'false',
    '',
    'show keys that may be credentials (all but path, ip, random, query:request_id) as they are, not as hashes',
    'live',
  ),
  hotKeys: row(
    'TORC_HOT_KEYS',
    oneOf('off', 'hash', 'on'),
    'on',
    '',
    'count the busiest keys for /admin/hot-keys: on (shown as TORC_SHOW_KEYS says), hash (always as hashes), off',
    'live',
  ),
  log: row(
    'TORC_LOG',
    oneOf('silent', 'error', 'warn', 'info', 'debug'),
    'info',
    '',
    'least level that is logged',
    'live',
  ),
  accessLog: row('TORC_ACCESS_LOG', flag, 'false', '', 'log each request', 'live'),
} as const;
