// Hot: runs twice per request, or per chunk. Writes a text, or bytes between texts, to a plain socket at once. A stream's own
// way makes a request object, a state per write and a callback of the next tick, also where the kernel takes all of it in the
// call, which it nearly always does; here that costs the call alone, 3 % of a small request. What the kernel does not take,
// libuv keeps, and the stream is corked until that has left: so order, back-pressure and `end` are the stream's as ever. A Node
// that shows the parts no more (or forbids them, `--permission`) writes as ever.

import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';

/** An answer of 64 KiB with its head. */
const JOINED_BYTES = 96 * 1024;
const joined = Buffer.allocUnsafeSlow(JOINED_BYTES);

/** What libuv knows an unfinished write by. */
interface WriteRequest {
  socket?: Socket;
  /** Memory that libuv reads from. */
  pieces?: readonly unknown[];
  oncomplete?: (this: WriteRequest, status: number) => void;
}

/** Of node:net; same names for years. */
interface Parts {
  readonly WriteWrap: new () => WriteRequest;
  readonly kLastWriteWasAsync: number;
  readonly streamBaseState: Int32Array;
}

interface Inside {
  readonly _handle: {
    writeLatin1String(request: WriteRequest, text: string): number;
    writeBuffer(request: WriteRequest, bytes: Buffer): number;
    /** Each piece with its encoding behind it, or all of them buffers. */
    writev(request: WriteRequest, pieces: readonly unknown[], areAllBuffers: boolean): number;
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
 * `bytes`, with the texts before and behind them, which may be empty; in one write. False where some of it waits: it keeps
 * the bytes. The same holds of `socket` as for a text.
 */
export function writeBytes(socket: Socket, before: string, bytes: Buffer, behind: string): boolean {
  const handle = (socket as unknown as Inside)._handle;
  if (request !== null && handle !== null && unwritten(socket) === 0) {
    const pieces = [before, 'latin1', bytes, 'buffer', behind, 'latin1'];
    const isAlone = before === '' && behind === '';
    if ((isAlone ? handle.writeBuffer(request, bytes) : handle.writev(request, pieces, false)) === 0) {
      if (parts!.streamBaseState[parts!.kLastWriteWasAsync] === 0) return true;
      request.pieces = pieces;
      wait(socket);
      return false;
    }
  }
  return streamBytes(socket, before, bytes, behind);
}

/** The same by the stream's own way, for any socket. */
export function streamBytes(socket: Socket, before: string, bytes: Buffer, behind: string): boolean {
  socket.cork();
  if (before !== '') socket.write(before, 'latin1');
  socket.write(bytes);
  if (behind !== '') socket.write(behind, 'latin1');
  socket.uncork();
  return socket.writableLength === 0;
}

/**
 * The same in one piece, to a socket of node:tls that has nothing on its way: that encrypts within the call. Of several pieces
 * it would make one itself, in memory that it gets for each write (TLSWrap::DoWrite).
 */
export function writeJoined(socket: Socket, before: string, bytes: Buffer, behind: string): void {
  const count = before.length + bytes.length + behind.length;
  if (count === bytes.length || count > JOINED_BYTES) {
    streamBytes(socket, before, bytes, behind);
    return;
  }
  const at = joined.write(before, 0, 'latin1');
  joined.write(behind, at + bytes.copy(joined, at), 'latin1');
  socket.write(joined.subarray(0, count));
}

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
