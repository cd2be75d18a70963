// Hot: runs per response; no closure, no object per field, one text per head.
// Reads the bytes of one connection as HTTP/1.1 responses (RFC 9112) and hands the parts to a sink. It is stricter than
// a browser on purpose: an answer whose end is not beyond doubt (two lengths, length and chunked, a broken chunk, bytes
// behind the end) is a fault, because what one hop reads as a body the next may read as an answer (response smuggling).
// Why not llhttp: undici's build of it hands out one Buffer per field name and value and undici makes an object of them;
// torc needs the kept fields as one text that goes on as it stands (docs/decisions/0004-upstream-client.md).

import { FIELDS } from '../core/field-syntax.ts';
import {
  BY_CLOSE,
  BY_LENGTH,
  CHUNKED,
  NO_BODY,
  parseHead,
  ResponseHead,
  withoutField,
} from './response-head.ts';

/** Longest head, and longest trailer section: four times what most servers allow. */
const MAX_HEAD_BYTES = 64 * 1024;
/** Longest chunk-size line with its extensions. */
const MAX_CHUNK_LINE_BYTES = 4096;

/** A body up to this size that comes in one piece with its head is read as one text: three calls into native code become one. */
const MAX_TEXT_BYTES = 8 * 1024;
/** Heads of interim answers before the final one: replicas tell progress with them, and there has to be an end. */
const MAX_INTERIM_BYTES = 256 * 1024;

const HEAD_END = Buffer.from('\r\n\r\n');
const NOTHING = Buffer.alloc(0);
const CR = 13;
const LF = 10;

const HEAD = 0;
const BODY = 1;
const UNTIL_CLOSE = 2;
const CHUNK_SIZE = 3;
const CHUNK_EXTENSION = 4;
const CHUNK_SIZE_LF = 5;
const CHUNK_DATA = 6;
const CHUNK_DATA_CR = 7;
const CHUNK_DATA_LF = 8;
const TRAILERS = 9;
const DONE = 10;
const CHUNK_SIZE_END = 11;

/** Lines of printable bytes, cut off anywhere. */
const LINES_SO_FAR = /^(?:[\t -~\x80-\xff]*\r\n)*[\t -~\x80-\xff]*\r?$/;
/** Where the parts of a response go. A body chunk is only valid during the call. */
export interface ResponseSink {
  onInformation(head: ResponseHead): void;
  onHead(head: ResponseHead): void;
  /** Instead of `onBody`: all of a small body at once, as latin1. */
  onText(body: string): void;
  onBody(chunk: Buffer): void;
  /** `trailers` are lines with their CRLF, or empty. */
  onEnd(trailers: string): void;
}

export class ResponseParser {
  readonly head = new ResponseHead();
  /** Why the last `execute` failed; empty while all is well. */
  fault = '';
  /** Other requests were sent behind this one: their answers may follow at once. */
  isFollowed = false;
  #state = DONE;
  #left = 0;
  #digits = 0;
  #lineBytes = 0;
  #text = '';
  #pending: Buffer | null = null;
  #bodyless = false;
  #mayUpgrade = false;
  #interimBytes = 0;
  /** The bytes that `head` was read from, where it may be used again as it is (`#readHead`); else nothing. */
  #lastHead: Buffer = NOTHING;

  /** Expects the answer to one request. HEAD has no body whatever its head says (RFC 9112 section 6.3). */
  begin(isHead: boolean, mayUpgrade: boolean): void {
    this.#state = HEAD;
    this.#bodyless = isHead;
    this.#mayUpgrade = mayUpgrade;
    this.#pending = null;
    this.#interimBytes = 0;
    this.fault = '';
  }

  get done(): boolean {
    return this.#state === DONE;
  }

  /** Its end is known only when it is there, or it has sent interim answers: nobody should wait behind it. */
  get isDoubtful(): boolean {
    return this.#state === UNTIL_CLOSE || this.#interimBytes > 0;
  }

  /** True between two responses and before the first byte of one. */
  get silent(): boolean {
    return this.#state === DONE || (this.#state === HEAD && this.#pending === null);
  }

  /** The connection ended. True when that is a proper end of the body. */
  finish(sink: ResponseSink): boolean {
    if (this.#state !== UNTIL_CLOSE) return false;
    this.#state = DONE;
    sink.onEnd('');
    return true;
  }

  /**
   * Reads `chunk` from `from` on; returns where it stopped, or -1 with `fault`. Before the end of the chunk only after a 101
   * (the rest belongs to the new protocol), and behind an answer that is followed by others.
   */
  execute(chunk: Buffer, sink: ResponseSink, from = 0): number {
    let at = from;
    /** Where the body of a head in this chunk begins. */
    let bodyAt = -1;
    while (at < chunk.length) {
      switch (this.#state) {
        case HEAD: {
          const end = this.#readHead(chunk, at);
          if (end === -1) return this.fault === '' ? chunk.length : -1;
          at = end;
          bodyAt = end;
          if (!this.#onHead(sink, chunk, at)) return this.fault === '' ? at : -1;
          break;
        }
        case BODY:
        case CHUNK_DATA: {
          const end = Math.min(chunk.length, at + this.#left);
          this.#left -= end - at;
          const last = this.#state === BODY && this.#left === 0;
          // Bytes behind the end are seen before the end is told: such an answer never looks complete.
          if (last && end < chunk.length && !this.isFollowed)
            return this.#fail('bytes behind the end of the body');
          if (last && at === bodyAt && end - at <= MAX_TEXT_BYTES)
            sink.onText(chunk.toString('latin1', at, end));
          else sink.onBody(chunk.subarray(at, end));
          at = end;
          if (last) {
            this.#end(sink, '');
            return at;
          }
          if (this.#left === 0) this.#state = CHUNK_DATA_CR;
          break;
        }
        case UNTIL_CLOSE:
          sink.onBody(at === 0 ? chunk : chunk.subarray(at));
          return chunk.length;
        case TRAILERS:
          at = this.#onTrailers(chunk, at, sink);
          // To the end of the chunk, of the answer, or a fault.
          return at;
        case DONE:
          return this.#fail('bytes that answer no request');
        default:
          if (!this.#onChunkByte(chunk[at]!)) return -1;
          at++;
      }
    }
    return at;
  }

  /**
   * Reads a head; returns where it ends in `chunk`, or -1 (not yet, or a fault). One of the same bytes as last time, which is nearly
   * always so but for the second in its date, is not read again.
   */
  #readHead(chunk: Buffer, at: number): number {
    const last = this.#lastHead;
    const isWhole = this.#pending === null;
    const knownEnd = at + last.length;
    if (
      last.length > 0 &&
      isWhole &&
      !this.#bodyless &&
      chunk.length >= knownEnd &&
      chunk.compare(last, 0, last.length, at, knownEnd) === 0
    )
      return knownEnd;
    this.#lastHead = NOTHING;
    const end = this.#findHeadEnd(chunk, at);
    if (end === -1) return -1;
    this.fault = parseHead(this.#text, this.head);
    if (this.fault !== '') return -1;
    if (isWhole && this.#leavesHead()) this.#lastHead = Buffer.from(chunk.subarray(at, end));
    return end;
  }

  /** Nothing of `head` will be changed by what kind of answer it is. */
  #leavesHead(): boolean {
    const { status, framing } = this.head;
    if (this.#bodyless || status < 200 || status === 204 || status === 304) return false;
    return framing === BY_LENGTH || framing === CHUNKED;
  }

  #fail(fault: string): -1 {
    this.fault = fault;
    return -1;
  }

  #end(sink: ResponseSink, trailers: string): void {
    this.#state = DONE;
    sink.onEnd(trailers);
  }

  /** Collects a head into `#text`; returns where it ends in `chunk`, or -1 (not yet, or a fault). */
  #findHeadEnd(chunk: Buffer, at: number): number {
    const pending = this.#pending;
    const bytes = pending === null ? chunk : Buffer.concat([pending, chunk.subarray(at)]);
    const from = pending === null ? at : 0;
    const end = bytes.indexOf(HEAD_END, from);
    if (end === -1) {
      const begun = bytes.subarray(from);
      if (begun.length > MAX_HEAD_BYTES) return this.#fail('the head is too large');
      if (!looksLikeHead(begun)) return this.#fail('not an HTTP/1.1 head');
      this.#pending = pending === null ? Buffer.from(begun) : begun;
      return -1;
    }
    if (end - from > MAX_HEAD_BYTES) return this.#fail('the head is too large');
    this.#pending = null;
    this.#text = bytes.toString('latin1', from, end + 2);
    return pending === null ? end + 4 : at + end + 4 - pending.length;
  }

  /** False when parsing stops here: a fault, or a 101 after which the bytes are another protocol's. */
  #onHead(sink: ResponseSink, chunk: Buffer, at: number): boolean {
    const { head } = this;
    const interimBytes = this.#text.length;
    this.#text = '';
    if (head.status === 101) {
      if (!this.#mayUpgrade || head.upgrade === '') {
        this.fault = 'a switch of protocols that nobody asked for';
        return false;
      }
      this.#state = DONE;
      head.framing = NO_BODY;
      sink.onHead(head);
      return false;
    }
    if (head.status < 200) {
      this.#interimBytes += interimBytes;
      if (this.#interimBytes > MAX_INTERIM_BYTES) {
        this.fault = 'more than 256 KiB of interim answers';
        return false;
      }
      if (head.framing === BY_LENGTH) head.fields = withoutField(head.fields, 'content-length');
      sink.onInformation(head);
      return true;
    }
    if (this.#bodyless || head.status === 204 || head.status === 304) {
      // A 204 with a length may be followed by a body that its sender should not have sent.
      if (!this.#bodyless && head.status === 204 && head.framing !== BY_CLOSE) {
        head.keepAlive = false;
        head.fields = withoutField(head.fields, 'content-length');
      }
      head.framing = NO_BODY;
    } else if (head.framing === BY_CLOSE) {
      head.keepAlive = false;
    }
    return this.#beginBody(sink, chunk, at);
  }

  #beginBody(sink: ResponseSink, chunk: Buffer, at: number): boolean {
    const { head } = this;
    const empty = head.framing === NO_BODY || (head.framing === BY_LENGTH && head.contentLength === 0);
    const nothingBehind = at === chunk.length;
    if (empty && !nothingBehind && !(this.isFollowed && looksLikeHead(chunk.subarray(at)))) {
      if (head.framing === BY_LENGTH || looksLikeHead(chunk.subarray(at))) {
        this.fault = 'bytes behind an empty answer';
        return false;
      }
      // A body that should not be there: the answer ends at its head all the same (RFC 9112 section 6.3).
      head.keepAlive = false;
    }
    this.#state = head.framing === CHUNKED ? CHUNK_SIZE : head.framing === BY_CLOSE ? UNTIL_CLOSE : BODY;
    this.#left = head.framing === BY_LENGTH ? head.contentLength : 0;
    this.#digits = 0;
    this.#lineBytes = 0;
    sink.onHead(head);
    if (empty) this.#end(sink, '');
    return !empty || nothingBehind;
  }

  /** One byte of what stands between two chunks (RFC 9112 section 7.1). */
  #onChunkByte(byte: number): boolean {
    switch (this.#state) {
      case CHUNK_SIZE: {
        const digit = hexDigit(byte);
        if (digit >= 0) {
          this.#digits++;
          this.#left = this.#left * 16 + digit;
          // More than 13 digits behind the zeros are no size but an attack on somebody's integer.
          return this.#left < 2 ** 52 && ++this.#lineBytes <= MAX_CHUNK_LINE_BYTES ? true : this.#broken();
        }
        if (this.#digits === 0) return this.#broken();
        if (byte === CR) this.#state = CHUNK_SIZE_LF;
        else if (byte === 0x3b) this.#state = CHUNK_EXTENSION;
        else if (byte === 0x20 || byte === 9) this.#state = CHUNK_SIZE_END;
        else return this.#broken();
        return true;
      }
      case CHUNK_SIZE_END:
        // White space that RFC 9110 section 5.6.3 wants read and removed.
        if (byte === CR) this.#state = CHUNK_SIZE_LF;
        else if (byte === 0x3b) this.#state = CHUNK_EXTENSION;
        else if ((byte !== 0x20 && byte !== 9) || ++this.#lineBytes > MAX_CHUNK_LINE_BYTES)
          return this.#broken();
        return true;
      case CHUNK_EXTENSION:
        if (byte === CR) this.#state = CHUNK_SIZE_LF;
        else if ((byte < 32 && byte !== 9) || byte === 127 || ++this.#lineBytes > MAX_CHUNK_LINE_BYTES)
          return this.#broken();
        return true;
      case CHUNK_SIZE_LF:
        if (byte !== LF) return this.#broken();
        this.#state = this.#left === 0 ? TRAILERS : CHUNK_DATA;
        return true;
      case CHUNK_DATA_CR:
        if (byte !== CR) return this.#broken();
        this.#state = CHUNK_DATA_LF;
        return true;
      default:
        if (byte !== LF) return this.#broken();
        this.#state = CHUNK_SIZE;
        this.#digits = 0;
        this.#lineBytes = 0;
        return true;
    }
  }

  #broken(): false {
    this.fault = 'a broken chunk';
    return false;
  }

  /** From behind the last chunk's size line to the empty line; returns where that ends, or the chunk's length, or -1. */
  #onTrailers(chunk: Buffer, at: number, sink: ResponseSink): number {
    const before = this.#text;
    const text = before + chunk.toString('latin1', at);
    if (text.length > MAX_HEAD_BYTES) return this.#fail('the trailers are too large');
    const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n');
    if (end === -1) {
      if (!LINES_SO_FAR.test(text)) return this.#fail('a broken trailer');
      this.#text = text;
      return chunk.length;
    }
    const trailers = end === 0 ? '' : text.slice(0, end + 2);
    const next = at + (end === 0 ? 2 : end + 4) - before.length;
    this.#text = '';
    if (!FIELDS.test(trailers)) return this.#fail('a broken trailer');
    if (next < chunk.length && !this.isFollowed) return this.#fail('bytes behind the last chunk');
    this.#end(sink, trailers);
    return next;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** Cheap early look at an incomplete head, so that garbage or bare line feeds do not wait for a timeout. */
function looksLikeHead(bytes: Buffer): boolean {
  const start = bytes.toString('latin1', 0, 7);
  if (!'HTTP/1.'.startsWith(start)) return false;
  const text = bytes.toString('latin1');
  return LINES_SO_FAR.test(text);
}
