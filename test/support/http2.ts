// Clients of HTTP/2: node:http2's own, reduced to questions and answers, and a writer and reader of frames for what no
// polite library would say. The writer knows HPACK only as literals that are not indexed (RFC 7541 section 6.2.2), which is
// all that a test needs to say anything.

import {
  type ClientHttp2Session,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectSocket, type Socket } from 'node:net';
import { waitFor } from './wait.ts';

export interface Http2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
  readonly informational: readonly IncomingHttpHeaders[];
  /** How the stream ended (RFC 9113 section 7). */
  readonly code: number;
}

export interface Question {
  readonly body?: string | Buffer;
  readonly trailers?: Record<string, string>;
}

export function http2Client(port: number): Promise<ClientHttp2Session> {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  return new Promise((resolve, reject) =>
    session.once('connect', () => resolve(session)).once('error', reject),
  );
}

/** One request, and what came of it; a stream that ended without an answer has status 0. */
export function ask2(
  session: ClientHttp2Session,
  fields: OutgoingHttpHeaders,
  { body, trailers }: Question = {},
): Promise<Http2Answer> {
  return new Promise(resolve => {
    const stream = session.request(
      { ':path': '/', ...fields },
      { endStream: body === undefined && trailers === undefined, waitForTrailers: trailers !== undefined },
    );
    let headers: IncomingHttpHeaders = {};
    let behind: IncomingHttpHeaders = {};
    const informational: IncomingHttpHeaders[] = [];
    const chunks: Buffer[] = [];
    stream.on('headers', fields => informational.push(fields));
    stream.on('response', fields => {
      headers = fields;
    });
    stream.on('trailers', fields => {
      behind = fields;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
    stream.on('error', () => {});
    stream.on('close', () =>
      resolve({
        status: Number(headers[':status'] ?? 0),
        headers,
        body: Buffer.concat(chunks).toString('latin1'),
        trailers: behind,
        informational,
        code: stream.rstCode,
      }),
    );
    if (body !== undefined || trailers !== undefined) stream.end(body);
  });
}

// ---- frames (RFC 9113 section 4.1)

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
// Codes of errors (RFC 9113 section 7), written anew: what torc has them for is what is tested.
export const NO_ERROR = 0;
export const PROTOCOL_ERROR = 1;
export const INTERNAL_ERROR = 2;
export const FLOW_CONTROL_ERROR = 3;
export const STREAM_CLOSED = 5;
export const FRAME_SIZE_ERROR = 6;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
export const COMPRESSION_ERROR = 9;
export const ENHANCE_YOUR_CALM = 11;

export function frame(type: number, flags: number, id: number, payload: Buffer | string = ''): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, body]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A setting: its number and value. */
export function setting(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt32BE(value, 2);
  return bytes;
}

/** A string's length with a prefix of seven bits, not Huffman coded. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  const prefix: number[] = [];
  if (bytes.length < 127) prefix.push(bytes.length);
  else {
    let rest = bytes.length - 127;
    prefix.push(127);
    for (; rest >= 128; rest = Math.floor(rest / 128)) prefix.push((rest % 128) + 128);
    prefix.push(rest);
  }
  return Buffer.concat([Buffer.from(prefix), bytes]);
}

/** A block of fields, as literals. */
export const block = (fields: readonly (readonly [string, string])[]): Buffer =>
  Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));

export const GET: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'torc.test'],
  [':path', '/'],
];

export const getFrame = (id: number, more: readonly (readonly [string, string])[] = []): Buffer =>
  frame(HEADERS, END_HEADERS | END_STREAM, id, block([...GET, ...more]));

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export interface FrameClient {
  readonly socket: Socket;
  /** In their order. */
  readonly frames: Frame[];
  readonly closed: boolean;
  send(...frames: Buffer[]): void;
  /** The first frame that is so, seen already or to come. */
  sees(isIt: (frame: Frame) => boolean, what: string): Promise<Frame>;
  /** The error code of the connection's end; null where it ended without a word. */
  goaway(): Promise<number | null>;
  close(): void;
}

/** Says the preface and an empty SETTINGS, unless it is to be silent, and acknowledges nothing unless told to. */
export async function frameClient(
  port: number,
  { silent = false, settings = [] as Buffer[] } = {},
): Promise<FrameClient> {
  const socket = connectSocket({ port, host: '127.0.0.1', noDelay: true });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  let rest: Buffer = Buffer.alloc(0);
  let closed = false;
  const frames: Frame[] = [];
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      if (rest.length < 9) return;
      const length = rest.readUIntBE(0, 3);
      if (rest.length < 9 + length) return;
      frames.push({
        type: rest[3]!,
        flags: rest[4]!,
        id: rest.readUInt32BE(5) & 0x7fffffff,
        payload: rest.subarray(9, 9 + length),
      });
      rest = rest.subarray(9 + length);
    }
  });
  const client: FrameClient = {
    socket,
    frames,
    get closed() {
      return closed;
    },
    send: (...list) => void socket.write(Buffer.concat(list)),
    async sees(isIt, what) {
      await waitFor(() => frames.some(isIt) || closed, { timeoutMs: 20_000, what });
      const found = frames.find(isIt);
      if (found === undefined) throw new Error(`closed without ${what}`);
      return found;
    },
    async goaway() {
      await waitFor(() => closed, { timeoutMs: 20_000, what: 'the connection to end' });
      const last = frames.findLast(({ type }) => type === GOAWAY);
      return last === undefined ? null : last.payload.readUInt32BE(4);
    },
    close: () => void socket.destroy(),
  };
  if (!silent) client.send(PREFACE, frame(SETTINGS, 0, 0, Buffer.concat(settings)));
  return client;
}
