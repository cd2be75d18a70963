// What proxies before torc say about the client, and what replicas hear of it: X-Forwarded-For, -Proto, -Host, and Forwarded
// (RFC 7239), which says the same in one field. Only a trusted sender's word comes here. X-Forwarded-For is asked first, and
// Forwarded only where there is none: a proxy that speaks the one passes the other on as a client sent it, so the two are
// never mixed. An unreadable Forwarded says nothing at all; half of it would be what an attacker wants to have read.

import { trimOws } from '../core/ows.ts';

/** What replicas are told (TORC_FORWARDED): X-Forwarded-*, Forwarded, or both. */
export type ForwardedStyle = 'x' | 'standard' | 'both';

/** Who sent a request: the other end of a client's connection. */
export interface Sender {
  /** The peer's address; '' where it has none (a unix socket). */
  readonly ip: string;
  /** Its word on X-Forwarded-* and Forwarded counts. */
  readonly trusted: boolean;
  /** How it came to torc. */
  readonly scheme: 'http' | 'https';
  /**
   * Lines with their CRLF that torc says of its connection (a client certificate). Their names begin with X-Forwarded-, so
   * that no peer who is not trusted says one of them; of one who is, those go that torc says itself.
   */
  readonly fields: string;
  readonly rules: HeadRules;
}

/** What settings say of every head. */
export interface HeadRules {
  /** Fields with `_` in their names go on (TORC_UNDERSCORE_FIELDS). */
  readonly passesUnderscores: boolean;
  readonly forwarded: ForwardedStyle;
  /** The field that names a request, in lower case; '' for none (TORC_REQUEST_ID). */
  readonly requestId: string;
  isTrusted(address: string): boolean;
}

/** One entry: who it was, in which scheme and for which host it asked; '' where that is not said. */
export interface Hop {
  readonly address: string;
  readonly proto: string;
  readonly host: string;
}

/** The values of the fields of one head, '' where it has none; several lines of one are one list. */
export interface Told {
  readonly for: string;
  readonly proto: string;
  readonly host: string;
  readonly forwarded: string;
}

const IPV4_WITH_PORT = /^(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}$/;
const BRACKETED = /^\[([^\]]*)\](?::\d{1,5})?$/;

/** The address in an entry: without port, brackets and quotes; what is no address stays as it is. */
export function addressIn(entry: string): string {
  let text = trimOws(entry);
  if (text.length > 1 && text.startsWith('"') && text.endsWith('"')) text = text.slice(1, -1);
  const bare = (BRACKETED.exec(text) ?? IPV4_WITH_PORT.exec(text))?.[1] ?? text;
  return bare.startsWith('::ffff:') && bare.includes('.') ? bare.slice('::ffff:'.length) : bare;
}

/** The way of a request up to its sender, nearest to the client first. */
export function hopsOf(forwardedFor: string, forwarded: string): readonly Hop[] {
  if (forwardedFor === '') return forwarded === '' ? [] : (parseForwarded(forwarded) ?? []);
  return forwardedFor.split(',').map(entry => ({ address: addressIn(entry), proto: '', host: '' }));
}

/** The client: the last hop that nobody trusts, because what stands before it is hearsay. null: all are trusted. */
export function clientOf(hops: readonly Hop[], rules: { isTrusted(address: string): boolean }): Hop | null {
  for (let index = hops.length - 1; index >= 0; index--) {
    const hop = hops[index]!;
    if (!rules.isTrusted(hop.address)) return hop;
  }
  return null;
}

/** A parameter and what ends it. Ports and brackets often come unquoted, though the grammar wants quotes around them. */
const PARAMETER = /[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;= \t]+))[ \t]*([;,]|$)/y;
const NOTHING_BEFORE_COMMA = /[ \t]*(?:,|$)/y;

/** RFC 7239 section 4. null where anything in it is not of the grammar, or a parameter comes twice in an element. */
export function parseForwarded(text: string): Hop[] | null {
  const hops: Hop[] = [];
  let element: Record<string, string> = {};
  let isOpen = false;
  for (let at = 0; at < text.length; ) {
    NOTHING_BEFORE_COMMA.lastIndex = at;
    // A list may have empty elements (RFC 9110 section 5.6.1.2).
    if (!isOpen && NOTHING_BEFORE_COMMA.test(text)) {
      at = NOTHING_BEFORE_COMMA.lastIndex;
      continue;
    }
    PARAMETER.lastIndex = at;
    const match = PARAMETER.exec(text);
    if (match === null) return null;
    const [, name, quoted, token, end] = match;
    const key = name!.toLowerCase();
    if (Object.hasOwn(element, key)) return null;
    element[key] = quoted === undefined ? token! : quoted.replace(/\\(.)/g, '$1');
    isOpen = end === ';';
    at = PARAMETER.lastIndex;
    if (isOpen) continue;
    const { for: node = '', proto = '', host = '' } = element;
    hops.push({ address: addressIn(node), proto: proto.toLowerCase(), host });
    element = {};
  }
  return isOpen ? null : hops;
}

/** Lines for the replica. `host` is what the request itself is for, or ''. */
export function forwardingLines({ ip, scheme, rules }: Sender, told: Told, host: string): string {
  const style = rules.forwarded;
  const hops = hopsOf(told.for, told.forwarded);
  const client = clientOf(hops, rules);
  let lines = '';
  if (style !== 'standard') {
    const before = told.for === '' ? hops.map(({ address }) => address || 'unknown').join(', ') : told.for;
    const chain = joined(before, ip);
    const hostTold = told.host || client?.host || host;
    if (chain !== '') lines += `X-Forwarded-For: ${chain}\r\n`;
    lines += `X-Forwarded-Proto: ${told.proto || client?.proto || scheme}\r\n`;
    if (hostTold !== '') lines += `X-Forwarded-Host: ${hostTold}\r\n`;
  }
  if (style !== 'x') {
    const isAsItCame = told.for === '' && told.proto === '' && told.host === '';
    const before = isAsItCame ? (hops.length === 0 ? '' : told.forwarded) : written(hops, client, told);
    lines += `Forwarded: ${joined(before, elementOf(ip || 'unknown', scheme, host))}\r\n`;
  }
  return lines;
}

/** X-Forwarded-* as Forwarded: scheme and host are the client's (RFC 7239 section 7.4). */
function written(hops: readonly Hop[], client: Hop | null, told: Told): string {
  const asked = client ?? hops[0];
  if (asked === undefined) return elementOf('', told.proto, told.host);
  return hops
    .map(hop =>
      hop === asked
        ? elementOf(hop.address || 'unknown', told.proto || hop.proto, told.host || hop.host)
        : elementOf(hop.address || 'unknown', hop.proto, hop.host),
    )
    .join(', ');
}

function elementOf(address: string, proto: string, host: string): string {
  const parameters: string[] = [];
  if (address !== '') parameters.push(`for=${quoted(address.includes(':') ? `[${address}]` : address)}`);
  if (proto !== '') parameters.push(`proto=${quoted(proto)}`);
  if (host !== '') parameters.push(`host=${quoted(host)}`);
  return parameters.join(';');
}

/** A token as it is, all else as a quoted string (RFC 9110 section 5.6.4). */
const quoted = (value: string): string =>
  /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;

/** One list of what was two (RFC 9110 section 5.3). */
export const joined = (before: string, last: string): string =>
  before === '' ? last : last === '' ? before : `${before}, ${last}`;
