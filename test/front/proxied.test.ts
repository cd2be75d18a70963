// Connections of a proxy of TCP (TORC_PROXY_PROTOCOL): the address that it tells is the client's everywhere, what is wrong is
// closed without a word and in time, and nobody else may tell one. Also what curl, HAProxy and nginx really send, where they
// are installed.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { plain, rawOrigin } from '../support/origin.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { binary, checked, LOCAL, line, PROXY, tcp4, tcp6, tlv } from '../support/proxy-header.ts';
import { ask, get, rawClient } from '../support/raw.ts';
import { freePort } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const proxied = suite('proxied');
const WHAT = { timeoutMs: 20_000 };
const SETTINGS = { PROXY_PROTOCOL: '127.0.0.1', ACCESS_LOG: 'true' };

async function withProxy(
  settings: Record<string, string>,
  run: (torc: TestProxy, origin: Awaited<ReturnType<typeof rawOrigin>>) => Promise<void>,
): Promise<void> {
  const origin = await rawOrigin(plain('hello'));
  const torc = await startProxy([origin.port], settings);
  try {
    await run(torc, origin);
  } finally {
    await torc.close();
    await origin.close();
  }
}

const text = (bytes: Buffer): string => bytes.toString('latin1');
const told = (heads: string): string[] =>
  [...heads.matchAll(/X-Forwarded-For: ([^\r]*)\r\n/g)].map(match => match[1]!);

for (const [name, header, expected] of [
  ['v1', line('TCP4 203.0.113.7 192.0.2.1 56324 443'), '203.0.113.7'],
  ['v2', checked(PROXY, 0x21, tcp6('2001:db8:0:0:0:0:0:7'), [tlv(2, 'torc.test')]), '2001:db8::7'],
  ['LOCAL: the proxy itself', binary(LOCAL, 0, Buffer.alloc(0)), '127.0.0.1'],
] as const) {
  proxied(`${name}: who is told is the client, of every request of the connection, and in the log`, () =>
    withProxy(SETTINGS, async (torc, origin) => {
      const client = await rawClient(torc.port);
      client.send(text(header) + get('/a'));
      assert.is((await client.answer()).body, 'hello');
      // Not for the raw lane, and back into it.
      client.send(get('/b', ['TE: trailers']));
      assert.is((await client.answer()).body, 'hello');
      client.send(get('/c'));
      assert.is((await client.answer()).body, 'hello');
      client.close();
      assert.equal(told(origin.bytes), [expected, expected, expected]);
      await waitFor(() => torc.lines.filter(({ message }) => message === 'request').length === 3, {
        timeoutMs: 20_000,
        what: 'three lines',
      });
      for (const { fields, message } of torc.lines) if (message === 'request') assert.is(fields.ip, expected);
    }),
  );
}

proxied('cut at every byte: the header, and what follows it', () =>
  withProxy(SETTINGS, async (torc, origin) => {
    for (const header of [line('TCP4 203.0.113.7 192.0.2.1 1 2'), binary(PROXY, 0x11, tcp4('203.0.113.7'))]) {
      const bytes = text(header) + get('/a');
      for (let at = 1; at < header.length + 4; at++) {
        const client = await rawClient(torc.port);
        client.send(bytes.slice(0, at));
        // Two writes of one turn would be one segment.
        await new Promise(resolve => setImmediate(resolve));
        client.send(bytes.slice(at));
        assert.is((await client.answer()).status, 200, `cut at ${at}`);
        client.close();
      }
    }
    assert.equal([...new Set(told(origin.bytes))], ['203.0.113.7']);
  }),
);

for (const [name, bytes] of [
  ['no header', get('/a')],
  ['a wrong one', `PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n${get('/a')}`],
  ['one that is too long', `PROXY UNKNOWN ${'x'.repeat(200)}\r\n${get('/a')}`],
  ['a second one is no request', `PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n${get('/a')}`],
] as const) {
  proxied(`${name}: closed`, () =>
    withProxy(SETTINGS, async (torc, origin) => {
      const client = await rawClient(torc.port);
      client.send(bytes);
      await client.gone();
      if (!bytes.startsWith('PROXY UNKNOWN\r\n')) assert.is(client.received, '');
      assert.is(origin.bytes, '');
    }),
  );
}

proxied('half a header: closed without a word when the time for a head is over, or when the peer ends', () =>
  withProxy({ ...SETTINGS, HEADER_TIMEOUT_MS: '300' }, async torc => {
    const slow = await rawClient(torc.port);
    slow.send('PROXY TCP4 1.2');
    await slow.gone();
    assert.is(slow.received, '');
    const ended = await rawClient(torc.port);
    ended.send('PROXY TCP4 1.2');
    ended.socket.end();
    await ended.gone();
    assert.is(ended.received, '');
    await waitFor(
      () => torc.lines.some(({ level, message }) => level === 'warn' && message.includes('PROXY header')),
      { ...WHAT, what: 'a line' },
    );
  }),
);

proxied('a peer that is not named may not tell anything', () =>
  withProxy({ PROXY_PROTOCOL: '10.0.0.0/8' }, async (torc, origin) => {
    for (const header of [line('TCP4 203.0.113.7 192.0.2.1 1 2'), binary(PROXY, 0x11, tcp4('203.0.113.7'))])
      assert.is((await ask(torc.port, text(header) + get('/a'))).status, 400);
    assert.is(origin.bytes, '');
  }),
);

proxied('trust, keys and bounds are those of the client that is told', () =>
  withProxy(
    { ...SETTINGS, TRUSTED_PROXIES: '203.0.113.0/24', KEY: 'ip', MAX_CONNECTIONS_PER_CLIENT: '1' },
    async (torc, origin) => {
      const forged = get('/a', ['X-Forwarded-For: 198.51.100.1']);
      const trusted = await rawClient(torc.port);
      trusted.send(`PROXY TCP4 203.0.113.7 192.0.2.1 1 2\r\n${forged}`);
      await trusted.answer();
      const other = await rawClient(torc.port);
      other.send(`PROXY TCP4 192.0.2.9 192.0.2.1 1 2\r\n${forged}`);
      await other.answer();
      assert.equal(told(origin.bytes), ['198.51.100.1, 203.0.113.7', '192.0.2.9']);
      const second = await rawClient(torc.port);
      second.send(`PROXY TCP4 192.0.2.9 192.0.2.1 1 2\r\n${forged}`);
      await second.gone();
      assert.is(second.received, '');
      for (const client of [trusted, other]) client.close();
    },
  ),
);

// ---- what others really send

const has = (program: string): boolean => spawnSync(program, ['-v']).error === undefined;

async function through(
  program: string,
  config: string,
  args: (file: string) => string[],
  port: number,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'torc-proxied-'));
  const file = join(dir, 'config');
  writeFileSync(file, config.replaceAll('DIR', dir));
  const child: ChildProcess = spawn(program, args(file), { stdio: 'ignore' });
  try {
    await waitFor(
      async () => {
        const client = await rawClient(port).catch(() => null);
        if (client === null) return false;
        client.send(get('/a'));
        const answer = await client.answer().catch(() => null);
        client.close();
        return answer?.body === 'hello';
      },
      { ...WHAT, what: `an answer through ${program}` },
    );
  } finally {
    child.kill('SIGTERM');
    await waitFor(() => child.exitCode !== null || child.signalCode !== null, { ...WHAT, what: 'its end' });
    rmSync(dir, { recursive: true, force: true });
  }
}

if (has('haproxy'))
  for (const word of ['send-proxy', 'send-proxy-v2', 'send-proxy-v2 proxy-v2-options crc32c,unique-id'])
    proxied(`HAProxy, ${word}`, () =>
      withProxy(SETTINGS, async (torc, origin) => {
        const port = await freePort();
        const config =
          `defaults\n mode tcp\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n` +
          `listen x\n bind 127.0.0.1:${port}\n unique-id-format %[rand]\n source 127.0.0.1\n server a 127.0.0.1:${torc.port} ${word}\n`;
        await through('haproxy', config, file => ['-db', '-f', file], port);
        assert.ok(told(origin.bytes).length > 0);
        assert.equal([...new Set(told(origin.bytes))], ['127.0.0.1']);
      }),
    );

if (has('curl'))
  proxied('curl --haproxy-protocol', () =>
    withProxy(SETTINGS, async (torc, origin) => {
      const child = spawn('curl', ['-s', '--haproxy-protocol', `http://127.0.0.1:${torc.port}/a`]);
      let body = '';
      child.stdout.on('data', chunk => {
        body += chunk;
      });
      await waitFor(() => body === 'hello', { ...WHAT, what: 'the answer' });
      assert.equal(told(origin.bytes), ['127.0.0.1']);
    }),
  );

proxied.run();
