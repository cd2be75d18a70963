// Extended CONNECT (RFC 8441): a stream of HTTP/2 that becomes a tunnel to a replica, which is asked for an upgrade of
// HTTP/1.1; refusals are plain answers.

import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ask2, http2Client } from '../support/http2.ts';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { waitFor } from '../support/wait.ts';

const tunnel = suite('http2 tunnel');
const accepted =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n';
let origin: Origin;
let torc: TestProxy;
let session: ClientHttp2Session;

tunnel.before.each(async () => {
  origin = await rawOrigin((_request, socket) => void socket.write(`${accepted}early`), { atHead: true });
  torc = await startProxy([origin.port], { TUNNEL_TIMEOUT_MS: '1500', CLIENT_IDLE_TIMEOUT_MS: '500' });
  session = await http2Client(torc.port);
  await new Promise(resolve => session.once('remoteSettings', resolve));
});
tunnel.after.each(async () => {
  session.destroy();
  await torc.close();
  await origin.close();
});

function connect(protocol = 'websocket'): ClientHttp2Stream {
  const stream = session.request(
    { ':method': 'CONNECT', ':protocol': protocol, ':path': '/chat', 'sec-websocket-version': '13' },
    { endStream: false },
  );
  stream.on('error', () => {});
  return stream;
}

function reading(stream: ClientHttp2Stream): () => string {
  let text = '';
  stream.setEncoding('latin1');
  stream.on('data', chunk => {
    text += chunk;
  });
  return () => text;
}

const has = (text: () => string, what: string): Promise<void> =>
  waitFor(() => text().includes(what), { timeoutMs: 10_000, what: `"${what}"` });
const replica = (): Socket => [...origin.sockets][0]!;

tunnel('bytes flow both ways, and a connection that carries a tunnel is not idle', async () => {
  const stream = connect();
  const answered = new Promise<Record<string, unknown>>(resolve => stream.once('response', resolve));
  const text = reading(stream);
  const headers = await answered;
  assert.is(headers[':status'], 200);
  assert.is(headers['sec-websocket-protocol'], 'chat');
  assert.is(headers['sec-websocket-accept'], undefined);
  await has(text, 'early');
  const { head } = origin.requests[0]!;
  assert.match(head, /^GET \/chat HTTP\/1\.1\r\n/);
  assert.match(head, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/);
  assert.match(head, /\r\nsec-websocket-key: [A-Za-z0-9+/]{22}==\r\n/);
  assert.match(head, /\r\nsec-websocket-version: 13\r\n/);
  const startedMs = performance.now();
  for (let round = 0; performance.now() - startedMs < 1200; round++) {
    stream.write(`to ${round};`);
    await waitFor(() => origin.bytes.includes(`to ${round};`), { timeoutMs: 10_000, what: 'a message' });
    replica().write(`back ${round};`);
    await has(text, `back ${round};`);
  }
  stream.end('last');
  await waitFor(() => origin.bytes.endsWith('last'), { timeoutMs: 10_000, what: 'the last message' });
  await waitFor(() => origin.sockets.size === 0, { timeoutMs: 10_000, what: 'the replica to hear the end' });
  await waitFor(() => stream.closed, { timeoutMs: 10_000, what: 'the stream to end' });
  assert.is(stream.rstCode, 0);
});

tunnel('a side that is cut cuts the other, and only its stream', async () => {
  const first = connect();
  await has(reading(first), 'early');
  replica().resetAndDestroy();
  await waitFor(() => first.closed, { timeoutMs: 10_000, what: 'the stream to end' });
  const second = connect();
  await has(reading(second), 'early');
  second.close(8);
  await waitFor(() => origin.sockets.size === 0, { timeoutMs: 10_000, what: 'the replica to be left' });
  origin.answer = plain('served');
  origin.atHead = false;
  assert.is((await ask2(session, {})).body, 'served');
});

tunnel('one that is silent on both sides for too long ends', async () => {
  const stream = connect();
  await has(reading(stream), 'early');
  await waitFor(() => stream.closed && origin.sockets.size === 0, {
    timeoutMs: 10_000,
    what: 'both sides to end',
  });
});

tunnel('a replica that refuses is heard; a protocol that is none is not asked for', async () => {
  origin.answer = plain('no', [], '403 Forbidden');
  const refused = connect();
  const status = new Promise(resolve => refused.once('response', headers => resolve(headers[':status'])));
  assert.is(await status, 403);
  await has(reading(refused), 'no');
  for (const protocol of ['h2c', 'a, b']) {
    const stream = connect(protocol);
    const code = await new Promise(resolve =>
      stream.once('response', headers => resolve(headers[':status'])),
    );
    assert.is(code, 400, protocol);
  }
  assert.is(origin.requests.length, 1);
});

tunnel.run();
