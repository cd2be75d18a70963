// One try of one request at one replica, as the upstream side sees it: what a connection sends, and where the answer
// goes. The other half of it is exchange/attempts.ts, which knows the client; a file of its own, because connection and
// exchange speak of each other only through it.

import type { Socket } from 'node:net';
import type { Dispatcher } from 'undici';
import type { ProxyErrorCode } from '../core/errors.ts';
import type { ResponseSink } from './response.ts';
import { type Framing, NO_BODY } from './response-head.ts';

/** What an attempt may ask of the connection that carries it; each names itself, because others may be on it too. */
export interface Carrier {
  /**
   * Bytes of the request's body, framed as its protocol has it. False: wait for `onWritable`. `isGiven`: the caller reads
   * them no more, and their memory is the carrier's.
   */
  write(chunk: Buffer, isGiven: boolean): boolean;
  /** The body is over; `trailers` are lines with their CRLF, or empty. */
  end(trailers: string): void;
  cork(): void;
  uncork(): void;
  /** Back-pressure: no more of the answer is read until `resume`. */
  pause(): void;
  resume(): void;
  /** Ends the attempt without a word to it: the client left, time is up, or the answer came before the request ended. */
  abort(attempt: Attempt): void;
}

export interface Attempt extends ResponseSink, Dispatcher.DispatchOptions, Dispatcher.DispatchHandler {
  /** The whole request head, latin1; a small body may follow it as part of the text. */
  readonly head: string;
  readonly isHead: boolean;
  /** How the end of the body that follows the head is known. */
  readonly framing: Framing;
  readonly wantsUpgrade: boolean;
  /** The request may be sent again should the connection turn out to be stale. */
  readonly repeatable: boolean;
  /** It may leave behind others on one connection (pipelining.ts). */
  readonly mayPipeline: boolean;
  /** Only a new connection will do: the last try met a stale one. */
  readonly freshOnly: boolean;
  /** Given up while it waited in the pool's queue. */
  readonly cancelled: boolean;
  /** A connection takes it on. */
  onConnection(connection: Carrier): void;
  /** The head is on its way: the body may follow through `connection.write`. */
  onSent(): void;
  /** All bytes that were there are handed over: what waits for more should leave now. */
  onPause(): void;
  onWritable(): void;
  /** After a 101: the socket is the attempt's own now; `rest` came right behind the head. */
  onUpgraded(socket: Socket, rest: Buffer): void;
  /** Its connection will not answer it; nothing is wrong with it or its replica: it is to be sent again. */
  onMoved(): void;
  /** `sent`: bytes may have reached the replica. `stale`: a used connection ended before it answered at all. */
  onFault(code: ProxyErrorCode, detail: string, sent: boolean, stale: boolean): void;
}

function ignore(): void {}

/** Takes the answer to an attempt that was given up while others wait behind it. */
const NOBODY: Attempt = {
  path: '/',
  method: 'GET',
  head: '',
  isHead: false,
  framing: NO_BODY,
  wantsUpgrade: false,
  repeatable: true,
  mayPipeline: false,
  freshOnly: false,
  cancelled: true,
  onConnection: ignore,
  onSent: ignore,
  onPause: ignore,
  onWritable: ignore,
  onUpgraded: ignore,
  onMoved: ignore,
  onFault: ignore,
  onInformation: ignore,
  onHead: ignore,
  onText: ignore,
  onBody: ignore,
  onEnd: ignore,
};
const NOBODY_OF_HEAD: Attempt = { ...NOBODY, method: 'HEAD', isHead: true };

export const nobodyFor = ({ isHead }: Attempt): Attempt => (isHead ? NOBODY_OF_HEAD : NOBODY);
export const isNobody = (attempt: Attempt): boolean => attempt === NOBODY || attempt === NOBODY_OF_HEAD;
