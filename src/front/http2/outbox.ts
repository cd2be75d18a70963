// Hot: runs per frame that is sent.
// What a connection sends: frames of all its streams are put here one behind the other, and leave in one write at the end of
// this turn of the event loop. Bytes are copied in, a replica's chunks too: node:tls would copy what is written in pieces, and
// whoever gave them has their memory back at once. While writes are under way what comes is kept for the next one, so a
// reader that does not read costs three buffers, and the streams' own bounds. A connection that sends nothing holds none.

import { type Sender, sendLater } from '../../core/turn-end.ts';
import type { ClientSocket } from '../client.ts';
import { FRAME_HEAD_BYTES, GOAWAY, putFrameHead, putUint32 } from './frames.ts';

/** An answer of 64 KiB with its heads leaves in one write. */
const OUT_BYTES = 96 * 1024;
/** A frame of DATA that would be smaller than this, and than what there is, waits for more room. */
const LEAST_BYTES = 1024;
/** Writes under way. A second one only where much is to be sent: node:tls tells a turn late that the first has left. */
const MOST_WRITES = 2;
const MUCH_BYTES = OUT_BYTES / 2;
const MOST_FREE = 32;
const NONE = Buffer.alloc(0);

/** Of all connections of this worker. */
const free: Buffer[] = [];

export class Outbox implements Sender {
  readonly #socket: ClientSocket;
  readonly #onRoom: () => void;
  readonly #onWritten: (error?: Error | null) => void;
  #bytes: Buffer = NONE;
  /** Where the next frame begins. */
  at = 0;
  #isDue = false;
  /** Under way, oldest first. */
  readonly #writes: Buffer[] = [];
  /** The stream whose DATA was put last, and where that frame begins. */
  #lastDataId = 0;
  #lastDataAt = 0;

  /** `onRoom`: what was refused by `fits` may be tried again. */
  constructor(socket: ClientSocket, onRoom: () => void) {
    this.#socket = socket;
    this.#onRoom = onRoom;
    this.#onWritten = error => this.#written(!error);
  }

  /** At least `count` bytes from `at` on are the caller's to fill; then `put`. */
  room(count: number): Buffer {
    if (this.at + count > this.#bytes.length) this.#make(count);
    return this.#bytes;
  }

  /** Frames up to `end` are to be sent. */
  put(end: number): void {
    this.at = end;
    if (this.#isDue) return;
    this.#isDue = true;
    sendLater(this);
  }

  /** A whole frame that is one number. */
  putNumber(type: number, id: number, value: number): void {
    const out = this.room(FRAME_HEAD_BYTES + 4);
    this.put(putUint32(out, putFrameHead(out, this.at, 4, type, 0, id), value));
  }

  putGoaway(lastId: number, code: number): void {
    const payload = Buffer.allocUnsafe(8);
    putUint32(payload, putUint32(payload, 0, lastId), code);
    this.putBytes(GOAWAY, 0, payload);
  }

  /** A whole frame of the connection. */
  putBytes(type: number, flags: number, payload: Uint8Array = NONE): void {
    const out = this.room(FRAME_HEAD_BYTES + payload.length);
    const from = putFrameHead(out, this.at, payload.length, type, flags, 0);
    out.set(payload, from);
    this.put(from + payload.length);
  }

  /** How many of so many bytes a frame of DATA may have now; 0: none, until `onRoom`. */
  fits(count: number): number {
    if (this.at + FRAME_HEAD_BYTES + count > OUT_BYTES) this.#writeSoon();
    const left = OUT_BYTES - FRAME_HEAD_BYTES - this.at;
    if (left >= count) return count;
    return left < LEAST_BYTES ? 0 : left;
  }

  /** The frame that begins at `at` has DATA of a stream. */
  isData(id: number): void {
    this.#lastDataId = id;
    this.#lastDataAt = this.at;
  }

  /** Where such a frame is still here it gets these flags; false where it is not. */
  flagData(id: number, flags: number): boolean {
    if (this.#lastDataId !== id) return false;
    this.#bytes[this.#lastDataAt + 4]! |= flags;
    return true;
  }

  /** So much waits for a reader that no more should be asked for. */
  get isStuffed(): boolean {
    return this.at > OUT_BYTES;
  }

  sendNow(): void {
    this.#isDue = false;
    if (this.#writes.length === 0 || this.at > MUCH_BYTES) this.#writeSoon();
  }

  /** Now, or when one that is under way has left. */
  #writeSoon(): void {
    if (this.#writes.length < MOST_WRITES) this.#write();
  }

  /** The last there is. */
  end(): void {
    this.#write();
    this.#socket.end();
  }

  #write(): void {
    if (this.at === 0 || this.#socket.destroyed) return;
    const bytes = this.#bytes;
    const end = this.at;
    this.#bytes = NONE;
    this.at = 0;
    this.#lastDataId = 0;
    this.#writes.push(bytes);
    this.#socket.write(bytes.subarray(0, end), this.#onWritten);
  }

  /** Called once for each write, in their order. */
  #written(isWell: boolean): void {
    const bytes = this.#writes.shift()!;
    if (isWell && bytes.length === OUT_BYTES && free.length < MOST_FREE) free.push(bytes);
    // What was put meanwhile leaves at the end of its turn; what had to wait, now.
    if (this.at > 0 && !this.#isDue) this.#write();
    this.#onRoom();
  }

  #make(count: number): void {
    this.#writeSoon();
    if (this.at + count <= this.#bytes.length) return;
    const before = this.#bytes;
    if (this.at + count <= OUT_BYTES) this.#bytes = free.pop() ?? Buffer.allocUnsafeSlow(OUT_BYTES);
    else this.#bytes = Buffer.allocUnsafeSlow(2 * (this.at + count));
    before.copy(this.#bytes, 0, 0, this.at);
  }
}
