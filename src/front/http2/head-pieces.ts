// A head that comes in several frames (RFC 9113 section 6.10): HEADERS and CONTINUATIONs, with nothing between them on all of the
// connection. Bounded in number, because an endless head of small or empty pieces costs its sender nothing (CVE-2024-28182), and in
// time, because one that is never complete holds what it has, and its connection.

const MOST_PIECES = 8;

export class HeadPieces {
  /** Of the stream whose head is not complete; 0 where there is none. */
  id = 0;
  /** The stream ends with it. */
  isEnd = false;
  #begunMs = 0;
  #pieces: Buffer[] = [];

  begin(id: number, isEnd: boolean, nowMs: number): void {
    this.id = id;
    this.isEnd = isEnd;
    this.#begunMs = nowMs;
  }

  /** One that began before then is not complete. */
  isLate(sinceMs: number): boolean {
    return this.id !== 0 && this.#begunMs <= sinceMs;
  }

  /** The bytes are only valid during the call. False: too many. */
  add(bytes: Buffer, start: number, end: number): boolean {
    return this.#pieces.push(Buffer.from(bytes.subarray(start, end))) <= MOST_PIECES + 1;
  }

  /** All of it, and there is none any more. */
  whole(): Buffer {
    const block = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.id = 0;
    return block;
  }
}
