// Streams of tokens (server-sent events), as inference servers answer, through every door: each piece is at the client before
// the replica has written another, and a client that leaves ends the replica's work: within the stream, and before its head,
// where a prompt is still being read. By what follows from what, never by a clock.

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Authority } from '../support/certificates.ts';
import { type Origin, rawOrigin } from '../support/origin.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { freePort } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('token streams');
const HEAD =
  'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n';
const BOUND = { timeoutMs: 20_000 };
const PROMPT = '{"stream":true,"prompt":"once upon a time"}';

interface Reader {
  received(): string;
  leave(): void;
}

const directory = mkdtempSync(join(tmpdir(), 'streams-'));
const authority = new Authority(directory);
const certificate = authority.issue(['DNS:first.test', 'IP:127.0.0.1']);
let origin: Origin;
let torc: TestProxy;
let securePort: number;
/** The replica's side of the request that came last. */
let stream: Socket | null = null;

test.before(async () => {
  origin = await rawOrigin((_request, socket) => {
    stream = socket;
  });
  securePort = await freePort();
  torc = await startProxy([origin.port], { HTTPS_PORT: String(securePort), TLS: 'self-signed' });
  torc.proxy.tls.use({ certificates: [{ ...certificate, names: ['first.test'] }], clientCa: null });
  const address = { host: '127.0.0.1', port: securePort, mode: 0, tls: true, redirect: null };
  const at = { host: address.host, port: securePort };
  await torc.proxy.listen({ ...address, setting: 'TORC_HTTPS_PORT' }, at);
});
test.after(async () => {
  await torc.close();
  await origin.close();
  rmSync(directory, { recursive: true, force: true });
});
test.before.each(() => {
  stream = null;
});

function readerOf(socket: Socket): Reader {
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString();
  });
  socket.on('error', () => {});
  socket.write(
    `POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${PROMPT.length}\r\n\r\n${PROMPT}`,
  );
  return { received: () => received, leave: () => socket.destroy() };
}

async function http2Reader(session: ClientHttp2Session, leaves: 'stream' | 'connection'): Promise<Reader> {
  session.on('error', () => {});
  await once(session, 'connect');
  let received = '';
  const request = session.request({ ':method': 'POST', ':path': '/v1/completions' });
  request.on('response', fields => {
    received += `HTTP/2 ${fields[':status']} ${fields['content-type']}\n`;
  });
  request.on('data', (chunk: Buffer) => {
    received += chunk.toString();
  });
  request.on('error', () => {});
  request.end(PROMPT);
  return {
    received: () => received,
    leave: () => {
      if (leaves === 'stream') request.close(8);
      else session.destroy();
    },
  };
}

const trust = { ca: authority.cert, servername: 'first.test' };
const doors: Record<string, () => Promise<Reader>> = {
  'HTTP/1.1': async () => readerOf(connect(torc.port, '127.0.0.1')),
  HTTPS: async () => {
    const socket = connectTls({ ...trust, port: securePort, host: '127.0.0.1' });
    await once(socket, 'secureConnect');
    return readerOf(socket);
  },
  'HTTP/2': () => http2Reader(connectHttp2(`http://127.0.0.1:${torc.port}`), 'stream'),
  'HTTP/2, whose connection ends': () =>
    http2Reader(connectHttp2(`http://127.0.0.1:${torc.port}`), 'connection'),
  'HTTP/2 over TLS': () => http2Reader(connectHttp2(`https://127.0.0.1:${securePort}`, trust), 'stream'),
};

for (const [name, open] of Object.entries(doors)) {
  const begin = async (): Promise<Reader> => {
    const reader = await open();
    await waitFor(() => stream !== null, { ...BOUND, what: 'the request is with the replica' });
    return reader;
  };

  test(`${name}: the head at once, and each token before the next is written`, async () => {
    const reader = await begin();
    const sees = (text: string): Promise<void> =>
      waitFor(() => reader.received().includes(text), { ...BOUND, what: JSON.stringify(text) });
    stream!.write(HEAD);
    await sees('text/event-stream');
    for (let token = 0; token < 40; token++) {
      const event = `data: {"token":${token}}\n\n`;
      stream!.write(`${event.length.toString(16)}\r\n${event}\r\n`);
      await sees(event);
    }
    reader.leave();
    await waitFor(() => origin.sockets.size === 0, { ...BOUND, what: 'the end of the work' });
  });

  test(`${name}: a client that leaves between two tokens frees the replica`, async () => {
    const reader = await begin();
    stream!.write(`${HEAD}6\r\ndata:\n\r\n`);
    await waitFor(() => reader.received().includes('data:'), { ...BOUND, what: 'a token' });
    reader.leave();
    // Tokens go on: a connection that is closed is known by what is written to it.
    const tokens = setInterval(() => stream!.writable && stream!.write('1\r\n.\r\n'), 10);
    await waitFor(() => origin.sockets.size === 0, { ...BOUND, what: 'the end of the work' }).finally(() =>
      clearInterval(tokens),
    );
    assert.ok(stream!.destroyed);
  });

  test(`${name}: a client that leaves before the head frees the replica, too`, async () => {
    const reader = await begin();
    reader.leave();
    await waitFor(() => origin.sockets.size === 0, { ...BOUND, what: 'the end of the work' });
  });
}

test.run();
