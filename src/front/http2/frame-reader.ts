// Hot: runs per read and per frame.
// Bytes of a connection -> the client's preface and its frames (RFC 9113 sections 3.4 and 4.1). A frame that is all there is
// handed on where it stands; one that is cut is put together in a buffer of its own size, so whatever the cuts are, a byte
// is copied once. Nothing is judged here but the length.

import { DATA, FRAME_HEAD_BYTES, MAX_FRAME_BYTES, uint24At, uint31At } from './frames.ts';

const TYPE_AT = 3;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export interface FrameSink {
  /** The payload is `bytes` from `start` to `end`, only valid during the call. False: read no more. */
  frame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): boolean;
  /** A frame that is larger than any may be. */
  oversized(): void;
  /** What it began with is not HTTP/2. */
  noPreface(): void;
}

export class FrameReader {
  readonly #sink: FrameSink;
  /** What is to come: the preface, or a frame's head, or a frame with its head. */
  #isPrefaced = false;
  /** Of what was cut, `#length` bytes; null where nothing was. */
  #cut: Buffer | null = null;
  #length = 0;
  #cutMs = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** A frame that was cut before then is not whole yet. Not of a body: whoever waits for one has a time-out of its own. */
  isLate(sinceMs: number): boolean {
    const cut = this.#cut;
    if (cut === null || this.#cutMs > sinceMs) return false;
    return !this.#isPrefaced || this.#length <= TYPE_AT || cut[TYPE_AT] !== DATA;
  }

  read(chunk: Buffer, nowMs: number): void {
    let at = 0;
    while (this.#cut !== null && at < chunk.length) {
      at = this.#fill(this.#cut, chunk, at);
      const { length } = this.#cut;
      if (this.#length < length) return;
      const whole = this.#cut;
      const needed = this.#needed(whole, 0);
      if (needed > length) this.#grow(whole, needed);
      else {
        this.#cut = null;
        if (needed === -1 || !this.#hand(whole, 0)) return;
      }
    }
    while (at < chunk.length) {
      const needed = this.#needed(chunk, at);
      if (needed === -1) return;
      if (at + needed > chunk.length) {
        this.#cut = Buffer.allocUnsafe(needed);
        this.#length = 0;
        this.#cutMs = nowMs;
        this.#fill(this.#cut, chunk, at);
        return;
      }
      if (!this.#hand(chunk, at)) return;
      at += needed;
    }
  }

  /** Bytes from `at` on that can be handed on together, as far as is known; -1 where it is nothing that may be. */
  #needed(bytes: Buffer, at: number): number {
    if (!this.#isPrefaced) return PREFACE.length;
    if (bytes.length - at < FRAME_HEAD_BYTES) return FRAME_HEAD_BYTES;
    const length = uint24At(bytes, at);
    if (length <= MAX_FRAME_BYTES) return FRAME_HEAD_BYTES + length;
    this.#sink.oversized();
    return -1;
  }

  #hand(bytes: Buffer, at: number): boolean {
    if (this.#isPrefaced) {
      const start = at + FRAME_HEAD_BYTES;
      const end = start + uint24At(bytes, at);
      return this.#sink.frame(
        bytes[at + TYPE_AT]!,
        bytes[at + 4]!,
        uint31At(bytes, at + 5),
        bytes,
        start,
        end,
      );
    }
    this.#isPrefaced = true;
    if (bytes.compare(PREFACE, 0, PREFACE.length, at, at + PREFACE.length) === 0) return true;
    this.#sink.noPreface();
    return false;
  }

  #fill(cut: Buffer, chunk: Buffer, at: number): number {
    const count = Math.min(cut.length - this.#length, chunk.length - at);
    chunk.copy(cut, this.#length, at, at + count);
    this.#length += count;
    return at + count;
  }

  /** Its head is here, and says how long it is. */
  #grow(head: Buffer, length: number): void {
    this.#cut = Buffer.allocUnsafe(length);
    head.copy(this.#cut);
  }
}
