// Replicas behind TLS and unix sockets: who is believed, what is said of who is not, sessions, and heartbeats over the same
// way. Servers, certificates and sockets are real. That all else is as over TCP is shown by the tests of exchange/, run with
// TORC_TEST_REPLICA=tls or unix (support/way.ts).

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { createServer as createPlainServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseUpstream, upstreamList } from '../../src/config/upstreams.ts';
import type { ProbeResult, Question } from '../../src/control/driver.ts';
import { authoritiesFault, verifying } from '../../src/core/trust.ts';
import type { ReplicaAddress } from '../../src/core/types.ts';
import { probe } from '../../src/drivers/probe.ts';
import { Authority } from '../support/certificates.ts';
import { snapshotOf, startProxy, type TestProxy } from '../support/proxy.ts';
import { ask, get } from '../support/raw.ts';

const test = suite('ways to replicas');

const directory = mkdtempSync(join(tmpdir(), 'torc-ways-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const authority = new Authority(join(directory, 'own'));
const stranger = new Authority(join(directory, 'stranger'));
const own = authority.issue(['IP:127.0.0.1', 'DNS:app.test']);

interface Replica {
  readonly port: number;
  readonly heads: string[];
  /** "new" or "resumed", and the protocol, of each connection. */
  readonly handshakes: string[];
  server: Server;
}

/** Answers each request with its Host, and closes. */
async function replica(options: TlsOptions = own): Promise<Replica> {
  const server = createServer({ ALPNProtocols: ['http/1.1'], ...options });
  const made: Replica = { port: 0, heads: [], handshakes: [], server };
  server.on('tlsClientError', () => {});
  server.on('secureConnection', socket => {
    const how = socket.isSessionReused() ? 'resumed' : 'new';
    made.handshakes.push(`${how} ${socket.alpnProtocol} ${socket.servername}`);
    socket.on('error', () => {});
    socket.on('data', chunk => {
      made.heads.push(chunk.toString('latin1'));
      socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello');
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(made, { port: (server.address() as { port: number }).port });
}

/** A proxy whose slots are at these addresses. */
const proxyTo = (...addresses: readonly ReplicaAddress[]): Promise<TestProxy> => proxyBy({}, ...addresses);

async function proxyBy(
  settings: Record<string, string>,
  ...addresses: readonly ReplicaAddress[]
): Promise<TestProxy> {
  const torc = await startProxy([], settings);
  const snapshot = snapshotOf(
    2,
    addresses.map(({ port }) => port),
  );
  const upstreams = snapshot.upstreams.map((spec, index) => {
    const { host, port, state, ...rest } = spec;
    return { ...rest, state, ...addresses[index]! };
  });
  torc.snapshots.apply({ ...snapshot, upstreams });
  return torc;
}

const trusting = (port: number, serverName = ''): ReplicaAddress => ({
  host: '127.0.0.1',
  port,
  tls: { serverName, ca: authority.path },
});

async function answerOf(address: ReplicaAddress, method = 'GET') {
  const torc = await proxyTo(address);
  const { status } = await ask(
    torc.port,
    `${method} /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n`,
  );
  await torc.close();
  const fault = torc.lines.find(({ level }) => level === 'warn')?.fields;
  return { status, code: fault?.code, detail: `${fault?.detail}`, hint: torc.hints[0]?.cause };
}

const question = (mode: Question['mode'] = 'http', host: string | null = null): Question => ({
  mode,
  method: 'GET',
  path: '/heartbeat',
  host,
  port: null,
  statuses: [{ from: 200, to: 399 }],
});

const beat = (address: ReplicaAddress, asked = question()): Promise<ProbeResult> =>
  probe(
    { id: 'a', slot: '1', generation: 1, spare: false, status: 'running', label: 'a', ...address },
    asked,
    10_000,
  );

test('a certificate that fits is believed, and the next connection resumes the session', async () => {
  const server = await replica();
  const torc = await proxyTo(trusting(server.port, 'app.test'));
  for (let index = 0; index < 3; index++) {
    const answer = await ask(torc.port, get('/x'));
    assert.is(answer.status, 200);
    assert.is(answer.body, 'hello');
  }
  assert.equal(
    server.handshakes,
    ['new', 'resumed', 'resumed'].map(how => `${how} http/1.1 app.test`),
  );
  assert.match(server.heads[0]!, /^GET \/x HTTP\/1\.1\r\n/);
  await torc.close();
  server.server.close();
});

const BAD: readonly (readonly [
  what: string,
  options: () => TlsOptions,
  address: (port: number) => ReplicaAddress,
  said: RegExp,
])[] = [
  [
    'a name that is not its own',
    () => own,
    port => trusting(port, 'other.test'),
    /for others \(.*app\.test.*;sni=NAME/,
  ],
  [
    'an address that is not its own',
    () => authority.issue(['DNS:app.test']),
    port => trusting(port),
    /for others \(.*127\.0\.0\.1.*;sni=NAME/,
  ],
  [
    'an expired certificate',
    () => authority.issue(['IP:127.0.0.1'], -1),
    port => trusting(port),
    /has expired: renew it/,
  ],
  [
    'an unknown authority',
    () => stranger.issue(['IP:127.0.0.1']),
    port => trusting(port),
    /unknown authority.*;ca=FILE/,
  ],
  [
    "the system's authorities",
    () => own,
    port => ({ ...trusting(port), tls: { serverName: '', ca: null } }),
    /unknown authority.*;ca=FILE/,
  ],
  [
    'TLS 1.1 alone',
    () => ({ ...own, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    port => trusting(port),
    /no TLS from 1\.2 on/,
  ],
];

for (const [what, options, address, said] of BAD)
  test(`${what}: 502 with what to do, a hint to health, and heartbeats say the same`, async () => {
    const server = await replica(options());
    const there = address(server.port);
    const { status, code, detail, hint } = await answerOf(there);
    assert.equal([status, code, hint], [502, 'TLS_FAILED', 'refused']);
    assert.match(detail, said);
    assert.equal(server.heads, []);
    for (const mode of ['http', 'tcp'] as const) {
      const { alive, detail, got } = await beat(there, question(mode));
      assert.equal([alive, got], [false, 'answer'], mode);
      assert.match(detail, said, mode);
    }
    server.server.close();
  });

test('who speaks no TLS there is told as such; nobody there is refused as ever', async () => {
  const server = createHttpServer((_request, response) => response.end());
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const there = trusting((server.address() as { port: number }).port);
  const { status, code, detail } = await answerOf(there);
  assert.equal([status, code], [502, 'TLS_FAILED']);
  assert.match(detail, /does not speak TLS on this port/);
  assert.match((await beat(there)).detail, /does not speak TLS on this port/);
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
  assert.is((await answerOf(there)).code, 'REFUSED');
  assert.equal((await beat(there)).got, 'refused');
});

test('who closes within the handshake is told as such', async () => {
  const server = createPlainServer(socket => socket.destroy());
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const there = trusting((server.address() as { port: number }).port);
  const { code, detail } = await answerOf(there);
  assert.is(code, 'TLS_FAILED');
  assert.match(detail, /within the TLS handshake/);
  assert.is((await beat(there)).got, 'nothing');
  server.close();
});

test('a POST that met a certificate of a stranger goes to the next choice: nothing was sent', async () => {
  const [bad, good] = [await replica(stranger.issue(['IP:127.0.0.1'])), await replica()];
  const torc = await proxyTo(trusting(bad.port), trusting(good.port));
  const answer = await ask(torc.port, 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
  assert.is(answer.status, 200);
  assert.equal([bad.heads.length, good.heads.length], [0, 1]);
  await torc.close();
  bad.server.close();
  good.server.close();
});

test('NODE_TLS_REJECT_UNAUTHORIZED=0 changes nothing', async () => {
  const server = await replica(stranger.issue(['IP:127.0.0.1']));
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  try {
    assert.is((await answerOf(trusting(server.port))).status, 502);
    assert.is((await beat(trusting(server.port))).alive, false);
  } finally {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  }
  server.server.close();
});

test('an authority that is replaced in its file is believed from then on; a file that is gone changes nothing', async () => {
  const path = join(directory, 'changing.pem');
  const server = await replica();
  const isBelieved = (nowMs: number): Promise<boolean> =>
    new Promise(resolve => {
      const way = { host: '127.0.0.1', port: server.port };
      const socket: TLSSocket = connect({ ...way, ...verifying({ serverName: '', ca: path }, nowMs) });
      const done = (is: boolean): void => {
        socket.destroy();
        resolve(is);
      };
      socket.on('secureConnect', () => done(true));
      socket.on('error', () => done(false));
    });
  assert.match(authoritiesFault(path)!, /no such file/);
  assert.is(await isBelieved(0), false);
  writeFileSync(path, readFileSync(stranger.path));
  assert.is(authoritiesFault(path), null);
  assert.is(await isBelieved(10_000), false);
  writeFileSync(path, readFileSync(authority.path));
  assert.is(await isBelieved(19_999), false);
  assert.is(await isBelieved(20_000), true);
  rmSync(path);
  assert.is(await isBelieved(60_000), true);
  writeFileSync(path, 'nothing');
  assert.match(authoritiesFault(path)!, /no certificate/);
  assert.is(await isBelieved(90_000), true);
  server.server.close();
});

test('heartbeats ask by the name of the certificate', async () => {
  const server = await replica();
  assert.equal((await beat(trusting(server.port, 'app.test'))).alive, true);
  assert.match(server.heads[0]!, new RegExp(`\\r\\nHost: app\\.test:${server.port}\\r\\n`, 'i'));
  // Another Host is no other certificate.
  assert.equal((await beat(trusting(server.port), question('http', 'web.test'))).alive, true);
  assert.match(server.heads[1]!, /\r\nHost: web\.test\r\n/i);
  assert.equal((await beat(trusting(server.port), question('tcp'))).alive, true);
  server.server.close();
});

test('a unix socket: the Host that came goes on, heartbeats reach it, and one that is not there is refused', async () => {
  const host = join(directory, 'app.sock');
  const address = { host, port: 0 };
  const hosts: string[] = [];
  const server = createHttpServer((request, response) => {
    hosts.push(`${request.url} ${request.headers.host}`);
    response.end('over a socket');
  });
  await new Promise<void>(resolve => server.listen(host, resolve));
  const torc = await proxyTo(address);
  assert.is((await ask(torc.port, 'GET /x HTTP/1.1\r\nHost: shop.test\r\n\r\n')).body, 'over a socket');
  await torc.close();
  assert.equal((await beat(address)).alive, true);
  assert.equal((await beat(address, question('tcp'))).alive, true);
  assert.equal(hosts, ['/x shop.test', '/heartbeat localhost']);
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
  const { status, code, hint } = await answerOf(address);
  assert.equal([status, code, hint], [502, 'REFUSED', 'refused']);
  const { got, detail } = await beat(address);
  assert.equal([got, detail], ['refused', 'there is no such socket']);
});

test('upstreams are written as URLs and paths', () => {
  const plain = { kind: 'host', host: 'app.test' } as const;
  const tls = (serverName: string, ca: string | null = null) => ({ tls: { serverName, ca } });
  const well: Record<string, object> = {
    'http://App.test': { ...plain, port: 80, name: 'app.test:80' },
    'HTTP://app.test:81/': { ...plain, port: 81, name: 'app.test:81' },
    'https://app.test': { ...plain, port: 443, name: 'app.test:443', ...tls('app.test') },
    'https://app.test.:8443;name=a': {
      ...plain,
      host: 'app.test.',
      port: 8443,
      name: 'a',
      ...tls('app.test'),
    },
    'https://[::1]:8443 ;sni=in.test; ca=/a b.pem': {
      ...{ kind: 'host', host: '::1', port: 8443, name: '[::1]:8443' },
      ...tls('in.test', '/a b.pem'),
    },
    'https://10.0.0.1': { kind: 'host', host: '10.0.0.1', port: 443, name: '10.0.0.1:443', ...tls('') },
    'unix:/run/app 1.sock': { kind: 'host', host: '/run/app 1.sock', port: 0, name: 'unix:run:app_1.sock' },
    'unix:/a;name=b': { kind: 'host', host: '/a', port: 0, name: 'b' },
    'http:80': { ...plain, host: 'http', port: 80, name: 'http:80' },
  };
  for (const [text, parsed] of Object.entries(well)) assert.equal(parseUpstream(text), parsed, text);
  const wrong: Record<string, RegExp> = {
    'https://app.test/v1': /has a path/,
    'https://me:secret@app.test': /has a user/,
    'https://': /has no host/,
    'https://app.test:0': /port "0"/,
    'https://app.test;verify=no': /only ;name=, ;weight=, ;id=, and with https:\/\/ ;ca= and ;sni=/,
    'https://app.test;sni=10.0.0.1': /sni "10\.0\.0\.1", which is not a host name/,
    'https://app.test;sni=a;sni=b': /two ;sni=/,
    'https://app.test;ca=': /ca "", which is not a path/,
    'app.test:80;ca=/x': /read with https:\/\/ alone/,
    'dns:web:443;sni=x': /read with https:\/\/ alone/,
    'ftp://app.test': /another scheme/,
    'unix:run/app.sock': /begins with "\/"/,
    'unix:/run/': /no path of a socket/,
    [`unix:/${'x'.repeat(107)}`]: /more than 107 bytes/,
  };
  for (const [text, said] of Object.entries(wrong)) assert.match(`${parseUpstream(text)}`, said, text);
  const twice = upstreamList.schema.safeParse('unix:/a/b,unix:/a:b,https://x,x:443');
  assert.match(`${twice.error}`, /two upstreams of the name unix:a:b: give one of them another/);
  assert.match(`${twice.error}`, /names x:443 twice/);
});

test('HTTP/2 is agreed on by ALPN; who chooses another protocol is not asked, and the log says so', async () => {
  const server = createSecureServer({ ...own, allowHTTP1: false });
  const seen: unknown[] = [];
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    seen.push(headers[':scheme'], (stream.session!.socket as TLSSocket).alpnProtocol);
    stream.respond({ ':status': 200, 'content-length': 5 });
    stream.end('hello');
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = trusting((server.address() as { port: number }).port, 'app.test');
  const h2c = { REPLICA_PROTOCOL: 'h2c', UPSTREAMS: '127.0.0.1:1' };
  const torc = await proxyBy(h2c, address);
  assert.is((await ask(torc.port, get('/x'))).body, 'hello');
  await torc.close();
  const { alive, detail } = await beat(address, question('http2'));
  assert.ok(alive, detail);
  assert.equal(seen, ['https', 'h2', 'https', 'h2']);
  server.close();

  const other = await replica();
  const refused = await proxyBy({ ...h2c, RETRIES: '0' }, trusting(other.port, 'app.test'));
  assert.is((await ask(refused.port, get('/x'))).status, 502);
  assert.match(JSON.stringify(refused.lines), /\(ALPN\): TORC_REPLICA_PROTOCOL=http1/);
  await refused.close();
  other.server.close();
});

test.run();
