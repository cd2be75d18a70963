// Carries control requests that arrived on the public port to the primary and its answers back. The worker checks only
// what protects itself: the body's size and the number of requests waiting. Who may do what is decided in one place,
// the primary (admin/).

import type { ServerResponse } from 'node:http';
import type { AdminReply, AdminRequest, ToPrimary } from '../core/messages.ts';
import type { ProxyRequest } from '../proxy/http-messages.ts';
import type { CountersDelta } from '../routing/counters.ts';

const BODY_LIMIT_BYTES = 64 * 1024;
/** Control requests of one worker waiting at once, streams included. */
const WAITING_LIMIT = 256;

export class AdminRelay {
  readonly #send: (message: ToPrimary<CountersDelta>) => void;
  readonly #waiting = new Map<number, ServerResponse>();
  #nextId = 0;

  constructor(send: (message: ToPrimary<CountersDelta>) => void) {
    this.#send = send;
  }

  handle(request: ProxyRequest, response: ServerResponse): void {
    if (this.#waiting.size >= WAITING_LIMIT) {
      refuse(response, 503, 'too many control requests at once');
      return;
    }
    if (request.readableEnded) {
      // The server's optimizeEmptyRequests: a request without a body has no events.
      this.#ask(request, response, '');
      return;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= BODY_LIMIT_BYTES) chunks.push(chunk);
      else if (!response.headersSent) refuse(response, 413, 'the body is over 64 KiB');
    });
    request.on('end', () => {
      if (response.headersSent || response.destroyed) return;
      this.#ask(request, response, Buffer.concat(chunks).toString('utf8'));
    });
    request.on('error', () => response.destroy());
  }

  onReply(id: number, reply: AdminReply): void {
    const response = this.#waiting.get(id);
    if (!response) return;
    if (!reply.more) this.#waiting.delete(id);
    if (reply.more) {
      response.writeHead(reply.status, reply.headers);
      response.write(reply.body);
    } else {
      response.writeHead(reply.status, { ...reply.headers, 'content-length': Buffer.byteLength(reply.body) });
      response.end(reply.body);
    }
  }

  onChunk(id: number, chunk: string, end: boolean): void {
    const response = this.#waiting.get(id);
    if (!response) return;
    if (end) {
      this.#waiting.delete(id);
      response.end(chunk);
    } else if (response.writableLength > 1024 * 1024) {
      // A reader that does not read: it comes back with Last-Event-ID instead of filling our memory.
      response.destroy();
    } else {
      response.write(chunk);
    }
  }

  /** Ends the streams, so that a shutdown need not wait for readers of events. */
  close(): void {
    for (const response of this.#waiting.values()) if (response.headersSent) response.end();
  }

  #ask(request: ProxyRequest, response: ServerResponse, body: string): void {
    const id = ++this.#nextId;
    this.#waiting.set(id, response);
    response.on('close', () => {
      if (this.#waiting.delete(id)) this.#send({ type: 'admin-cancel', id });
    });
    const headers = request.allHeaders;
    const asked: AdminRequest = {
      method: request.method ?? '',
      target: request.url ?? '',
      host: headers.host ?? '',
      authorization: headers.authorization ?? '',
      contentType: headers['content-type'] ?? '',
      lastEventId: String(headers['last-event-id'] ?? ''),
      body,
    };
    this.#send({ type: 'admin', id, request: asked });
  }
}

function refuse(response: ServerResponse, status: number, why: string): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(`${JSON.stringify({ message: `<Error> ${why}`, status: 'failure' }, null, 2)}\n`);
}
