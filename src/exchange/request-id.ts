// Names each request, for whoever looks for it: in the logs of torc, of the replica and of the client, which all see the same
// field (TORC_REQUEST_ID). A worker's name drawn at random, and a counter: as unique as a UUID, says which worker it was, and
// costs a fraction of one (docs/decisions/0020-who-called.md). The counter is scrambled, because else every client could
// read from two of its answers how many requests the worker had in between. The line of the head is made at once: that is
// what request and answer need; the name itself only logs do.

import type { Random } from '../core/random.ts';

/** Letters and digits of the random part: 60 bits. */
const RANDOM_LENGTH = 12;
const COUNTER_MASK = 0x3fff_ffff;
/** Two digits of a count each; three pairs are a count. To have a number say its digits costs V8 more than all else here. */
const PAIRS = Array.from({ length: 1024 }, (_, pair) => pair.toString(32).padStart(2, '0'));
const LAST_PAIRS = PAIRS.map(pair => `${pair}\r\n`);

export class RequestIds {
  /** Without a field it is made only where it is told. */
  readonly hasField: boolean;
  readonly #worker: number;
  readonly #random: Random;
  readonly #field: string;
  /** Finds the field in lines of others. */
  readonly #line: RegExp;
  /** Of a line: the field and what is the worker's. */
  #prefix = '';
  #key = 0;
  #next = 0;

  /** `field` is '' where none carries it. */
  constructor(field: string, worker: number, random: Random) {
    this.hasField = field !== '';
    this.#worker = worker;
    this.#random = random;
    this.#field = `${field}: `;
    this.#line = new RegExp(`(^|\\r\\n)(?:${field}:[^\\r]*\\r\\n)+`, 'gi');
    this.#draw();
  }

  /** A line of the head with a new id, and its CRLF. */
  nextLine(): string {
    if (this.#next > COUNTER_MASK) this.#draw();
    const count = scramble(this.#next++, this.#key);
    // Short texts first: V8 copies those at once.
    return this.#prefix + (PAIRS[count >>> 20]! + PAIRS[(count >>> 10) & 1023]! + LAST_PAIRS[count & 1023]!);
  }

  next(): string {
    return this.idIn(this.nextLine());
  }

  /** The same with an id that somebody else gave. */
  lineOf(id: string): string {
    return `${this.#field}${id}\r\n`;
  }

  idIn(line: string): string {
    return line.slice(this.#field.length, -2);
  }

  /** Lines without the field. A client's trailers have it from nobody to believe; a replica may say what it heard, or another, and there is one answer to who is right. */
  without(lines: string): string {
    return this.hasField ? lines.replace(this.#line, '$1') : lines;
  }

  #draw(): void {
    let drawn = '';
    while (drawn.length < RANDOM_LENGTH) drawn += Math.floor(this.#random() * 36).toString(36);
    this.#prefix = `${this.#field}${this.#worker}-${drawn}-`;
    this.#key = Math.floor(this.#random() * (COUNTER_MASK + 1));
    this.#next = 0;
  }
}

/** Each count gets a number of its own: every step can be undone (the finalizer of MurmurHash3, on 30 bits). */
function scramble(count: number, key: number): number {
  let mixed = count ^ key;
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) & COUNTER_MASK;
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35) & COUNTER_MASK;
  return mixed ^ (mixed >>> 15);
}
