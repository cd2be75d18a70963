// One text per number: `1.0`, `1e0` and `10E-1` are one value, and so are one key. Written as ECMAScript's Number::toString
// writes (what JSON.stringify prints), but from the digits as they stand, not from a double: ids beyond 2^53 stay apart, and
// an exponent of a thousand digits costs no thousand zeros. Pure; every loop is bounded by the text.

/** Digits of a number without an exponent, as in ECMAScript. */
const MOST_DIGITS = 21;

/** `text`: a number of JSON's grammar. */
export function canonicalNumber(text: string): string {
  if (text.length <= MOST_DIGITS && /^-?[1-9]\d*$/.test(text)) return text;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)!;
  const all = whole + fraction;
  let first = 0;
  while (all.charCodeAt(first) === 0x30) first++;
  let end = all.length;
  while (end > first && all.charCodeAt(end - 1) === 0x30) end--;
  if (first === end) return '0';
  return sign + written(all.slice(first, end), whole.length - first + Number(exponent));
}

/** 0.DIGITS times ten to the power of `point`. */
function written(digits: string, point: number): string {
  const { length } = digits;
  if (length <= point && point <= MOST_DIGITS) return digits + '0'.repeat(point - length);
  if (point > 0 && point <= MOST_DIGITS) return `${digits.slice(0, point)}.${digits.slice(point)}`;
  if (point > -6 && point <= 0) return `0.${'0'.repeat(-point)}${digits}`;
  const fraction = length === 1 ? '' : `.${digits.slice(1)}`;
  return `${digits[0]}${fraction}e${point > 0 ? '+' : '-'}${Math.abs(point - 1)}`;
}
