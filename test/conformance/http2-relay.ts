// Lets the cases speak HTTP/2 to the proxy: what a case sends as HTTP/1.1 is asked as a stream of HTTP/2, and the answer is
// written back as HTTP/1.1 (RFC 9113 section 8). Requests of one connection of a case are streams of one of HTTP/2, one behind
// the other. A reader of its own, and a strict one: what is no whole, plain request of HTTP/1.1, or has what HTTP/2 has no
// words for (fields of the connection, an absolute target, another version), is not said at all; `unsaid` tells why, so that
// nobody takes silence for a refusal by the proxy.

import { STATUS_CODES } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { isStrict } from './talk.ts';

export interface Relay {
  readonly port: number;
  /** Why something of the case was not said; to be emptied before each case. */
  unsaid: string;
  close(): Promise<void>;
}

export async function http2Relay(port: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true, allowHalfOpen: true }, socket => {
    sockets.add(socket);
    const session = connect(`http://127.0.0.1:${port}`, {
      maxHeaderListPairs: 4000,
      settings: { maxHeaderListSize: 2 ** 20 },
    });
    const asked = new AskedClient(socket, session, why => {
      relay.unsaid = why;
    });
    session.on('error', () => socket.destroy());
    session.on('close', () => socket.end());
    socket.on('data', chunk => asked.read(chunk.toString('latin1')));
    socket.on('end', () => asked.read(''));
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      session.destroy();
    });
  });
  const relay: Relay = {
    port: 0,
    unsaid: '',
    close: () =>
      new Promise(resolve => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(relay, { port: (server.address() as { port: number }).port });
}

type Fields = [name: string, value: string][];

/** What is read next of a connection. */
type Part =
  | { readonly is: 'head' }
  | { readonly is: 'length'; left: number }
  | { readonly is: 'size'; readonly behindChunk: boolean }
  | { readonly is: 'chunk'; left: number }
  | { readonly is: 'trailers' };

class Unsaid extends Error {}

/** One connection of a case. */
class AskedClient {
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #cannotSay: (why: string) => void;
  #text = '';
  #part: Part = { is: 'head' };
  #stream: ClientHttp2Stream | null = null;
  #trailers: Fields = [];

  constructor(socket: Socket, session: ClientHttp2Session, cannotSay: (why: string) => void) {
    this.#socket = socket;
    this.#session = session;
    this.#cannotSay = cannotSay;
  }

  read(text: string): void {
    this.#text += text;
    try {
      while (this.#next());
    } catch (error) {
      this.#cannotSay((error as Error).message);
      this.#socket.destroy();
    }
  }

  /** False when more bytes have to come, or the answer before. */
  #next(): boolean {
    const part = this.#part;
    switch (part.is) {
      case 'head': {
        if (this.#stream !== null) return false;
        const end = this.#text.indexOf('\r\n\r\n');
        if (end === -1) {
          // A line that ends otherwise, or none at all where the client has said all.
          if (/(?:^|[^\r])\n|\r[^\n]|\0/.test(this.#text)) throw new Unsaid('no line of HTTP/1.1');
          return false;
        }
        const head = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 4);
        this.#ask(head);
        return true;
      }
      case 'length':
      case 'chunk': {
        const piece = this.#text.slice(0, part.left);
        if (piece === '') return false;
        this.#text = this.#text.slice(piece.length);
        part.left -= piece.length;
        this.#say(piece);
        if (part.left > 0) return false;
        if (part.is === 'length') this.#isSaid();
        else this.#part = { is: 'size', behindChunk: true };
        return true;
      }
      case 'size': {
        if (part.behindChunk) {
          if (this.#text.length < 2) return false;
          if (!this.#text.startsWith('\r\n')) throw new Unsaid('more in a chunk than it says');
          this.#text = this.#text.slice(2);
          this.#part = { is: 'size', behindChunk: false };
          return true;
        }
        const line = this.#line(/^([0-9a-f]+)(?:;[^\r\n]*)?$/i);
        if (line === null) return false;
        const left = Number.parseInt(line[1]!, 16);
        this.#part = left === 0 ? { is: 'trailers' } : { is: 'chunk', left };
        return true;
      }
      case 'trailers': {
        const line = this.#line(/^(?:([!#$%&'*+.^_`|~0-9a-z-]+):[ \t]*(.*?)[ \t]*)?$/i);
        if (line === null) return false;
        if (line[1] === undefined) this.#isSaid();
        else this.#trailers.push([line[1].toLowerCase(), line[2]!]);
        return true;
      }
    }
  }

  /** The next line, if it is all there. */
  #line(shape: RegExp): RegExpExecArray | null {
    const end = this.#text.indexOf('\r\n');
    if (end === -1) return null;
    const line = shape.exec(this.#text.slice(0, end));
    if (line === null) throw new Unsaid('chunks that are none');
    this.#text = this.#text.slice(end + 2);
    return line;
  }

  #ask(head: string): void {
    const [line = '', ...lines] = head.split('\r\n');
    const [, method, target] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP\/1\.1$/.exec(line) ?? [];
    if (method === undefined || target === undefined)
      throw new Unsaid(`no request line: ${line.slice(0, 80)}`);
    if (/^[a-z]+:\/\//i.test(target)) throw new Unsaid('an absolute target');
    const said: Fields = [];
    let authority: string | null = null;
    for (const each of lines) {
      const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(each) ?? [];
      if (name === undefined || value === undefined) throw new Unsaid(`no field: ${each.slice(0, 80)}`);
      if (!isStrict(value)) throw new Unsaid('a control byte');
      const key = name.toLowerCase();
      if (key === 'host') {
        if (authority !== null) throw new Unsaid('two hosts');
        if (value === '') throw new Unsaid('an empty host');
        authority = value;
      } else if (key === 'connection' && /^(?:keep-alive|TE)$/i.test(value)) continue;
      else if (/^(?:connection|keep-alive|proxy-connection|upgrade|http2-settings)$/.test(key))
        throw new Unsaid(`a field of the connection: ${name}`);
      else if (key === 'te' && value.toLowerCase() !== 'trailers') throw new Unsaid('TE');
      else said.push([key, value]);
    }
    if (authority === null) throw new Unsaid('no host');
    const codings = said.filter(([name]) => name === 'transfer-encoding');
    const lengths = said.filter(([name]) => name === 'content-length');
    const isChunked = codings.length === 1 && codings[0]![1].toLowerCase() === 'chunked';
    if (codings.length > (isChunked ? 1 : 0) || lengths.length > (isChunked ? 0 : 1))
      throw new Unsaid('a body of which HTTP/1.1 has several lengths');
    const length = lengths[0]?.[1] ?? '0';
    if (!/^\d{1,15}$/.test(length)) throw new Unsaid(`no length: ${length}`);
    this.#part = isChunked ? { is: 'size', behindChunk: false } : { is: 'length', left: Number(length) };
    const isEmpty = !isChunked && Number(length) === 0;
    this.#open(
      [
        ':method',
        method,
        ...(method === 'CONNECT' ? [] : [':scheme', 'http', ':path', target]),
        ':authority',
        authority,
        ...said.filter(([name]) => name !== 'transfer-encoding').flat(),
      ],
      method === 'HEAD',
      isEmpty,
    );
    if (isEmpty) this.#part = { is: 'head' };
  }

  #open(fields: string[], isHead: boolean, isEmpty: boolean): void {
    const stream = this.#session.request(fields, { endStream: isEmpty, waitForTrailers: !isEmpty });
    this.#stream = stream;
    this.#trailers = [];
    const write = (text: string): void => {
      if (this.#socket.destroyed || this.#socket.write(text, 'latin1')) return;
      stream.pause();
      this.#socket.once('drain', () => stream.resume());
    };
    let isChunked = false;
    let isWhole = false;
    const headOf = (raw: readonly string[], more = ''): string => {
      const status = raw[raw.indexOf(':status') + 1]!;
      let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
      for (let index = 0; index < raw.length; index += 2)
        if (!raw[index]!.startsWith(':')) text += `${raw[index]}: ${raw[index + 1]}\r\n`;
      return `${text}${more}\r\n`;
    };
    stream.on('headers', (_fields, _flags, raw: string[]) => write(headOf(raw)));
    stream.on('response', (fields, _flags, raw?: string[]) => {
      const status = Number(fields[':status']);
      isChunked = !isHead && status !== 204 && status !== 304 && fields['content-length'] === undefined;
      write(headOf(raw!, isChunked ? 'transfer-encoding: chunked\r\n' : ''));
    });
    stream.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      if (text !== '') write(isChunked ? `${text.length.toString(16)}\r\n${text}\r\n` : text);
    });
    let trailers = '';
    stream.on('trailers', (_fields, _flags, raw?: string[]) => {
      for (let index = 0; index < raw!.length; index += 2)
        trailers += `${raw![index]}: ${raw![index + 1]}\r\n`;
    });
    stream.on('end', () => {
      isWhole = true;
    });
    stream.on('wantTrailers', () => {
      try {
        stream.sendTrailers(asObject(this.#trailers));
      } catch (error) {
        this.#cannotSay((error as Error).message);
        stream.close(8);
      }
    });
    stream.on('error', () => {});
    stream.on('close', () => {
      this.#socket.resume();
      // What is behind an answer that came early is the rest of its request.
      if (!isWhole || stream.rstCode !== 0) return void this.#socket.destroy();
      if (isChunked) write(`0\r\n${trailers}\r\n`);
      this.#stream = null;
      this.read('');
    });
  }

  #say(piece: string): void {
    const stream = this.#stream;
    if (stream === null || stream.destroyed || stream.writableEnded) return;
    if (stream.write(piece, 'latin1') || this.#socket.isPaused()) return;
    this.#socket.pause();
    stream.once('drain', () => this.#socket.resume());
  }

  #isSaid(): void {
    this.#part = { is: 'head' };
    if (this.#stream !== null && !this.#stream.destroyed) this.#stream.end();
  }
}

function asObject(fields: Fields): Record<string, string | string[]> {
  const all: Record<string, string[]> = Object.create(null);
  for (const [name, value] of fields) {
    all[name] ??= [];
    all[name].push(value);
  }
  return Object.fromEntries(
    Object.entries(all).map(([name, values]) => [name, values.length === 1 ? values[0]! : values]),
  );
}
