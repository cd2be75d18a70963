// Hot: runs per chunk of a request's body; made only for requests that have one.
// The request's body on its way to the replica. What was read is kept while it may have to be sent again, and is small;
// beyond that the body goes through as it comes, and the client is read only as fast as the replica takes it.

import { KEPT_BODY_BYTES, Pieces } from '../core/pieces.ts';
import type { BodyKey } from '../routing/body-key.ts';
import type { Carrier } from '../upstream/attempt.ts';
import { BY_LENGTH, CHUNKED, type Framing } from '../upstream/response-head.ts';
import type { Downstream } from './downstream.ts';
import { trailersOf } from './field-lines.ts';
import type { RequestIds } from './request-id.ts';

export class Upload {
  readonly framing: Framing;
  readonly #downstream: Downstream;
  readonly #ids: RequestIds;
  bytes = 0;
  /** What was read of the body while it may have to be sent again; null once it is too much. */
  #kept: Pieces | null = new Pieces();
  /** All of it was read. */
  ended = false;
  /** All of it was handed to the connection. */
  sent = false;
  blocked = false;
  /** What reads the request's key from it, until it is found. */
  key: BodyKey | null = null;

  constructor(downstream: Downstream, isChunked: boolean, ids: RequestIds) {
    this.#downstream = downstream;
    this.#ids = ids;
    this.framing = isChunked ? CHUNKED : BY_LENGTH;
  }

  /** It can be sent once more from its beginning. */
  get isKept(): boolean {
    return this.#kept !== null;
  }

  /** All that was read, while nothing of it was sent. */
  get kept(): readonly Buffer[] {
    return this.#kept!.list;
  }

  forget(): void {
    this.#kept = null;
  }

  /** A chunk came; `connection` is null while there is none that takes it. */
  data(chunk: Buffer, connection: Carrier | null): void {
    this.bytes += chunk.length;
    if (this.#kept !== null) {
      if (this.bytes <= KEPT_BODY_BYTES || connection === null) this.#kept.add(chunk);
      else this.#kept = null;
    }
    if (connection !== null) this.#write(connection, chunk);
    else if (this.bytes > KEPT_BODY_BYTES) this.#downstream.pause();
  }

  /** A new attempt starts with what is kept; the rest follows as it comes. */
  begin(connection: Carrier): void {
    this.sent = false;
    const kept = this.#kept!.list;
    // Head and first bytes leave together; nextTick is after the chunks that Node has read already.
    connection.cork();
    process.nextTick(uncork, connection);
    for (let index = 0; index < kept.length; index++) this.#write(connection, kept[index]!);
    if (this.bytes > KEPT_BODY_BYTES) this.#kept = null;
    if (this.ended) this.end(connection);
    else if (!this.blocked) this.#downstream.resume();
  }

  #write(connection: Carrier, chunk: Buffer): void {
    if (connection.write(chunk, this.#kept === null) || this.ended) return;
    this.blocked = true;
    this.#downstream.pause();
  }

  /** The last byte was handed over. */
  end(connection: Carrier): void {
    if (this.sent) return;
    this.sent = true;
    const trailers = trailersOf(this.#downstream.trailers);
    connection.end(trailers === '' ? '' : this.#ids.without(trailers));
  }

  /** The replica takes more; true where that was waited for. */
  unblock(): boolean {
    if (!this.blocked) return false;
    this.blocked = false;
    this.#downstream.resume();
    return true;
  }
}

function uncork(connection: Carrier): void {
  connection.uncork();
}
