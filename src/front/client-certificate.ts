// A client's certificate in the fields that replicas get of it: its subject as text (RFC 4514, the most specific part first)
// and the SHA-256 fingerprint of all of it. Names are X-Forwarded-, so that what a client says under them is dropped (headers.ts).

import type { X509Certificate } from 'node:crypto';

/** Lines with their CRLF. */
export const certificateFields = ({ subject, fingerprint256 }: X509Certificate): string =>
  `X-Forwarded-Tls-Client-Subject: ${subjectText(subject)}\r\n` +
  `X-Forwarded-Tls-Client-Fingerprint: ${fingerprint256.replaceAll(':', '').toLowerCase()}\r\n`;

/**
 * `subject`: one `type=value` per line, the least specific first, as Node gives it; values have the escapes of RFC 4514 already.
 * What is no visible ASCII is escaped by its UTF-8 bytes: a field's bytes are no text of a known encoding.
 */
export function subjectText(subject: string | undefined): string {
  const parts = (subject ?? '').split('\n').filter(part => part !== '');
  return parts
    .reverse()
    .join(',')
    .replace(/[^ -~]/gu, escaped);
}

const escaped = (character: string): string =>
  [...Buffer.from(character)].map(byte => `\\${byte.toString(16).padStart(2, '0').toUpperCase()}`).join('');
