// Hot: runs per request; listeners are shared functions that find their owner on the stream.
// One attempt on one HTTP/2 stream (RFC 9113 section 5.1): its request's head, body and trailers there, its answer back.
// The stream is node:http2's: its flow control is the client's and the replica's own pace, because a stream that is paused
// opens no window, and one that has none takes no more bytes. What may be concluded from an end is decided here: a
// stream that the replica refused, or that its GOAWAY left out, was not processed, whatever its method (section 8.7).

import { type ClientHttp2Session, type ClientHttp2Stream, constants } from 'node:http2';
import type { ProxyErrorCode } from '../core/errors.ts';
import type { Attempt, Carrier } from './attempt.ts';
import { answerText, bodyStart, linesOf, readAnswer, requestFields, trailerFields } from './http2-fields.ts';
import { BY_LENGTH, CHUNKED, NO_BODY, ResponseHead } from './response-head.ts';

/** A body of this size that comes in one piece goes on as one text with its head. */
const MAX_TEXT_BYTES = 8 * 1024;
/** Heads of interim answers before the final one; there has to be an end. */
const MAX_INTERIM_BYTES = 256 * 1024;

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM, NGHTTP2_FLAG_END_STREAM } = constants;

/** By code (RFC 9113 section 7). */
const ERRORS =
  'NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY HTTP_1_1_REQUIRED'.split(
    ' ',
  );
/** What node:http2 closes a stream with whose answer breaks the rules, or a bound; or the replica, if it thinks so of torc. */
const BROKEN: readonly unknown[] = [
  constants.NGHTTP2_PROTOCOL_ERROR,
  constants.NGHTTP2_FLOW_CONTROL_ERROR,
  constants.NGHTTP2_FRAME_SIZE_ERROR,
  constants.NGHTTP2_ENHANCE_YOUR_CALM,
];

/** What a stream needs of its connection. */
export interface StreamOwner {
  readonly scheme: 'http' | 'https';
  /** Streams above it were not processed by the replica. */
  readonly lastStreamId: number;
  /** Why it ended; '' while it has not. */
  readonly endDetail: string;
  /** It was given to the replica of its own accord: a failure is none of its. */
  readonly isDestroyed: boolean;
  /** Others were answered on it before. */
  readonly wasUsed: boolean;
  /** The stream has no attempt any more. `isSuspicious`: it was given up without a sign of the replica. */
  left(stream: StreamCarrier, isSuspicious: boolean): void;
}

interface OwnedStream extends ClientHttp2Stream {
  /** null: its events concern nobody any more. */
  user?: StreamCarrier | null;
}

export class StreamCarrier implements Carrier {
  readonly attempt: Attempt;
  readonly #owner: StreamOwner;
  #stream: OwnedStream | null = null;
  readonly #head = new ResponseHead();
  #interimBytes = 0;
  #bytes = 0;
  /** The head of the final answer is the attempt's already. */
  #isAnswering = false;
  /** The replica ended it properly. */
  #isEnded = false;
  /** All of a small body was handed over as text: nothing is told until its end. */
  #isText = false;
  #trailers = '';
  /** Of the request. */
  #sentTrailers = '';

  constructor(attempt: Attempt, owner: StreamOwner) {
    this.attempt = attempt;
    this.#owner = owner;
  }

  get isSent(): boolean {
    return this.#stream !== null;
  }

  get isPaused(): boolean {
    return this.#stream?.isPaused() === true;
  }

  /** Nothing of an answer has come. */
  get isSilent(): boolean {
    return !this.#isAnswering && this.#interimBytes === 0;
  }

  send(session: ClientHttp2Session): void {
    const { head, framing } = this.attempt;
    const bodyAt = bodyStart(head);
    const hasMore = framing !== NO_BODY;
    const stream: OwnedStream = session.request(requestFields(head, bodyAt, this.#owner.scheme), {
      endStream: !hasMore && bodyAt === head.length,
      waitForTrailers: framing === CHUNKED,
    });
    this.#stream = stream;
    stream.user = this;
    stream.on('headers', onInformation).on('response', onResponse).on('data', onData);
    stream.on('trailers', onTrailers).on('end', onEnd).on('close', onClose).on('error', onError);
    if (hasMore) stream.on('drain', onDrain);
    if (framing === CHUNKED) stream.on('wantTrailers', onWantTrailers);
    else if (!hasMore && bodyAt < head.length) stream.end(Buffer.from(head.slice(bodyAt), 'latin1'));
    this.attempt.onSent();
  }

  write(chunk: Buffer): boolean {
    return this.#stream === null || this.#stream.write(chunk);
  }

  end(trailers: string): void {
    this.#sentTrailers = trailers;
    this.#stream?.end();
  }

  cork(): void {
    this.#stream?.cork();
  }

  uncork(): void {
    this.#stream?.uncork();
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  abort(): void {
    const stream = this.#stream;
    this.#leave(stream !== null && this.isSilent);
    // All of an answer may be here before the request has ended (RFC 9113 section 8.1): the rest of it is not wanted.
    if (stream !== null && !stream.destroyed) stream.close(this.#isEnded ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
  }

  /** It ends without an answer. `isLeftOut`: the replica closes this connection, and may take others. */
  fail(code: ProxyErrorCode, detail: string, sent: boolean, isLeftOut = false): void {
    const { wasUsed, isDestroyed } = this.#owner;
    const isStale = sent && code === 'RESET' && this.isSilent && wasUsed;
    const stale = (isStale || isLeftOut) && !isDestroyed;
    const stream = this.#stream;
    this.#leave(false);
    if (stream !== null && !stream.destroyed) stream.close(NGHTTP2_CANCEL);
    this.attempt.onFault(code, detail, sent, stale);
  }

  #leave(isSuspicious: boolean): void {
    if (this.#stream !== null) this.#stream.user = null;
    this.#owner.left(this, isSuspicious);
  }

  onInformation(status: number, fields: readonly string[]): void {
    const text = answerText(status, fields);
    this.#interimBytes += text.length;
    if (this.#interimBytes > MAX_INTERIM_BYTES) {
      this.fail('BAD_RESPONSE', 'more than 256 KiB of interim answers', true);
      return;
    }
    const fault = readAnswer(text, this.#head, this.attempt.isHead, false);
    if (fault !== '') this.fail('BAD_RESPONSE', fault, true);
    else this.attempt.onInformation(this.#head);
  }

  onResponse(status: number, flags: number, fields: readonly string[]): void {
    const isWhole = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    const fault = readAnswer(answerText(status, fields), this.#head, this.attempt.isHead, isWhole);
    if (fault !== '' || status < 200) {
      this.fail('BAD_RESPONSE', fault === '' ? 'an interim answer that is the last' : fault, true);
      return;
    }
    this.#isEnded = isWhole;
    this.#isAnswering = true;
    this.attempt.onHead(this.#head);
    // A head whose body takes its time does not wait for it.
    if (!isWhole) setImmediate(flushHead, this);
  }

  flush(): void {
    if (!this.#isText && this.#stream?.user === this) this.attempt.onPause();
  }

  onData(chunk: Buffer): void {
    const { framing, contentLength } = this.#head;
    const isFirst = this.#bytes === 0;
    this.#bytes += chunk.length;
    if (framing === NO_BODY || (framing === BY_LENGTH && this.#bytes > contentLength)) {
      this.fail('BAD_RESPONSE', 'bytes behind the end of the body', true);
      return;
    }
    this.#isText =
      isFirst && framing === BY_LENGTH && this.#bytes === contentLength && contentLength <= MAX_TEXT_BYTES;
    if (this.#isText) this.attempt.onText(chunk.toString('latin1'));
    else this.attempt.onBody(chunk);
  }

  onTrailers(fields: readonly string[]): void {
    this.#trailers = linesOf(fields);
    this.#isEnded = true;
  }

  onEnd(stream: ClientHttp2Stream): void {
    if (!this.#isAnswering) return;
    this.#isEnded ||= hasEndedItself(stream);
    const { framing, contentLength } = this.#head;
    if (!this.#isEnded || (framing === BY_LENGTH && this.#bytes !== contentLength)) {
      this.fail('RESET', 'the replica gave its answer up', true);
      return;
    }
    this.attempt.onEnd(this.#trailers);
    if (stream === this.#stream && this.#stream.user === this) this.#leave(false);
  }

  onClose(stream: ClientHttp2Stream): void {
    const code = stream.rstCode ?? NGHTTP2_NO_ERROR;
    const { lastStreamId, endDetail } = this.#owner;
    const isRefused = code === NGHTTP2_REFUSED_STREAM || stream.id === undefined || stream.id > lastStreamId;
    if (isRefused && lastStreamId !== Number.POSITIVE_INFINITY)
      this.fail(
        'REFUSED',
        'the replica closes the connection (GOAWAY), and did not take the request',
        false,
        true,
      );
    else if (isRefused) this.fail('REFUSED', 'the replica refused the stream', false);
    else if (endDetail !== '') this.fail('RESET', endDetail, true);
    else if (BROKEN.includes(code)) this.fail('BAD_RESPONSE', `the stream broke: ${ERRORS[code]}`, true);
    else this.fail('RESET', `the stream was reset: ${ERRORS[code] ?? code}`, true);
  }

  onWantTrailers(stream: ClientHttp2Stream): void {
    stream.sendTrailers(trailerFields(this.#sentTrailers));
  }
}

/**
 * A reset without an error ends a stream for node:http2 as its last frame does. What tells them apart is how often it listens
 * for the end, to destroy the stream then: once for the last frame, and once for a stream that is closed.
 */
function hasEndedItself(stream: ClientHttp2Stream): boolean {
  const others = stream.listenerCount('end') - 1;
  return others > (stream.closed ? 1 : 0);
}

function flushHead(stream: StreamCarrier): void {
  stream.flush();
}

type Head = Record<string, unknown>;
const statusOf = (head: Head): number => Number(head[':status']);

function onInformation(this: OwnedStream, head: Head, _flags: number, fields?: string[]): void {
  this.user?.onInformation(statusOf(head), fields!);
}
function onResponse(this: OwnedStream, head: Head, flags: number, fields?: string[]): void {
  this.user?.onResponse(statusOf(head), flags, fields!);
}
function onData(this: OwnedStream, chunk: Buffer): void {
  this.user?.onData(chunk);
}
function onTrailers(this: OwnedStream, _head: Head, _flags: number, fields?: string[]): void {
  this.user?.onTrailers(fields!);
}
function onEnd(this: OwnedStream): void {
  this.user?.onEnd(this);
}
function onDrain(this: OwnedStream): void {
  this.user?.attempt.onWritable();
}
function onWantTrailers(this: OwnedStream): void {
  if (this.user) this.user.onWantTrailers(this);
  else this.sendTrailers({});
}
function onClose(this: OwnedStream): void {
  this.user?.onClose(this);
}
/** What went wrong is in the code that it closes with. */
function onError(): void {}
