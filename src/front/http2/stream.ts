// Hot: one per request.
// One stream (RFC 9113 section 5): how far its two halves are, what each side may send, and the frames of an answer. Whatever is
// answered goes into the connection's outbox at once, as far as the client's windows and the outbox allow; the rest waits here,
// and whoever gave it is told when it has left. What a stream is for, a request's exchange or torc's own endpoints, says who
// extends it: one object per request, because each costs something.

import { Pieces } from '../../core/pieces.ts';
import { headBlock, trailerBlock } from './answer-head.ts';
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FRAME_HEAD_BYTES,
  HEADERS,
  MAX_FRAME_BYTES,
  NO_ERROR,
  PROTOCOL_ERROR,
  putFrameHead,
  RST_STREAM,
} from './frames.ts';
import { putLines, roomFor } from './hpack-encoder.ts';
import type { Outbox } from './outbox.ts';
import { ReceiveWindow } from './window.ts';

/** Of a request's body that nobody has taken. */
export const STREAM_WINDOW_BYTES = 256 * 1024;
const NOTHING = Buffer.alloc(0);
const NO_FIELDS: readonly string[] = [];

/** What a stream asks of its connection. */
export interface StreamPort {
  readonly outbox: Outbox;
  /** What the client takes of all bodies now, and what of a stream that begins. */
  sendWindow: number;
  readonly initialWindow: number;
  /** It is there from now on. */
  entered(stream: Stream): void;
  /** `flow` is to be called when the client or the outbox takes more. */
  wait(stream: Stream): void;
  /** So many bytes of its body are somebody else's now. */
  taken(stream: Stream, bytes: number): void;
  /** Its client has broken a rule. */
  broken(stream: Stream): void;
  /** Both its halves are over. */
  left(stream: Stream): void;
}

export abstract class Stream {
  readonly id: number;
  protected readonly port: StreamPort;
  /** What the client takes of it now; may fall below 0 (section 6.9.2). */
  sendWindow: number;
  /** Of a request's body; null where it has none. */
  readonly window: ReceiveWindow | null;
  /** The client has ended its half. */
  isRemoteEnded: boolean;
  isLocalEnded = false;
  /** Both halves are over. */
  isClosed = false;
  /** Since when all that is left of it is its reader's to take. */
  overSinceMs = Number.POSITIVE_INFINITY;
  /** Of a body whose length was said, what is still to come; NaN of any other. */
  leftBytes = Number.NaN;
  /** Behind the request's body: name, value, name, value. */
  trailers = NO_FIELDS;
  /** Its halves end one by one: what the client still sends is wanted behind the end of the answer. */
  protected isTunnel = false;
  /** Of the request's body, came while nobody wanted it. */
  #held: Pieces | null = null;
  #isPaused = false;
  /** Of the answer's body, not yet in the outbox. */
  #rest: Buffer = NOTHING;
  /** Behind it: lines of trailers, or '' for none; null while its end is not known. */
  #end: string | null = null;

  constructor(port: StreamPort, id: number, isEnded: boolean) {
    this.port = port;
    this.id = id;
    this.sendWindow = port.initialWindow;
    this.isRemoteEnded = isEnded;
    this.window = isEnded ? null : new ReceiveWindow(STREAM_WINDOW_BYTES);
    port.entered(this);
  }

  /** Of the request's body; only valid during the call. */
  protected abstract onData(chunk: Buffer): void;
  /** The request is whole. */
  protected abstract onEnd(): void;
  /** All that was given to `sendData` is in the outbox. */
  protected abstract onDrain(): void;
  /** It is over, and nobody here has ended it. */
  protected abstract onGone(): void;
  /** It is over, whoever has ended it. */
  protected onClosed(): void {}
  /** Somebody else sees to its time-outs. */
  abstract get isAtWork(): boolean;
  /** It has no whole answer yet. */
  abstract get isOwed(): boolean;

  // ---- the request's body

  received(chunk: Buffer, isEnd: boolean): void {
    this.leftBytes -= chunk.length;
    // RFC 9113 section 8.1.1.
    if (this.leftBytes < 0 || (isEnd && this.leftBytes > 0)) {
      this.port.taken(this, chunk.length);
      this.fault(PROTOCOL_ERROR);
      return;
    }
    if (this.#isPaused) {
      this.#held ??= new Pieces();
      this.#held.add(Buffer.from(chunk));
    } else if (chunk.length > 0) this.#give(chunk);
    if (isEnd) this.ended();
  }

  ended(): void {
    if (this.isClosed) return;
    if (this.leftBytes > 0) {
      this.fault(PROTOCOL_ERROR);
      return;
    }
    this.isRemoteEnded = true;
    // Its end is for whoever wants the body.
    if (this.#isPaused) this.#held ??= new Pieces();
    if (this.#held === null) this.onEnd();
    if (this.isLocalEnded) this.#close();
  }

  #give(chunk: Buffer): void {
    this.onData(chunk);
    this.port.taken(this, chunk.length);
  }

  /** The request was handed on whole. */
  get isComplete(): boolean {
    return this.isRemoteEnded && this.#held === null;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#held === null) return;
    const { list: held } = this.#held;
    while (held.length > 0 && !this.#isPaused && !this.isClosed) this.#give(held.shift()!);
    if (held.length > 0 || this.isClosed) return;
    this.#held = null;
    if (this.isRemoteEnded) this.onEnd();
  }

  // ---- the answer

  /** `head` is a status line and lines; `line` another one, which is this answer's alone. */
  sendHead(head: string, line: string, isEnd: boolean): void {
    if (this.isClosed) return;
    this.#putBlock(headBlock(head), line, isEnd ? END_STREAM : 0);
    if (isEnd) this.#ended();
  }

  /** All of it; `body` has a character per byte. */
  sendWhole(head: string, line: string, body: string): void {
    if (this.isClosed) return;
    const count = body.length;
    const { port, id } = this;
    this.sendHead(head, line, count === 0);
    if (count === 0) return;
    if (count > this.sendWindow || count > port.sendWindow || count > MAX_FRAME_BYTES) {
      this.sendData(Buffer.from(body, 'latin1'));
      this.sendEnd('');
      return;
    }
    this.sendWindow -= count;
    port.sendWindow -= count;
    const out = port.outbox.room(FRAME_HEAD_BYTES + count);
    const from = putFrameHead(out, port.outbox.at, count, DATA, END_STREAM, id);
    port.outbox.put(from + out.write(body, from, 'latin1'));
    this.#ended();
  }

  /** True: all of it is in the outbox. Else it keeps a copy of the rest, and says when more is wanted. */
  sendData(chunk: Buffer): boolean {
    if (this.isClosed) return true;
    if (this.#rest.length > 0) {
      this.#rest = Buffer.concat([this.#rest, chunk]);
      return false;
    }
    let at = 0;
    for (let count = -1; at < chunk.length && count !== 0; at += count) count = this.#putData(chunk, at);
    if (at === chunk.length) return true;
    this.#rest = Buffer.from(chunk.subarray(at));
    this.port.wait(this);
    return false;
  }

  /** `trailers` are lines, or ''. */
  sendEnd(trailers: string): void {
    if (this.isClosed || this.isLocalEnded) return;
    if (this.#rest.length > 0) this.#end = trailers;
    else this.#putEnd(trailers);
  }

  get unsentBytes(): number {
    return this.#rest.length;
  }

  /** Sends a frame of what waits, so that streams take turns; false where it may not. */
  flow(): boolean {
    const count = this.#putData(this.#rest, 0);
    this.#rest = count === this.#rest.length ? NOTHING : this.#rest.subarray(count);
    if (count === 0 || this.#rest.length > 0) return count > 0;
    if (this.#end !== null) this.#putEnd(this.#end);
    else this.onDrain();
    return true;
  }

  /** Returns how many bytes of it left. */
  #putData(chunk: Buffer, at: number): number {
    const { port } = this;
    const { outbox } = port;
    const may = Math.min(chunk.length - at, MAX_FRAME_BYTES, this.sendWindow, port.sendWindow);
    const count = may > 0 ? outbox.fits(may) : 0;
    if (count === 0) return 0;
    const out = outbox.room(FRAME_HEAD_BYTES + count);
    outbox.isData(this.id);
    const from = putFrameHead(out, outbox.at, count, DATA, 0, this.id);
    chunk.copy(out, from, at, at + count);
    outbox.put(from + count);
    this.sendWindow -= count;
    port.sendWindow -= count;
    return count;
  }

  #putEnd(trailers: string): void {
    const { outbox } = this.port;
    if (trailers !== '') this.#putBlock(trailerBlock(trailers), '', END_STREAM);
    else if (!outbox.flagData(this.id, END_STREAM))
      outbox.put(putFrameHead(outbox.room(FRAME_HEAD_BYTES), outbox.at, 0, DATA, END_STREAM, this.id));
    this.#ended();
  }

  #putBlock(block: Buffer, lines: string, flags: number): void {
    const { outbox } = this.port;
    const length = block.length + (lines === '' ? 0 : roomFor(lines));
    const frames = Math.ceil(length / MAX_FRAME_BYTES);
    const out = outbox.room(length + (frames + 1) * FRAME_HEAD_BYTES);
    const start = outbox.at + FRAME_HEAD_BYTES;
    block.copy(out, start);
    const end = putLines(out, start + block.length, lines, 0);
    if (end - start > MAX_FRAME_BYTES) {
      this.#putLong(Buffer.from(out.subarray(start, end)), flags);
      return;
    }
    putFrameHead(out, outbox.at, end - start, HEADERS, flags | END_HEADERS, this.id);
    outbox.put(end);
  }

  /** In as many frames as it takes (section 6.10). */
  #putLong(block: Buffer, flags: number): void {
    const { outbox } = this.port;
    for (let at = 0; at < block.length; at += MAX_FRAME_BYTES) {
      const count = Math.min(MAX_FRAME_BYTES, block.length - at);
      const last = at + count === block.length ? END_HEADERS : 0;
      const out = outbox.room(FRAME_HEAD_BYTES + count);
      const [type, more] = at === 0 ? [HEADERS, flags] : [CONTINUATION, 0];
      const from = putFrameHead(out, outbox.at, count, type, more | last, this.id);
      block.copy(out, from, at, at + count);
      outbox.put(from + count);
    }
  }

  // ---- ends

  /** The answer is. A client that still sends is told that nobody reads (section 8.1). */
  #ended(): void {
    this.isLocalEnded = true;
    if (this.isRemoteEnded) this.#close();
    else if (!this.isTunnel) this.reset(NO_ERROR);
  }

  reset(code: number): void {
    if (this.isClosed) return;
    this.port.outbox.putNumber(RST_STREAM, this.id, code);
    this.#close();
  }

  /** The client has broken a rule that is about this stream alone (section 5.4.2). */
  fault(code: number): void {
    if (this.isClosed) return;
    this.reset(code);
    this.onGone();
    this.port.broken(this);
  }

  /** The client has reset it, or is gone. */
  gone(): void {
    if (this.isClosed) return;
    this.#close();
    this.onGone();
  }

  #close(): void {
    this.isClosed = true;
    this.#rest = NOTHING;
    this.#end = null;
    const held = this.#held;
    this.#held = null;
    if (held !== null) for (const chunk of held.list) this.port.taken(this, chunk.length);
    this.port.left(this);
    this.onClosed();
  }
}
