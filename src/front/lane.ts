// A connection changes its lane: it is taken from node:http's parser, or given to it with bytes that were read already; and
// the parser is kept from making requests of all that it has at once: a read of 64 KiB can hold two thousand, and some
// hundred clients that send that kept a worker from its work until it was taken for dead. Node has no public way for any
// of it. What is used is unchanged for years, Node is pinned, and the conformance suite goes both ways all the time.

import { EventEmitter } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { announcesBody } from '../core/field-syntax.ts';
import type { ClientSocket } from './client.ts';

/** Answers that a connection may be owed before more requests are made of what it sent; the same of those with a body. */
export const MOST_OWED = 16;
const MOST_OWED_WITH_BODY = 128;

/** What node:http hangs on a socket while it reads it. */
interface ParsedSocket extends ClientSocket {
  parser?: Parser | null;
  _httpMessage?: object | null;
  /** Its requests may not have it read; a connection that is given to the server begins with false. */
  _paused?: boolean;
}

interface Parser {
  socket: ClientSocket | null;
  [ON_MESSAGE_BEGIN]: (this: Parser) => void;
  /** A head is complete. What it returns tells the parser what follows: 2 stops it, as before another protocol. */
  onIncoming: (request: IncomingMessage, keepAlive: boolean) => number;
  unconsume(): void;
  remove(): void;
  close(): void;
}

/** The first of the parser's callbacks; node:http itself leaves it empty. */
const ON_MESSAGE_BEGIN = 0;

function onMessageBegin(this: Parser): void {
  const client = this.socket?.client;
  if (client === undefined) return;
  client.messagesBegun++;
  client.begunAtByte = client.socket.bytesRead;
}

/** Nothing of a message was read that is no request yet, nothing is owed: the connection may go to another lane. */
export function isBetweenMessages(socket: ClientSocket): boolean {
  const { parser, _httpMessage, client } = socket as ParsedSocket;
  return (
    parser != null &&
    client !== undefined &&
    client.messagesBegun === client.requestsRead &&
    _httpMessage == null &&
    socket.readableLength === 0 &&
    !socket.readableEnded &&
    !socket.destroyed &&
    socket.writable
  );
}

const STOP = 2;
const ahead = new WeakSet<IncomingMessage>();

/**
 * No request is made of what is here while MOST_OWED answers are `owed`: the server emits 'upgrade' (or 'connect') for it with
 * all that follows, `isAhead` tells it from others, and `packetsOf` are what is to be given again later. The parser
 * reads a body all the same, so one with a body is taken, up to MOST_OWED_WITH_BODY, where it ends its connection (who
 * pipelines so many of those is alone with it, RFC 9112 section 9.3.2).
 */
export function holdBack(socket: Socket, owed: () => number): void {
  const { parser } = socket as ParsedSocket;
  if (!parser) return;
  const incoming = parser.onIncoming;
  parser.onIncoming = (request, keepAlive) => {
    const count = owed();
    if (count < MOST_OWED) return incoming(request, keepAlive);
    if (announcesBody(request.rawHeaders)) {
      if (count < MOST_OWED_WITH_BODY) return incoming(request, keepAlive);
      socket.destroy();
      return 0;
    }
    (request as { upgrade?: boolean }).upgrade = true;
    ahead.add(request);
    // The requests before it would have the socket read on, and nobody listens.
    (socket as ParsedSocket)._paused = true;
    return STOP;
  };
}

export const isAhead = (request: IncomingMessage): boolean => ahead.has(request);

/** The request's head as its sender may have written it, and what came behind. Nothing of that is copied: it is long. */
export function packetsOf(
  { method, url, httpVersion, rawHeaders }: IncomingMessage,
  rest: Buffer,
): readonly Buffer[] {
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let index = 0; index < rawHeaders.length; index += 2)
    head += `${rawHeaders[index]}: ${rawHeaders[index + 1]}\r\n`;
  return [Buffer.from(`${head}\r\n`, 'latin1'), rest];
}

/** Takes the socket from its parser, and all listeners from the socket. */
export function release(socket: Socket): void {
  const parsed: ParsedSocket = socket;
  const { parser } = parsed;
  // A stream's own way looks a tick later whether somebody reads, and sets it flowing where a new reader has just left.
  EventEmitter.prototype.removeAllListeners.call(socket);
  if (parser) {
    parser.unconsume();
    // Out of the list whose members time out while they wait for a head.
    parser.remove();
    parser.socket = null;
    // Nobody collects a parser that is not closed, nor the socket that it knows; not now, because it may be at work.
    setImmediate(() => parser.close());
  }
  parsed.parser = null;
  socket.readableFlowing = null;
}

/** Gives the socket to node:http, to read `packets` first. */
export function give(server: Server, socket: Socket, packets: readonly Buffer[]): void {
  socket.readableFlowing = null;
  server.emit('connection', socket);
  const { parser } = socket as ParsedSocket;
  if (parser) parser[ON_MESSAGE_BEGIN] = onMessageBegin;
  const { client } = socket as ClientSocket;
  if (client !== undefined) holdBack(socket, () => client.owes);
  // In their order, and before what is read next; to put them back into the stream would keep neither for certain.
  for (const packet of packets) if (packet.length > 0) socket.emit('data', packet);
  if (socket.readableEnded) socket.emit('end');
}
