// A replica made of a raw socket: it keeps the very bytes that arrived, and answers with the very bytes it is told, so
// that a test sees what a polite HTTP library would hide.

import type { Socket } from 'node:net';
import { parseChunks } from './raw.ts';
import { listen, replicaServer } from './way.ts';

export interface OriginRequest {
  /** Request line and fields, without the empty line. */
  readonly head: string;
  readonly method: string;
  readonly target: string;
  readonly body: string;
  /** Lines of the trailer section, joined by CRLF. */
  readonly trailers: string;
  /** Which connection, and which request on it, from 0. */
  readonly connection: number;
  readonly index: number;
}

export type Answer = (request: OriginRequest, socket: Socket) => void;

export interface Origin {
  readonly port: number;
  readonly requests: OriginRequest[];
  readonly sockets: Set<Socket>;
  /** Connections accepted so far. */
  connections: number;
  /** All bytes, of all connections in order of arrival. */
  bytes: string;
  answer: Answer;
  /** Answers as soon as the head is there; the body is then not waited for (and not parsed). */
  atHead: boolean;
  close(): Promise<void>;
}

export async function rawOrigin(answer: Answer, { atHead = false, port = 0 } = {}): Promise<Origin> {
  const { server, event } = replicaServer({ noDelay: true, allowHalfOpen: true });
  const origin: Origin = {
    port: 0,
    requests: [],
    sockets: new Set(),
    connections: 0,
    bytes: '',
    answer,
    atHead,
    close: () =>
      new Promise(resolve => {
        for (const socket of origin.sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
  server.on(event, (socket: Socket) => {
    // Only TCP has a reset.
    if (event !== 'connection' || socket.remoteFamily === undefined) socket.resetAndDestroy = socket.destroy;
    serve(origin, socket);
  });
  return Object.assign(origin, { port: await listen(server, port) });
}

function serve(origin: Origin, socket: Socket): void {
  const connection = origin.connections++;
  let index = 0;
  let pending = '';
  origin.sockets.add(socket);
  socket.on('close', () => origin.sockets.delete(socket));
  socket.on('error', () => {});
  socket.on('end', () => socket.end());
  socket.on('data', chunk => {
    const text = chunk.toString('latin1');
    origin.bytes += text;
    pending += text;
    for (;;) {
      const parsed = parseRequest(pending, origin.atHead);
      if (parsed === null) return;
      pending = pending.slice(parsed.length);
      const request = { ...parsed.request, connection, index: index++ };
      origin.requests.push(request);
      origin.answer(request, socket);
    }
  });
}

type Parsed = { request: Omit<OriginRequest, 'connection' | 'index'>; length: number };

function parseRequest(text: string, atHead: boolean): Parsed | null {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd === -1) return null;
  const head = text.slice(0, headEnd);
  const [method = '', target = ''] = head.split('\r\n')[0]!.split(' ');
  const start = headEnd + 4;
  const made = (body: string, trailers: string, length: number): Parsed => ({
    request: { head, method, target, body, trailers },
    length,
  });
  if (atHead) return made('', '', start);
  if (/^transfer-encoding: *chunked$/im.test(head)) return parseChunks(text, start, made);
  const length = Number(/^content-length: *(\d+)$/im.exec(head)?.[1] ?? 0);
  if (text.length < start + length) return null;
  return made(text.slice(start, start + length), '', start + length);
}

/** A plain answer with a length. */
export const plain =
  (body: string, fields: readonly string[] = [], status = '200 OK'): Answer =>
  (_request, socket) => {
    socket.write(
      `HTTP/1.1 ${[status, ...fields, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`,
      'latin1',
    );
  };

/** Exactly these bytes; `end` closes behind them. */
export const bytes =
  (text: string, { end = false } = {}): Answer =>
  (_request, socket) => {
    if (end) socket.end(text, 'latin1');
    else socket.write(text, 'latin1');
  };
