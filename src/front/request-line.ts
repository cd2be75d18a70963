// Any token is a method (RFC 9110 section 9.1), and HTTP/1.2 is to be read as the highest version that is known (section
// 2.5), but node:http's parser knows a fixed list of methods and two versions, and gives up on all others. Its complaint
// comes with the packet it was reading, so the connection is given to the server a second time: cleaned of the first
// parser (lane.ts), with the packet put back, POST (a method like any other to the parser: a body only with a length) in the place
// of the token, and 1.1 in that of the version. The Client remembers the real method, and the request gets it back before
// anybody looks at it.
//
// Why not a parser of our own in front: it would cost every request for the sake of lines that hardly anybody sends.
// What is not served: a token that came in several packets (its first bytes are gone with the parser), and one right
// behind a body in the same packet where its beginning is in doubt; both stay a 400.

import { METHODS } from 'node:http';

export interface ParseError extends NodeJS.ErrnoException {
  rawPacket?: Buffer;
  bytesParsed?: number;
}

/** What stands before the line that the parser refused. */
export type Before =
  /** Nothing: these are the first bytes of the connection. */
  | 'nothing'
  /** An answered request, in an earlier packet. */
  | 'pause'
  /** In this packet the last line of a request without a body, or with a chunked one. */
  | 'line'
  /** In this packet a body that ends anywhere. */
  | 'body';

/** A request that the parser can read. */
export interface Repaired {
  /** The real method. */
  readonly method: string;
  /** From its first byte. */
  readonly packet: Buffer;
}

const STAND_IN = Buffer.from('POST');
const TOKEN_BYTES = String.raw`[!#$%&'*+\-.^_\x60|~0-9A-Za-z]`;
const TOKEN = new RegExp(`^(?:\\r\\n)*(${TOKEN_BYTES}{1,64}) `);
const TOKEN_BYTE = new RegExp(`^${TOKEN_BYTES}$`);
const LINE = /^(?:\r\n)*([A-Z-]+) [!-~]+ HTTP\/1\.([2-9])\r\n/;
/** Longest beginning of a line that is looked at for its method, and for its version: the longest head. */
const LOOK_BYTES = 80;
const LOOK_LINE_BYTES = 32 * 1024;
const known = new Set(METHODS);
/** Those of RTSP and HTTP/2, which the parser reads and then refuses. */
const REFUSED =
  'ANNOUNCE DESCRIBE FLUSH GET_PARAMETER PAUSE PLAY PRI RECORD REDIRECT SETUP SET_PARAMETER TEARDOWN'.split(
    ' ',
  );
const readable = [...METHODS, ...REFUSED];

/** How many bytes of the token the parser takes before it gives up, when it begins with its first. */
function bytesTaken(token: string): number {
  let most = 0;
  for (const method of readable) {
    let same = 0;
    while (same < token.length && token[same] === method[same]) same++;
    most = Math.max(most, same);
  }
  return most;
}

/** The request whose line the parser refused, if that is all that is wrong with it. */
export function repair(error: ParseError, before: Before): Repaired | null {
  const { rawPacket, bytesParsed = 0 } = error;
  if (rawPacket === undefined) return null;
  if (error.code === 'HPE_INVALID_VERSION') return withMethod(rawPacket, bytesParsed, before);
  if (error.code !== 'HPE_INVALID_METHOD' && error.code !== 'HPE_INVALID_CONSTANT') return null;
  // At a space the token may be over ("T ", behind which TRACE did not follow), or the line begins with it: what stands before
  // is the body's then.
  if (before === 'body' && !TOKEN_BYTE.test(rawPacket.toString('latin1', bytesParsed, bytesParsed + 1)))
    return null;
  const starts = before === 'body' ? tokenStarts(bytesParsed) : [lineStart(rawPacket, bytesParsed, before)];
  const found = starts.filter(start => isWholeToken(rawPacket, start, bytesParsed, before));
  return found.length === 1 ? withStandIn(rawPacket, found[0]!) : null;
}

function lineStart(packet: Buffer, at: number, before: Before): number {
  return before === 'line' && at > 0 ? packet.lastIndexOf('\n', at - 1) + 1 : 0;
}

/** Behind a body the token may begin at each byte that the parser may have taken for one of a method. */
function tokenStarts(at: number): number[] {
  const starts = [];
  for (let start = at; start >= 0 && start > at - LOOK_BYTES; start--) starts.push(start);
  return starts;
}

/**
 * Is it the whole token? On a new connection that is certain; else the parser's position has to fit, which tells all but
 * the oddest of split ones apart (UN, then LOCKX).
 */
function isWholeToken(packet: Buffer, start: number, at: number, before: Before): boolean {
  const match = TOKEN.exec(packet.toString('latin1', start, start + LOOK_BYTES));
  if (match === null || known.has(match[1]!)) return false;
  const token = match[1]!;
  return before === 'nothing' || at === start + match[0].length - token.length - 1 + bytesTaken(token);
}

function withStandIn(packet: Buffer, start: number): Repaired {
  const match = TOKEN.exec(packet.toString('latin1', start, start + LOOK_BYTES))!;
  const repaired = Buffer.concat([STAND_IN, packet.subarray(start + match[0].length - 1)]);
  return { method: match[1]!, packet: withVersion(repaired) };
}

/** HTTP/1.2 and above as HTTP/1.1. */
function withVersion(packet: Buffer): Buffer {
  const match = LINE.exec(packet.toString('latin1', 0, LOOK_LINE_BYTES));
  if (match !== null) packet[match[0].length - 3] = 0x31;
  return packet;
}

/** A line that is wrong in its version alone; only where its beginning is beyond doubt. */
function withMethod(packet: Buffer, at: number, before: Before): Repaired | null {
  if (before !== 'nothing' && before !== 'line') return null;
  const start = lineStart(packet, at, before);
  const match = LINE.exec(packet.toString('latin1', start, start + LOOK_LINE_BYTES));
  if (match === null || !known.has(match[1]!)) return null;
  return { method: match[1]!, packet: withVersion(Buffer.from(packet.subarray(start))) };
}
