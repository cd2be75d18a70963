// What TORC_KEY may say: the sources that a request's key is read from, in order. One source is one part, or several that are
// joined (`header:x-tenant+path`): each has to be there, and their texts stand one behind the other, as nginx's
// `$http_x_tenant$uri` and HAProxy's concat do, so that such keys move here without a change. What a part is made of is one
// flat shape for all kinds, because the reader of keys (routing/key.ts) is hot and shapes that differ cost it. Pure.

import { z } from 'zod';
import { KEPT_BODY_BYTES } from '../core/pieces.ts';
import type { Kind } from './kinds.ts';

export interface KeyPart {
  readonly kind:
    | 'query'
    | 'header'
    | 'cookie'
    | 'path'
    | 'uri'
    | 'host'
    | 'ip'
    | 'random'
    | 'json'
    | 'body-prefix';
  /** Parameter, header (lower case) or cookie; empty for the other kinds. One character per byte. */
  readonly name: string;
  /** `only`: addresses of the other family go on to the list's next `ip/...`. */
  readonly option: '' | 'decoded' | 'first' | 'last' | 'issue' | 'only';
  /** Bits of ip/BITS, bytes of body-prefix, seconds of ;max-age=; 0 where nobody said. */
  readonly size: number;
  /** Of json: the names and indices on the way to the value, one character per byte. */
  readonly pointer: readonly string[];
}

/** Where a request's key is read from; the first one present wins. */
export interface KeySource {
  /** As it was written. */
  readonly text: string;
  readonly parts: readonly KeyPart[];
  /** One of them at least is read from the request's body. */
  readonly readsBody: boolean;
}

const TOKEN = /^[!#$%&'*\-.^_`|~0-9A-Za-z]+$/; // RFC 9110 section 5.6.2, less the + that joins
const QUERY_NAME = /^[^&=#+;\s]+$/;
const MAX_AGE = /^max-age=(\d{1,9})$/;

const plain: KeyPart = { kind: 'path', name: '', option: '', size: 0, pointer: [] };

/** One character per byte, as the data plane sees requests. */
const bytesOf = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** A string says what is wrong. */
export function parseKeySource(item: string): KeySource | string {
  const parts: KeyPart[] = [];
  const wrong = `has a wrong part "${item}"`;
  for (const text of item.split('+')) {
    const part = parsePart(text);
    if (typeof part === 'string') return part === '' ? wrong : `${wrong}: ${part}`;
    parts.push(part);
  }
  const joined = parts.length > 1;
  if (joined && parts.some(({ kind }) => kind === 'random')) return `${wrong}: random is joined with nothing`;
  if (joined && parts.some(({ option }) => option === 'issue'))
    return `${wrong}: a cookie with ;issue is joined with nothing`;
  const readsBody = parts.some(({ kind }) => kind === 'json' || kind === 'body-prefix');
  return { text: item, parts, readsBody };
}

/** A string says what is wrong; '' where nothing is known but that. */
function parsePart(text: string): KeyPart | string {
  const [source = '', ...options] = text.split(';');
  const colon = source.indexOf(':');
  const kind = colon === -1 ? source : source.slice(0, colon);
  const name = colon === -1 ? null : source.slice(colon + 1);
  if (name === null) return options.length > 0 ? optionFault(options[0]!) : parseNameless(kind);
  const [option = '', ...others] = options;
  if (others.length > 0 && kind !== 'cookie') return optionFault(others[0]!);
  switch (kind) {
    case 'header':
      if (!TOKEN.test(name)) return '';
      if (option !== '' && option !== 'first' && option !== 'last') return optionFault(option);
      return { ...plain, kind, name: name.toLowerCase(), option };
    case 'query':
      if (!QUERY_NAME.test(name)) return '';
      if (option !== '' && option !== 'decoded') return optionFault(option);
      return { ...plain, kind, name: bytesOf(name), option };
    case 'cookie':
      return TOKEN.test(name) ? parseCookie(name, options) : '';
    case 'json':
      return option === '' ? parsePointer(name) : optionFault(option);
    case 'body-prefix':
      return option === '' ? parsePrefix(name) : optionFault(option);
    default:
      return '';
  }
}

const optionFault = (option: string): string => `";${option}" says nothing here`;

function parseNameless(kind: string): KeyPart | string {
  if (kind === 'path' || kind === 'uri' || kind === 'host' || kind === 'ip' || kind === 'random')
    return { ...plain, kind };
  const bits = /^ip\/(\d{1,3})$/.exec(kind)?.[1];
  if (bits === undefined) return '';
  const size = Number(bits);
  if (size < 1 || size > 128) return 'ip/1 to ip/32 are of IPv4, ip/33 to ip/128 of IPv6';
  return { ...plain, kind: 'ip', size };
}

function parseCookie(name: string, options: readonly string[]): KeyPart | string {
  let size = 0;
  for (const option of options) {
    const seconds = MAX_AGE.exec(option)?.[1];
    if (seconds !== undefined && Number(seconds) > 0 && size === 0) size = Number(seconds);
    else if (option !== 'issue' || options.indexOf(option) !== options.lastIndexOf(option))
      return optionFault(option);
  }
  const isIssued = options.includes('issue');
  if (size > 0 && !isIssued) return ';max-age= goes with ;issue';
  return { ...plain, kind: 'cookie', name, option: isIssued ? 'issue' : '', size };
}

/** A JSON Pointer (RFC 6901), percent-encoded where it likes (its section 6): so names may have a comma, + or ; in them. */
function parsePointer(name: string): KeyPart | string {
  if (!name.startsWith('/')) return 'a JSON Pointer begins with "/"';
  if (/%(?![0-9A-Fa-f]{2})/.test(name)) return 'a % in it is written %25';
  const pointer: string[] = [];
  for (const token of name.slice(1).split('/')) {
    const bytes = bytesOf(token).replace(/%(..)/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    if (/~(?![01])/.test(bytes)) return 'in a JSON Pointer ~ is written ~0, and / in a name ~1';
    pointer.push(bytes.replaceAll('~1', '/').replaceAll('~0', '~'));
  }
  return { ...plain, kind: 'json', pointer };
}

function parsePrefix(bytes: string): KeyPart | string {
  const size = /^\d{1,5}$/.test(bytes) ? Number(bytes) : 0;
  if (size < 1 || size > KEPT_BODY_BYTES) return `body-prefix takes 1 to ${KEPT_BODY_BYTES} bytes`;
  return { ...plain, kind: 'body-prefix', size };
}

export const keySources: Kind<readonly KeySource[]> = {
  allowed:
    'path, uri, host, ip, ip/24, ip/64, random, query:NAME[;decoded], header:NAME[;first or ;last], cookie:NAME[;issue[;max-age=S]], json:/FIELD, body-prefix:BYTES; several with commas, joined ones with +',
  isList: true,
  schema: z.string().transform((value, context): readonly KeySource[] => {
    const sources: KeySource[] = [];
    for (const item of value.split(',').map(part => part.trim())) {
      if (item === '' && value.trim() === '') continue;
      const parsed = parseKeySource(item);
      if (typeof parsed === 'string') context.addIssue({ code: 'custom', message: parsed });
      else sources.push(parsed);
    }
    return sources.map(bothFamilies);
  }),
};

/** `ip/24,ip/64`: each for its own family. Alone, the other family's addresses count whole: no client is without a key. */
function bothFamilies(source: KeySource, index: number, sources: readonly KeySource[]): KeySource {
  const [part = plain, ...others] = source.parts;
  if (part.kind !== 'ip' || part.size === 0 || others.length > 0) return source;
  const goesOn = sources.slice(index + 1).some(({ parts }) => parts.length === 1 && parts[0]!.kind === 'ip');
  return goesOn ? { ...source, parts: [{ ...part, option: 'only' }] } : source;
}
