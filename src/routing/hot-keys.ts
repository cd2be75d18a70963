// Hot: `count` runs per request; allocates nothing, reads no clock, walks one set of entries and at most 128 characters.
// The busiest keys of now in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi, ICDT 2005) in sets. A key's hash
// says in which set of WAYS entries it is counted; a key without an entry takes the one of the least count and inherits
// that count, which is the most that it can have had before. Told is the count without what was inherited: at least so
// many were seen. Why not HeavyKeeper, nor one big heap: docs/decisions/0014-hot-keys.md.
//
//   hash ──> set    | hash  count  inherited  lately  length  text[128] |  x WAYS
//
// Counts decay untouched: a request weighs 2^(age of the sketch / half-life), so old ones weigh ever less beside new ones;
// `tick` sets the weight, and scales everything down long before a double ends. Twice: with a half-life of 30 s, which is
// steady, and of 2 s, which sees a burst while the first still remembers the quiet before it.
// Keys of one 32-bit hash count as one (they share their slot, too): among a million keys one of the 20 busiest has company
// with a chance of 0.5 %, mostly of a rare key. The text is kept when the entry is taken.

const WAYS = 8;
const DEFAULT_ENTRIES = 1024;
const TEXT_BYTES = 128;
const GOLDEN = 0x9e3779b1; // 2^32 / golden ratio: Knuth's multiplicative hashing, for rings whose hashes are not mixed
const HALF_LIFE_MS = 30_000;
const LATELY_HALF_LIFE_MS = 2_000;
/** Scaled down then; a double ends at 2^1023. */
const MOST_HALF_LIVES = 64;
/** Rates of the first moments would be guesses. */
const YOUNGEST_MS = 1_000;
/** What a worker hands in; the busiest of all workers together are among the busiest of each. */
const TOLD = 256;

export const HALF_LIFE_S = HALF_LIFE_MS / 1000;

/** Requests per second, half-lives 30 s and 2 s. */
interface Rates {
  readonly perS: number;
  readonly latelyPerS: number;
}

export interface HotKey extends Rates {
  readonly hash: number;
  /** One character per byte; cut where `length` is more. */
  readonly text: string;
  readonly length: number;
}

export interface HotKeysReport {
  /** All requests. */
  readonly all: Rates;
  readonly keylessPerS: number;
  /** The busiest first. */
  readonly keys: readonly HotKey[];
}

export class HotKeys {
  readonly #bornMs: number;
  readonly #hashes: Int32Array;
  readonly #counts: Float64Array;
  readonly #inherited: Float64Array;
  readonly #lately: Float64Array;
  /** Of the whole key. */
  readonly #lengths: Int32Array;
  readonly #texts: Uint8Array;
  readonly #shift: number;
  // Doubles that change are kept in arrays: as fields of an object each change could allocate one.
  /** What a request weighs now: in `counts`, in `lately`. */
  readonly #weights = new Float64Array([1, 1]);
  /** From when each of the two grows. */
  readonly #sinceMs: Float64Array;
  /** All requests in `counts`, all in `lately`, those without a key in `counts`. */
  readonly #sums = new Float64Array(3);

  /** `entries` is a power of two. */
  constructor(nowMs: number, entries = DEFAULT_ENTRIES) {
    this.#bornMs = nowMs;
    this.#sinceMs = new Float64Array([nowMs, nowMs]);
    this.#hashes = new Int32Array(entries);
    this.#counts = new Float64Array(entries);
    this.#inherited = new Float64Array(entries);
    this.#lately = new Float64Array(entries);
    this.#lengths = new Int32Array(entries);
    this.#texts = new Uint8Array(entries * TEXT_BYTES);
    this.#shift = 1 + Math.clz32(entries / WAYS);
  }

  /** A request with the key `text[start, end)`. */
  count(hash: number, text: string, start: number, end: number): void {
    const hashes = this.#hashes;
    const counts = this.#counts;
    const weight = this.#weights[0]!;
    const latelyWeight = this.#weights[1]!;
    this.#sums[0]! += weight;
    this.#sums[1]! += latelyWeight;
    const first = (Math.imul(hash, GOLDEN) >>> this.#shift) * WAYS;
    let least = first;
    for (let entry = first; entry < first + WAYS; entry++) {
      const count = counts[entry]!;
      if (hashes[entry] === hash && count > 0) {
        counts[entry] = count + weight;
        this.#lately[entry]! += latelyWeight;
        return;
      }
      if (count < counts[least]!) least = entry;
    }
    hashes[least] = hash;
    this.#inherited[least] = counts[least]!;
    counts[least]! += weight;
    this.#lately[least] = latelyWeight;
    this.#keep(least, text, start, end);
  }

  countKeyless(): void {
    const weight = this.#weights[0]!;
    this.#sums[0]! += weight;
    this.#sums[1]! += this.#weights[1]!;
    this.#sums[2]! += weight;
  }

  /** Several times a second. */
  tick(nowMs: number): void {
    this.#age(0, nowMs, HALF_LIFE_MS);
    this.#age(1, nowMs, LATELY_HALF_LIFE_MS);
  }

  report(nowMs: number): HotKeysReport {
    this.tick(nowMs);
    const ageMs = Math.max(nowMs - this.#bornMs, YOUNGEST_MS);
    const perS = ratePerS(this.#weights[0]!, ageMs, HALF_LIFE_MS);
    const latelyPerS = ratePerS(this.#weights[1]!, ageMs, LATELY_HALF_LIFE_MS);
    const all = { perS: this.#sums[0]! * perS, latelyPerS: this.#sums[1]! * latelyPerS };
    const keys: HotKey[] = [];
    for (const [entry, count] of this.#counts.entries()) {
      if (count === 0) continue;
      keys.push({
        hash: this.#hashes[entry]!,
        text: this.#textOf(entry),
        length: this.#lengths[entry]!,
        perS: (count - this.#inherited[entry]!) * perS,
        latelyPerS: this.#lately[entry]! * latelyPerS,
      });
    }
    return { all, keylessPerS: this.#sums[2]! * perS, keys: busiest(keys, all, TOLD) };
  }

  #keep(entry: number, text: string, start: number, end: number): void {
    const texts = this.#texts;
    const from = entry * TEXT_BYTES - start;
    const cut = Math.min(end, start + TEXT_BYTES);
    for (let at = start; at < cut; at++) texts[from + at] = text.charCodeAt(at);
    this.#lengths[entry] = end - start;
  }

  #textOf(entry: number): string {
    const start = entry * TEXT_BYTES;
    const end = start + Math.min(this.#lengths[entry]!, TEXT_BYTES);
    return Buffer.from(this.#texts.buffer, start, end - start).toString('latin1');
  }

  #age(which: 0 | 1, nowMs: number, halfLifeMs: number): void {
    let halfLives = (nowMs - this.#sinceMs[which]!) / halfLifeMs;
    if (halfLives > MOST_HALF_LIVES) {
      const down = 2 ** -halfLives;
      for (const counts of which === 0 ? [this.#counts, this.#inherited] : [this.#lately])
        for (let entry = 0; entry < counts.length; entry++) counts[entry]! *= down;
      for (let sum = which; sum < this.#sums.length; sum += 1 + which) this.#sums[sum]! *= down;
      this.#sinceMs[which] = nowMs;
      halfLives = 0;
    }
    this.#weights[which] = 2 ** halfLives;
  }
}

/** A decayed sum's requests per second, where `weight` is one request; a young sketch has not seen a whole window. */
function ratePerS(weight: number, ageMs: number, halfLifeMs: number): number {
  const seen = 1 - 2 ** (-ageMs / halfLifeMs);
  return (1000 * Math.LN2) / (weight * halfLifeMs * seen);
}

/** What the workers saw together, the `most` busiest keys. */
export function mergeHotKeys(reports: readonly HotKeysReport[], most: number): HotKeysReport {
  const all = { perS: 0, latelyPerS: 0 };
  const keys = new Map<number, HotKey>();
  let keylessPerS = 0;
  for (const report of reports) {
    all.perS += report.all.perS;
    all.latelyPerS += report.all.latelyPerS;
    keylessPerS += report.keylessPerS;
    for (const key of report.keys) {
      const known = keys.get(key.hash);
      keys.set(key.hash, {
        ...key,
        perS: key.perS + (known?.perS ?? 0),
        latelyPerS: key.latelyPerS + (known?.latelyPerS ?? 0),
      });
    }
  }
  return { all, keylessPerS, keys: busiest([...keys.values()], all, most) };
}

/** By the larger of the two shares. The short one counts less what chance makes of so few requests. */
function busiest(keys: readonly HotKey[], all: Rates, most: number): HotKey[] {
  const windowS = LATELY_HALF_LIFE_MS / Math.LN2 / 1000;
  const shareOf = ({ perS, latelyPerS }: HotKey): number => {
    const surelyPerS = latelyPerS - 2 * Math.sqrt(latelyPerS / windowS);
    return Math.max(perS / all.perS, surelyPerS / all.latelyPerS);
  };
  return keys
    .map(key => ({ key, share: shareOf(key) }))
    .sort((a, b) => b.share - a.share)
    .slice(0, most)
    .map(({ key }) => key);
}
