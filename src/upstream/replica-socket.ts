// A socket to a replica, whose events are told to its user. Listeners are shared functions that find their user on the
// socket: none is made per request or per socket. Half-open, because a tunnel may close one direction only, and not closed
// by a failed write, because an answer may be here that is not read yet.

import { connect, type Socket } from 'node:net';

export interface SocketUser {
  /** Counted here. */
  reads: number;
  connected(): void;
  /** The bytes are only valid during the call, unless the user takes their buffer away. */
  received(chunk: Buffer): void;
  ended(): void;
  failed(error: NodeJS.ErrnoException): void;
  writable(): void;
}

export interface ReplicaSocket extends Socket {
  /** null: its events concern nobody any more. */
  user?: SocketUser | null;
}

/** `buffer`: where each read goes, from its start. */
export function openSocket(
  host: string,
  port: number,
  user: SocketUser,
  buffer: () => Buffer,
): ReplicaSocket {
  const socket: ReplicaSocket = connect({
    host,
    port,
    noDelay: true,
    allowHalfOpen: true,
    onread: { buffer, callback: onBytes },
  });
  setAutoDestroy(socket, false);
  socket.user = user;
  socket.on('connect', onConnect);
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

/** It becomes an ordinary stream of somebody else. */
export function handOver(socket: ReplicaSocket): Socket {
  socket.removeAllListeners();
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
function onBytes(this: ReplicaSocket, count: number, buffer: Uint8Array): boolean {
  const chunk = (buffer as Buffer).subarray(0, count);
  const { user } = this;
  // Nobody's any more: a tunnel, which reads it as an ordinary stream.
  if (!user) return this.push(Buffer.from(chunk));
  user.reads++;
  user.received(chunk);
  return true;
}
function onEnd(this: ReplicaSocket): void {
  this.user?.ended();
}
function onDrain(this: ReplicaSocket): void {
  this.user?.writable();
}
function onError(this: ReplicaSocket, error: NodeJS.ErrnoException): void {
  this.user?.failed(error);
}
function onClose(this: ReplicaSocket): void {
  this.user?.ended();
}
