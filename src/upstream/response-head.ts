// Hot: runs per response; no object per field, one text per head.
// One response head (RFC 9112 section 4) as the parser and the exchange need it: how the body ends, whether the connection goes on,
// and the end-to-end fields as the one text that goes on as it stands. Anything ambiguous is a fault, named in words.

import { FIELDS } from '../core/field-syntax.ts';
import { trimOws } from '../core/ows.ts';

const REASON = /^[\t -~\x80-\xff]*$/;
const LENGTH = /^\d{1,15}$/;

/** How the end of a body is known. */
export const NO_BODY = 0;
export const BY_LENGTH = 1;
export const CHUNKED = 2;
export const BY_CLOSE = 3;

/** Of a request; an answer may end with its connection as well. */
export type Framing = typeof NO_BODY | typeof BY_LENGTH | typeof CHUNKED;

/** One response head. Reused for the next response of the connection: what must last longer is copied out. */
export class ResponseHead {
  /** As `Via` names it. */
  protocol: '1.1' | '2.0' = '1.1';
  status = 0;
  reason = '';
  framing = NO_BODY;
  /** Bytes of the body where `framing` is BY_LENGTH. */
  contentLength = 0;
  /** End-to-end fields as they came, each line with its CRLF; the hop-by-hop ones are gone (RFC 9110 section 7.6.1). */
  fields = '';
  hasDate = false;
  /** It has a field that only torc may speak by (exchange/claims.ts). */
  hasClaims = false;
  /** The `upgrade` field of a 101. */
  upgrade = '';
  keepAlive = false;
  /** Seconds of `keep-alive: timeout=`, or -1. */
  keepAliveS = -1;
  /** What was made of it for a client, as long as it is the same head, and for which settings; null: nothing was. */
  prepared = '';
  preparedFor: object | null = null;
}

/** Fills `head` from the text of a head (its last line's CRLF included). Returns what is wrong with it, or ''. */
export function parseHead(text: string, head: ResponseHead): string {
  const lineEnd = text.indexOf('\r\n');
  const minor = text.charCodeAt(7);
  const status = digit(text, 9) * 100 + digit(text, 10) * 10 + digit(text, 11);
  // "HTTP/1.1 200 OK"; the last space goes missing in the wild where there is no reason.
  if (
    !text.startsWith('HTTP/1.') ||
    !(minor >= 0x30 && minor <= 0x39) ||
    text.charCodeAt(8) !== 0x20 ||
    !(status >= 100)
  ) {
    return 'not an HTTP/1.1 status line';
  }
  if (lineEnd !== 12 && text.charCodeAt(12) !== 0x20) return 'not an HTTP/1.1 status line';
  head.reason = text.slice(13, Math.max(13, lineEnd));
  if (!REASON.test(head.reason)) return 'a control byte in the reason';
  head.status = status;
  head.framing = BY_CLOSE;
  head.contentLength = 0;
  head.hasDate = false;
  head.hasClaims = false;
  head.upgrade = '';
  head.keepAliveS = -1;
  head.prepared = '';
  head.preparedFor = null;
  // A higher minor version is spoken to as the highest that is known (RFC 9110 section 2.5).
  head.keepAlive = minor !== 0x30;
  const fields = text.slice(lineEnd + 2);
  return FIELDS.test(fields) ? parseFields(fields, head) : 'a broken field';
}

/** NaN where no digit is. */
function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - 48;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}

/** Keeps runs of end-to-end lines as one slice each: most heads are two or three slices. */
function parseFields(text: string, head: ResponseHead): string {
  let kept = '';
  let keptFrom = 0;
  let connection = '';
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf('\r\n', at);
    const colon = text.indexOf(':', at);
    let keep = true;
    switch (colon - at) {
      case 4:
        if (isName(text, at, colon, 'date')) head.hasDate = true;
        break;
      case 2:
        keep = !isName(text, at, colon, 'te');
        break;
      case 3:
        if (isName(text, at, colon, 'via')) head.hasClaims = true;
        break;
      case 11:
        if (isName(text, at, colon, 'x-served-by')) head.hasClaims = true;
        break;
      case 7:
        if (isName(text, at, colon, 'upgrade')) {
          keep = false;
          head.upgrade = trimOws(text.slice(colon + 1, end));
        }
        break;
      case 10:
        if (isName(text, at, colon, 'connection')) {
          keep = false;
          connection += `${connection === '' ? '' : ','}${text.slice(colon + 1, end)}`;
        } else if (isName(text, at, colon, 'keep-alive')) {
          keep = false;
          const timeout = /(?:^|[ \t,])timeout=(\d{1,6})/i.exec(text.slice(colon + 1, end));
          if (timeout !== null) head.keepAliveS = Number(timeout[1]);
        }
        break;
      case 14:
        if (isName(text, at, colon, 'content-length')) {
          const value = trimOws(text.slice(colon + 1, end));
          if (!LENGTH.test(value)) return 'a content-length that is no number';
          if (head.framing !== BY_CLOSE) return 'two framings of one body';
          head.framing = BY_LENGTH;
          head.contentLength = Number(value);
        }
        break;
      case 16:
        keep = !isName(text, at, colon, 'proxy-connection');
        break;
      case 17:
        if (isName(text, at, colon, 'transfer-encoding')) {
          keep = false;
          if (head.framing !== BY_CLOSE || !head.keepAlive) return 'two framings of one body';
          if (trimOws(text.slice(colon + 1, end)).toLowerCase() !== 'chunked')
            return 'a transfer coding that is not chunked';
          head.framing = CHUNKED;
        }
    }
    if (!keep) {
      if (keptFrom < at) kept += text.slice(keptFrom, at);
      keptFrom = end + 2;
    }
    at = end + 2;
  }
  head.fields = keptFrom === 0 ? text : kept + text.slice(keptFrom);
  if (connection !== '') applyConnection(connection.toLowerCase(), head);
  return '';
}

/** `lowerCase` is letters and `-`, and `text` is a token there: no other byte becomes one of them by `| 32`. */
function isName(text: string, start: number, end: number, lowerCase: string): boolean {
  for (let at = start, index = 0; at < end; at++, index++)
    if ((text.charCodeAt(at) | 32) !== lowerCase.charCodeAt(index)) return false;
  return true;
}

/** `close`, `keep-alive`, and the names of further hop-by-hop fields (RFC 9110 section 7.6.1). */
function applyConnection(connection: string, head: ResponseHead): void {
  let keepAlive = head.keepAlive;
  if (trimOws(connection) === 'keep-alive') {
    head.keepAlive = true;
    return;
  }
  for (const part of connection.split(',')) {
    const option = trimOws(part);
    if (option === 'close') keepAlive = false;
    else if (option === 'keep-alive') keepAlive = keepAlive || !connection.includes('close');
    else if (option !== '' && option !== 'content-length') head.fields = withoutField(head.fields, option);
  }
  head.keepAlive = keepAlive;
}

export function withoutField(fields: string, lowerName: string): string {
  let kept = '';
  for (let at = 0; at < fields.length; ) {
    const end = fields.indexOf('\r\n', at) + 2;
    if (fields.slice(at, fields.indexOf(':', at)).toLowerCase() !== lowerName) kept += fields.slice(at, end);
    at = end;
  }
  return kept;
}
