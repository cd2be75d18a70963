// A connection changes its lane: it is taken from node:http's parser, or given to it with bytes that were read already.
// Node has no public way for either. What is used is unchanged for years, Node is pinned, and the conformance suite goes
// both ways all the time.

import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { ClientSocket } from './client.ts';

/** What node:http hangs on a socket while it reads it. */
interface ParsedSocket extends ClientSocket {
  parser?: Parser | null;
  _httpMessage?: object | null;
}

interface Parser {
  socket: ClientSocket | null;
  [ON_MESSAGE_BEGIN]: (this: Parser) => void;
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

/** Takes the socket from its parser, and all listeners from the socket. */
export function release(socket: Socket): void {
  const parsed: ParsedSocket = socket;
  const { parser } = parsed;
  socket.removeAllListeners();
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

/** Gives the socket, which has its Client, to node:http, to read `packet` first. */
export function give(server: Server, socket: Socket, packet: Buffer): void {
  socket.readableFlowing = null;
  server.emit('connection', socket);
  const { parser } = socket as ParsedSocket;
  if (parser) parser[ON_MESSAGE_BEGIN] = onMessageBegin;
  if (packet.length === 0) return;
  if (!socket.readableEnded) {
    socket.unshift(packet);
    return;
  }
  // Nothing can be put back behind an end: the parser is told what it would have been told.
  socket.emit('data', packet);
  socket.emit('end');
}
