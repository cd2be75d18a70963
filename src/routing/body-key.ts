// The key of a request whose body has to be asked (json:, body-prefix: in TORC_KEY): goes on where the look at the head (key.ts)
// stopped, with as much of the body as is there, until a source has it or all are asked. Each byte is read once per source,
// however small the pieces; what was read is what the exchange keeps for another attempt anyway, so a later source begins
// at the front again, and no more is ever read than that. One of these per such request, and none for any other.

import type { KeyPart, KeySource } from '../config/fields.ts';
import { KEPT_BODY_BYTES } from '../core/pieces.ts';
import { JsonScan, MISSING, MORE, VALUE } from './json-scan.ts';
import { FOUND, type FoundKey, findPart, IN_BODY, NO_KEY, type Place, TO_ISSUE } from './key.ts';

/**
 * A compressed body is not what a key is read from; and who calls by gRPC may wait for the answer's head before the first
 * message, so the call may not wait for that.
 */
export function isReadable(rawHeaders: readonly string[]): boolean {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    const value = rawHeaders[index + 1]!;
    if (name.length === 16 && /^content-encoding$/i.test(name) && !/^(?:identity)?$/i.test(value))
      return false;
    if (name.length === 12 && /^content-type$/i.test(name) && /^application\/grpc/i.test(value)) return false;
  }
  return true;
}

/** What of a request's head a key may be read from. */
export interface KeyedHead {
  readonly target: string;
  readonly rawHeaders: readonly string[];
  readonly ip: string;
  readonly host: string;
}

export class BodyKey {
  readonly #sources: readonly KeySource[];
  readonly head: KeyedHead;
  #source: number;
  #part = 0;
  /** Of the parts before this one. */
  #text = '';
  #scan: JsonScan | null = null;
  /** What this part has read: so many whole pieces, of the next one so much, and bytes in all. */
  #pieces = 0;
  #at = 0;
  #bytes = 0;

  /** `from`: the source that the look at the head stopped at. */
  constructor(sources: readonly KeySource[], from: number, head: KeyedHead) {
    this.#sources = sources;
    this.#source = from;
    this.head = head;
  }

  /** `pieces` is all of the body so far, of which the last may have grown; `isOver`: it has no more. IN_BODY: more is needed. */
  read(pieces: readonly Buffer[], isOver: boolean, found: FoundKey): Place {
    for (; this.#source < this.#sources.length; this.#source++) {
      found.index = this.#source;
      const { parts } = this.#sources[this.#source]!;
      const outcome = this.#readParts(parts, pieces, isOver, found);
      if (outcome === MORE) return IN_BODY;
      if (outcome === VALUE) return FOUND;
      if (parts[0]!.kind === 'random') return NO_KEY;
      if (parts[0]!.option === 'issue') return TO_ISSUE;
      this.#part = 0;
      this.#text = '';
      this.#rewind();
    }
    return NO_KEY;
  }

  #readParts(parts: readonly KeyPart[], pieces: readonly Buffer[], isOver: boolean, found: FoundKey) {
    const { target, rawHeaders, ip, host } = this.head;
    while (this.#part < parts.length) {
      const part = parts[this.#part]!;
      if (part.kind === 'json' || part.kind === 'body-prefix') {
        const outcome =
          part.kind === 'json'
            ? this.#readJson(part, pieces, isOver)
            : this.#readPrefix(part, pieces, isOver);
        if (outcome !== VALUE) return outcome;
      } else if (findPart(part, target, rawHeaders, ip, host, found)) {
        this.#text += found.text.slice(found.start, found.end);
      } else return MISSING;
      this.#part++;
      this.#rewind();
    }
    found.set(this.#text, 0, this.#text.length);
    return VALUE;
  }

  #readJson({ pointer }: KeyPart, pieces: readonly Buffer[], isOver: boolean) {
    this.#scan ??= new JsonScan(pointer);
    for (;;) {
      const unread = this.#next(pieces, KEPT_BODY_BYTES);
      if (unread === null) break;
      const outcome = this.#scan.feed(unread, unread.length);
      if (outcome === VALUE) this.#text += this.#scan.text;
      if (outcome !== MORE) return outcome;
    }
    return isOver || this.#bytes === KEPT_BODY_BYTES ? MISSING : MORE;
  }

  /** A body that is shorter counts whole. */
  #readPrefix({ size }: KeyPart, pieces: readonly Buffer[], isOver: boolean) {
    for (let unread = this.#next(pieces, size); unread !== null; unread = this.#next(pieces, size))
      this.#text += unread.toString('latin1');
    if (this.#bytes === size || (isOver && this.#bytes > 0)) return VALUE;
    return isOver ? MISSING : MORE;
  }

  /** The next bytes that this part has not read, of the first `most`; null where there are none. */
  #next(pieces: readonly Buffer[], most: number): Buffer | null {
    while (this.#pieces < pieces.length - 1 && this.#at === pieces[this.#pieces]!.length) {
      this.#pieces++;
      this.#at = 0;
    }
    const unread = pieces[this.#pieces]?.subarray(this.#at, this.#at + most - this.#bytes);
    if (unread === undefined || unread.length === 0) return null;
    this.#at += unread.length;
    this.#bytes += unread.length;
    return unread;
  }

  #rewind(): void {
    this.#scan = null;
    this.#pieces = 0;
    this.#at = 0;
    this.#bytes = 0;
  }
}
