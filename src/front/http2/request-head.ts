// Hot: runs per request.
// A request's fields (RFC 9113 section 8) -> the head that an exchange begins with, which has the shape of HTTP/1.1: so what a head
// may say is judged in one place for all doors (exchange/headers.ts), and here only what is HTTP/2's own: pseudo-fields,
// small letters, no fields of a connection, a length that fits the end.

import { isOfConnection } from '../../core/field-syntax.ts';

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** No control byte but tab, and no white space around it (section 8.2.1). */
const VALUE = /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+\-.]*$/;

/** A head that is right; filled and read within one call. */
export class Http2Head {
  method = '';
  target = '';
  /** Of an extended CONNECT (RFC 8441), else ''. */
  protocol = '';
  /** Name, value, name, value, as a client of HTTP/1.1 would have sent them. */
  fields: string[] = [];
  expectsContinue = false;
  /** Of the body, or NaN where nobody says. */
  contentLength = Number.NaN;
}

/** Fills `head`; false where the request is malformed (section 8.1.1). `isEnded`: nothing follows the head. */
export function readHead(list: readonly string[], isEnded: boolean, head: Http2Head): boolean {
  const fields: string[] = [];
  let method = '';
  let scheme = '';
  let path = '';
  let authority: string | null = null;
  let protocol = '';
  let cookie = '';
  let hasFields = false;
  let announcesTrailers = false;
  head.contentLength = Number.NaN;
  head.expectsContinue = false;
  for (let index = 0; index < list.length; index += 2) {
    const name = list[index]!;
    const value = list[index + 1]!;
    if (name.charCodeAt(0) === 0x3a) {
      // Before the others, and each once (section 8.3).
      if (hasFields || value === '') return false;
      if (name === ':method' && method === '') method = value;
      else if (name === ':scheme' && scheme === '') scheme = value;
      else if (name === ':path' && path === '') path = value;
      else if (name === ':protocol' && protocol === '') protocol = value;
      else if (name === ':authority' && authority === null) {
        authority = value;
        fields.push('host', value);
      } else return false;
      continue;
    }
    hasFields = true;
    if (!NAME.test(name) || !VALUE.test(value) || isOfConnection(name)) return false;
    switch (name) {
      case 'te':
        if (value.toLowerCase() !== 'trailers') return false;
        break;
      // Other crumbs follow (section 8.2.3).
      case 'cookie':
        cookie = cookie === '' ? value : `${cookie}; ${value}`;
        continue;
      case 'host':
        if (authority !== null) continue;
        break;
      case 'content-length':
        // Of a tunnel, which has no body (RFC 9110 section 9.3.6).
        if (protocol !== '') continue;
        if (!Number.isNaN(head.contentLength) || !/^\d{1,15}$/.test(value)) return false;
        head.contentLength = Number(value);
        break;
      case 'trailer':
        announcesTrailers = true;
        break;
      case 'expect':
        head.expectsContinue = value.toLowerCase() === '100-continue';
        break;
      // The stream is the connection; the key for the replica is torc's own (RFC 8441 section 5).
      case 'sec-websocket-key':
        if (protocol !== '') continue;
    }
    fields.push(name, value);
  }
  if (!isRequest(method, scheme, path, authority, protocol)) return false;
  if (isEnded && head.contentLength > 0) return false;
  if (cookie !== '') fields.push('cookie', cookie);
  // A stream's end tells the length; to a replica of HTTP/1.1 somebody has to, and behind a length it takes no trailers.
  const hasLength = !Number.isNaN(head.contentLength);
  const isChunked = !isEnded && protocol === '' && (!hasLength || announcesTrailers);
  if (isChunked) fields.push('transfer-encoding', 'chunked');
  head.method = method;
  head.target = path;
  head.protocol = protocol;
  head.fields = isChunked && hasLength ? withoutLength(fields) : fields;
  return true;
}

function withoutLength(fields: readonly string[]): string[] {
  return fields.filter((_, at) => fields[at - (at % 2)] !== 'content-length');
}

/** Sections 8.3.1 and 8.5, and RFC 8441 section 4. */
function isRequest(
  method: string,
  scheme: string,
  path: string,
  authority: string | null,
  protocol: string,
): boolean {
  if (!TOKEN.test(method) || (authority !== null && !VALUE.test(authority))) return false;
  if (method === 'CONNECT' && protocol === '') return authority !== null && scheme === '' && path === '';
  if (!SCHEME.test(scheme) || (protocol !== '' && method !== 'CONNECT')) return false;
  // What it may hold is judged with all other targets.
  return VALUE.test(path) && (path.charCodeAt(0) === 0x2f || (path === '*' && method === 'OPTIONS'));
}

/** Fields behind a body, which have no pseudo-fields; false where they are malformed. */
export function areTrailers(list: readonly string[]): boolean {
  for (let index = 0; index < list.length; index += 2) {
    const name = list[index]!;
    if (!NAME.test(name) || !VALUE.test(list[index + 1]!) || isOfConnection(name)) return false;
  }
  return true;
}
