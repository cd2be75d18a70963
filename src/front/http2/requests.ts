// Hot: runs per request.
// The requests of one connection of HTTP/2: what a head becomes, an exchange, a control request, or a refusal.
//
// A client repeats itself: but for its path a head is nearly always the same as the last one of its connection, and HPACK's
// table gives the very same strings for it. So the two are compared at no cost, and what was made of the last one is used again.

import { randomBytes } from 'node:crypto';
import { isControl } from '../../core/control-path.ts';
import { type ProxyErrorCode, proxyErrors } from '../../core/errors.ts';
import { grpcHead, isGrpcType } from '../../exchange/grpc.ts';
import { buildRequestHead, RequestHead } from '../../exchange/headers.ts';
import { errorBody, replyHead } from '../../exchange/reply.ts';
import type { Shared } from '../../exchange/shared.ts';
import { readsFields } from '../../routing/key.ts';
import type { Client } from '../client.ts';
import type { AdminGateway } from '../control.ts';
import type { StreamSource } from './connection.ts';
import { ControlStream } from './control-stream.ts';
import { Http2Head, readHead } from './request-head.ts';
import { RequestStream } from './request-stream.ts';
import { Stream, type StreamPort } from './stream.ts';

/** As over HTTP/1.1 (http1.ts). */
const MAX_HEAD_BYTES = 32 * 1024;
/** Goes to the replica with its head where it is here by then. */
const SMALL_BODY_BYTES = 16 * 1024;
/** What any replica is asked for as it stands. */
const PLAIN_TARGET = /^\/[!"$-~]*$/;
const NOTHING: readonly string[] = [];

/** What a head was made into, but for its path. */
interface Known {
  readonly list: readonly string[];
  /** Where the path stands in the list. */
  readonly pathAt: number;
  readonly isEnded: boolean;
  readonly method: string;
  /** What follows the target in the replica's head. */
  readonly tail: string;
  readonly requestId: string;
  /** Whom it is for. */
  readonly host: string;
  readonly contentLength: number;
  /** Name, value, name, value; empty where no key is read from fields. */
  readonly raw: readonly string[];
  /** Who asks, for keys. */
  readonly address: string;
}

// Filled and read within one call: no two requests are ever in them at once.
const received = new Http2Head();
const requestHead = new RequestHead();
/** Those of the read that is looked at. */
const early: RequestStream[] = [];

export class Requests implements StreamSource {
  readonly #shared: Shared;
  readonly #admin: AdminGateway;
  readonly #client: Client;
  #known: Known | null = null;

  constructor(shared: Shared, admin: AdminGateway, client: Client) {
    this.#shared = shared;
    this.#admin = admin;
    this.#client = client;
  }

  get nowMs(): number {
    return this.#shared.soonMs;
  }

  forget(): void {
    this.#known = null;
  }

  lookedAtAll(): void {
    for (let index = 0; index < early.length; index++) early[index]!.beginNow();
    early.length = 0;
  }

  open(port: StreamPort, id: number, list: readonly string[], bytes: number, isEnded: boolean): boolean {
    const known = this.#known;
    const isLong = bytes > MAX_HEAD_BYTES;
    if (known !== null && !isLong && this.#openKnown(known, port, id, list, isEnded)) return true;
    const head = received;
    if (!readHead(list, isEnded, head)) return false;
    if (isLong) this.#refuse(port, id, isEnded, 'HEAD_TOO_LARGE');
    else if (head.method === 'CONNECT' && head.protocol === '')
      this.#refuse(port, id, isEnded, 'CONNECT_REFUSED');
    else if (isControl(head.target, this.#shared.config.adminPaths)) {
      const stream = new ControlStream(port, id, isEnded, head);
      stream.leftBytes = head.contentLength;
      this.#admin.handle(stream, stream, this.#client.peer);
    } else this.#begin(port, id, list, isEnded, head);
    return true;
  }

  /** False, and nothing has happened, where it is another head. */
  #openKnown(known: Known, port: StreamPort, id: number, list: readonly string[], isEnded: boolean): boolean {
    if (list.length !== known.list.length || isEnded !== known.isEnded) return false;
    for (let index = 0; index < list.length; index++)
      if (list[index] !== known.list[index] && index !== known.pathAt) return false;
    const target = list[known.pathAt]!;
    if (!PLAIN_TARGET.test(target) || isControl(target, this.#shared.config.adminPaths)) return false;
    const stream = this.#streamOf(port, id, isEnded, known.method, '', false);
    stream.leftBytes = known.contentLength;
    this.#start(stream, known, target);
    return true;
  }

  #start(stream: RequestStream, known: Known, target: string): void {
    if (known.contentLength > 0 && known.contentLength <= SMALL_BODY_BYTES) {
      stream.beginLater(body => this.#startNow(stream, known, target, body));
      early.push(stream);
    } else this.#startNow(stream, known, target, '');
  }

  #startNow(stream: RequestStream, known: Known, target: string, body: string): void {
    const head = requestHead;
    head.target = target;
    head.text = `${known.method} ${target}${known.tail}`;
    head.requestId = known.requestId;
    head.host = known.host;
    head.chunked = false;
    head.contentLength = known.contentLength || 0;
    head.maxForwards = -1;
    head.body = body;
    stream.exchange.start(head, '', target, known.raw, known.address);
  }

  #begin(port: StreamPort, id: number, list: readonly string[], isEnded: boolean, asked: Http2Head): void {
    const { target, fields, protocol, expectsContinue } = asked;
    const { peer } = this.#client;
    const head = requestHead;
    // A replica of HTTP/1.1 is asked for an upgrade (RFC 8441).
    const method = protocol === '' ? asked.method : 'GET';
    if (protocol === 'websocket') fields.push('sec-websocket-key', randomBytes(16).toString('base64'));
    let fault = buildRequestHead(method, target, fields, '2.0', protocol, peer, 'torc', head);
    if (protocol !== '' && !isProtocol(protocol)) fault = 'no protocol that could be asked for';
    const { redirect } = peer.at;
    if (redirect !== null && head.host === '') fault ||= 'no host to be redirected to';
    const stream = this.#streamOf(port, id, isEnded, method, protocol, expectsContinue);
    stream.leftBytes = asked.contentLength;
    // What comes before the answer is the tunnel's too.
    if (protocol !== '') stream.pause();
    const address = peer.trusted ? peer.addressOf(fields) : peer.ip;
    if (redirect !== null && fault === '') stream.exchange.redirect(head, target, redirect);
    else if (fault === '' && this.#mayKnow(asked, head)) {
      const needsRaw = peer.trusted || readsFields(this.#shared.config.key);
      this.#known = {
        list: [...list],
        pathAt: list.indexOf(':path') + 1,
        isEnded,
        method,
        tail: head.text.slice(method.length + 1 + target.length),
        requestId: head.requestId,
        host: head.host,
        contentLength: asked.contentLength,
        raw: needsRaw ? fields : NOTHING,
        address,
      };
      this.#start(stream, this.#known, target);
    } else stream.exchange.start(head, fault, target, fields, address);
  }

  /** Nothing of it depends on its target, but for the request line. */
  #mayKnow({ target, protocol, expectsContinue }: Http2Head, head: RequestHead): boolean {
    const isPlain = protocol === '' && !expectsContinue && !head.chunked && head.maxForwards === -1;
    return isPlain && PLAIN_TARGET.test(target);
  }

  #streamOf(
    port: StreamPort,
    id: number,
    isEnded: boolean,
    method: string,
    protocol: string,
    expectsContinue: boolean,
  ): RequestStream {
    return new RequestStream(
      this.#shared,
      this.#client,
      port,
      id,
      isEnded,
      method,
      protocol,
      expectsContinue,
    );
  }

  /** What never becomes an exchange. */
  #refuse(port: StreamPort, id: number, isEnded: boolean, code: ProxyErrorCode): void {
    this.#shared.counters.error(code, '');
    const { status, retryAfterS } = proxyErrors[code];
    const { fields, method } = received;
    const isOfGrpc = fields.some(
      (name, at) => at % 2 === 0 && name === 'content-type' && isGrpcType(fields[at + 1]!),
    );
    const body = errorBody(code, '', '');
    const head = isOfGrpc ? grpcHead(code) : replyHead(status, body, retryAfterS);
    new Refusal(port, id, isEnded).sendWhole(head, '', isOfGrpc || method === 'HEAD' ? '' : body);
  }
}

/** What it is told is all that happens on it. */
class Refusal extends Stream {
  readonly isAtWork = false;
  readonly isOwed = true;
  protected onData(): void {}
  protected onEnd(): void {}
  protected onDrain(): void {}
  protected onGone(): void {}
}

/** A token (RFC 9110 section 7.8), and not the one that nobody may offer any more (RFC 9113 section 3.1). */
const isProtocol = (protocol: string): boolean =>
  /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(protocol) && !/^h2c$/i.test(protocol);
