// A replica that speaks HTTP/2 by prior knowledge: node:http2's server, which does with each stream what it is told, and
// keeps what it saw. What a polite library would not send, a test writes itself, as bytes.

import {
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import { createServer as createNetServer, type Socket } from 'node:net';
import { frame, SETTINGS } from './http2.ts';

export interface SeenStream {
  readonly headers: IncomingHttpHeaders;
  readonly stream: ServerHttp2Stream;
  /** name, value, name, value. */
  readonly raw: readonly string[];
  body: string;
  trailers: Record<string, unknown>;
  ended: boolean;
  /** What it closed with; -1 while it is open. */
  code: number;
}

export type StreamAnswer = (seen: SeenStream) => void;

export interface H2Origin {
  readonly port: number;
  readonly streams: SeenStream[];
  readonly sessions: Set<ServerHttp2Session>;
  /** Connections accepted so far. */
  connections: number;
  answer: StreamAnswer;
  close(): Promise<void>;
}

export async function h2Origin(
  answer: StreamAnswer,
  options: ServerOptions = {},
  port = 0,
): Promise<H2Origin> {
  const server = createServer(options);
  const origin: H2Origin = {
    port: 0,
    streams: [],
    sessions: new Set(),
    connections: 0,
    answer,
    close: () =>
      new Promise(resolve => {
        for (const session of origin.sessions) session.destroy();
        server.close(() => resolve());
      }),
  };
  server.on('session', session => {
    origin.connections++;
    origin.sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => origin.sessions.delete(session));
  });
  server.on('stream', (stream: ServerHttp2Stream, headers, _flags, raw) => {
    const seen: SeenStream = {
      headers,
      stream,
      raw: raw as unknown as string[],
      body: '',
      trailers: {},
      ended: false,
      code: -1,
    };
    origin.streams.push(seen);
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => {
      seen.body += chunk.toString('latin1');
    });
    stream.on('trailers', trailers => {
      seen.trailers = { ...trailers };
    });
    stream.on('end', () => {
      seen.ended = true;
    });
    stream.on('close', () => {
      seen.code = stream.rstCode ?? 0;
    });
    origin.answer(seen);
  });
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve));
  return Object.assign(origin, { port: (server.address() as { port: number }).port });
}

/** 200 with a length, when the request is complete. */
export const whole =
  (text: string, fields: Record<string, string> = {}): StreamAnswer =>
  ({ stream }) => {
    const send = (): void => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200, 'content-length': String(text.length), ...fields });
      stream.end(text);
    };
    stream.on('end', send);
  };

// ---- frames by hand (RFC 9113 section 4.1, 6)

/** `:status: 200`, from the static table of HPACK. */
export const OK = Buffer.from([0x88]);

export interface FrameOrigin {
  readonly port: number;
  close(): Promise<void>;
}

const PREFACE_BYTES = 24;

/** Sends SETTINGS, and what it is told for each frame that comes. */
export async function frameOrigin(
  onFrame: (type: number, stream: number, socket: Socket) => void,
): Promise<FrameOrigin> {
  const sockets = new Set<Socket>();
  const server = createNetServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write(frame(SETTINGS, 0, 0));
    let pending = Buffer.alloc(0);
    let at = PREFACE_BYTES;
    socket.on('data', chunk => {
      pending = Buffer.concat([pending, chunk as Buffer]);
      while (pending.length >= at + 9) {
        const end = at + 9 + pending.readUIntBE(at, 3);
        if (pending.length < end) return;
        const [type, stream] = [pending[at + 3]!, pending.readUInt32BE(at + 5)];
        pending = pending.subarray(end);
        at = 0;
        onFrame(type, stream, socket);
      }
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    close: () =>
      new Promise(resolve => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
