// Hot with the rings `seed` and `ketama`: runs per request; allocates nothing, keeps one block of scratch (JavaScript runs it to its end).
// MD5 (RFC 1321) of a text's UTF-8 bytes, of which the rings need 32 bits only. Our own, because node:crypto
// wants a slice, a hash object and a digest for every key: several allocations where this has none. Never for secrets.

const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
/** RFC 1321 section 3.4: floor(2^32 x |sin(i + 1)|). */
const SINES = Int32Array.from(
  { length: 64 },
  (_, index) => Math.floor(Math.abs(Math.sin(index + 1)) * 2 ** 32) | 0,
);

const block = new Int32Array(16);
const state = new Int32Array(4);
let byteCount = 0;

/** The digest's last four bytes as a big-endian int32: `& 1023` of it is int(hexdigest, 16) % 1024. */
export function md5LastWord(text: string, start: number, end: number): number {
  begin();
  for (let index = start; index < end; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x80) push(code);
    else index += pushWide(text, index, end, code);
  }
  finish();
  const last = state[3]!;
  return (last << 24) | ((last & 0xff00) << 8) | ((last >>> 8) & 0xff00) | (last >>> 24);
}

/** The digest's first four bytes as a little-endian int32, of characters that stand for one byte each. */
export function md5FirstWord(text: string, start: number, end: number): number {
  begin();
  for (let index = start; index < end; index++) push(text.charCodeAt(index) & 0xff);
  finish();
  return state[0]!;
}

/** The digest as four little-endian uint32. Not for the hot path. */
export function md5Words(text: string): number[] {
  md5LastWord(text, 0, text.length);
  return Array.from(state, word => word >>> 0);
}

function begin(): void {
  state[0] = 0x67452301;
  state[1] = 0xefcdab89 | 0;
  state[2] = 0x98badcfe | 0;
  state[3] = 0x10325476;
  block.fill(0);
  byteCount = 0;
}

function push(byte: number): void {
  const place = byteCount & 63;
  block[place >>> 2]! |= byte << ((place & 3) << 3);
  byteCount++;
  if (place === 63) compress();
}

/** UTF-8 of what is not ASCII; returns the extra code units it took. A lone surrogate is U+FFFD, as in Buffer. */
function pushWide(text: string, index: number, end: number, code: number): number {
  if (code < 0x800) {
    push(0xc0 | (code >>> 6));
    push(0x80 | (code & 63));
    return 0;
  }
  const next = index + 1 < end ? text.charCodeAt(index + 1) : 0;
  if (code >= 0xd800 && code < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
    const point = 0x10000 + ((code - 0xd800) << 10) + (next - 0xdc00);
    push(0xf0 | (point >>> 18));
    push(0x80 | ((point >>> 12) & 63));
    push(0x80 | ((point >>> 6) & 63));
    push(0x80 | (point & 63));
    return 1;
  }
  const whole = code >= 0xd800 && code < 0xe000 ? 0xfffd : code;
  push(0xe0 | (whole >>> 12));
  push(0x80 | ((whole >>> 6) & 63));
  push(0x80 | (whole & 63));
  return 0;
}

/** Padding: a 1 bit, zeros, and the length in bits (here below 2^32: a key is part of a request's head). */
function finish(): void {
  const bits = byteCount << 3;
  push(0x80);
  if ((byteCount & 63) > 56) compress();
  block[14] = bits;
  compress();
}

function compress(): void {
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  for (let step = 0; step < 64; step++) {
    let mixed: number;
    let word: number;
    if (step < 16) {
      mixed = (b & c) | (~b & d);
      word = step;
    } else if (step < 32) {
      mixed = (d & b) | (~d & c);
      word = (5 * step + 1) & 15;
    } else if (step < 48) {
      mixed = b ^ c ^ d;
      word = (3 * step + 5) & 15;
    } else {
      mixed = c ^ (b | ~d);
      word = (7 * step) & 15;
    }
    const sum = (a + mixed + SINES[step]! + block[word]!) | 0;
    const shift = SHIFTS[((step >>> 4) << 2) | (step & 3)]!;
    a = d;
    d = c;
    c = b;
    b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0;
  }
  state[0] = (state[0]! + a) | 0;
  state[1] = (state[1]! + b) | 0;
  state[2] = (state[2]! + c) | 0;
  state[3] = (state[3]! + d) | 0;
  block.fill(0);
}
