// A socket to a replica, whose events are told to its user. Listeners are shared functions that find their user on the
// socket: none is made per request or per socket. Half-open, because a tunnel may close one direction only, and not closed
// by a failed write, because an answer may be here that is not read yet. Whether it is TCP, TLS or a unix socket ends here.

import { connect, type NetConnectOpts, type Socket } from 'node:net';
import type { ProxyErrorCode } from '../core/errors.ts';
import { isSocketPath } from '../core/host-port.ts';
import { SharedBuffer } from '../core/shared-buffer.ts';
import { isTlsFault, tlsFault } from '../core/trust.ts';
import { writeText } from '../core/write-text.ts';
import { CHUNKED, type Framing } from './response-head.ts';
import type { TlsClient } from './tls-client.ts';

export interface SocketUser {
  /** Counted here. */
  reads: number;
  connected(): void;
  /** The bytes are only valid during the call. */
  received(chunk: Buffer): void;
  ended(): void;
  failed(error: NodeJS.ErrnoException): void;
  writable(): void;
}

export interface ReplicaSocket extends Socket {
  /** null: its events concern nobody any more. */
  user?: SocketUser | null;
  /** Chunks of a request's body that it may still have to read, and nobody else will. */
  given?: Buffer[];
  /** Of node:tls. */
  readonly secureConnecting?: boolean;
}

/** Where to connect to, and how. */
export interface Target {
  /** Begins with "/": the path of a unix socket. */
  readonly host: string;
  readonly port: number;
  /** null: plain. */
  readonly tls: TlsClient | null;
}

/**
 * Fewer reads of a large answer ask its sender less often for more: 1 MiB costs a tenth less than with 128 KiB. A client that takes
 * nothing has as much copied for it, so it is not more.
 */
const READ_BYTES = 256 * 1024;
// Node's own way allocates 64 KiB a read: those made V8 collect its whole heap all the time, a third of the cost of a 1 MiB
// answer (docs/benchmarks.md). One for each connection is 64 KiB that no cache has when the next one comes.
const shared = new SharedBuffer(READ_BYTES);
const ONREAD = { buffer: shared.bytes, callback: onBytes };
const HTTP1: readonly string[] = ['http/1.1'];

/** An ordinary stream. `protocols`: what may be spoken behind TLS. */
export function openStream(
  { host, port, tls }: Target,
  protocols: readonly string[],
  more: Pick<NetConnectOpts, 'allowHalfOpen' | 'onread'> = {},
): Socket {
  const options = { ...(isSocketPath(host) ? { path: host } : { host, port }), noDelay: true, ...more };
  return tls === null ? connect(options) : tls.connect(options, protocols);
}

export function openSocket(target: Target, user: SocketUser): ReplicaSocket {
  const { tls } = target;
  const socket: ReplicaSocket = openStream(target, HTTP1, { allowHalfOpen: true, onread: ONREAD });
  setAutoDestroy(socket, false);
  socket.user = user;
  socket.once(tls === null ? 'connect' : 'secureConnect', onConnect);
  socket.on('end', onEnd);
  socket.on('drain', onDrain);
  socket.on('error', onError);
  socket.on('close', onClose);
  return socket;
}

export function abandon(socket: ReplicaSocket): void {
  socket.user = null;
  socket.destroy();
}

/** Why a socket never came to be connected. */
export function connectFault({ tls }: Target, error: NodeJS.ErrnoException): [ProxyErrorCode, string] {
  if (tls === null || !isTlsFault(error)) return ['REFUSED', error.code ?? error.message];
  tls.forget();
  return ['TLS_FAILED', tlsFault(error)];
}

/** Heads of requests, and small bodies. */
export function put(socket: ReplicaSocket, { tls }: Target, text: string): void {
  if (tls === null) writeText(socket, text);
  else socket.write(text, 'latin1');
}

/** Bytes of a request's body; false where it is enough for now. `isGiven`: nobody else will read them. */
export function writeBody(socket: ReplicaSocket, framing: Framing, chunk: Buffer, isGiven: boolean): boolean {
  if (framing === CHUNKED) {
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
  }
  let more = socket.write(chunk);
  if (framing === CHUNKED) {
    more = socket.write('\r\n', 'latin1');
    socket.uncork();
  }
  if (isGiven) {
    socket.given ??= [];
    socket.given.push(chunk);
  }
  freeGiven(socket);
  return more;
}

/**
 * node:http makes memory for each chunk that it reads, and V8 lets 32 MiB of it come together before it collects any: what
 * has left is freed here. Only memory of the chunk's own, which it fills.
 */
function freeGiven(socket: ReplicaSocket): void {
  const { given } = socket;
  if (given === undefined || socket.writableLength > 0) return;
  for (const { buffer, byteLength } of given)
    if (byteLength === buffer.byteLength) (buffer as ArrayBuffer).transfer(0);
  given.length = 0;
}

/** Only the chunked coding says that a body is over, and has trailers (RFC 9112 section 7.1). */
export function endBody(socket: ReplicaSocket, framing: Framing, trailers: string): void {
  if (framing === CHUNKED) socket.write(`0\r\n${trailers}\r\n`, 'latin1');
  if (socket.given !== undefined) socket.given.length = 0;
}

/** It becomes an ordinary stream of somebody else. */
export function handOver(socket: ReplicaSocket): Socket {
  socket.off('end', onEnd).off('drain', onDrain).off('error', onError).off('close', onClose);
  setAutoDestroy(socket, true);
  socket.user = null;
  return socket;
}

/** Node's streams close as soon as a write fails, and take what is still to be read with them. */
function setAutoDestroy(socket: Socket, on: boolean): void {
  const { _readableState, _writableState } = socket as unknown as Inside;
  _readableState.autoDestroy = on;
  _writableState.autoDestroy = on;
}
interface Inside {
  _readableState: { autoDestroy: boolean };
  _writableState: { autoDestroy: boolean };
}

function onConnect(this: ReplicaSocket): void {
  this.user?.connected();
}
function onBytes(this: ReplicaSocket, count: number): boolean {
  const chunk = shared.first(count);
  const { user } = this;
  // Nobody's any more: a tunnel, which reads it as an ordinary stream.
  if (!user) return this.push(Buffer.from(chunk));
  user.reads++;
  user.received(chunk);
  return true;
}
function onEnd(this: ReplicaSocket): void {
  // Within the handshake node:tls makes an error of it, which comes next.
  if (this.secureConnecting) return;
  this.user?.ended();
}
function onDrain(this: ReplicaSocket): void {
  freeGiven(this);
  this.user?.writable();
}
function onError(this: ReplicaSocket, error: NodeJS.ErrnoException): void {
  this.user?.failed(error);
}
function onClose(this: ReplicaSocket): void {
  this.user?.ended();
}
