// Settings of the front door: where clients come in, whose word on who they are counts, what replicas hear of it, and the
// bounds of a client's connection. One row each; fields.ts says what a row is.

import { flag, list, oneOf, parseCidr, row, text, whole } from './kinds.ts';

/** Not one that HTTP, torc or a tracer has a use for. */
const REQUEST_ID =
  /^(?!(?:x-forwarded-.*|x-served-by|forwarded|via|host|connection|keep-alive|proxy-.*|te|trailer|upgrade|http2-settings|content-.*|transfer-encoding|expect|max-forwards|cookie|set-cookie|authorization|date|traceparent|tracestate)$)[A-Za-z][A-Za-z0-9-]{0,63}$/i;

export const frontFields = {
  host: row(
    'HOST',
    text(/^[A-Za-z0-9.:-]+$/, 'is not a host', 'an address or host name'),
    '127.0.0.1',
    '',
    'address of the public listener',
    'restart',
  ),
  port: row('PORT', whole(1, 65535), '5000', '', 'port of the public listener', 'restart'),
  http2: row(
    'TORC_HTTP2',
    oneOf('on', 'off'),
    'on',
    '',
    'HTTP/2 for clients that ask for it: by ALPN, or by prior knowledge on a plain port',
    'live',
  ),
  trustedProxies: row(
    'TORC_TRUSTED_PROXIES',
    list(parseCidr, 'a list of CIDRs or addresses'),
    null,
    '',
    'peers whose X-Forwarded-* or Forwarded is kept and appended to; of all others it is replaced',
    'live',
  ),
  forwarded: row(
    'TORC_FORWARDED',
    oneOf('x', 'standard', 'both'),
    'x',
    '',
    'what replicas hear of the client: X-Forwarded-For, -Proto and -Host, or Forwarded (RFC 7239), or both',
    'live',
  ),
  requestId: row(
    'TORC_REQUEST_ID',
    text(REQUEST_ID, 'is no field that torc may set', 'the name of a field (letters, digits, -), or off'),
    'x-request-id',
    '',
    'field that names a request, to the replica, back to the client, and as id in the log: a trusted peer names it, else torc does',
    'restart',
  ),
  underscoreFields: row(
    'TORC_UNDERSCORE_FIELDS',
    oneOf('drop', 'pass'),
    'drop',
    '',
    "request fields with _ in their names, which CGI-like replicas read as -; one of torc's own so spelled is always dropped",
    'live',
  ),
  servedBy: row('TORC_SERVED_BY', flag, 'true', '', 'add x-served-by: SLOT to responses', 'live'),
  headerTimeoutMs: row(
    'TORC_HEADER_TIMEOUT_MS',
    whole(100, 600000),
    '10000',
    'ms',
    "for a client's request head",
    'live',
  ),
  clientIdleTimeoutMs: row(
    'TORC_CLIENT_IDLE_TIMEOUT_MS',
    whole(100, 3_600_000),
    '75000',
    'ms',
    'between two requests of a client connection; longer than the 60 s of the common balancers in front, which use it again until then',
    'live',
  ),
  maxConnections: row(
    'TORC_MAX_CONNECTIONS',
    whole(1, 1000000),
    '16384',
    '',
    'client connections of one worker; beyond: dropped, counted, logged once a minute',
    'live',
  ),
  maxConnectionsPerClient: row(
    'TORC_MAX_CONNECTIONS_PER_CLIENT',
    whole(0, 1000000),
    '0',
    '',
    'connections of one client address (IPv6: of one /64) to one worker; 0: no bound',
    'live',
  ),
} as const;
