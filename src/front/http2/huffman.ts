// Hot: runs per string of a request's head that is not in a table.
// The Huffman code of HPACK (RFC 7541 section 5.2, appendix B), which is canonical: the lengths of its codes say all. Read four bits
// at a time by a table of 256 states, the inner nodes of its tree: a code has five bits at least, so four end one at most.
// Only reading: torc writes strings as they are (hpack-encoder.ts).

/** Of the codes of the bytes 0 to 255, and of the end of a string; digits of base 36. */
const LENGTHS =
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca' +
  'd67777777777777777777777878djde6f56565666577666567655677777fbeds' +
  'kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn' +
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq' +
  'u';
const END = 256;
/** Of an entry: the four bits end a code, of the byte that stands from bit 9 on; below it the next state. */
const ENDS = 0x100;
const BROKEN = 0xffffff;

const STATES = 256;
const steps = new Uint32Array(STATES * 16);
/** A string may end here: what is left over of its last byte are ones, fewer than eight. */
const mayEnd = new Uint8Array(STATES);
build();

let scratch = Buffer.allocUnsafeSlow(4096);

/** The string that `bytes` are from `start` to `end`, a character per byte; null where they are none. */
export function huffmanDecoded(bytes: Uint8Array, start: number, end: number): string | null {
  // Five bits are a byte at least.
  const most = ((end - start) * 8) / 5;
  if (scratch.length < most) scratch = Buffer.allocUnsafeSlow(most * 2);
  const out = scratch;
  let length = 0;
  let state = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    const high = steps[(state << 4) | (byte >> 4)]!;
    if (high === BROKEN) return null;
    if ((high & ENDS) !== 0) out[length++] = high >> 9;
    const low = steps[((high & 0xff) << 4) | (byte & 15)]!;
    if (low === BROKEN) return null;
    if ((low & ENDS) !== 0) out[length++] = low >> 9;
    state = low & 0xff;
  }
  return mayEnd[state] === 1 ? out.toString('latin1', 0, length) : null;
}

function build(): void {
  const children = treeOf();
  for (let state = 0; state < STATES; state++)
    for (let bits = 0; bits < 16; bits++) steps[(state << 4) | bits] = stepOf(children, state, bits);
  for (let state = 0, depth = 0; depth < 8; depth++, state = children[2 * state + 1]!) mayEnd[state] = 1;
}

/** Two per inner node: another one, or a leaf as the complement of its byte. */
function treeOf(): Int16Array {
  const lengthOf = (symbol: number): number => Number.parseInt(LENGTHS[symbol]!, 36);
  const symbols = Array.from(LENGTHS, (_, symbol) => symbol);
  symbols.sort((one, other) => lengthOf(one) - lengthOf(other) || one - other);
  const children = new Int16Array(2 * STATES);
  let nodes = 1;
  let code = 0;
  let length = lengthOf(symbols[0]!);
  for (const symbol of symbols) {
    // A code of the same length is the next number; of a longer one, with zeros behind it.
    code *= 2 ** (lengthOf(symbol) - length);
    length = lengthOf(symbol);
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const child = 2 * node + (Math.floor(code / 2 ** bit) & 1);
      if (children[child] === 0) children[child] = nodes++;
      node = children[child]!;
    }
    children[2 * node + (code & 1)] = ~symbol;
    code++;
  }
  return children;
}

function stepOf(children: Int16Array, from: number, bits: number): number {
  let state = from;
  let ended = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[2 * state + ((bits >> bit) & 1)]!;
    if (~child === END) return BROKEN;
    if (child < 0) ended = ENDS | (~child << 9);
    state = Math.max(0, child);
  }
  return ended | state;
}
