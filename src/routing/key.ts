// Hot: runs per request; allocates nothing (a result object is reused), cuts nothing out of the request.
// Finds the text that a request is routed by (TORC_KEY): where it stands in the target or in a header, as raw bytes.
// Nothing is decoded: `%41` and `A` are two keys, which is what "the same URL" means to a cache, and costs nothing.
// An empty value counts as missing, and so does all else; then the key is random, so that keyless load spreads.
// It is the one reader of keys: the data plane routes by it and /admin/explain asks it, so the two cannot disagree.

import type { KeySource } from '../config/fields.ts';

/** Where the key stands: `text[start, end)`. */
export class FoundKey {
  text = '';
  start = 0;
  end = 0;

  set(text: string, start: number, end: number): true {
    this.text = text;
    this.start = start;
    this.end = end;
    return true;
  }
}

/** Finds the key of the first source that is present; false where the key is to be random. */
export function findKey(
  sources: readonly KeySource[],
  target: string,
  rawHeaders: readonly string[],
  ip: string,
  found: FoundKey,
): boolean {
  for (let index = 0; index < sources.length; index++) {
    if (findIn(sources[index]!, target, rawHeaders, ip, found)) return true;
    if (sources[index]!.kind === 'random') return false;
  }
  return false;
}

function findIn(
  source: KeySource,
  target: string,
  rawHeaders: readonly string[],
  ip: string,
  found: FoundKey,
): boolean {
  switch (source.kind) {
    case 'query':
      return findQuery(source.name, target, found);
    case 'path': {
      const question = target.indexOf('?');
      return found.set(target, 0, question === -1 ? target.length : question);
    }
    case 'uri':
      return found.set(target, 0, target.length);
    case 'ip':
      return ip !== '' && found.set(ip, 0, ip.length);
    case 'header':
      return findHeader(source.name, rawHeaders, found);
    case 'cookie':
      return findCookie(source.name, rawHeaders, found);
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

function findHeader(lowerName: string, rawHeaders: readonly string[], found: FoundKey): boolean {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (name.length !== lowerName.length || name.toLowerCase() !== lowerName) continue;
    const value = rawHeaders[index + 1]!;
    if (value !== '') return found.set(value, 0, value.length);
  }
  return false;
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
