// The fields of a request in the raw lane, read strictly: RFC 9112 section 5 and nothing that has to be thought about.
// Null means that node:http shall have the request, not that it is wrong. Made once per connection as a rule, because a
// client repeats itself; so it is plain, and what is kept is only what a request needs.

import type { KeySource } from '../config/fields.ts';
import { FIELDS } from '../core/field-syntax.ts';
import { trimOws } from '../core/ows.ts';
import { buildRequestHead, RequestHead } from '../exchange/headers.ts';
import { readsFields } from '../routing/key.ts';
import type { Peer } from './peer.ts';

/** Longest section that is looked at here. */
export const MAX_FIELDS_BYTES = 16 * 1024;

export interface Fields {
  /** As they came, with the empty line. */
  readonly bytes: Buffer;
  /** What follows the request line in the replica's head, and the CRLF before it. */
  readonly tail: string;
  readonly contentLength: number;
  /** As a trusted client named the request, or ''. */
  readonly requestId: string;
  /** Whom it is for. */
  readonly host: string;
  /** The client wants the connection to go on. */
  readonly keepAlive: boolean;
  /** Name, value, name, value; empty where no key is read from fields. */
  readonly raw: readonly string[];
  /** Who asks, for keys. */
  readonly address: string;
}

/** What makes more of a request than a head and a body of a known length, or depends on the method. */
const RARE =
  /^(?:transfer-encoding|upgrade|expect|te|trailer|proxy-connection|http2-settings|max-forwards)$/i;
const NOTHING: readonly string[] = [];
const ANY_LINE = 'GET / HTTP/1.1';

const head = new RequestHead();

/** `at`: behind the request line. */
export function readFields(
  bytes: Buffer,
  at: number,
  peer: Peer,
  sources: readonly KeySource[],
): Fields | null {
  const emptyLineAt = bytes.indexOf('\r\n\r\n', at, 'latin1');
  if (emptyLineAt === -1 || emptyLineAt - at > MAX_FIELDS_BYTES) return null;
  const text = bytes.toString('latin1', at, emptyLineAt + 2);
  if (!FIELDS.test(text)) return null;
  const raw: string[] = [];
  let keepAlive = true;
  for (const line of text.slice(0, -2).split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const value = trimOws(line.slice(colon + 1));
    if (RARE.test(name)) return null;
    if (name.length === 10 && name.toLowerCase() === 'connection') {
      if (!/^(?:keep-alive|close)$/i.test(value) || !keepAlive) return null;
      keepAlive = value.toLowerCase() === 'keep-alive';
    }
    raw.push(name, value);
  }
  if (buildRequestHead('GET', '/', raw, '1.1', '', peer, 'torc', head) !== '') return null;
  const needsRaw = peer.trusted || readsFields(sources);
  return {
    bytes: Buffer.from(bytes.subarray(at, emptyLineAt + 4)),
    tail: head.text.slice(ANY_LINE.length),
    contentLength: head.contentLength,
    requestId: head.requestId,
    host: head.host,
    keepAlive,
    raw: needsRaw ? raw : NOTHING,
    address: peer.trusted ? peer.addressOf(raw) : peer.ip,
  };
}
