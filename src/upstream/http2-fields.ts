// Hot: runs per request; no object per field.
// A head as text <-> the fields of HTTP/2 (RFC 9113 section 8.3), pure. A request's head is built once for all replicas, as HTTP/1.1
// has it, and turned into fields here; an answer's fields are turned into the text that HTTP/1.1 would have had and read by
// the same parser. So what is hop-by-hop, claimed or ambiguous is judged in one place, whatever a replica speaks.

import { STATUS_CODES } from 'node:http';
import { isOfConnection, pairsOf } from '../core/field-syntax.ts';
import { trimOws } from '../core/ows.ts';
import {
  BY_CLOSE,
  BY_LENGTH,
  CHUNKED,
  NO_BODY,
  parseHead,
  type ResponseHead,
  withoutField,
} from './response-head.ts';

/** name, value, name, value; pseudo-fields first. */
export type FieldList = string[];

/** Where the body begins that follows a head as part of its text. */
export const bodyStart = (head: string): number => head.indexOf('\r\n\r\n') + 4;

/** `head`: request line, fields, and an empty line at `bodyAt` - 2; its `te` says `trailers` or is not there. */
export function requestFields(head: string, bodyAt: number, scheme: 'http' | 'https'): FieldList {
  const lineEnd = head.indexOf('\r\n');
  const methodEnd = head.indexOf(' ');
  const method = head.slice(0, methodEnd);
  const path = head.slice(methodEnd + 1, head.lastIndexOf(' ', lineEnd));
  const fields = [':method', method, ':scheme', scheme, ':path', path];
  for (let at = lineEnd + 2; at < bodyAt - 2; ) {
    const end = head.indexOf('\r\n', at);
    const colon = head.indexOf(':', at);
    const name = head.slice(at, colon).toLowerCase();
    const value = trimOws(head.slice(colon + 1, end));
    at = end + 2;
    if (name === 'host') {
      if (value !== '') fields.splice(4, 0, ':authority', value);
    } else if (!isOfConnection(name)) fields.push(name, value);
  }
  return fields;
}

/** The head of an answer as HTTP/1.1 would have it, but for its last empty line. */
export function answerText(status: number, fields: readonly string[]): string {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index]!;
    if (name.charCodeAt(0) !== 0x3a) text += `${name}: ${fields[index + 1]}\r\n`;
  }
  return text;
}

/** Fills `head`; `isWhole`: nothing follows it. Returns what is wrong with it, or ''. */
export function readAnswer(text: string, head: ResponseHead, isHead: boolean, isWhole: boolean): string {
  const fault = parseHead(text, head);
  if (fault !== '') return fault;
  if (head.status === 101) return 'a switch of protocols, which HTTP/2 has not';
  if (head.framing === CHUNKED) return 'a transfer coding, which HTTP/2 has not';
  head.protocol = '2.0';
  head.upgrade = '';
  if (head.status < 200) {
    if (head.framing === BY_LENGTH) head.fields = withoutField(head.fields, 'content-length');
  } else if (isHead || head.status === 204 || head.status === 304) {
    if (head.status === 204 && head.framing === BY_LENGTH)
      head.fields = withoutField(head.fields, 'content-length');
    head.framing = NO_BODY;
  } else if (head.framing === BY_CLOSE) {
    head.framing = isWhole ? BY_LENGTH : CHUNKED;
    if (isWhole) head.fields += 'content-length: 0\r\n';
  }
  return '';
}

/** Lines with their CRLF. */
export function linesOf(fields: readonly string[]): string {
  let lines = '';
  for (let index = 0; index < fields.length; index += 2)
    if (fields[index]!.charCodeAt(0) !== 0x3a) lines += `${fields[index]}: ${fields[index + 1]}\r\n`;
  return lines;
}

/** Trailers as node:http2 takes them; '' gives none. */
export function trailerFields(lines: string): Record<string, string[]> {
  const fields: Record<string, string[]> = Object.create(null);
  const pairs = pairsOf(lines);
  for (let index = 0; index < pairs.length; index += 2) {
    const name = pairs[index]!.toLowerCase();
    fields[name] ??= [];
    fields[name].push(pairs[index + 1]!);
  }
  return fields;
}
