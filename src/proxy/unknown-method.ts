// Any token is a method (RFC 9110 section 9.1), but node:http's parser knows a fixed list and gives up on all others.
// Its complaint comes with the packet it was reading, so the connection is given to the server a second time: cleaned of
// the first parser, with the packet put back and POST (a method like any other to the parser: a body only with a length)
// in the place of the token. The Client remembers the real one, the request gets it back before anybody looks at it,
// and the connection ends with its answer, so that no second trick is needed for what is pipelined behind.
//
// Why not a parser of our own in front: it would cost every request for the sake of methods that hardly anybody uses.
// What is not served: a token that came in several packets (its first bytes are gone with the parser), and one that is
// pipelined in the packet of another request; both stay a 400.

import { METHODS, type Server } from 'node:http';
import type { Socket } from 'node:net';

export interface ParseError extends NodeJS.ErrnoException {
  rawPacket?: Buffer;
  bytesParsed?: number;
}

/** What node:http hangs on a socket while it reads it. */
interface ParsedSocket extends Socket {
  parser?: { unconsume(): void; remove(): void; socket: Socket | null } | null;
}

const STAND_IN = 'POST';
const TOKEN = /^(?:\r\n)*([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}) /;
/** Longest beginning of a packet that is looked at. */
const LOOK_BYTES = 80;
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

/** The method that the packet begins with, if that is all that is wrong with it; else ''. */
export function unknownMethodOf(error: ParseError, socket: Socket, isFirst: boolean): string {
  const { rawPacket } = error;
  if (error.code !== 'HPE_INVALID_METHOD' && error.code !== 'HPE_INVALID_CONSTANT') return '';
  if (rawPacket === undefined) return '';
  const match = TOKEN.exec(rawPacket.toString('latin1', 0, LOOK_BYTES));
  if (match === null || known.has(match[1]!)) return '';
  const token = match[1]!;
  // Is it the whole token? On a new connection that is certain; on a used one the parser's position has to fit, which
  // tells all but the oddest of split ones apart (UN, then LOCKX).
  if (isFirst) return socket.bytesRead === rawPacket.length ? token : '';
  const start = match[0].length - token.length - 1;
  return error.bytesParsed === start + bytesTaken(token) ? token : '';
}

/**
 * Gives the socket to the server again, as if its packet had begun with a method that the parser knows. `accepted` is
 * called when the server has it, before the packet is read.
 */
export function replayAsKnown(
  server: Server,
  socket: Socket,
  method: string,
  packet: Buffer,
  accepted: () => void,
): void {
  const parsed: ParsedSocket = socket;
  const { parser } = parsed;
  socket.removeAllListeners();
  if (parser) {
    parser.unconsume();
    // Out of the list whose members time out while they wait for a head.
    parser.remove();
    parser.socket = null;
  }
  parsed.parser = null;
  const start = packet.indexOf(method, 0, 'latin1');
  socket.readableFlowing = null;
  server.emit('connection', socket);
  accepted();
  socket.unshift(Buffer.concat([Buffer.from(STAND_IN), packet.subarray(start + method.length)]));
}
