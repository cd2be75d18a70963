// A client made of a raw socket: it sends the very bytes it is given and keeps those that came back, and reads them as
// HTTP/1.1 only as far as a test asks.

import { connect, type Socket } from 'node:net';
import { connect as connectByTls } from 'node:tls';
import { waitFor } from './wait.ts';

export interface RawAnswer {
  readonly status: number;
  readonly statusLine: string;
  /** Lines of the head after the status line. */
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: string;
}

export interface RawClient {
  readonly socket: Socket;
  received: string;
  ended: boolean;
  closed: boolean;
  send(text: string): void;
  /** The next complete final answer; informational ones before it are skipped. */
  answer(options?: { head?: boolean }): Promise<RawAnswer>;
  /** Waits until what was received has `text`. */
  has(text: string): Promise<void>;
  gone(): Promise<void>;
  close(): void;
  /** Ends the connection with a RST. */
  reset(): void;
}

/** Ports that are spoken to by TLS, and whom to believe there (PEM). */
export const securePorts = new Map<number, string>();

export async function rawClient(port: number, { allowHalfOpen = false } = {}): Promise<RawClient> {
  const address = { port, host: '127.0.0.1', noDelay: true, allowHalfOpen };
  const ca = securePorts.get(port);
  const wire = connect(address);
  const socket = ca === undefined ? wire : connectByTls({ socket: wire, host: address.host, ca });
  let taken = 0;
  const client: RawClient = {
    socket,
    received: '',
    ended: false,
    closed: false,
    send: text => void socket.write(text, 'latin1'),
    async answer({ head = false } = {}) {
      let parsed = null as ReturnType<typeof parseAnswer>;
      await waitFor(
        () => {
          parsed = parseAnswer(client.received.slice(taken), head, client.ended || client.closed);
          return parsed !== null || client.closed;
        },
        { timeoutMs: 20_000, what: 'an answer' },
      );
      if (parsed === null)
        throw new Error(`closed without an answer: ${JSON.stringify(client.received.slice(taken))}`);
      const { answer, length } = parsed;
      taken += length;
      return answer;
    },
    has: text =>
      waitFor(() => client.received.includes(text), { timeoutMs: 20_000, what: `"${text}" to arrive` }),
    gone: () => waitFor(() => client.closed, { timeoutMs: 20_000, what: 'the connection to close' }),
    close: () => void socket.destroy(),
    reset: () => void wire.resetAndDestroy(),
  };
  socket.on('data', chunk => {
    client.received += chunk.toString('latin1');
  });
  socket.on('end', () => {
    client.ended = true;
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    client.closed = true;
  });
  const ready = ca === undefined ? 'connect' : 'secureConnect';
  await new Promise<void>((resolve, reject) => socket.once(ready, resolve).once('error', reject));
  return client;
}

/** One request, one answer, and the connection is closed. */
export async function ask(
  port: number,
  request: string,
  options: { head?: boolean } = {},
): Promise<RawAnswer> {
  const client = await rawClient(port);
  client.send(request);
  try {
    return await client.answer(options);
  } finally {
    client.close();
  }
}

export const get = (target: string, fields: readonly string[] = []): string =>
  `GET ${target} HTTP/1.1\r\n${['Host: torc.test', ...fields].join('\r\n')}\r\n\r\n`;

export const fieldOf = (answer: RawAnswer, name: string): string | undefined => {
  const line = answer.fields.find(field => field.toLowerCase().startsWith(`${name.toLowerCase()}:`));
  return line?.slice(line.indexOf(':') + 1).trim();
};

export function parseAnswer(
  text: string,
  isHead: boolean,
  ended: boolean,
): { answer: RawAnswer; length: number } | null {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd === -1) return null;
  const [statusLine = '', ...fields] = text.slice(0, headEnd).split('\r\n');
  const status = Number(statusLine.split(' ')[1]);
  const start = headEnd + 4;
  if (status >= 100 && status < 200 && status !== 101) {
    const next = parseAnswer(text.slice(start), isHead, ended);
    return next === null ? null : { answer: next.answer, length: next.length + start };
  }
  const made = (body: string, trailers: string, length: number) => ({
    answer: { status, statusLine, fields, body, trailers },
    length,
  });
  if (isHead || status === 101 || status === 204 || status === 304) return made('', '', start);
  const head = fields.join('\n');
  const length = /^content-length: *(\d+)$/im.exec(head)?.[1];
  if (/^transfer-encoding: *chunked$/im.test(head)) return parseChunks(text, start, made);
  if (length === undefined) return ended ? made(text.slice(start), '', text.length) : null;
  const end = start + Number(length);
  return text.length < end ? null : made(text.slice(start, end), '', end);
}

/** A chunked body from `start`, given to `made` with its trailers and where it ends; null while it is not all there. */
export function parseChunks<T>(
  text: string,
  start: number,
  made: (body: string, trailers: string, length: number) => T,
): T | null {
  let body = '';
  for (let at = start; ; ) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (size === 0) {
      const end = text.startsWith('\r\n', lineEnd + 2) ? lineEnd : text.indexOf('\r\n\r\n', lineEnd + 2);
      return end === -1 ? null : made(body, text.slice(lineEnd + 2, end), end + 4);
    }
    if (text.length < lineEnd + 2 + size + 2) return null;
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
