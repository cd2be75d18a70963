// Hot: runs per response; one text per head, one write per small answer.
// The replica's answer on its way to the client: its head as the client gets it, then the body. A small answer (length
// known, all of it there) leaves as one text with its head; all else streams. When to begin, pause and end is the
// exchange's to say.

import type { Config } from '../config/fields.ts';
import { BY_LENGTH, CHUNKED, NO_BODY, type ResponseHead } from '../upstream/response-head.ts';
import { withoutClaims } from './claims.ts';
import type { Downstream } from './downstream.ts';
import type { RequestIds } from './request-id.ts';
import type { Shared } from './shared.ts';

export class Answer {
  readonly #downstream: Downstream;
  /** 0 before there is one. */
  status = 0;
  /** Of the body. */
  bytes = 0;
  /** Its head is the client's already, or will be with the next byte: nothing else can be answered. */
  isPut = false;
  /** The client reads more slowly than the replica sends. */
  isPaused = false;
  #head = '';
  /** Behind the head: what names the request, and a client's cookie. */
  #lines = '';
  #small = '';
  #isChunked = false;

  constructor(downstream: Downstream) {
    this.#downstream = downstream;
  }

  /** `lines`: this answer's alone; `isLast`: the client's connection ends after it, whatever the two sides would like. */
  begin(
    head: ResponseHead,
    config: Config,
    { ids, date }: Shared,
    slot: string,
    lines: string,
    isLast: boolean,
  ): void {
    this.status = head.status;
    const { isHttp11 } = this.#downstream;
    const isPlain = isHttp11 && !isLast && this.#downstream.keepAlive;
    this.#lines = lines;
    if (isPlain && head.preparedFor === config) {
      this.#head = head.prepared;
      this.#isChunked = head.framing === CHUNKED;
      return;
    }
    let text = `HTTP/1.1 ${head.status} ${head.reason}\r\n${fieldsOf(head, config, ids)}`;
    if (config.servedBy) text += `x-served-by: ${slot}\r\n`;
    if (!head.hasDate && head.status >= 200) text += `Date: ${date}\r\n`;
    text += `Via: ${head.protocol} torc\r\n`;
    if (head.status === 101) {
      this.#head = `${text}Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`;
      return;
    }
    // What it would have to ask for (RFC 9110 section 15.5.22).
    if (head.status === 426 && head.upgrade !== '')
      text += `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`;
    const isUnknownLength = head.framing !== NO_BODY && head.framing !== BY_LENGTH;
    this.#isChunked = isUnknownLength && isHttp11;
    if (this.#isChunked) text += 'Transfer-Encoding: chunked\r\n';
    if (isLast || (isUnknownLength && !isHttp11)) this.#downstream.keepAlive = false;
    if (!this.#downstream.keepAlive) text += 'Connection: close\r\n';
    else if (!isHttp11) text += 'Connection: keep-alive\r\n';
    if (isPlain && head.hasDate && (head.framing === BY_LENGTH || head.framing === CHUNKED)) {
      text = flat(text);
      head.prepared = text;
      head.preparedFor = config;
    }
    this.#head = text;
  }

  interim(head: ResponseHead, config: Config, ids: RequestIds): void {
    // A client of HTTP/1.0 does not know them (RFC 9110 section 15.2).
    if (!this.#downstream.isHttp11 || this.isPut) return;
    if (head.status === 100) this.#downstream.putContinue();
    else this.#downstream.putInterim(head.status, fieldsOf(head, config, ids));
  }

  /** torc's own in the place of a replica's; `head` without the line about the connection. HEAD gets no body. */
  own(status: number, head: string, lines: string, body: string, isHead: boolean): void {
    this.status = status;
    this.#lines = lines;
    this.bytes = body.length;
    this.#head = this.#downstream.keepAlive ? head : `${head}Connection: close\r\n`;
    this.#small = isHead ? '' : body;
    this.#isChunked = false;
  }

  /** All of the body, in one piece. */
  text(body: string): void {
    this.#small = body;
    this.bytes = body.length;
  }

  /** False: no more is wanted until the client has taken what it was given. */
  body(chunk: Buffer): boolean {
    this.#put();
    this.bytes += chunk.length;
    return this.#downstream.putBody(chunk);
  }

  /** Nothing more is there for now: a head without its body does not wait for it. */
  flush(): void {
    if (this.#head === '' || this.isPut) return;
    this.#put();
    this.#downstream.flush();
  }

  /** `trailers` are lines with their CRLF, or empty. */
  end(trailers: string): void {
    if (this.#small === '') {
      this.#put();
      this.#downstream.putEnd(this.#isChunked ? trailers : '');
      return;
    }
    this.isPut = true;
    this.#downstream.putWhole(this.status, this.#head, this.#lines, this.#small);
  }

  /** The 101; then the client's connection is the caller's. */
  becomeTunnel(): ReturnType<Downstream['becomeTunnel']> {
    this.isPut = true;
    return this.#downstream.becomeTunnel(this.#head + this.#lines);
  }

  #put(): void {
    if (this.isPut) return;
    this.isPut = true;
    this.#downstream.putHead(this.status, this.#head, this.#lines, this.#isChunked);
  }
}

const fieldsOf = ({ fields, hasClaims }: ResponseHead, config: Config, ids: RequestIds): string =>
  ids.without(hasClaims ? withoutClaims(fields, config.servedBy) : fields);

/** In one piece: what is put together from parts is put together again by each that writes it. */
const flat = (text: string): string => Buffer.from(text, 'latin1').toString('latin1');
