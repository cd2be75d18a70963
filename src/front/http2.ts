// The door of HTTP/2: takes a connection whose client speaks it (by ALPN, or by its preface: preface.ts), and makes an exchange of
// each stream. Frames, HPACK, windows and the malformed are node:http2's (nghttp2): it is kept up to date against floods by people
// who do nothing else. Why not its server: its sockets are accepted elsewhere, and its "compat" request and response
// cost a third more per request. What of RFC 9113 is torc's own: heads (http2-fields.ts), who may ask what, when a
// connection is idle, how it drains (http2-connection.ts).

import { randomBytes } from 'node:crypto';
import { constants, performServerHandshake, type ServerHttp2Stream } from 'node:http2';
import { isControl } from '../core/control-path.ts';
import { type ProxyErrorCode, proxyErrors } from '../core/errors.ts';
import { grpcHead, isGrpcType } from '../exchange/grpc.ts';
import { buildRequestHead, RequestHead } from '../exchange/headers.ts';
import { errorBody, replyHead } from '../exchange/reply.ts';
import type { Shared } from '../exchange/shared.ts';
import type { Client, ClientSocket } from './client.ts';
import type { AdminGateway } from './control.ts';
import { Http2Connection, sessionOptions } from './http2-connection.ts';
import { Http2ControlRequest, Http2ControlResponse } from './http2-control.ts';
import { Http2Downstream, type RequestStream } from './http2-downstream.ts';
import { answerFields, Http2Head, readHead } from './http2-fields.ts';

/** As over HTTP/1.1 (http1.ts). */
const MAX_HEAD_BYTES = 32 * 1024;
const { NGHTTP2_FLAG_END_STREAM } = constants;

// Filled and read within one call: no two requests are ever in them at once.
const received = new Http2Head();
const requestHead = new RequestHead();

export class Http2Door {
  readonly #shared: Shared;
  readonly #admin: AdminGateway;

  constructor(shared: Shared, admin: AdminGateway) {
    this.#shared = shared;
    this.#admin = admin;
  }

  /** Reads the connection from here on, `bytes` first. */
  take(client: Client, bytes: Buffer): void {
    const socket: ClientSocket = client.socket;
    socket.readableFlowing = null;
    // The session reads what waits in the socket before what comes.
    if (bytes.length > 0) socket.unshift(bytes);
    const session = performServerHandshake(socket, sessionOptions);
    const connection = new Http2Connection(this.#shared, client, session);
    client.http2 = connection;
    session.on(
      'stream',
      (stream: ServerHttp2Stream, _fields: object, flags: number, raw: readonly string[]) =>
        this.#onStream(connection, stream, flags, raw),
    );
  }

  #onStream(connection: Http2Connection, stream: RequestStream, flags: number, raw: readonly string[]): void {
    if (!connection.entered(stream)) return;
    const head = received;
    readHead(raw, (flags & NGHTTP2_FLAG_END_STREAM) !== 0, head);
    if (head.bytes > MAX_HEAD_BYTES) this.#refuse(stream, 'HEAD_TOO_LARGE');
    else if (head.method === 'CONNECT' && head.protocol === '') this.#refuse(stream, 'CONNECT_REFUSED');
    else if (isControl(head.target, this.#shared.config.adminPaths))
      this.#onControl(connection, stream, head);
    else this.#begin(connection.client, stream, head);
  }

  #begin(client: Client, stream: RequestStream, received: Http2Head): void {
    const { target, fields, protocol } = received;
    const { peer } = client;
    const head = requestHead;
    // A replica of HTTP/1.1 is asked for an upgrade (RFC 8441).
    const method = protocol === '' ? received.method : 'GET';
    if (protocol === 'websocket') fields.push('sec-websocket-key', randomBytes(16).toString('base64'));
    let fault = buildRequestHead(method, target, fields, '2.0', protocol, peer, 'torc', head);
    if (protocol !== '' && !isProtocol(protocol)) fault = 'no protocol that could be asked for';
    const { redirect } = peer.at;
    if (redirect !== null && head.host === '') fault ||= 'no host to be redirected to';
    const downstream = new Http2Downstream(
      this.#shared,
      client,
      stream,
      method,
      protocol,
      received.expectsContinue,
    );
    client.running.push(downstream);
    if (fault === '' && (head.chunked || head.contentLength > 0)) downstream.readBody();
    // Nobody reads a stream that has ended: Node does at its close, and an earlier end would have each answer's write fail.
    else if (protocol === '' && !stream.endAfterHeaders) stream.resume();
    const address = peer.trusted ? peer.addressOf(fields) : peer.ip;
    if (redirect !== null && fault === '') downstream.exchange.redirect(head, target, redirect);
    else downstream.exchange.start(head, fault, target, fields, address);
  }

  #onControl(connection: Http2Connection, stream: RequestStream, head: Http2Head): void {
    const { method, target, fields, expectsContinue } = head;
    stream.keeper = 'relay';
    const request = new Http2ControlRequest(stream, method, target, fields, expectsContinue);
    const response = new Http2ControlResponse(stream, method === 'HEAD');
    this.#admin.handle(request, response, connection.client.peer);
  }

  /** What never became an exchange. */
  #refuse(stream: ServerHttp2Stream, code: ProxyErrorCode): void {
    this.#shared.counters.error(code, '');
    const { status, retryAfterS } = proxyErrors[code];
    const { fields } = received;
    const isOfGrpc = fields.some(
      (name, at) => at % 2 === 0 && name === 'content-type' && isGrpcType(fields[at + 1]!),
    );
    const body = isOfGrpc ? '' : errorBody(code, '', '');
    const head = isOfGrpc ? grpcHead(code) : replyHead(status, body, retryAfterS);
    stream.respond(answerFields(isOfGrpc ? 200 : status, head));
    if (stream.writable) stream.end(body);
    stream.close();
  }
}

/** A token (RFC 9110 section 7.8), and not the one that nobody may offer any more (RFC 9113 section 3.1). */
const isProtocol = (protocol: string): boolean =>
  /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(protocol) && !/^h2c$/i.test(protocol);
