// Hot: runs twice per request, or per chunk. Writes a text, or bytes between texts, to a plain socket at once. A stream's own
// way makes a request object, a state per write and a callback of the next tick, also where the kernel takes all of it in the
// call, which it nearly always does; here that costs the call alone, 3 % of a small request. What the kernel does not take
// of a text libuv keeps, and the stream is corked until that has left; of bytes, which are in memory that is read into again, the
// stream gets a copy (docs/decisions/0036-shared-buffers.md). So order, back-pressure and `end` are the stream's as ever. A Node that
// shows the parts no more (or forbids them, `--permission`) writes as ever.

import { writevSync } from 'node:fs';
import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';

/** What one read brings, with a head. */
const JOINED_BYTES = 320 * 1024;
const joined = Buffer.allocUnsafeSlow(JOINED_BYTES);

/** What libuv knows an unfinished write by. */
interface WriteRequest {
  socket?: Socket;
  oncomplete?: (this: WriteRequest, status: number) => void;
}

/** Of node:net; same names for years. */
interface Parts {
  readonly WriteWrap: new () => WriteRequest;
  readonly kLastWriteWasAsync: number;
  readonly streamBaseState: Int32Array;
}

interface PastSocket extends Socket {
  /** Written past the stream and libuv, which count theirs. */
  pastBytes?: number;
}

interface Inside {
  readonly _handle: {
    writeLatin1String(request: WriteRequest, text: string): number;
    /** Of the socket; not on Windows. */
    readonly fd?: number;
  } | null;
}

const parts = partsOf(process as unknown as { binding(name: string): Partial<Parts> });
/** Only an unfinished write takes it away. */
let request: WriteRequest | null = parts === null ? null : new parts.WriteWrap();

function partsOf({ binding }: { binding(name: string): Partial<Parts> }): Parts | null {
  // To be told that the parts will go one day is no use where it works without, and may end the process (`--throw-deprecation`).
  const { noDeprecation } = process;
  process.noDeprecation = true;
  try {
    const { WriteWrap, kLastWriteWasAsync, streamBaseState } = binding('stream_wrap');
    if (!WriteWrap || kLastWriteWasAsync === undefined || !streamBaseState) return null;
    return { WriteWrap, kLastWriteWasAsync, streamBaseState };
  } catch {
    return null;
  } finally {
    process.noDeprecation = noDeprecation === true;
  }
}

/** `text` has one character per byte. `socket` is connected, not ended, and without TLS, whose writes end later. */
export function writeText(socket: Socket, text: string): void {
  const handle = (socket as unknown as Inside)._handle;
  // An error took nothing: the stream has its own words for it, and ends as it would.
  if (
    request === null ||
    handle === null ||
    unwritten(socket) > 0 ||
    handle.writeLatin1String(request, text) !== 0
  ) {
    socket.write(text, 'latin1');
    return;
  }
  if (parts!.streamBaseState[parts!.kLastWriteWasAsync] !== 0) wait(socket);
}

/**
 * `bytes`, with the texts before and behind them, which may be empty; in one write. `bytes` is the caller's again: of what the
 * kernel does not take at once, the stream gets a copy. Not by the handle: what libuv has begun to write it keeps, and `bytes`
 * is memory that is read into again. The same holds of `socket` as for a text.
 */
export function writeBytes(socket: Socket, before: string, bytes: Buffer, behind: string): void {
  const pieces = before === '' ? [bytes] : [bytesOf(before, 0), bytes];
  if (behind !== '') pieces.push(bytesOf(behind, before.length));
  const count = before.length + bytes.length + behind.length;
  const written = writtenOf(socket, pieces);
  if (written < count) socket.write(restOf(pieces, written));
}

/** How many bytes of them the kernel took; 0 as well where the stream is to write: it has its own words for an error. */
function writtenOf(socket: PastSocket, pieces: readonly Buffer[]): number {
  const fd = (socket as unknown as Inside)._handle?.fd ?? -1;
  if (fd < 0 || unwritten(socket) > 0) return 0;
  try {
    const count = writevSync(fd, pieces);
    socket.pastBytes = (socket.pastBytes ?? 0) + count;
    return count;
  } catch {
    return 0;
  }
}

function restOf(pieces: readonly Buffer[], from: number): Buffer {
  let at = from;
  const rest = pieces.map(piece => {
    const some = piece.subarray(Math.min(at, piece.length));
    at -= piece.length - some.length;
    return some;
  });
  return Buffer.concat(rest);
}

/** Until the next write. */
function bytesOf(text: string, at: number): Buffer {
  if (at + text.length > JOINED_BYTES) return Buffer.from(text, 'latin1');
  joined.write(text, at, 'latin1');
  return joined.subarray(at, at + text.length);
}

/**
 * The same in one piece, to a socket of node:tls. One that has nothing on its way encrypts within the call; of several pieces
 * it would make one itself, in memory that it gets for each write (TLSWrap::DoWrite).
 */
export function writeJoined(socket: Socket, before: string, bytes: Buffer, behind: string): void {
  const count = before.length + bytes.length + behind.length;
  const isAtOnce = socket.writableLength === 0 && count <= JOINED_BYTES;
  const all = isAtOnce ? joined.subarray(0, count) : Buffer.allocUnsafe(count);
  const at = all.write(before, 0, 'latin1');
  all.write(behind, at + bytes.copy(all, at), 'latin1');
  socket.write(all);
}

/** Bytes that have left by any way. */
export const bytesSent = (socket: PastSocket): number => socket.bytesWritten + (socket.pastBytes ?? 0);

/** Not 0 while anything is on its way: bytes that the stream has, and 1 for what libuv has. */
export const unwritten = (socket: Socket): number => socket.writableLength + socket.writableCorked;

function wait(socket: Socket): void {
  request!.socket = socket;
  request!.oncomplete = onComplete;
  request = new parts!.WriteWrap();
  socket.cork();
}

function onComplete(this: WriteRequest, status: number): void {
  const socket = this.socket!;
  if (status === 0) {
    socket.uncork();
    return;
  }
  const code = getSystemErrorName(status);
  socket.destroy(Object.assign(new Error(`write ${code}`), { errno: status, code, syscall: 'write' }));
}
