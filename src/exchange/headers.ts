// Hot: runs per request; one text is built, no object per field.
// A client's request head -> the head for the replica, as one text: order, case, duplicates and bytes of the end-to-end
// fields stay; hop-by-hop fields go (RFC 9110 section 7.6.1); what torc knows better than the client is replaced
// (X-Forwarded-*, framing) or added (Via). Anything ambiguous is a fault: one request in is one request out, or a 400.

import { trimOws } from '../core/ows.ts';
import { forwardingLines, type HeadRules, joined, type Sender } from './forwarded.ts';

/** In which version it came to torc. */
export type HttpVersion = '1.0' | '1.1' | '2.0';

/** What the head said about the request; reused, so what must last is copied out. */
export class RequestHead {
  /** Without the empty line; the request's id goes before that. */
  text = '';
  /** The target as the replica gets it: origin form, or `*`. */
  target = '';
  chunked = false;
  contentLength = 0;
  /** Whom it was sent to, a port included; '' where it does not say. */
  host = '';
  /** All of the body, one character per byte, where it came with the head and goes with it. */
  body = '';
  expectsContinue = false;
  /** Max-Forwards of a TRACE or OPTIONS, or -1. */
  maxForwards = -1;
  /** As a trusted sender named it, or ''. */
  requestId = '';
}

/** A fragment is the client's own (RFC 9110 section 7.1): replicas that read one find another path than who looked before them. */
const TARGET = /^[!"$-~]+$/;
/** What may be told further, quoted in JSON and searched for in logs without a thought: no space, quote or comma. */
const REQUEST_ID = /^[A-Za-z0-9._~:;=@+/-]{1,200}$/;
/** A host, and a port that is digits or nothing (RFC 9110 section 7.2, RFC 3986 section 3.2). */
const AUTHORITY = /^(?:\[[A-Za-z0-9\-._~!$&'()*+,;=:%]*\]|[A-Za-z0-9\-._~!$&'()*+,;=%]*)(?::[0-9]*)?$/;
const ABSOLUTE = /^https?:\/\/([^/?#]*)([^#]*)$/i;

/** Fills `head`; returns why the request is refused, or ''. `upgrade` is the protocol to ask the replica for, or ''. */
export function buildRequestHead(
  method: string,
  target: string,
  rawHeaders: readonly string[],
  version: HttpVersion,
  upgrade: string,
  client: Sender,
  fallbackHost: string,
  head: RequestHead,
): string {
  const isHttp11 = version !== '1.0';
  head.chunked = false;
  head.contentLength = 0;
  head.body = '';
  head.expectsContinue = false;
  head.maxForwards = -1;
  head.requestId = '';
  head.target = target;
  const { rules } = client;
  const authority = normalizeTarget(method, head);
  if (authority === false) return 'a target that is neither a path nor an http URL';
  let fields = '';
  let host = authority;
  let hosts = 0;
  let lengths = 0;
  let connection = '';
  let acceptsTrailers = false;
  let ids = 0;
  let forwarded = '';
  let forwardedFor = '';
  let forwardedHost = '';
  let forwardedProto = '';
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    let value = rawHeaders[index + 1]!;
    if (name.includes('_') && !mayUnderscore(name, rules)) continue;
    if (name.charCodeAt(1) === 0x2d && !mayTell(client, name)) continue;
    if (name.length === rules.requestId.length && isName(name, rules.requestId)) {
      // Two of them are none.
      if (client.trusted) head.requestId = ids++ === 0 && REQUEST_ID.test(value) ? value : '';
      continue;
    }
    switch (name.length) {
      case 2:
        if (isName(name, 'te')) {
          acceptsTrailers = acceptsTrailers || /(?:^|[ \t,])trailers(?:[ \t,;]|$)/i.test(value);
          continue;
        }
        break;
      case 4:
        if (isName(name, 'host')) {
          hosts++;
          if (authority !== null) value = authority;
          host = value;
        }
        break;
      case 6:
        if (isName(name, 'expect')) {
          // A client of HTTP/1.0 does not wait (RFC 9110 section 10.1.1).
          if (!isHttp11) continue;
          head.expectsContinue = value.toLowerCase() === '100-continue';
        }
        break;
      case 7:
        if (isName(name, 'upgrade')) continue;
        break;
      case 9:
        if (isName(name, 'forwarded')) {
          if (client.trusted) forwarded = joined(forwarded, value);
          continue;
        }
        break;
      case 10:
        if (isName(name, 'connection')) {
          connection = connection === '' ? value : `${connection},${value}`;
          continue;
        }
        if (isName(name, 'keep-alive')) continue;
        break;
      case 12:
        if (
          isName(name, 'max-forwards') &&
          (method === 'TRACE' || method === 'OPTIONS') &&
          /^\d{1,9}$/.test(value)
        ) {
          head.maxForwards = Number(value);
          value = String(Math.max(0, head.maxForwards - 1));
        }
        break;
      case 14:
        // Goes with `Upgrade: h2c`, which nobody may offer any more (RFC 9113 section 3.1).
        if (isName(name, 'http2-settings')) continue;
        if (isName(name, 'content-length')) {
          lengths++;
          if (!/^\d{1,15}$/.test(value)) return 'content-length is no number';
          head.contentLength = Number(value);
        }
        break;
      case 15:
        if (isName(name, 'x-forwarded-for')) {
          forwardedFor = joined(forwardedFor, value);
          continue;
        }
        break;
      case 16:
        if (isName(name, 'proxy-connection')) continue;
        if (isName(name, 'x-forwarded-host')) {
          forwardedHost = joined(forwardedHost, value);
          continue;
        }
        break;
      case 17:
        if (isName(name, 'transfer-encoding')) {
          if (head.chunked || value.toLowerCase() !== 'chunked')
            return 'a transfer coding that is not chunked';
          head.chunked = true;
          value = 'chunked';
        } else if (isName(name, 'x-forwarded-proto')) {
          forwardedProto = joined(forwardedProto, value);
          continue;
        }
    }
    fields += `${name}: ${value}\r\n`;
  }
  if (hosts !== 1 && (hosts > 1 || isHttp11)) return 'not exactly one host';
  if (host !== null && !AUTHORITY.test(host)) return 'host is no authority';
  head.host = host ?? '';
  if (lengths > 1 || (head.chunked && (lengths > 0 || !isHttp11))) return 'an ambiguous length';
  if (connection !== '' && !isPlainConnection(connection)) fields = withoutNominated(fields, connection);
  // The replica speaks HTTP/1.1, where a host is a must; a client of HTTP/1.0 may have sent none.
  if (hosts === 0) fields = `Host: ${host ?? fallbackHost}\r\n${fields}`;
  if (acceptsTrailers && upgrade === '') fields += 'TE: trailers\r\nConnection: TE\r\n';
  if (client.trusted || rules.forwarded !== 'x' || client.ip === '') {
    const told = { for: forwardedFor, proto: forwardedProto, host: forwardedHost, forwarded };
    fields += forwardingLines(client, told, host ?? '');
  } else {
    fields += `X-Forwarded-For: ${client.ip}\r\nX-Forwarded-Proto: ${client.scheme}\r\n`;
    if (host) fields += `X-Forwarded-Host: ${host}\r\n`;
  }
  fields += client.fields;
  if (upgrade !== '') fields += `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`;
  head.text = `${method} ${head.target} HTTP/1.1\r\n${fields}Via: ${version} torc\r\n`;
  return '';
}

/**
 * Fields that are no trailers: they say where a message ends, who sends it, what it is or what to do with it, and somebody
 * further on may merge them into the head (RFC 9110 section 6.5.1).
 */
const NO_TRAILER =
  /^(?:content-(?:length|encoding|type|range)|transfer-encoding|trailer|te|host|connection|keep-alive|proxy-.*|upgrade|authorization|www-authenticate|cookie|set-cookie|cache-control|pragma|expect|max-forwards|range|if-.*|age|date|expires|location|retry-after|vary|warning|via|forwarded|x-forwarded-.*|x-served-by)$/i;

export const mayTrail = (name: string): boolean => !NO_TRAILER.test(name);

/**
 * CGI and its kin read `_` and `-` as one (RFC 9110 section 17.10): a field that is one of torc's own under another spelling
 * never goes on, and of the others none unless they are asked for.
 */
function mayUnderscore(name: string, { passesUnderscores, requestId }: HeadRules): boolean {
  if (!passesUnderscores) return false;
  const known = name.replaceAll('_', '-');
  return !OWN.test(known) && known.toLowerCase() !== requestId;
}

/** What torc says itself, or takes out. */
const OWN =
  /^(?:x-forwarded-.*|x-served-by|forwarded|via|host|connection|keep-alive|proxy-connection|te|upgrade|http2-settings|content-length|transfer-encoding|expect|max-forwards)$/i;

/** Also X-Forwarded-Port, -Prefix and whatever else a replica may believe: only a trusted peer's word counts. */
const isForwarded = (name: string): boolean => /^x-forwarded-/i.test(name);

/** Of a field whose name is `x-...`: the sender's word counts on what it is about. */
const mayTell = ({ trusted, fields }: Sender, name: string): boolean =>
  trusted ? fields === '' || !says(fields, name) : !isForwarded(name);

const says = (fields: string, name: string): boolean =>
  `\r\n${fields}`.toLowerCase().includes(`\r\n${name.toLowerCase()}:`);

const isName = (name: string, lowerCase: string): boolean =>
  name === lowerCase || name.toLowerCase() === lowerCase;

/**
 * Absolute form -> origin form and its authority, which replaces Host (RFC 9112 section 3.2.2); null for the others, false for what is neither.
 * The path and query stay byte for byte.
 */
function normalizeTarget(method: string, head: RequestHead): string | null | false {
  const { target } = head;
  if (!TARGET.test(target)) return false;
  if (target.charCodeAt(0) === 0x2f || (target === '*' && method === 'OPTIONS')) return null;
  const match = ABSOLUTE.exec(target);
  if (match === null || match[1] === '' || match[1]!.includes('@')) return false;
  const rest = match[2]!;
  head.target = rest === '' ? (method === 'OPTIONS' ? '*' : '/') : rest.startsWith('/') ? rest : `/${rest}`;
  return match[1]!;
}

function isPlainConnection(connection: string): boolean {
  return (
    connection === 'keep-alive' ||
    connection === 'close' ||
    /^(?:keep-alive|close|upgrade|te|[ \t,])*$/i.test(connection)
  );
}

/** Fields that a client may not have dropped by naming them: they say who it is and where the request ends. */
const KEPT = new Set(['host', 'content-length', 'transfer-encoding', 'via']);

function withoutNominated(fields: string, connection: string): string {
  const names = new Set(connection.toLowerCase().split(',').map(trimOws));
  let kept = '';
  for (let at = 0; at < fields.length; ) {
    const end = fields.indexOf('\r\n', at) + 2;
    const name = fields.slice(at, fields.indexOf(':', at)).toLowerCase();
    if (!names.has(name) || KEPT.has(name)) kept += fields.slice(at, end);
    at = end;
  }
  return kept;
}
