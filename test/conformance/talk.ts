// One conformance case and the little language it is written in. A case talks to a proxy with raw sockets on both sides
// and throws when the proxy did something that the named section forbids. The checks speak of meaning (what the replica
// could have read, what the client could take for complete), never of torc's own words, so that the same table runs
// against nginx and HAProxy: a case that both of them fail is probably a wrong case.

import * as assert from 'uvu/assert';
import { type Answer, type Origin, type OriginRequest, plain } from '../support/origin.ts';
import { parseAnswer, type RawAnswer, type RawClient, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

export interface World {
  /** The proxy's port. */
  readonly port: number;
  /** What it is talked to in. */
  readonly scheme: 'http' | 'https';
  /** As Via tells it. */
  readonly version: '1.1' | '2.0';
  /** What the cases speak through, where it is not HTTP/1.1 that the proxy is asked in. */
  readonly relay?: { unsaid: string };
  /** The replica behind it. */
  readonly origin: Origin;
}

export type Level = 'must' | 'should';

export interface Case {
  readonly area: string;
  readonly name: string;
  /** RFC and section that the case stands on. */
  readonly section: string;
  /** `must`: so say the RFC or torc's own contract; `should`: what a good proxy does beyond it. */
  readonly level: Level;
  run(world: World): Promise<void>;
}

/** A refusal, an answer or an end has to come within this; the proxies run with timeouts of a second. */
export const PATIENCE_MS = 3000;

export const area =
  (name: string, into: Case[], level: Level = 'must') =>
  (section: string, what: string, run: (world: World) => Promise<void>): void => {
    into.push({ area: name, name: what, section, level, run });
  };

export interface Talk {
  /** Pieces are written one by one, each a packet of its own. */
  readonly send: string | readonly string[];
  readonly answer?: Answer;
  readonly atHead?: boolean;
  /** Final answers to wait for; a close ends the wait too. */
  readonly answers?: number;
  /** The methods of the requests are HEAD: their answers have no body. */
  readonly head?: boolean;
  readonly halfClose?: boolean;
}

export interface Seen {
  /** Complete final answers. */
  readonly answers: readonly RawAnswer[];
  /** Status codes of informational answers. */
  readonly informational: readonly number[];
  /** What came behind the last complete answer. */
  readonly rest: string;
  readonly received: string;
  readonly closed: boolean;
  /** Complete requests at the replica. */
  readonly requests: readonly OriginRequest[];
  /** All bytes at the replica. */
  readonly bytes: string;
}

/** Sends, waits for the answers or the end, and says what both sides saw. The client is closed afterwards. */
export async function talk(world: World, options: Talk): Promise<Seen> {
  const { origin } = world;
  origin.answer = options.answer ?? plain('hello');
  origin.atHead = options.atHead ?? false;
  const client = await rawClient(world.port, { allowHalfOpen: options.halfClose === true });
  try {
    const pieces = typeof options.send === 'string' ? [options.send] : options.send;
    for (const [index, piece] of pieces.entries()) {
      if (client.closed) break;
      client.send(piece);
      if (index < pieces.length - 1) await turn();
    }
    if (options.halfClose === true) client.socket.end();
    const wanted = options.answers ?? 1;
    let seen = see(client, origin, options.head === true);
    await waitFor(
      () => {
        seen = see(client, origin, options.head === true);
        return client.closed || client.ended || seen.answers.length >= wanted;
      },
      { timeoutMs: PATIENCE_MS, what: 'an answer or an end' },
    ).catch(() => {});
    return see(client, origin, options.head === true);
  } finally {
    client.close();
  }
}

/** For what HTTP/2 does not have, though its answers could be written as if: letter case of names, upgrades. */
export function hasNoWords({ relay }: World): boolean {
  if (relay !== undefined) relay.unsaid = 'HTTP/2 has no such thing';
  return relay !== undefined;
}

/** Lets a packet leave before the next one is written. */
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

export function see(client: RawClient, origin: Origin, head = false): Seen {
  const answers: RawAnswer[] = [];
  const informational: number[] = [];
  const { received } = client;
  const closed = client.closed || client.ended;
  let at = 0;
  for (;;) {
    const one = /^HTTP\/1\.1 (1\d\d) [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(received.slice(at));
    if (one !== null && one[1] !== '101') {
      informational.push(Number(one[1]));
      at += one[0].length;
      continue;
    }
    const parsed = parseAnswer(received.slice(at), head, closed);
    if (parsed === null) break;
    answers.push(parsed.answer);
    at += parsed.length;
    if (parsed.answer.status === 101) break;
  }
  const requests = origin.requests.slice();
  return {
    answers,
    informational,
    rest: received.slice(at),
    received,
    closed,
    requests,
    bytes: origin.bytes,
  };
}

// ---- what a case may say about it

const shown = (seen: Seen): string =>
  JSON.stringify({ client: seen.received.slice(0, 600), replica: seen.bytes.slice(0, 600) });

export function check(condition: boolean, what: string, seen: Seen): void {
  assert.ok(condition, `${what}: ${shown(seen)}`);
}

/** One answer with this status, and one request at the replica. */
export function forwarded(seen: Seen, status = 200): { answer: RawAnswer; request: OriginRequest } {
  const [answer] = seen.answers;
  const [request] = seen.requests;
  check(answer?.status === status, `no ${status}`, seen);
  check(seen.requests.length === 1 && request !== undefined, 'not one request at the replica', seen);
  return { answer: answer!, request: request! };
}

/** The client was told off (or just cut), and the replica never had a complete request of it. */
export function refused(seen: Seen): void {
  check(seen.requests.length === 0, 'the replica got a request', seen);
  const status = seen.answers[0]?.status ?? 0;
  check(status >= 400 ? true : seen.closed && seen.answers.length === 0, 'not refused', seen);
}

/** No line end but CRLF, no folded line, no control byte but tab. */
export function isStrict(text: string): boolean {
  if (/\r\n[ \t]/.test(text)) return false;
  for (const byte of Buffer.from(text.replaceAll('\r\n', ''), 'latin1'))
    if ((byte < 32 && byte !== 9) || byte === 127) return false;
  return true;
}

export const fieldsOf = (request: OriginRequest): string[] => request.head.split('\r\n').slice(1);

export const valuesOf = (lines: readonly string[], name: string): string[] =>
  lines
    .filter(line => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    .map(line => line.slice(name.length + 1).replace(/^[ \t]+|[ \t]+$/g, ''));

export const requestValues = (request: OriginRequest, name: string): string[] =>
  valuesOf(fieldsOf(request), name);

/** Waits until the proxy closed its side of the connection. */
export const ends = (client: RawClient): Promise<void> =>
  waitFor(() => client.closed || client.ended, { timeoutMs: PATIENCE_MS, what: 'the connection to end' });

/** For cases with a story: a client that is closed whatever happens. */
export async function withClient(
  world: World,
  options: { answer?: Answer; atHead?: boolean; halfOpen?: boolean },
  run: (client: RawClient) => Promise<void>,
): Promise<void> {
  world.origin.answer = options.answer ?? plain('hello');
  world.origin.atHead = options.atHead ?? false;
  const client = await rawClient(world.port, { allowHalfOpen: options.halfOpen === true });
  try {
    await run(client);
  } finally {
    client.close();
  }
}

export const until = (condition: () => boolean, what: string): Promise<void> =>
  waitFor(condition, { timeoutMs: PATIENCE_MS, what });

export const post = (body: string, fields: readonly string[] = [], target = '/'): string =>
  `POST ${target} HTTP/1.1\r\n${['Host: a', ...fields, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`;

export const chunkedPost = (chunks: string, fields: readonly string[] = []): string =>
  `POST / HTTP/1.1\r\n${['Host: a', ...fields, 'Transfer-Encoding: chunked'].join('\r\n')}\r\n\r\n${chunks}`;
