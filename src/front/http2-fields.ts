// Hot: runs per request and per answer of the HTTP/2 door; one list each, no object per field.
// Heads between HTTP/2's shape (RFC 9113 section 8) and the one that an exchange reads and writes, which is HTTP/1.1's:
// pseudo-fields in front of a list on one side, lines of text on the other. So what a head may say is judged in one place for all
// doors (exchange/headers.ts). What nghttp2 refuses by itself never comes here: upper case, fields of the connection, `te`
// but trailers, pseudo-fields that are unknown, twice, missing or behind others, lengths that do not fit (test/front/http2).

import { isOfConnection, pairsOf } from '../core/field-syntax.ts';
import { trimOws } from '../core/ows.ts';
import { mayTrail } from '../exchange/headers.ts';

/** What RFC 9113 section 6.5.2 counts for a field beside its name and value. */
const FIELD_OVERHEAD_BYTES = 32;

/** A request's head; filled and read within one call. */
export class Http2Head {
  method = '';
  target = '';
  /** Of an extended CONNECT (RFC 8441), else ''. */
  protocol = '';
  /** Name, value, name, value, as a client of HTTP/1.1 would have sent them. */
  fields: string[] = [];
  /** As SETTINGS_MAX_HEADER_LIST_SIZE counts. */
  bytes = 0;
  expectsContinue = false;
}

/** `raw` are names and values as they came; `isEnded`: nothing follows the head. */
export function readHead(raw: readonly string[], isEnded: boolean, head: Http2Head): void {
  const fields: string[] = [];
  let authority = '';
  let cookie = '';
  let hasLength = false;
  head.protocol = '';
  head.expectsContinue = false;
  head.bytes = raw.length * (FIELD_OVERHEAD_BYTES / 2);
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]!;
    const value = raw[index + 1]!;
    head.bytes += name.length + value.length;
    if (name.charCodeAt(0) === 0x3a) {
      if (name === ':method') head.method = value;
      else if (name === ':path') head.target = value;
      else if (name === ':protocol') head.protocol = value;
      else if (name === ':authority') {
        authority = value;
        fields.push('host', value);
      }
      continue;
    }
    // Other crumbs follow (RFC 9113 section 8.2.3).
    if (name === 'cookie') {
      cookie = cookie === '' ? value : `${cookie}; ${value}`;
      continue;
    }
    if (name === 'host' && authority !== '') continue;
    // The stream is the connection; the key for the replica is torc's own (RFC 8441 section 5).
    if (name === 'sec-websocket-key' && head.protocol !== '') continue;
    if (name === 'content-length') hasLength = true;
    else if (name === 'expect') head.expectsContinue = value.toLowerCase() === '100-continue';
    fields.push(name, value);
  }
  if (cookie !== '') fields.push('cookie', cookie);
  // A stream's end tells the length; to a replica of HTTP/1.1 somebody has to.
  if (!isEnded && !hasLength && head.protocol === '') fields.push('transfer-encoding', 'chunked');
  head.fields = fields;
}

/** Not an answer's over HTTP/2; nor is `te`, which only asks. */
const isLeftOut = (lowerName: string): boolean => lowerName === 'te' || isOfConnection(lowerName);

/** `head` is a status line and lines of fields; the list begins with :status. */
export function answerFields(status: number, head: string): string[] {
  // What is no status (RFC 9110 section 15) is to be taken for a server's error, and Node sends none.
  const list = [':status', status > 599 ? '502' : String(status)];
  let at = head.indexOf('\r\n') + 2;
  while (at < head.length) {
    const end = head.indexOf('\r\n', at);
    const colon = head.indexOf(':', at);
    const name = head.slice(at, colon).toLowerCase();
    if (!isLeftOut(name)) list.push(name, trimOws(head.slice(colon + 1, end)));
    at = end + 2;
  }
  return list;
}

/** Lines of fields as Node takes them behind an answer's body, and before its head. */
export function fieldsOf(lines: string, isTrailer: boolean): Record<string, string | string[]> {
  const pairs = pairsOf(lines);
  const fields: Record<string, string | string[]> = Object.create(null);
  for (let index = 0; index < pairs.length; index += 2) {
    const name = pairs[index]!.toLowerCase();
    const value = pairs[index + 1]!;
    if (isLeftOut(name) || (isTrailer && !mayTrail(name))) continue;
    const before = fields[name];
    fields[name] = before === undefined ? value : [before, value].flat();
  }
  return fields;
}
