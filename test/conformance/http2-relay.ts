// Lets the cases speak HTTP/2 to the proxy: what a case sends as HTTP/1.1 is read by node:http and asked as a stream of
// HTTP/2, and the answer is written back as HTTP/1.1. One connection of the case is one of HTTP/2, so that whoever leaves
// leaves. What is about the very bytes of HTTP/1.1 means nothing here (http2.test.ts says which cases that are).

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';

export interface Relay {
  readonly port: number;
  close(): Promise<void>;
}

export async function http2Relay(port: number): Promise<Relay> {
  const sessions = new WeakMap<Socket, ClientHttp2Session>();
  const sessionOf = (socket: Socket): ClientHttp2Session => {
    const open = sessions.get(socket);
    if (open !== undefined && !open.closed) return open;
    const session = connect(`http://127.0.0.1:${port}`);
    session.on('error', () => {});
    sessions.set(socket, session);
    socket.once('close', () => session.destroy());
    return session;
  };
  const server = createServer({ maxHeaderSize: 2 ** 17, keepAliveTimeout: 0, requireHostHeader: false });
  const serve = (request: IncomingMessage, response: ServerResponse): void =>
    relay(sessionOf(request.socket), request, response);
  for (const event of ['request', 'checkContinue', 'checkExpectation']) server.on(event, serve);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    close: () =>
      new Promise(resolve => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

const OF_CONNECTION =
  /^(?:host|connection|keep-alive|proxy-connection|transfer-encoding|upgrade|http2-settings)$/;

function fieldsOf(raw: readonly string[]): OutgoingHttpHeaders {
  const fields: Record<string, string[]> = Object.create(null);
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]!.toLowerCase();
    if (OF_CONNECTION.test(name)) continue;
    fields[name] ??= [];
    fields[name].push(raw[index + 1]!);
  }
  return Object.fromEntries(
    Object.entries(fields).map(([name, values]) => [name, values.length === 1 ? values[0] : values]),
  );
}

function relay(session: ClientHttp2Session, request: IncomingMessage, response: ServerResponse): void {
  const isEmpty =
    request.headers['transfer-encoding'] === undefined && (request.headers['content-length'] ?? '0') === '0';
  const stream = session.request(
    {
      ':method': request.method!,
      ':path': request.url!,
      ':authority': request.headers.host ?? 'a',
      ...fieldsOf(request.rawHeaders),
    },
    { endStream: isEmpty, waitForTrailers: !isEmpty },
  );
  let isWhole = false;
  stream.on('headers', fields => {
    const { ':status': status, ...rest } = fields;
    if (Number(status) === 100) response.writeContinue();
    else response.writeInformation(Number(status), rest as Record<string, string>);
  });
  stream.on('response', (fields, _flags) => {
    response.sendDate = false;
    const { ':status': status, ...rest } = fields;
    response.writeHead(Number(status), rest);
    response.flushHeaders();
  });
  stream.on('trailers', fields => {
    if (response.chunkedEncoding) response.addTrailers(fields as Record<string, string>);
  });
  stream.on('data', (chunk: Buffer) => {
    if (!response.write(chunk)) {
      stream.pause();
      response.once('drain', () => stream.resume());
    }
  });
  stream.on('end', () => {
    isWhole = true;
  });
  stream.on('error', () => {});
  stream.on('close', () => {
    if (isWhole && stream.rstCode === 0 && response.headersSent) response.end();
    else request.socket.destroy();
  });
  response.on('close', () => {
    if (!response.writableFinished) stream.close(8);
  });
  if (isEmpty) return;
  stream.on('wantTrailers', () => stream.sendTrailers(fieldsOf(request.rawTrailers)));
  request.pipe(stream);
}
