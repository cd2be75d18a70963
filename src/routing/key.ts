// Hot: runs per request; for plain sources it allocates nothing (a result object is reused) and cuts nothing out.
// Finds the text that a request is routed by (TORC_KEY): where it stands in the target or in a header, as raw bytes.
// Nothing is decoded unless it is asked for: `%41` and `A` are two keys, which is what "the same URL" means to a cache.
// An empty value counts as missing, and so does all else; then the key is random, so that keyless load spreads.
// A source that is read from the body is only found to be asked here; body-key.ts goes on from there, when the body comes.
// It is the one reader of keys: the data plane routes by it and /admin/explain asks it, so the two cannot disagree.

import type { KeyPart, KeySource } from '../config/fields.ts';
import { networkOf } from '../core/ip-ranges.ts';

/** What a look at a request's head comes to. */
export const NO_KEY = 0;
export const FOUND = 1;
/** The body has to be read: body-key.ts. */
export const IN_BODY = 2;
/** There is none, and the client gets a cookie to have one from now on. */
export const TO_ISSUE = 3;

export type Place = typeof NO_KEY | typeof FOUND | typeof IN_BODY | typeof TO_ISSUE;

/** Where the key stands: `text[start, end)`. */
export class FoundKey {
  text = '';
  start = 0;
  end = 0;
  /** Which of the sources had it, or has to be asked further. */
  index = 0;

  set(text: string, start: number, end: number): true {
    this.text = text;
    this.start = start;
    this.end = end;
    return true;
  }
}

/** Finds the key of the first source that is present. `host` is whom the request is for; `hasBody`: its body may be asked. */
export function findKey(
  sources: readonly KeySource[],
  target: string,
  rawHeaders: readonly string[],
  ip: string,
  host: string,
  hasBody: boolean,
  found: FoundKey,
): Place {
  for (let index = 0; index < sources.length; index++) {
    const { parts, readsBody } = sources[index]!;
    found.index = index;
    if (readsBody && hasBody) return IN_BODY;
    if (parts.length > 1) {
      if (findJoined(parts, target, rawHeaders, ip, host, found)) return FOUND;
      continue;
    }
    const part = parts[0]!;
    if (findPart(part, target, rawHeaders, ip, host, found)) return FOUND;
    if (part.kind === 'random') return NO_KEY;
    if (part.option === 'issue') return TO_ISSUE;
  }
  return NO_KEY;
}

/** Whether any of them looks at fields; those of the body ask how it is encoded. */
export const readsFields = (sources: readonly KeySource[]): boolean =>
  sources.some(
    ({ parts, readsBody }) => readsBody || parts.some(({ kind }) => kind === 'header' || kind === 'cookie'),
  );

function findJoined(
  parts: readonly KeyPart[],
  target: string,
  rawHeaders: readonly string[],
  ip: string,
  host: string,
  found: FoundKey,
): boolean {
  let text = '';
  for (const part of parts) {
    if (!findPart(part, target, rawHeaders, ip, host, found)) return false;
    text += found.text.slice(found.start, found.end);
  }
  return found.set(text, 0, text.length);
}

/** False where the request has no such thing. */
export function findPart(
  part: KeyPart,
  target: string,
  rawHeaders: readonly string[],
  ip: string,
  host: string,
  found: FoundKey,
): boolean {
  switch (part.kind) {
    case 'query':
      return part.option === ''
        ? findQuery(part.name, target, found)
        : findDecodedQuery(part.name, target, found);
    case 'path': {
      const question = target.indexOf('?');
      return found.set(target, 0, question === -1 ? target.length : question);
    }
    case 'uri':
      return found.set(target, 0, target.length);
    case 'ip':
      return part.size === 0 ? ip !== '' && found.set(ip, 0, ip.length) : findNetwork(part, ip, found);
    case 'host':
      return findHost(host, found);
    case 'header':
      return part.option === ''
        ? findHeader(part.name, rawHeaders, found)
        : findElement(part.name, part.option === 'first', rawHeaders, found);
    case 'cookie':
      return findCookie(part.name, rawHeaders, found);
    default:
      return false;
  }
}

function findQuery(name: string, target: string, found: FoundKey): boolean {
  let at = target.indexOf('?') + 1;
  if (at === 0) return false;
  const { length } = target;
  while (at < length) {
    const ampersand = target.indexOf('&', at);
    const end = ampersand === -1 ? length : ampersand;
    const start = at + name.length + 1;
    if (start < end && target.charCodeAt(start - 1) === 0x3d && target.startsWith(name, at)) {
      return found.set(target, start, end);
    }
    at = end + 1;
  }
  return false;
}

/** As a form is decoded (URL Standard, application/x-www-form-urlencoded), name and value, to one character per byte. */
function findDecodedQuery(name: string, target: string, found: FoundKey): boolean {
  const question = target.indexOf('?');
  for (let at = question + 1; question !== -1 && at < target.length; ) {
    const ampersand = target.indexOf('&', at);
    const end = ampersand === -1 ? target.length : ampersand;
    const equals = target.indexOf('=', at);
    if (equals !== -1 && equals + 1 < end && formDecoded(target.slice(at, equals)) === name) {
      const value = formDecoded(target.slice(equals + 1, end));
      return found.set(value, 0, value.length);
    }
    at = end + 1;
  }
  return false;
}

const formDecoded = (text: string): string =>
  /[%+]/.test(text)
    ? text
        .replaceAll('+', ' ')
        .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    : text;

/** By their first bits, as `10.1.2.0/24`; an address of the other family counts whole, or is left to the next source. */
function findNetwork({ size, option }: KeyPart, ip: string, found: FoundKey): boolean {
  const network = networkOf(ip, size);
  if (network !== '') return found.set(network, 0, network.length);
  return option !== 'only' && ip !== '' && found.set(ip, 0, ip.length);
}

/** In lower case and without a port: whatever they are, it is one host (RFC 9110 section 4.2.3). */
function findHost(host: string, found: FoundKey): boolean {
  const colon = host.lastIndexOf(':');
  const end = colon > host.indexOf(']') ? colon : host.length;
  return end > 0 && found.set(host.toLowerCase(), 0, end);
}

function findHeader(lowerName: string, rawHeaders: readonly string[], found: FoundKey): boolean {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (name.length !== lowerName.length || name.toLowerCase() !== lowerName) continue;
    const value = rawHeaders[index + 1]!;
    if (value !== '') return found.set(value, 0, value.length);
  }
  return false;
}

/** The first or last element of a list, over all lines of the field (RFC 9110 section 5.6.1); empty ones are none. */
function findElement(
  lowerName: string,
  isFirst: boolean,
  rawHeaders: readonly string[],
  found: FoundKey,
): boolean {
  let isFound = false;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (name.length !== lowerName.length || name.toLowerCase() !== lowerName) continue;
    const value = rawHeaders[index + 1]!;
    for (let at = 0; at < value.length; ) {
      const comma = endOfElement(value, at);
      let start = at;
      let end = comma;
      while (start < end && isBlank(value, start)) start++;
      while (end > start && isBlank(value, end - 1)) end--;
      if (end > start) isFound = found.set(value, start, end);
      if (isFound && isFirst) return true;
      at = comma + 1;
    }
  }
  return isFound;
}

/** A comma in quotes parts nothing (RFC 9110 section 5.6.4). */
function endOfElement(value: string, from: number): number {
  let isQuoted = false;
  for (let at = from; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code === 0x22) isQuoted = !isQuoted;
    else if (code === 0x5c && isQuoted) at++;
    else if (code === 0x2c && !isQuoted) return at;
  }
  return value.length;
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || code === 0x09;
}

function findCookie(name: string, rawHeaders: readonly string[], found: FoundKey): boolean {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const field = rawHeaders[index]!;
    if (field.length !== 6 || field.toLowerCase() !== 'cookie') continue;
    const value = rawHeaders[index + 1]!;
    for (let at = 0; at < value.length; ) {
      while (value.charCodeAt(at) === 0x20) at++;
      const semicolon = value.indexOf(';', at);
      const end = semicolon === -1 ? value.length : semicolon;
      const start = at + name.length + 1;
      if (start < end && value.charCodeAt(start - 1) === 0x3d && value.startsWith(name, at)) {
        return found.set(value, start, end);
      }
      at = end + 1;
    }
  }
  return false;
}
