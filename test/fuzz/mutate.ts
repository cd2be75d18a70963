// Streams of bytes that are nearly HTTP/1.1: what a client sends on one connection, and what a replica answers. Each is
// made of the grammar first (requests that pipeline, every way to state a length wrongly, inner requests hidden in bodies:
// the smuggler's alphabet), then hurt at random places, because a fuzzer of bytes alone never gets past the first line.
// All of it is a pure function of the run's seed and the stream's number, so one failing stream replays alone.

import { type Random, seededRandom } from '../../src/core/random.ts';
import { type Head, readResponse } from './strict.ts';

export interface Stream {
  readonly number: number;
  /** Who misbehaves: the client's bytes are mutated, or the replica's. */
  readonly hostile: 'client' | 'replica';
  readonly bytes: string;
  /** Where the bytes are cut into writes, ascending. */
  readonly cuts: readonly number[];
  /** Between two writes. */
  readonly paceMs: number;
  readonly ending: 'wait' | 'half-close' | 'destroy';
}

export interface Reply {
  /** One write each. */
  readonly writes: readonly string[];
  readonly paceMs: number;
  readonly ending: 'keep' | 'end' | 'reset';
  /** Answered before the request's body came. */
  readonly early: boolean;
}

const below = (random: Random, bound: number): number => Math.floor(random() * bound);
const pick = <T>(random: Random, choices: readonly T[]): T => choices[below(random, choices.length)]!;
const chance = (random: Random, probability: number): boolean => random() < probability;

const ODD_BYTES = [...'\0\t\n\v\f\r :;,0=/"(\x1c\x7f\x80\x85\xa0\xff'];
const LINE_ENDS = ['\n', '\r', '\r\r\n', '\n\r', '\r\n\r\n', '\r\n ', '\r\n\t', ' \r\n', '\0\r\n', ''];
const CODINGS = [
  'chunked',
  'Chunked',
  'chunked ',
  'identity',
  'gzip, chunked',
  'chunked, chunked',
  'chunked, identity',
  '\x0bchunked',
  'xchunked',
  'chunked\r\n x',
  '\r\n chunked',
  '"chunked"',
  'chunked;q=1',
  ',chunked',
  'chunked\0',
  '\xa0chunked',
  'chunke',
];
const CODING_NAMES = [
  'Transfer-Encoding',
  'transfer-encoding',
  'Transfer_Encoding',
  'Transfer-Encoding ',
  ' Transfer-Encoding',
];
const LENGTH_NAMES = [
  'Content-Length',
  'content-length',
  'Content-Length ',
  'Content_Length',
  '\tContent-Length',
  'Content-Length\0',
];
const SIZES = [
  '0',
  '00',
  '5 ',
  ' 5',
  '+5',
  '-1',
  '0x5',
  '5;a=b',
  '5 ;a',
  '5;\0',
  '5;\n',
  '5\n',
  '5\r',
  'fffffffffffffffff5',
  '',
  'g',
  '5,5',
];
const METHODS = [
  'GET',
  'GET',
  'GET',
  'GET',
  'POST',
  'POST',
  'PUT',
  'HEAD',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'TRACE',
  'BREW',
  'get',
  'X!',
];
const FIELDS = [
  'X-A: 1',
  'X-Empty:',
  'X-High: \xe9\xff',
  'Cookie: a=b; c=d',
  'Connection: keep-alive',
  'Connection: close',
  'TE: trailers',
  'Connection: X-A, Content-Length',
  'Connection: Host, Transfer-Encoding',
  'Proxy-Connection: keep-alive',
  'Keep-Alive: timeout=5',
  'X-Forwarded-For: 1.2.3.4',
  'X-Forwarded-Host: evil',
  'Expect: 100-continue',
  'Expect: 200-maybe',
  'Max-Forwards: 0',
  'Max-Forwards: 3',
  'Upgrade: h2c',
  'Trailer: X-T',
  'Host: other',
  'Content-Length: 0',
  'X-Fold: a\r\n b',
  ': no name',
  'no colon',
  'X-Space : 1',
];

/** Sizes that pass the bound up to which a body is kept for a second attempt (64 KiB) come now and then. */
const bodyOf = (random: Random, token: string): string => {
  if (chance(random, 0.03)) return `${token};${'b'.repeat(66_000)}`;
  if (chance(random, 0.4)) return `GET /inner/${token} HTTP/1.1\r\nHost: inner\r\n\r\n`;
  return `${token};${'b'.repeat(below(random, 40))}`;
};

function chunksOf(random: Random, body: string, wild: number): string {
  let text = '';
  for (let at = 0; at < body.length; ) {
    const chunk = body.slice(at, at + 1 + below(random, body.length));
    at += chunk.length;
    const right = chunk.length.toString(16);
    const size = chance(random, wild) ? pick(random, SIZES) : chance(random, 0.1) ? `${right};x="y"` : right;
    text += `${size}\r\n${chunk}${chance(random, wild / 2) ? pick(random, LINE_ENDS) : '\r\n'}`;
  }
  if (chance(random, wild / 2)) return text;
  const trailers = !chance(random, 0.15)
    ? ''
    : chance(random, wild)
      ? pick(random, ['Content-Length: 5\r\n', 'Host: t\r\n', 'X T: 1\r\n', 'X-T: 1\n', ' x\r\n'])
      : 'X-T: 1\r\n';
  return `${text}0\r\n${trailers}${chance(random, wild / 2) ? pick(random, LINE_ENDS) : '\r\n'}`;
}

/** Framing fields and the body they announce, rightly with probability 1 - wild. */
function framed(random: Random, body: string, wild: number): { fields: string[]; bytes: string } {
  const length = body.length;
  if (!chance(random, wild)) {
    return chance(random, 0.5)
      ? { fields: [`Content-Length: ${length}`], bytes: body }
      : { fields: ['Transfer-Encoding: chunked'], bytes: chunksOf(random, body, 0) };
  }
  const lengths = [
    `${length}`,
    `${length + 1}`,
    `${Math.max(0, length - 1)}`,
    `+${length}`,
    `-${length}`,
    `${length}, ${length}`,
    `0${length}`,
    `${length} ${length}`,
    `0x${length}`,
    `${length};`,
    `\xa0${length}`,
    `${length}\x0b`,
    `${length}.0`,
    '',
    '0',
    '999999999999999999999',
    `\r\n ${length}`,
    `${length}\r\n 1`,
  ];
  const fields: string[] = [];
  const kinds = below(random, 6);
  const chunked = kinds === 0 || kinds === 2 || kinds === 4 || kinds === 5;
  if (kinds === 1 || kinds === 2 || kinds === 3)
    fields.push(
      `${chance(random, 0.7) ? 'Content-Length' : pick(random, LENGTH_NAMES)}: ${pick(random, lengths)}`,
    );
  if (kinds === 3) fields.push(`Content-Length: ${length}`);
  if (chunked)
    fields.push(
      `${chance(random, 0.7) ? 'Transfer-Encoding' : pick(random, CODING_NAMES)}: ${pick(random, CODINGS)}`,
    );
  if (kinds === 5) fields.push('Transfer-Encoding: chunked');
  if (chance(random, 0.5)) fields.reverse();
  return { fields, bytes: chance(random, chunked ? 0.8 : 0.2) ? chunksOf(random, body, wild) : body };
}

function requestOf(random: Random, token: string, wild: number): string {
  const method =
    wild > 0 ? pick(random, METHODS) : pick(random, ['GET', 'GET', 'POST', 'PUT', 'HEAD', 'DELETE']);
  const path = `/f/${token}?request_id=${token}`;
  const target = chance(random, wild)
    ? pick(random, [
        `http://a.test${path}`,
        `//f/${token}`,
        `/%00/../${token}`,
        `*`,
        `f/${token}`,
        `/f/${token}#a b`,
        `http://u@a/${token}`,
        `/é${token}`,
      ])
    : path;
  const version = chance(random, wild / 2)
    ? pick(random, ['1.0', '1.0', '0.9', '2.0', '1.2', '1.1 ', ''])
    : '1.1';
  const fields = [`Host: ${token}.test`, `X-Token: ${token}`];
  while (wild > 0 && chance(random, 0.4))
    fields.splice(below(random, fields.length + 1), 0, pick(random, FIELDS));
  let bytes = '';
  if (method === 'POST' || method === 'PUT' || method === 'PATCH' || chance(random, wild / 3)) {
    const framing = framed(random, bodyOf(random, token), wild);
    fields.splice(below(random, fields.length + 1), 0, ...framing.fields);
    bytes = framing.bytes;
  }
  return `${method} ${target} HTTP/${version}\r\n${fields.join('\r\n')}\r\n\r\n${bytes}`;
}

/** One wound: a byte or a slice, anywhere, or a line's end. */
function hurt(random: Random, bytes: string): string {
  const at = below(random, bytes.length + 1);
  const to = Math.min(bytes.length, at + 1 + below(random, 30));
  switch (below(random, 8)) {
    case 0:
      return bytes.slice(0, at) + pick(random, ODD_BYTES) + bytes.slice(at);
    case 1:
      return bytes.slice(0, at) + pick(random, ODD_BYTES) + bytes.slice(at + 1);
    case 2:
      return bytes.slice(0, at) + bytes.slice(at + 1);
    case 3:
      return (
        bytes.slice(0, at) +
        String.fromCharCode((bytes.charCodeAt(at) || 0) ^ (1 << below(random, 8))) +
        bytes.slice(at + 1)
      );
    case 4:
      return bytes.slice(0, to) + bytes.slice(at);
    case 5:
      return bytes.slice(0, at) + bytes.slice(to);
    case 6:
      return bytes.slice(0, at);
    default: {
      const end = bytes.indexOf('\r\n', at);
      return end === -1 ? bytes : bytes.slice(0, end) + pick(random, LINE_ENDS) + bytes.slice(end + 2);
    }
  }
}

const wounded = (random: Random, bytes: string, likely: number): string => {
  let text = bytes;
  while (text !== '' && chance(random, likely)) text = hurt(random, text);
  return text;
};

function cutsOf(random: Random, length: number): number[] {
  if (chance(random, 0.4)) return [];
  const cuts = Array.from({ length: 1 + below(random, 6) }, () => below(random, length + 1));
  return cuts.sort((a, b) => a - b);
}

/** Far apart in the generator's sequence, whatever two numbers are near each other. */
const seedOf = (...numbers: number[]): number =>
  numbers.reduce((seed, number) => Math.imul(seed ^ number, 0x9e3779b1) ^ (seed >>> 15), 0x2545f491);

export function makeStream(seed: number, number: number): Stream {
  const random = seededRandom(seedOf(seed, number));
  const hostile = chance(random, 0.65) ? 'client' : 'replica';
  const wild = hostile === 'client' ? pick(random, [0.1, 0.3, 0.6]) : 0;
  let bytes = '';
  for (let index = 0, count = 1 + below(random, 4); index < count; index++)
    bytes += requestOf(random, `s${number}i${index}`, wild);
  if (hostile === 'client') bytes = wounded(random, bytes, pick(random, [0.1, 0.4, 0.6]));
  return {
    number,
    hostile,
    bytes,
    cuts: cutsOf(random, bytes.length),
    paceMs: chance(random, 0.9) ? 0 : 1 + below(random, 30),
    ending: chance(random, 0.9) ? 'wait' : pick(random, ['half-close', 'half-close', 'destroy'] as const),
  };
}

const STATUSES = [
  '200 OK',
  '200 OK',
  '200 OK',
  '200 OK',
  '201 Made',
  '204 No Content',
  '304 Not Modified',
  '404 Not Found',
  '500 Broken',
  '206 Part',
];
const POISON = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison';

/** The answer to this request of the stream, the `attempt`th time it comes; `id` is in every body. */
export function makeReply(seed: number, stream: Stream, request: Head, attempt: number, id: string): Reply {
  const { target, method } = request;
  let hash = 0;
  for (let at = 0; at < target.length; at++) hash = Math.imul(hash, 31) + target.charCodeAt(at);
  const random = seededRandom(seedOf(seed, stream.number, hash, attempt));
  const wild = stream.hostile === 'replica' ? pick(random, [0, 0.2, 0.6]) : 0;
  const body = `${id};${chance(random, 0.03) ? 'r'.repeat(70_000) : 'r'.repeat(below(random, 60))}`;
  const framing = framed(random, body, wild);
  const status = chance(random, wild / 4)
    ? pick(random, ['99', '1000', '101 X', '20', '600 Z', 'OK'])
    : pick(random, STATUSES);
  const bodyless = wild === 0 && (method === 'HEAD' || status.startsWith('204') || status.startsWith('304'));
  const untilClose = bodyless || chance(random, 0.1);
  const fields = [`X-Id: ${id}`, ...(untilClose ? [] : framing.fields)];
  if (chance(random, 0.1))
    fields.push(
      pick(random, ['Connection: close', 'Connection: X-Id', 'Keep-Alive: timeout=1', 'Set-Cookie: a=b']),
    );
  if (chance(random, wild / 2)) fields.push(pick(random, FIELDS));
  const version = chance(random, wild / 4)
    ? pick(random, ['HTTP/1.0', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1\t', 'ICY'])
    : 'HTTP/1.1';
  const content = bodyless ? '' : untilClose ? body : framing.bytes;
  let text = `${version} ${status}\r\n${fields.join('\r\n')}\r\n\r\n${content}`;
  if (chance(random, 0.1))
    text = `${pick(random, ['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'])}${text}`;
  if (chance(random, wild / 2)) text += pick(random, [POISON, 'X', '\r\n', '0\r\n\r\n', POISON.slice(0, 20)]);
  if (wild > 0) text = wounded(random, text, wild / 2);
  // Bytes behind the end leave together with it: a moment later they would answer whatever is asked next, and no proxy
  // can tell (RFC 9112 section 9.2).
  const tail = readResponse(text, 0, method === 'HEAD', true).end < text.length;
  const cuts = tail || chance(random, 0.5) ? [] : cutsOf(random, text.length);
  const ends = (untilClose && !bodyless) || chance(random, 0.05);
  return {
    writes: [...cuts, text.length].map((end, index) => text.slice(index === 0 ? 0 : cuts[index - 1], end)),
    paceMs: chance(random, 0.8) ? 0 : 1 + below(random, 10),
    ending: chance(random, wild / 6) ? 'reset' : ends || chance(random, wild / 4) ? 'end' : 'keep',
    early: chance(random, 0.05),
  };
}
