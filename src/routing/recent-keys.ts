// Hot: `add` runs per answer; it copies the key's bytes and makes no object.
// The keys of the latest answers, for a page that is read once an hour: as bytes, one behind the other, in two pages. When the
// newer one has `capacity` keys, the older one is emptied and takes its place, so the latest `capacity` are always there,
// and nothing ever moves. Why not the texts themselves: a string that is kept for ten thousand requests is copied twice by V8's
// young generation, moved to the old one, and dies there; that took a tenth of torc's own time per request (docs/benchmarks.md).

/** A longer key is cut. */
const MAX_KEY_LENGTH = 512;
/** Where a page begins; both double as keys come. */
const FIRST_KEYS = 64;
const FIRST_BYTES = 1024;
/** Where a request brings no key, the assignment gives it a random number of six digits. */
const LEAST_RANDOM = 100_000;
const RANDOMS = 900_000;

export class RecentKeys {
  readonly #capacity: number;
  #newer = new Page();
  #older = new Page();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get isEmpty(): boolean {
    return this.#newer.count === 0 && this.#older.count === 0;
  }

  /** `text[start, end)`, one character per byte; an `end` of -1 says that `start` stands for a random one. */
  add(text: string, start: number, end: number): void {
    if (this.#newer.count === this.#capacity) {
      const page = this.#older;
      page.clear();
      this.#older = this.#newer;
      this.#newer = page;
    }
    if (end === -1) this.#newer.addRandom(start % RANDOMS);
    else this.#newer.add(text, start, Math.min(end, text.length, start + MAX_KEY_LENGTH));
  }

  /** Oldest first. */
  list(): string[] {
    const newer = this.#newer.list();
    const rest = this.#capacity - newer.length;
    return rest === 0 ? newer : [...this.#older.list().slice(-rest), ...newer];
  }
}

class Page {
  count = 0;
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #used = 0;
  /** Of each key; below 0 it is a random one, ~number. */
  #lengths = new Int32Array(FIRST_KEYS);

  clear(): void {
    this.count = 0;
    this.#used = 0;
  }

  add(text: string, start: number, end: number): void {
    const length = end - start;
    while (this.#used + length > this.#bytes.length) {
      const bytes = Buffer.allocUnsafeSlow(this.#bytes.length * 2);
      this.#bytes.copy(bytes);
      this.#bytes = bytes;
    }
    const bytes = this.#bytes;
    let at = this.#used;
    for (let index = start; index < end; index++) bytes[at++] = text.charCodeAt(index);
    this.#used = at;
    this.#note(length);
  }

  addRandom(number: number): void {
    this.#note(~number);
  }

  #note(length: number): void {
    if (this.count === this.#lengths.length) {
      const lengths = new Int32Array(this.count * 2);
      lengths.set(this.#lengths);
      this.#lengths = lengths;
    }
    this.#lengths[this.count++] = length;
  }

  list(): string[] {
    const keys = new Array<string>(this.count);
    let at = 0;
    for (let index = 0; index < keys.length; index++) {
      const length = this.#lengths[index]!;
      if (length < 0) {
        keys[index] = String(LEAST_RANDOM + ~length);
        continue;
      }
      keys[index] = this.#bytes.toString('latin1', at, at + length);
      at += length;
    }
    return keys;
  }
}
