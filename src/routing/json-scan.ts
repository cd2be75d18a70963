// Hot: runs per byte of a body, up to the value that is looked for; no tree is built, nothing is kept but that value.
// Finds the scalar that a JSON Pointer (RFC 6901) leads to, in bytes that come piece by piece, and stops there: what follows
// is neither read nor waited for. Why not JSON.parse: it needs the whole text, reads all of it, and allocates what is in it.
// Strict up to where it stops (RFC 8259: a body that is no JSON before the value has none), each state is one number, so
// a piece may end anywhere. Depth is bounded; all else is bounded by the bytes that it is given.
//
// Of names that come twice the first counts, else nothing would be known before the body's end. A string is its bytes with
// the escapes decoded (lone surrogates as U+FFFD), a number is written as JSON.stringify writes it but with all of its
// digits, so `1.0` and `1e0` are one key and long ids stay apart; true and false are words. null, objects, arrays: missing.

import { canonicalNumber } from './json-number.ts';

export const MORE = 0;
export const VALUE = 1;
export const MISSING = 2;

export type Scanned = typeof MORE | typeof VALUE | typeof MISSING;

/** Deeper than this is given up: a body of brackets alone must not cost a stack of them. */
export const MAX_DEPTH = 64;

// What may come next.
const ANY = 0;
const FIRST_ELEMENT = 1;
const FIRST_NAME = 2;
const NAME = 3;
const COLON = 4;
const AFTER = 5;
const IN_STRING = 6;
const IN_ESCAPE = 7;
const IN_HEX = 8;
const IN_LITERAL = 9;
const IN_NUMBER = 10;

// Where in a number.
const MINUS = 0;
const ZERO = 1;
const INTEGER = 2;
const POINT = 3;
const FRACTION = 4;
const EXPONENT = 5;
const EXPONENT_SIGN = 6;
const EXPONENT_DIGITS = 7;

// What becomes of a string's bytes.
const SKIPPED = 0;
const COMPARED = 1;
const TAKEN = 2;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OBJECT = 0x7d; // by what closes it
const ARRAY = 0x5d;
const REPLACEMENT = '\xef\xbf\xbd';
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

export class JsonScan {
  /** One character per byte; once it is VALUE. */
  text = '';
  readonly #pointer: readonly string[];
  #outcome: Scanned = MORE;
  #state = ANY;
  /** What closes each open object or array. */
  readonly #open: number[] = [];
  /** Of the open ones, so many are on the pointer's way: always the outer ones. */
  #onWay = 0;
  /** The value that comes next is on the way, too. */
  #isNext = true;
  /** Elements that are still to be passed in an array on the way. */
  #elementsLeft = 0;
  #use = SKIPPED;
  #isName = false;
  /** Of a compared name: characters that fit so far, or -1. */
  #fits = 0;
  #number = MINUS;
  #literal = '';
  #literalAt = 0;
  #hex = 0;
  #hexLeft = 0;
  /** The first half of a surrogate pair, or 0. */
  #high = 0;

  constructor(pointer: readonly string[]) {
    this.#pointer = pointer;
  }

  /** The next bytes, as far as `end`. Once it is not MORE it stays what it is. */
  feed(bytes: Buffer, end: number): Scanned {
    let at = 0;
    while (at < end && this.#outcome === MORE) {
      switch (this.#state) {
        case IN_STRING:
          at = this.#string(bytes, at, end);
          break;
        case IN_NUMBER:
          at = this.#digits(bytes, at, end);
          break;
        case IN_ESCAPE:
          this.#escape(bytes[at++]!);
          break;
        case IN_HEX:
          this.#hexDigit(bytes[at++]!);
          break;
        case IN_LITERAL:
          this.#word(bytes[at++]!);
          break;
        default: {
          const byte = bytes[at++]!;
          if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) this.#between(byte);
        }
      }
    }
    return this.#outcome;
  }

  /** Between names and values. */
  #between(byte: number): void {
    switch (this.#state) {
      case FIRST_ELEMENT:
        if (byte === ARRAY) this.#close(byte);
        else this.#begin(byte);
        return;
      case FIRST_NAME:
        if (byte === OBJECT) this.#close(byte);
        else this.#beginName(byte);
        return;
      case NAME:
        this.#beginName(byte);
        return;
      case COLON:
        if (byte === 0x3a) this.#state = ANY;
        else this.#outcome = MISSING;
        return;
      case AFTER:
        if (byte === 0x2c) this.#next();
        else this.#close(byte);
        return;
      default:
        this.#begin(byte);
    }
  }

  /** A value's first byte. */
  #begin(byte: number): void {
    const isOnWay = this.#isNext;
    const isTarget = isOnWay && this.#onWay === this.#pointer.length;
    this.#isNext = false;
    if (byte === 0x7b || byte === 0x5b) {
      if (isTarget || this.#open.length === MAX_DEPTH) this.#outcome = MISSING;
      else this.#enter(byte === 0x7b ? OBJECT : ARRAY, isOnWay);
      return;
    }
    // A scalar where the way goes on.
    if (isOnWay && !isTarget) {
      this.#outcome = MISSING;
      return;
    }
    this.#use = isTarget ? TAKEN : SKIPPED;
    if (byte === QUOTE) {
      this.#isName = false;
      this.#state = IN_STRING;
    } else if (byte === 0x2d || isDigit(byte)) {
      this.#number = byte === 0x2d ? MINUS : byte === 0x30 ? ZERO : INTEGER;
      this.#state = IN_NUMBER;
      if (isTarget) this.text = String.fromCharCode(byte);
    } else {
      this.#literal = byte === 0x74 ? 'true' : byte === 0x66 ? 'false' : byte === 0x6e ? 'null' : '';
      this.#literalAt = 1;
      this.#state = IN_LITERAL;
      if (this.#literal === '') this.#outcome = MISSING;
    }
  }

  #enter(closing: number, isOnWay: boolean): void {
    this.#open.push(closing);
    this.#state = closing === OBJECT ? FIRST_NAME : FIRST_ELEMENT;
    if (!isOnWay) return;
    const token = this.#pointer[this.#onWay++]!;
    if (closing === OBJECT) return;
    this.#elementsLeft = indexOf(token);
    this.#isNext = this.#elementsLeft === 0;
    if (this.#elementsLeft < 0) this.#outcome = MISSING;
  }

  /** Behind a comma. */
  #next(): void {
    if (this.#open.at(-1) === OBJECT) {
      this.#state = NAME;
      return;
    }
    this.#state = ANY;
    if (this.#open.length === this.#onWay) this.#isNext = --this.#elementsLeft === 0;
  }

  #close(byte: number): void {
    // What closes on the way closes without the value.
    if (byte !== this.#open.at(-1) || this.#open.length === this.#onWay) this.#outcome = MISSING;
    this.#open.pop();
    this.#state = AFTER;
  }

  #beginName(byte: number): void {
    if (byte !== QUOTE) this.#outcome = MISSING;
    this.#isName = true;
    this.#use = this.#open.length === this.#onWay ? COMPARED : SKIPPED;
    this.#fits = 0;
    this.#state = IN_STRING;
  }

  // ---- strings

  #string(bytes: Buffer, from: number, end: number): number {
    let at = from;
    let byte = 0x20;
    while (at < end) {
      byte = bytes[at]!;
      // What ends a run is at most a backslash: letters, and most of UTF-8, are above it.
      if (byte <= BACKSLASH && (byte === QUOTE || byte === BACKSLASH || byte < 0x20)) break;
      at++;
    }
    if (at > from && this.#use !== SKIPPED) this.#take(bytes.toString('latin1', from, at));
    if (at === end) return at;
    if (byte === QUOTE) this.#endString();
    else if (byte === BACKSLASH) this.#state = IN_ESCAPE;
    else this.#outcome = MISSING;
    return at + 1;
  }

  #endString(): void {
    if (this.#use !== SKIPPED) this.#take('');
    if (this.#isName) {
      this.#isNext = this.#use === COMPARED && this.#fits === this.#pointer[this.#onWay - 1]!.length;
      this.#state = COLON;
    } else if (this.#use === TAKEN) this.#outcome = this.text === '' ? MISSING : VALUE;
    else this.#state = AFTER;
  }

  #escape(byte: number): void {
    const char = String.fromCharCode(byte);
    this.#state = IN_STRING;
    if (char === 'u') {
      this.#hex = 0;
      this.#hexLeft = 4;
      this.#state = IN_HEX;
    } else if (!Object.hasOwn(ESCAPES, char)) this.#outcome = MISSING;
    else if (this.#use !== SKIPPED) this.#take(ESCAPES[char]!);
  }

  #hexDigit(byte: number): void {
    const letter = byte | 0x20;
    const digit = isDigit(byte) ? byte - 0x30 : letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
    if (digit === -1) this.#outcome = MISSING;
    this.#hex = (this.#hex << 4) | digit;
    if (--this.#hexLeft > 0) return;
    this.#state = IN_STRING;
    if (this.#use !== SKIPPED) this.#unit(this.#hex);
  }

  /** A code unit of UTF-16, as \u writes them. */
  #unit(unit: number): void {
    const high = this.#high;
    if (unit >= 0xdc00 && unit < 0xe000 && high !== 0) {
      this.#high = 0;
      this.#take(utf8(0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00)));
    } else if (unit >= 0xd800 && unit < 0xdc00) {
      this.#take('');
      this.#high = unit;
    } else this.#take(unit >= 0xd800 && unit < 0xe000 ? REPLACEMENT : utf8(unit));
  }

  /** Of a string that is taken or compared; '' where only a half pair before it is to be ended. */
  #take(text: string): void {
    const whole = this.#high === 0 ? text : REPLACEMENT + text;
    this.#high = 0;
    if (this.#use === TAKEN) this.text += whole;
    else if (this.#fits >= 0)
      this.#fits = this.#pointer[this.#onWay - 1]!.startsWith(whole, this.#fits)
        ? this.#fits + whole.length
        : -1;
  }

  // ---- numbers and words

  #digits(bytes: Buffer, from: number, end: number): number {
    let at = from;
    let place = this.#number;
    while (at < end) {
      const next = placeAfter(place, bytes[at]!);
      if (next === -1) break;
      place = next;
      at++;
    }
    this.#number = place;
    if (this.#use === TAKEN && at > from) this.text += bytes.toString('latin1', from, at);
    if (at === end) return at;
    // It ends here, if it may.
    const isWhole = place === ZERO || place === INTEGER || place === FRACTION || place === EXPONENT_DIGITS;
    this.#state = AFTER;
    if (!isWhole || !mayFollow(bytes[at]!)) this.#outcome = MISSING;
    else if (this.#use === TAKEN) {
      this.text = canonicalNumber(this.text);
      this.#outcome = VALUE;
    }
    return at;
  }

  #word(byte: number): void {
    const word = this.#literal;
    if (byte !== word.charCodeAt(this.#literalAt++)) {
      this.#outcome = MISSING;
      return;
    }
    if (this.#literalAt < word.length) return;
    this.#state = AFTER;
    if (this.#use !== TAKEN) return;
    this.text = word;
    this.#outcome = word === 'null' ? MISSING : VALUE;
  }
}

/** Where in a number one is with this byte, too; -1 where the byte is none of it. */
function placeAfter(place: number, byte: number): number {
  if (isDigit(byte)) {
    if (place === MINUS) return byte === 0x30 ? ZERO : INTEGER;
    if (place === ZERO) return -1;
    if (place === POINT) return FRACTION;
    return place === EXPONENT || place === EXPONENT_SIGN ? EXPONENT_DIGITS : place;
  }
  if (byte === 0x2e) return place === ZERO || place === INTEGER ? POINT : -1;
  if ((byte | 0x20) === 0x65)
    return place === ZERO || place === INTEGER || place === FRACTION ? EXPONENT : -1;
  return (byte === 0x2b || byte === 0x2d) && place === EXPONENT ? EXPONENT_SIGN : -1;
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

/** A comma, what closes, white space. */
const mayFollow = (byte: number): boolean =>
  byte === 0x2c ||
  byte === OBJECT ||
  byte === ARRAY ||
  byte === 0x20 ||
  (byte >= 0x09 && byte <= 0x0d && byte !== 0x0b && byte !== 0x0c);

/** An array's index: no sign, no zero in front (RFC 6901 section 4); -1 for what is none. */
const indexOf = (token: string): number => (/^(?:0|[1-9]\d{0,8})$/.test(token) ? Number(token) : -1);

/** The bytes of a code point, one character each. */
function utf8(point: number): string {
  if (point < 0x80) return String.fromCharCode(point);
  if (point < 0x800) return String.fromCharCode(0xc0 | (point >> 6), 0x80 | (point & 0x3f));
  const last = 0x80 | (point & 0x3f);
  const middle = 0x80 | ((point >> 6) & 0x3f);
  if (point < 0x10000) return String.fromCharCode(0xe0 | (point >> 12), middle, last);
  return String.fromCharCode(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 0x3f), middle, last);
}
