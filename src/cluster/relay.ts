// The client's side of a control request: the head goes to the primary at once, which decides by it who may ask; only
// then is the body read, under a bound and a deadline, so nobody without a right to it can hold more than a connection
// for a moment. Answers go out piece by piece, the next when the reader has taken the last, and a reader that takes
// nothing for a while loses its connection: what a slow reader pins is one piece. Used by each worker for the public
// port, and by the primary for the listener of the control endpoints alone (admin-listener.ts).

import type { Socket } from 'node:net';
import type { Clock, Timer } from '../core/clock.ts';
import { announcesBody } from '../core/field-syntax.ts';
import type { Log } from '../core/log.ts';
import type { AdminReplyHead, FromRelay, ToRelay } from '../core/messages.ts';
import { RareLine } from '../core/rare-line.ts';
import type { AdminGateway, ControlPeer, ControlRequest, ControlResponse } from '../front/control.ts';

const BODY_LIMIT_BYTES = 64 * 1024;
/** Control requests of one relay that have no complete answer yet, streams included; half of them of one address. */
const WAITING_LIMIT = 256;
const WAITING_LIMIT_PER_PEER = WAITING_LIMIT / 2;
const FULL_EVERY_MS = 10_000;
/** An answer of which nothing more was taken for this long ends with its connection. */
const STALL_MS = 10_000;
/** How long what a refused client still sends is read and dropped, so that it can read the refusal. */
const LINGER_MS = 1_000;
const ALONE =
  "torc's primary is gone: requests are served by what was known last, and nothing can be changed or asked until torc is started again";
/** Events that wait for their reader; it comes back with Last-Event-ID instead of filling our memory. */
const LONGEST_BACKLOG_BYTES = 1024 * 1024;

interface Waiting<Response> {
  readonly request: ControlRequest;
  readonly response: Response;
  readonly peer: string;
  /** Of the body, then of the answer. */
  deadline: Timer | null;
  unread: number;
}

export interface RelayOptions {
  readonly send: (message: FromRelay) => void;
  readonly clock: Clock;
  readonly bodyTimeoutMs: number;
  readonly log: Log;
}

/** `Response`: what its answers are, where only one kind comes. */
export class AdminRelay<Response extends ControlResponse = ControlResponse> implements AdminGateway {
  /** For the whole body of a control request. */
  bodyTimeoutMs: number;
  readonly #options: RelayOptions;
  readonly #waiting = new Map<number, Waiting<Response>>();
  readonly #full: RareLine;
  #nextId = 0;
  #isAlone = false;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.bodyTimeoutMs = options.bodyTimeoutMs;
    this.#full = new RareLine(options.clock, FULL_EVERY_MS, (refused, seconds) =>
      options.log.warn({ refused }, `${refused} more control requests found no place in ${seconds} s`),
    );
  }

  handle(request: ControlRequest, response: Response, { ip: peer, isTold, at }: ControlPeer): void {
    if (this.#isAlone) {
      this.#refuse(request, response, 503, ALONE);
      return;
    }
    if (!this.#hasRoomFor(peer)) {
      if (this.#full.isDue())
        this.#options.log.warn(
          { peer, waiting: this.#waiting.size },
          'a control request found no place: too many wait for their answers, or read them slowly',
        );
      response.shouldKeepAlive = false;
      this.#refuse(request, response, 503, 'too many control requests at once: try again later');
      // It has no place in which somebody would look whether it is read.
      const timer = this.#options.clock.after(STALL_MS, () => response.destroy());
      response.once('close', () => timer.cancel());
      return;
    }
    const id = ++this.#nextId;
    this.#waiting.set(id, { request, response, peer, deadline: null, unread: 0 });
    response.on('close', () => this.#closed(id));
    this.#options.send({
      type: 'admin',
      id,
      request: {
        method: request.method ?? '',
        target: request.url ?? '',
        rawHeaders: request.rawHeaders,
        peer,
        isTold,
        listener: at.host,
        hasBody: announcesBody(request.rawHeaders),
        isHttp11: request.httpVersionMinor === 1,
      },
    });
  }

  onMessage(message: ToRelay): void {
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    if (message.type === 'admin-ask-body') this.#readBody(message.id, waiting);
    else if (message.type === 'admin-reply') this.#reply(message.id, waiting, message.reply);
    else if (message.end) waiting.response.end(message.chunk);
    else this.#write(message.id, waiting, message.chunk);
  }

  /** The last answer that the connection is owed; null where it is owed none. */
  lastAnswerOf(socket: Socket): Response | null {
    let last: Response | null = null;
    for (const { request, response } of this.#waiting.values())
      if (request.socket === socket) last = response;
    return last;
  }

  /** The connection is gone: answers whose turn had not come do not hear of it by themselves. */
  left(socket: Socket): void {
    for (const [id, { request }] of this.#waiting) if (request.socket === socket) this.#closed(id);
  }

  /** Nobody is there to answer any more. */
  alone(): void {
    this.#isAlone = true;
    this.close();
    for (const { request, response } of this.#waiting.values())
      if (!response.headersSent) this.#refuse(request, response, 503, ALONE);
  }

  /** Ends the streams, so that a shutdown need not wait for readers of events. */
  close(): void {
    for (const { response } of this.#waiting.values()) if (response.headersSent) response.end();
  }

  #hasRoomFor(peer: string): boolean {
    if (this.#waiting.size < WAITING_LIMIT_PER_PEER) return true;
    if (this.#waiting.size >= WAITING_LIMIT) return false;
    let count = 0;
    for (const waiting of this.#waiting.values()) if (waiting.peer === peer) count++;
    return count < WAITING_LIMIT_PER_PEER;
  }

  #readBody(id: number, waiting: Waiting<Response>): void {
    const { request, response } = waiting;
    const chunks: Buffer[] = [];
    let bytes = 0;
    const fail = (status: number, why: string): void => {
      if (response.headersSent) return;
      this.#options.send({ type: 'admin-cancel', id });
      this.#refuse(request, response, status, why);
    };
    waiting.deadline = this.#options.clock.after(this.bodyTimeoutMs, () =>
      fail(408, `the body did not arrive within ${this.bodyTimeoutMs} ms`),
    );
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= BODY_LIMIT_BYTES) chunks.push(chunk);
      else fail(413, 'the body is over 64 KiB');
    });
    request.on('end', () => {
      waiting.deadline?.cancel();
      if (response.headersSent || response.destroyed) return;
      this.#options.send({ type: 'admin-body', id, body: Buffer.concat(chunks).toString('utf8') });
    });
    request.on('error', () => response.destroy());
    if (/^100-continue$/i.test(request.headers.expect ?? '')) response.writeContinue();
  }

  #reply(id: number, waiting: Waiting<Response>, { status, headers, piece, more }: AdminReplyHead): void {
    const { request, response } = waiting;
    this.#letGo(request, response);
    this.#watch(waiting);
    if (more) {
      response.writeHead(status, headers);
      this.#write(id, waiting, piece);
    } else {
      // 304 has no content, and a length would be that of the content that it stands for (RFC 9110 section 8.6).
      const length = status === 304 ? {} : { 'content-length': Buffer.byteLength(piece) };
      response.writeHead(status, { ...headers, ...length });
      response.end(piece);
    }
  }

  #refuse(request: ControlRequest, response: ControlResponse, status: number, why: string): void {
    this.#letGo(request, response);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify({ message: `<Error> ${why}`, status: 'failure' }, null, 2)}\n`);
  }

  /** Says when all is taken: a page's next piece is made then. Events come unasked and wait only so far. */
  #write(id: number, { response }: Waiting<Response>, chunk: string): void {
    if (response.writableLength > LONGEST_BACKLOG_BYTES) {
      response.destroy();
      return;
    }
    const pull = (): void => this.#options.send({ type: 'admin-pull', id });
    if (response.write(chunk)) pull();
    else if (response.listenerCount('drain') === 0) response.once('drain', pull);
  }

  /** Ends an answer of which nothing was taken between two looks, while there was something to take. */
  #watch(waiting: Waiting<Response>): void {
    const { response } = waiting;
    waiting.deadline?.cancel();
    waiting.unread = 0;
    const look = (): void => {
      const unread = (response.socket?.writableLength ?? 0) + response.writableLength;
      if (unread > 0 && unread === waiting.unread) response.destroy();
      waiting.unread = unread;
      waiting.deadline = this.#options.clock.after(STALL_MS, look);
    };
    waiting.deadline = this.#options.clock.after(STALL_MS, look);
  }

  /**
   * An answer before the end of its request is the last of its connection. A close while the client still sends would
   * reset it and take the answer away again (RFC 9112 section 9.6): what comes is dropped for a moment first.
   */
  #letGo(request: ControlRequest, response: ControlResponse): void {
    if (request.complete || !announcesBody(request.rawHeaders)) return;
    const { socket } = request;
    response.shouldKeepAlive = false;
    request.resume();
    if (socket === null) return;
    socket.destroySoon = () => socket.end();
    const timer = this.#options.clock.after(LINGER_MS, () => socket.destroy());
    socket.once('close', () => timer.cancel());
  }

  #closed(id: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    waiting.deadline?.cancel();
    this.#options.send({ type: 'admin-cancel', id });
  }
}
