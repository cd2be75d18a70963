// What fields look like on the wire, for requests (the raw lane), answers, and questions to /admin/explain: what one of them
// lets through the others must read the same way.

import { trimOws } from './ows.ts';

/** RFC 9110 sections 5.1 and 5.5: a token, a colon at once (no space before it), a value without control bytes but tab. */
const LINE = String.raw`[!#$%&'*+\-.^_\x60|~0-9A-Za-z]+:[\t -~\x80-\xff]*`;

/** One field, without its CRLF. */
export const FIELD = new RegExp(`^${LINE}$`);

/** A section of them: CRLF and nothing less, no folding. One pass over it all, so that no loop need look. */
export const FIELDS = new RegExp(`^(?:${LINE}\\r\\n)*$`);

/** Fields of a connection, which HTTP/2 has frames for (RFC 9113 section 8.2.2); the name in small letters. */
export const isOfConnection = (lowerName: string): boolean => OF_CONNECTION.test(lowerName);
const OF_CONNECTION = /^(?:connection|keep-alive|proxy-connection|transfer-encoding|upgrade|http2-settings)$/;

/** Lines of fields as [name, value, ...]. Only for 1xx and trailers, which are rare. */
export function pairsOf(lines: string): string[] {
  const pairs: string[] = [];
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) pairs.push(line.slice(0, colon), trimOws(line.slice(colon + 1)));
  }
  return pairs;
}

/** Whether bytes of a body are to come: a length above 0, or a transfer coding. */
export function announcesBody(rawHeaders: readonly string[]): boolean {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!.toLowerCase();
    if (name === 'transfer-encoding') return true;
    if (name === 'content-length' && rawHeaders[index + 1] !== '0') return true;
  }
  return false;
}
