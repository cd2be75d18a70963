// Hot: runs per read. All connections in the raw lane of a worker are read into one buffer. Node's own way makes 64 KiB for
// each read and then cuts them to what came. `net.connect` has a public option against it (`onread`); for a socket that a
// server took, the same three fields of node:net are set here. A Node that has them no more reads as ever: slower, and the
// same to whoever listens.

import type { Socket } from 'node:net';
import { SharedBuffer } from '../core/shared-buffer.ts';
import type { ClientSocket } from './client.ts';

const READ_BYTES = 64 * 1024;
const shared = new SharedBuffer(READ_BYTES);

interface Inside {
  _handle: { useUserBuffer?(buffer: Buffer): void } | null;
  [field: symbol]: unknown;
}

/** What node:net calls its fields. */
interface FieldNames {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}
/** null where this Node has them not. */
let fields: FieldNames | null = null;
let isLookedUp = false;

function fieldsOf(socket: Socket): FieldNames | null {
  const symbols = Object.getOwnPropertySymbols(socket);
  const find = (name: string): symbol | undefined => symbols.find(({ description }) => description === name);
  const [buffer, callback, generator] = [find('kBuffer'), find('kBufferCb'), find('kBufferGen')];
  return buffer && callback && generator ? { buffer, callback, generator } : null;
}

/** From now on its raw lane is told of what is read, while it has one; the bytes are only valid during that call. */
export function startReading(socket: ClientSocket): void {
  if (!isLookedUp) fields = fieldsOf(socket);
  isLookedUp = true;
  const inside = socket as unknown as Inside;
  if (fields === null || typeof inside._handle?.useUserBuffer !== 'function') {
    socket.on('data', onData);
    return;
  }
  // One that comes back from node:http has it still: a handle keeps its buffer.
  if (inside[fields.buffer] !== shared.bytes) {
    inside[fields.buffer] = shared.bytes;
    inside[fields.callback] = onRead;
    inside[fields.generator] = null;
    inside._handle.useUserBuffer(shared.bytes);
  }
  socket.resume();
}

export function stopReading(socket: ClientSocket): void {
  socket.off('data', onData);
}

/** False: no more for now. */
function onRead(this: ClientSocket, count: number): boolean {
  const bytes = shared.first(count);
  // Somebody else reads it (node:http, a tunnel) as a stream, which keeps what it has.
  if (!this.express) return this.push(Buffer.from(bytes));
  this.express.received(bytes);
  return true;
}

function onData(this: ClientSocket, chunk: Buffer): void {
  this.express!.received(chunk);
}
