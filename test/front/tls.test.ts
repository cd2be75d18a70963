// The TLS stage: who gets which certificate, what is agreed on, what is refused, what a handshake may take in time and number,
// and what replicas hear of a client's certificate. By openssl's own client where it is about the protocol.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect as connectPlain, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { subjectText } from '../../src/front/client-certificate.ts';
import { ServerNames } from '../../src/front/server-names.ts';
import { Authority } from '../support/certificates.ts';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { ask, get, type RawClient, rawClient, securePorts } from '../support/raw.ts';
import { freePort } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const tls = suite('TLS');
const directory = mkdtempSync(join(tmpdir(), 'tls-'));
const authority = new Authority(directory);
const first = authority.issue(['DNS:first.test', 'IP:127.0.0.1']);
const second = authority.issue(['DNS:second.test', 'DNS:*.wild.test']);
let origin: Origin;
tls.before(async () => {
  origin = await rawOrigin(plain('hello'));
});
tls.after(async () => {
  await origin.close();
  rmSync(directory, { recursive: true, force: true });
});

interface Secure extends TestProxy {
  readonly securePort: number;
}

async function withTls(
  settings: Record<string, string>,
  body: (torc: Secure) => Promise<void>,
  clientCa: string | null = null,
): Promise<void> {
  const securePort = await freePort();
  const asked = clientCa === null ? {} : { TLS_CLIENT_CA: 'ca.pem' };
  const torc = await startProxy([origin.port], {
    HTTPS_PORT: String(securePort),
    TLS: 'self-signed',
    ...asked,
    ...settings,
  });
  torc.proxy.tls.useTicketKeys([new Uint8Array(48)]);
  torc.proxy.tls.use({
    certificates: [
      { ...first, names: ['first.test'] },
      { ...second, names: ['second.test', '*.wild.test'] },
    ],
    clientCa,
  });
  const at = { host: '127.0.0.1', port: securePort };
  await torc.proxy.listen(
    {
      ...at,
      mode: 0,
      setting: 'TORC_HTTPS_PORT',
      tls: true,
      redirect: null,
    },
    at,
  );
  securePorts.set(securePort, authority.cert);
  try {
    await body({ ...torc, securePort });
  } finally {
    securePorts.delete(securePort);
    await torc.close();
  }
}

/** Resolves when the handshake is done, rejects when it is not to be. */
async function shake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    ca: authority.cert,
    checkServerIdentity: () => undefined,
    ...options,
  });
  await once(socket, 'secureConnect');
  return socket;
}

/** What openssl's client says, given `input` line by line. */
async function sClient(
  port: number,
  args: readonly string[],
  input: readonly string[] = [],
): Promise<string> {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args], { stdio: 'pipe' });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  child.stdin.on('error', () => {});
  const closed = once(child, 'close');
  const until = (text: RegExp): Promise<void> =>
    waitFor(() => text.test(said) || child.exitCode !== null, {
      timeoutMs: 20_000,
      what: `${text} of openssl`,
    });
  await until(/---\n(?:.*\n)*?.*(?:Verify return code|Verification)/);
  for (const line of input) child.stdin.write(line);
  if (input.length > 0) await until(/^closed|HTTP\/1|^[0-9A-F]{8,}:error:/m);
  child.stdin.end();
  await closed;
  return said;
}

tls(
  'names: exactly, else a wildcard for one label, the first certificate that has it, whatever the case',
  () => {
    const names = new ServerNames<number>();
    names.add(['a.test', '*.b.test'], 1);
    names.add(['x.b.test', 'A.test', '*.B.test', '*.test'], 2);
    for (const [asked, found] of [
      ['a.test', 1],
      ['A.TEST', 1],
      ['x.b.test', 2],
      ['y.b.test', 1],
      ['y.x.b.test', null],
      ['b.test', 2],
      ['.b.test', null],
      ['', null],
      ['test', null],
      ['*.b.test', 1],
    ] as const)
      assert.is(names.find(asked), found, asked);
  },
);

tls('the certificate is chosen by the name asked for; the first is for everybody else', async () => {
  await withTls({}, async torc => {
    for (const [servername, title] of [
      ['first.test', 'server 1'],
      ['second.test', 'server 2'],
      ['a.wild.test', 'server 2'],
      ['a.b.wild.test', 'server 1'],
      ['other.test', 'server 1'],
      ['', 'server 1'],
    ] as const) {
      const socket = await shake(torc.securePort, { servername });
      assert.is(socket.getPeerX509Certificate()?.subject, `CN=${title}`, servername);
      socket.destroy();
    }
  });
});

tls('a PROXY header comes before the handshake, also in one segment with its first bytes', () =>
  withTls({ PROXY_PROTOCOL: '127.0.0.1' }, async torc => {
    for (const isOneSegment of [false, true]) {
      const plainSocket = connectPlain(torc.securePort, '127.0.0.1');
      await once(plainSocket, 'connect');
      if (isOneSegment) plainSocket.cork();
      plainSocket.write('PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\n');
      const socket = connect({
        socket: plainSocket,
        ca: authority.cert,
        checkServerIdentity: () => undefined,
      });
      if (isOneSegment) setImmediate(() => plainSocket.uncork());
      await once(socket, 'secureConnect');
      socket.write(get('/told'));
      let received = '';
      socket.on('data', chunk => {
        received += chunk;
      });
      await waitFor(() => received.includes('hello'), { timeoutMs: 20_000, what: 'the answer' });
      socket.destroy();
      const { head } = origin.requests.findLast(({ target }) => target === '/told')!;
      assert.match(head, 'X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n');
    }
    // Without one there is no handshake.
    assert.ok((await shake(torc.securePort).catch(() => true)) === true);
  }),
);

tls('other certificates hold for the next handshake; who is there stays', async () => {
  await withTls({}, async torc => {
    const client = await rawClient(torc.securePort);
    client.send(get('/'));
    assert.is((await client.answer()).status, 200);
    torc.proxy.tls.use({ certificates: [{ ...second, names: [] }], clientCa: null });
    const socket = await shake(torc.securePort);
    assert.is(socket.getPeerX509Certificate()?.subject, 'CN=server 2');
    socket.destroy();
    client.send(get('/'));
    assert.is((await client.answer()).status, 200);
    client.close();
  });
});

tls('TLS 1.2 and 1.3 with the suites of the profile; nothing older, nothing weaker', async () => {
  await withTls({}, async torc => {
    const ask = (...args: string[]): Promise<string> => sClient(torc.securePort, args);
    assert.match(await ask('-tls1_3'), /New, TLSv1\.3, Cipher is TLS_/);
    assert.match(await ask('-tls1_2'), /New, TLSv1\.2, Cipher is ECDHE-ECDSA-/);
    for (const suite of [
      'ECDHE-ECDSA-AES128-GCM-SHA256',
      'ECDHE-ECDSA-AES256-GCM-SHA384',
      'ECDHE-ECDSA-CHACHA20-POLY1305',
    ])
      assert.match(await ask('-tls1_2', '-cipher', suite), `Cipher is ${suite}`);
    for (const suite of ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'])
      assert.match(await ask('-tls1_3', '-ciphersuites', suite), `Cipher is ${suite}`);
    for (const old of ['-tls1', '-tls1_1'])
      assert.match(await ask(old, '-cipher', 'ALL:@SECLEVEL=0'), /Cipher is \(NONE\)/, old);
    for (const weak of ['ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA384', 'ECDHE-ECDSA-AES128-CCM'])
      assert.match(await ask('-tls1_2', '-cipher', `${weak}:@SECLEVEL=0`), /Cipher is \(NONE\)/, weak);
    for (const curve of ['X25519', 'P-256', 'P-384'])
      assert.match(await ask('-curves', curve), /Cipher is TLS_/);
    assert.match(await ask('-curves', 'P-521'), /Cipher is \(NONE\)/);
  });
});

tls('a client may not renegotiate, and sends no early data', async () => {
  await withTls({}, async torc => {
    const said = await sClient(torc.securePort, ['-tls1_2'], ['R\n']);
    assert.match(said, /RENEGOTIATING/);
    assert.match(said, /:no renegotiation:/);
    assert.match(await sClient(torc.securePort, ['-tls1_3']), /Max Early Data: 0|Early data was not sent/);
  });
});

tls(
  'ALPN: what both speak, the best first; where there is nothing in common the handshake fails',
  async () => {
    await withTls({}, async torc => {
      for (const [offered, agreed] of [
        [['http/1.1'], 'http/1.1'],
        [['http/1.1', 'h2'], 'h2'],
        [['spdy/3', 'http/1.0'], 'http/1.0'],
        [[], false],
      ] as const) {
        const socket = await shake(torc.securePort, { ALPNProtocols: [...offered] });
        assert.is(socket.alpnProtocol, agreed);
        socket.destroy();
      }
      const failed = await shake(torc.securePort, { ALPNProtocols: ['spdy/3'] }).catch(({ code }) => code);
      assert.match(String(failed), /NO_APPLICATION_PROTOCOL/);
    });
  },
);

tls('TORC_HTTP2=off: h2 is not offered', async () => {
  await withTls({ HTTP2: 'off' }, async torc => {
    const socket = await shake(torc.securePort, { ALPNProtocols: ['h2', 'http/1.1'] });
    assert.is(socket.alpnProtocol, 'http/1.1');
    socket.destroy();
  });
});

const client = authority.issue([], 1, { subject: '/C=DE/O=Übung, AG/CN=client "1"' });
const stranger = new Authority(join(directory, 'other')).issue([], 1, { subject: '/CN=stranger' });
const fingerprint = /X-Forwarded-Tls-Client-Fingerprint: [0-9a-f]{64}\r\n/g;
const FORGED = [
  'X-Forwarded-Tls-Client-Subject: CN=admin',
  'x-forwarded-tls-client-fingerprint: 00',
  'X_Forwarded_Tls_Client_Subject: CN=admin',
];

async function askWith(port: number, pair: { cert: string; key: string } | null): Promise<string> {
  origin.bytes = '';
  const socket = await shake(port, { cert: pair?.cert, key: pair?.key });
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString();
  });
  // In TLS 1.3 a client is done before its certificate is judged.
  const ended = once(socket, 'close').catch(() => {});
  socket.write(get('/', [...FORGED, 'Connection: close']));
  await ended;
  return received.slice(9, 12);
}

tls('client certificates, required: who has none by the authority is not served', async () => {
  await withTls(
    {},
    async torc => {
      assert.is(await askWith(torc.securePort, client), '200');
      assert.match(
        origin.bytes,
        'X-Forwarded-Tls-Client-Subject: CN=client \\"1\\",O=\\C3\\9Cbung\\, AG,C=DE\r\n',
      );
      assert.is(origin.bytes.match(fingerprint)?.length, 1);
      assert.is(origin.bytes.match(/tls-client/gi)?.length, 2, 'and none that the client made up');
      for (const other of [null, stranger]) {
        assert.is(await askWith(torc.securePort, other), '');
        assert.is(origin.bytes, '');
      }
      await waitFor(() => torc.counters.handshakes.failed === 2, {
        timeoutMs: 10_000,
        what: 'both to be counted',
      });
      assert.is(torc.counters.handshakes.full, 1);
    },
    authority.cert,
  );
});

tls('the log says what is wrong with a client certificate, asked for or required', async () => {
  for (const mode of ['ask', 'require'])
    await withTls(
      { TLS_CLIENT: mode },
      async torc => {
        assert.is(await askWith(torc.securePort, stranger), '');
        const isTold = (): boolean =>
          torc.lines.some(({ message }) => /the client's certificate: [A-Z_]+$/.test(message));
        await waitFor(isTold, { timeoutMs: 10_000, what: `the line, ${mode}` });
      },
      authority.cert,
    );
});

tls('client certificates, asked for: none is no fault, one by somebody else is', async () => {
  await withTls(
    { TLS_CLIENT: 'ask' },
    async torc => {
      assert.is(await askWith(torc.securePort, null), '200');
      assert.not.match(origin.bytes, /tls-client/i);
      assert.is(await askWith(torc.securePort, client), '200');
      assert.match(origin.bytes, fingerprint);
      assert.is(await askWith(torc.securePort, stranger), '');
      assert.is(origin.bytes, '');
    },
    authority.cert,
  );
});

tls(
  'no word of a client certificate goes through where none is asked for, also not of a trusted peer',
  async () => {
    for (const settings of [{}, { TRUSTED_PROXIES: '127.0.0.1' }])
      await withTls(settings, async torc => {
        origin.bytes = '';
        assert.is((await ask(torc.port, get('/', FORGED.slice(0, 2)))).status, 200);
        assert.is((await ask(torc.securePort, get('/', FORGED))).status, 200);
        if (!('TRUSTED_PROXIES' in settings)) assert.not.match(origin.bytes, /tls-client/i);
      });
  },
);

tls('a subject is one line of visible ASCII', () => {
  assert.is(subjectText('C=DE\nO=a\\,b\nCN=é\r\x01'), 'CN=\\C3\\A9\\0D\\01,O=a\\,b,C=DE');
  assert.is(subjectText(undefined), '');
});

const told = ({ lines }: TestProxy): number =>
  lines.reduce((sum, { fields }) => sum + ((fields.failed as number | undefined) ?? 0), 0);

tls('handshakes are bounded in time: silent, slow, broken', async () => {
  await withTls({ HEADER_TIMEOUT_MS: '700' }, async torc => {
    const silent = connectPlain(torc.securePort, '127.0.0.1');
    const slow = connectPlain(torc.securePort, '127.0.0.1');
    const hello = Buffer.from('1603010200010001fc0303', 'hex');
    let sent = 0;
    const drip = setInterval(() => slow.write(hello.subarray(sent, ++sent)), 100);
    const broken = connectPlain(torc.securePort, '127.0.0.1');
    broken.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    for (const socket of [silent, slow, broken]) {
      socket.on('error', () => {});
      socket.resume();
    }
    await Promise.all([silent, slow, broken].map(socket => once(socket, 'close')));
    clearInterval(drip);
    await waitFor(() => torc.counters.handshakes.failed === 3, {
      timeoutMs: 10_000,
      what: 'three to be counted',
    });
    await waitFor(() => told(torc) > 0, { timeoutMs: 10_000, what: 'it to be told' });
    assert.is((await ask(torc.securePort, get('/'))).status, 200);
    await torc.close();
    assert.is(told(torc), 3);
    assert.ok(
      torc.lines.filter(({ message }) => /TLS handshakes that failed/.test(message)).length <= 2,
      'not for each',
    );
  });
});

tls('handshakes are bounded in number: of too many the oldest goes, and the others are served', async () => {
  await withTls({ MAX_HANDSHAKES: '3' }, async torc => {
    const silent = [];
    for (let index = 0; index < 5; index++) {
      const socket = connectPlain(torc.securePort, '127.0.0.1');
      await once(socket, 'connect');
      socket.on('error', () => {});
      silent.push({ socket, closed: once(socket.resume(), 'close') });
    }
    await Promise.all(silent.slice(0, 2).map(({ closed }) => closed));
    assert.is((await ask(torc.securePort, get('/'))).status, 200);
    assert.is(torc.counters.refused.handshakes, 3);
    for (const { socket } of silent) socket.destroy();
    await Promise.all(silent.map(({ closed }) => closed));
  });
});

tls(
  'who is in its handshake has a place among the connections of its client, and gives it back',
  async () => {
    await withTls({ MAX_CONNECTIONS_PER_CLIENT: '1' }, async torc => {
      const silent = connectPlain(torc.securePort, '127.0.0.1');
      await once(silent, 'connect');
      const served = (): Promise<number> =>
        ask(torc.securePort, get('/')).then(
          ({ status }) => status,
          () => 0,
        );
      assert.is(await served(), 0);
      silent.destroy();
      await waitFor(async () => (await served()) === 200, {
        timeoutMs: 10_000,
        what: 'the place to be free',
      });
      // A change of lanes takes all listeners from the socket: the place has to be given back nevertheless.
      for (let index = 0; index < 5; index++) {
        let client: RawClient | null = null;
        const enters = async (): Promise<boolean> => {
          client = await rawClient(torc.securePort).catch(() => null);
          return client !== null;
        };
        await waitFor(enters, { timeoutMs: 10_000, what: 'the place to be free again' });
        await throughBothLanes(client!);
      }
    });
  },
);

async function throughBothLanes(client: RawClient): Promise<void> {
  client.send('FROB / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.is((await client.answer()).status, 200);
  client.send(get('/'));
  assert.is((await client.answer()).status, 200);
  client.close();
}

/** A client's first flight, with a ticket in it. */
async function helloOf(port: number): Promise<Buffer> {
  const whole = await shake(port, { maxVersion: 'TLSv1.2' });
  const session = whole.getSession();
  whole.destroy();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const own = (server.address() as AddressInfo).port;
  const client = connect({ port: own, host: '127.0.0.1', maxVersion: 'TLSv1.2', session });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  server.close();
  return bytes;
}

tls('a first flight that is cut anywhere, or has other bytes in it, harms nobody', async () => {
  await withTls({ MAX_HANDSHAKES: '100' }, async torc => {
    const hello = await helloOf(torc.securePort);
    let seed = 11;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
      return (seed >>> 8) % below;
    };
    const flights: Buffer[] = [];
    for (let end = 0; end < hello.length; end += 3) flights.push(hello.subarray(0, end));
    for (let round = 0; round < 400; round++) {
      const flight = Buffer.from(hello);
      for (let changes = 1 + random(4); changes > 0; changes--) flight[random(flight.length)] = random(256);
      flights.push(flight);
    }
    for (const flight of flights) {
      const socket = connectPlain(torc.securePort, '127.0.0.1');
      socket.on('error', () => {});
      const closed = once(socket.resume(), 'close');
      socket.end(flight);
      await closed;
    }
    assert.is((await ask(torc.securePort, get('/'))).status, 200);
    // All of them have left: nothing is to be waited for.
    const startedMs = performance.now();
    await torc.proxy.drain(20_000);
    assert.ok(performance.now() - startedMs < 10_000);
  });
});

tls('a PROXY header comes before the handshake, in one packet with it or not', async () => {
  await withTls({ PROXY_PROTOCOL: '127.0.0.1' }, async torc => {
    for (const isOne of [true, false]) {
      origin.bytes = '';
      const wire = connectPlain(torc.securePort, '127.0.0.1');
      await once(wire, 'connect');
      const header = 'PROXY TCP4 192.0.2.7 192.0.2.8 1111 443\r\n';
      if (isOne) wire.cork();
      wire.write(isOne ? header : header.slice(0, 9));
      if (!isOne) await new Promise(resolve => setImmediate(resolve));
      if (!isOne) wire.write(header.slice(9));
      const socket = connect({ socket: wire, ca: authority.cert, checkServerIdentity: () => undefined });
      if (isOne) setImmediate(() => wire.uncork());
      await once(socket, 'secureConnect');
      const ended = once(socket.resume(), 'close');
      socket.write(get('/', ['Connection: close']));
      await ended;
      assert.match(origin.bytes, 'X-Forwarded-For: 192.0.2.7\r\n');
      assert.match(origin.bytes, 'X-Forwarded-Proto: https\r\n');
    }
  });
});

tls('a drain ends those that are in their handshake', async () => {
  await withTls({}, async torc => {
    const silent = connectPlain(torc.securePort, '127.0.0.1');
    await once(silent, 'connect');
    silent.resume();
    const closed = once(silent, 'close');
    await torc.proxy.drain(10_000);
    await closed;
  });
});

tls('a session resumes by a ticket, under each of the keys that there are, and under no other', async () => {
  await withTls({}, async torc => {
    const key = (fill: number): Uint8Array => new Uint8Array(48).fill(fill);
    const isResumed = async (version: string, ticket: string): Promise<boolean> =>
      /^Reused/m.test(await sClient(torc.securePort, [version, '-sess_in', ticket]));
    for (const version of ['-tls1_2', '-tls1_3']) {
      torc.proxy.tls.useTicketKeys([key(1)]);
      const ticket = join(directory, `ticket${version}`);
      // A ticket of TLS 1.3 comes behind the handshake: an answer shows that it is there.
      await sClient(torc.securePort, [version, '-sess_out', ticket], [get('/', ['Connection: close'])]);
      assert.ok(await isResumed(version, ticket), `${version}: the same key`);
      torc.proxy.tls.useTicketKeys([key(3), key(2), key(1)]);
      assert.ok(await isResumed(version, ticket), `${version}: two rotations later`);
      torc.proxy.tls.useTicketKeys([key(4), key(3), key(2)]);
      assert.not(await isResumed(version, ticket), `${version}: three rotations later`);
    }
  });
});

tls('a session that was made without a certificate is none where one is required', async () => {
  const ticket = join(directory, 'ticket-ask');
  const close = get('/', ['Connection: close']);
  for (const version of ['-tls1_2', '-tls1_3']) {
    const ask = async (torc: Secure): Promise<void> => {
      const said = await sClient(torc.securePort, [version, '-sess_out', ticket], [close]);
      assert.match(said, /HTTP\/1\.1 200/);
    };
    await withTls({ TLS_CLIENT: 'ask' }, ask, authority.cert);
    const require = async (torc: Secure): Promise<void> => {
      const said = await sClient(torc.securePort, [version, '-sess_in', ticket], [close]);
      assert.not.match(said, /HTTP\/1\.1 200/);
    };
    await withTls({}, require, authority.cert);
  }
});

tls.run();
