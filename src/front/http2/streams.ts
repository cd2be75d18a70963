// Hot: runs per request.
// The streams of one connection and what they share: its windows (RFC 9113 section 5.2), its outbox, the turns that those
// take which wait for either, and the ids of streams that torc ended before their client did. Who may open one, and what
// breaks a rule, is the connection's to say (connection.ts).

import { CANCEL, DEFAULT_WINDOW_BYTES, MAX_31, WINDOW_UPDATE } from './frames.ts';
import type { Outbox } from './outbox.ts';
import type { Stream, StreamPort } from './stream.ts';
import { ReceiveWindow } from './window.ts';

/** Of requests' bodies that nobody has taken. */
const WINDOW_BYTES = 1024 * 1024;
/** Each is a number. Beyond it the oldest is forgotten, and its client broken off when it goes on all the same. */
const MOST_IGNORED = 1000;

export class Streams implements StreamPort {
  readonly outbox: Outbox;
  sendWindow = DEFAULT_WINDOW_BYTES;
  initialWindow = DEFAULT_WINDOW_BYTES;
  /** Of the connection. */
  readonly window = new ReceiveWindow(WINDOW_BYTES);
  readonly #open = new Map<number, Stream>();
  /** Those of which something waits for a window, or for the outbox. */
  readonly #waiting = new Set<Stream>();
  /** Over for torc; frames of their clients may still come, and mean nothing (section 5.1, "closed"). */
  readonly #ignored = new Set<number>();
  readonly #onLeft: () => void;
  readonly #onBroken: () => void;

  /** `onLeft`: a stream is over; `onBroken`: its client has broken a rule that is about one stream. */
  constructor(outbox: Outbox, onLeft: () => void, onBroken: () => void) {
    this.outbox = outbox;
    this.#onLeft = onLeft;
    this.#onBroken = onBroken;
    outbox.putNumber(WINDOW_UPDATE, 0, WINDOW_BYTES - DEFAULT_WINDOW_BYTES);
  }

  get count(): number {
    return this.#open.size;
  }

  get(id: number): Stream | undefined {
    return this.#open.get(id);
  }

  entered(stream: Stream): void {
    this.#open.set(stream.id, stream);
  }

  left(stream: Stream): void {
    this.#open.delete(stream.id);
    this.#waiting.delete(stream);
    if (!stream.isRemoteEnded) this.ignore(stream.id);
    this.#onLeft();
  }

  broken(): void {
    this.#onBroken();
  }

  // ---- those whose client does not know yet that they are over

  ignore(id: number): void {
    this.#ignored.add(id);
    if (this.#ignored.size > MOST_IGNORED) this.#ignored.delete(this.#ignored.values().next().value!);
  }

  /** False: its client knows. `isEnd`: it has said all now. */
  ignores(id: number, isEnd: boolean): boolean {
    return isEnd ? this.#ignored.delete(id) : this.#ignored.has(id);
  }

  // ---- what torc takes

  taken(stream: Stream | null, bytes: number): void {
    const all = this.window.take(bytes);
    if (all > 0) this.outbox.putNumber(WINDOW_UPDATE, 0, all);
    if (stream === null || stream.isRemoteEnded || stream.isClosed) return;
    const its = stream.window!.take(bytes);
    if (its > 0) this.outbox.putNumber(WINDOW_UPDATE, stream.id, its);
  }

  // ---- what the client takes

  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  wait(stream: Stream): void {
    this.#waiting.add(stream);
  }

  /** Frame by frame in turns, until nobody may send any more. */
  flow(): void {
    let isMoving = this.#waiting.size > 0;
    while (isMoving) {
      isMoving = false;
      for (const stream of this.#waiting) {
        if (stream.flow()) isMoving = true;
        if (stream.unsentBytes === 0) this.#waiting.delete(stream);
      }
    }
  }

  /** `null`: of the connection. False: the window is larger than any may be. */
  opened(stream: Stream | null, more: number): boolean {
    const window = stream ?? this;
    window.sendWindow += more;
    if (window.sendWindow > MAX_31) return false;
    if (stream === null || this.#waiting.has(stream)) this.flow();
    return true;
  }

  /** What each stream begins with, also those that have begun (section 6.9.2). */
  begin(window: number): boolean {
    const more = window - this.initialWindow;
    this.initialWindow = window;
    for (const stream of this.#open.values()) {
      stream.sendWindow += more;
      if (stream.sendWindow > MAX_31) return false;
    }
    this.flow();
    return true;
  }

  // ---- ends

  /** Of a stream that is answered nobody sees to it that its reader takes the rest: whoever opens no window keeps it. */
  look(nowMs: number, overSinceMs: number): void {
    for (const stream of this.#open.values()) {
      if (stream.isAtWork) continue;
      if (stream.overSinceMs === Number.POSITIVE_INFINITY) stream.overSinceMs = nowMs;
      else if (stream.overSinceMs <= overSinceMs) stream.reset(CANCEL);
    }
  }

  gone(): void {
    for (const stream of [...this.#open.values()]) stream.gone();
  }
}
