// What a request is routed by, through each door of a real proxy whose table is a real one: a key in the body is waited for
// and no further than it takes, whatever shape the body comes in; and the cookie that torc issues keeps a client where its
// first request went.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createTableBuilder, tableChecksum } from '../../src/ring/build.ts';
import { murmurHash } from '../../src/ring/hash.ts';
import { ownerOf } from '../../src/routing/snapshot.ts';
import { ask2, http2Client } from '../support/http2.ts';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { errorCount, snapshotOf, startProxy, type TestProxy } from '../support/proxy.ts';
import { ask, fieldOf, get, type RawAnswer, type RawClient, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const keyed = suite('keyed');
const SLOTS = 3;
const CERTIFIED = 'X-Forwarded-Proto: https';

let origins: Origin[];
let torc: TestProxy | null = null;
let epoch = 1;

keyed.before(async () => {
  origins = await Promise.all(Array.from({ length: SLOTS }, () => rawOrigin(plain('hello'))));
});

keyed.before.each(() => {
  for (const origin of origins) {
    origin.answer = plain('hello');
    origin.atHead = false;
    origin.requests.length = 0;
    origin.bytes = '';
  }
});

keyed.after.each(async () => {
  await torc?.close();
  torc = null;
});

keyed.after(async () => {
  for (const origin of origins) await origin.close();
});

/** With a table in which each slot owns its share; `out` are suspect. */
async function proxy(settings: Record<string, string>, out: readonly number[] = []): Promise<TestProxy> {
  const ports = origins.map(({ port }) => port);
  torc = await startProxy(ports, settings);
  place(torc, out);
  return torc;
}

function place({ snapshots }: TestProxy, out: readonly number[] = []): void {
  const ports = origins.map(({ port }) => port);
  const states = ports.map((_, index) => (out.includes(index) ? ('suspect' as const) : ('ready' as const)));
  const table = createTableBuilder('rendezvous', 4096).update(
    ports.map((_, id) => ({ id, name: String(id + 1) })),
  );
  snapshots.apply({
    ...snapshotOf(++epoch, ports, { states, rows: 4096 }),
    choices: table.choices,
    checksum: tableChecksum(table),
  });
}

const homeOf = (key: string): string => ownerOf(torc!.snapshots.current, murmurHash(key, 0, key.length));
const keysSeen = (): string[] => torc!.counters.collect(true).slots.flatMap(({ keys }) => keys);
const total = (): number => origins.reduce((sum, { requests }) => sum + requests.length, 0);

const post = (body: string, fields: readonly string[] = [], target = '/'): string =>
  `POST ${target} HTTP/1.1\r\n${['Host: torc.test', `Content-Length: ${body.length}`, ...fields].join('\r\n')}\r\n\r\n${body}`;

const chunksOf = (body: string, size: number): string =>
  `${(body.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []).map(part => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`;

const CHUNKED = 'POST / HTTP/1.1\r\nHost: torc.test\r\nTransfer-Encoding: chunked\r\n';
const KEYS = Array.from({ length: 12 }, (_, index) => `session-${index}`);
const jsonFor = (key: string, filler = 0): string =>
  JSON.stringify({
    model: 'm',
    messages: [{ role: 'user', content: 'x'.repeat(filler) }],
    session: { id: key },
  });
const SETTINGS = { KEY: 'json:/session/id,header:x-key' };

/** Where it went is where the key is at home, and its body came there whole. */
function isHome(answer: RawAnswer, key: string, body: string): void {
  assert.is(answer.status, 200);
  assert.is(fieldOf(answer, 'x-served-by'), homeOf(key), key);
  assert.is(origins[Number(homeOf(key)) - 1]!.requests.at(-1)!.body, body);
}

/** While another request went all the way. */
async function nothingWasSent(): Promise<void> {
  await ask(torc!.port, get('/meanwhile'));
  assert.equal(
    origins.flatMap(({ requests }) => requests.map(({ target }) => target)),
    ['/meanwhile'],
  );
  for (const origin of origins) origin.requests.length = 0;
}

keyed(
  'a key in the body: whole with its head, in pieces, chunked, larger than is kept; one connection',
  async () => {
    await proxy(SETTINGS);
    const client = await rawClient(torc!.port);
    for (const key of KEYS) {
      for (const body of [jsonFor(key), jsonFor(key, 20_000)]) {
        client.send(post(body));
        isHome(await client.answer(), key, body);
        client.send(`${CHUNKED}\r\n${chunksOf(body, 700)}`);
        isHome(await client.answer(), key, body);
      }
      const body = `{"session":{"id":"${key}"},"content":"${'x'.repeat(100_000)}"}`;
      client.send(post(body));
      isHome(await client.answer(), key, body);
    }
    client.close();
    assert.equal([...new Set(keysSeen())].sort(), [...KEYS].sort());
  },
);

keyed(
  'byte for byte: sent with the byte that completes the key, not before, and the rest follows',
  async () => {
    await proxy(SETTINGS);
    for (const origin of origins) origin.atHead = true;
    const key = KEYS[0]!;
    const text = JSON.stringify({ session: { id: key }, more: 'more' });
    const known = text.indexOf(key) + key.length + 1;
    const client = await rawClient(torc!.port);
    client.send(`POST / HTTP/1.1\r\nHost: torc.test\r\nContent-Length: ${text.length}\r\n\r\n`);
    for (const char of text.slice(0, known - 1)) {
      client.send(char);
      await new Promise(resolve => setImmediate(resolve));
    }
    await nothingWasSent();
    // Silent, so that the rest is still to come.
    for (const origin of origins) Object.assign(origin, { atHead: true, answer: () => {} });
    client.send(text[known - 1]!);
    await waitFor(() => total() === 1, { timeoutMs: 20_000, what: 'the request at a replica' });
    assert.is(origins[Number(homeOf(key)) - 1]!.requests.length, 1);
    client.send(text.slice(known));
    const { bytes } = origins[Number(homeOf(key)) - 1]!;
    assert.ok(bytes.includes(text.slice(0, known)));
    await waitFor(() => origins[Number(homeOf(key)) - 1]!.bytes.endsWith(text), {
      timeoutMs: 20_000,
      what: 'all of the body',
    });
    client.close();
  },
);

keyed(
  'Expect: 100-continue is answered by torc where it wants the body, and goes on where it does not',
  async () => {
    await proxy(SETTINGS);
    const body = jsonFor(KEYS[1]!);
    const expecting = await rawClient(torc!.port);
    expecting.send(
      `POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    await expecting.has('HTTP/1.1 100 Continue\r\n\r\n');
    assert.is(total(), 0);
    expecting.send(body);
    isHome(await expecting.answer(), KEYS[1]!, body);
    const asked = origins[Number(homeOf(KEYS[1]!)) - 1]!.requests[0]!.head;
    assert.not.match(asked, /expect/i);
    assert.is(expecting.received.match(/100 Continue/g)!.length, 1);
    // The other source has it: the expectation is the replica's to answer.
    for (const origin of origins) origin.atHead = true;
    await torc!.close();
    await proxy({ KEY: 'header:x-key,json:/session/id' });
    const other = await rawClient(torc!.port);
    other.send(`POST / HTTP/1.1\r\nHost: a\r\nX-Key: k\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`);
    assert.is(fieldOf(await other.answer(), 'x-served-by'), homeOf('k'));
    assert.ok(origins.some(({ requests }) => requests.some(({ head }) => /Expect: 100-continue/.test(head))));
    assert.not.match(other.received, /100 Continue/);
    expecting.close();
    other.close();
  },
);

keyed(
  'the next source: no JSON, no such field, too far inside, compressed, no body at all, a call of gRPC',
  async () => {
    await proxy(SETTINGS);
    const fields = ['X-Key: fallback'];
    const elsewhere = jsonFor(KEYS.find(key => homeOf(key) !== homeOf('fallback'))!);
    const far = `{"x":"${'x'.repeat(70_000)}","session":{"id":"far"}}`;
    for (const [what, request] of [
      ['no JSON', post('a=1&b=2', fields)],
      ['no such field', post('{"session":7}', fields)],
      ['cut off', post('{"session":{"id":"cut', fields)],
      ['null', post('{"session":{"id":null}}', fields)],
      ['empty', post('', fields)],
      ['a GET', get('/', fields)],
      ['too far', post(far, fields)],
      ['too far, in chunks', `${CHUNKED}X-Key: fallback\r\n\r\n${chunksOf(far, 999)}`],
      ['compressed', post(elsewhere, [...fields, 'Content-Encoding: gzip'])],
      ['too deep', post(`{"x":${'['.repeat(30_000)}`, fields)],
      ['gRPC', post(elsewhere, [...fields, 'Content-Type: application/grpc'])],
    ] as const) {
      const answer = await ask(torc!.port, request);
      assert.is(answer.status, 200, what);
      assert.is(fieldOf(answer, 'x-served-by'), homeOf('fallback'), what);
    }
  },
);

keyed('a call of gRPC, which may wait for an answer before it says anything, is not waited for', async () => {
  await proxy({ KEY: 'body-prefix:5,header:x-key' });
  for (const origin of origins) origin.atHead = true;
  const client = await rawClient(torc!.port);
  client.send(`${CHUNKED}Content-Type: application/grpc\r\nX-Key: k\r\n\r\n`);
  assert.is(fieldOf(await client.answer(), 'x-served-by'), homeOf('k'));
  client.close();
});

keyed('over HTTP/2: in one frame, in many, with an expectation', async () => {
  await proxy(SETTINGS);
  const session = await http2Client(torc!.port);
  for (const key of KEYS.slice(0, 6))
    for (const body of [jsonFor(key), jsonFor(key, 40_000)]) {
      const answer = await ask2(session, { ':method': 'POST' }, { body });
      assert.is(answer.headers['x-served-by'], homeOf(key));
      assert.is(origins[Number(homeOf(key)) - 1]!.requests.at(-1)!.body, body);
    }
  const expected = await ask2(
    session,
    { ':method': 'POST', expect: '100-continue' },
    { body: jsonFor(KEYS[0]!) },
  );
  assert.equal(
    expected.informational.map(fields => fields[':status']),
    [100],
  );
  assert.is(expected.headers['x-served-by'], homeOf(KEYS[0]!));
  session.destroy();
});

keyed('a prefix of the body: prompts that begin alike meet', async () => {
  await proxy({ KEY: 'body-prefix:40,random' });
  const head = 'You are a helpful assistant of the shop. ';
  assert.is(head.length, 41);
  const home = homeOf(head.slice(0, 40));
  for (const rest of ['one', 'two', 'x'.repeat(50_000)]) {
    assert.is(fieldOf(await ask(torc!.port, post(head + rest)), 'x-served-by'), home);
    const client = await rawClient(torc!.port);
    client.send(`${CHUNKED}\r\n${chunksOf(head + rest, 7)}`);
    assert.is(fieldOf(await client.answer(), 'x-served-by'), home);
    client.close();
  }
});

keyed(
  'who stops in the middle of a key gets a 408, who leaves is forgotten, and nobody was asked for them',
  async () => {
    await proxy({ ...SETTINGS, IDLE_TIMEOUT_MS: '300' });
    const slow = await rawClient(torc!.port);
    slow.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"session":');
    assert.is((await slow.answer()).status, 408);
    await slow.gone();
    const gone = await rawClient(torc!.port);
    gone.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"session":');
    await nothingWasSent();
    gone.reset();
    await waitFor(() => errorCount(torc!.counters.collect(), 'CLIENT_GONE') === 1, {
      timeoutMs: 20_000,
      what: 'the end to be noticed',
    });
    const broken = await rawClient(torc!.port);
    broken.send(`${CHUNKED}\r\n4\r\n{"se\r\nzz\r\n`);
    assert.is((await broken.answer()).status, 400);
    broken.close();
    assert.is(total(), 0);
  },
);

keyed('a replica that dies of it: what was read for the key is sent again', async () => {
  await proxy(SETTINGS);
  const key = KEYS[3]!;
  const home = Number(homeOf(key)) - 1;
  origins[home]!.answer = (_request, socket) => void socket.destroy();
  const body = jsonFor(key);
  const answer = await ask(torc!.port, post(body).replace('POST', 'PUT'));
  assert.is(answer.status, 200);
  assert.is.not(fieldOf(answer, 'x-served-by'), homeOf(key));
  assert.is(origins[Number(fieldOf(answer, 'x-served-by')) - 1]!.requests.at(-1)!.body, body);
});

// ---- the other sources, through the doors

keyed('hosts, lists, decoded queries and joined ones: in both lanes and over HTTP/2', async () => {
  await proxy({ KEY: 'header:x-tenant+path,header:x-way;last,query:user;decoded,host' });
  const session = await http2Client(torc!.port);
  for (const [target, fields, host, key] of [
    ['/cart?x=1', { 'x-tenant': 'acme' }, 'a.test', 'acme/cart'],
    ['/', { 'x-way': 'a, b' }, 'a.test', 'b'],
    ['/?user=a%20b', {}, 'a.test', 'a b'],
    ['/', {}, 'Shop.Test:81', 'shop.test'],
  ] as const) {
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
    const plainly = await ask(
      torc!.port,
      `GET ${target} HTTP/1.1\r\n${[`Host: ${host}`, ...lines].join('\r\n')}\r\n\r\n`,
    );
    assert.is(fieldOf(plainly, 'x-served-by'), homeOf(key), key);
    // Absolute form is node:http's, and its authority is the host.
    const absolute = await ask(
      torc!.port,
      `GET http://${host}${target} HTTP/1.1\r\n${['Host: other', ...lines].join('\r\n')}\r\n\r\n`,
    );
    assert.is(fieldOf(absolute, 'x-served-by'), homeOf(key), key);
    const streamed = await ask2(session, { ':path': target, ':authority': host, ...fields });
    assert.is(streamed.headers['x-served-by'], homeOf(key), key);
  }
  session.destroy();
});

keyed('a network of clients, as a trusted proxy tells them', async () => {
  await proxy({ KEY: 'ip/24,ip/64', TRUSTED_PROXIES: '127.0.0.1' });
  for (const [address, key] of [
    ['203.0.113.7', '203.0.113.0/24'],
    ['::ffff:203.0.113.9', '203.0.113.0/24'],
    ['2001:db8:1:2::7', '2001:db8:1:2::/64'],
  ] as const) {
    const answer = await ask(torc!.port, get('/', [`X-Forwarded-For: ${address}`]));
    assert.is(fieldOf(answer, 'x-served-by'), homeOf(key), address);
  }
});

// ---- the cookie that torc issues

const ISSUE = { KEY: 'cookie:torc;issue' };

/** The cookie in an answer, as a client would send it; and its attributes. */
function issuedIn(answer: RawAnswer): { pair: string; value: string; attributes: string } | null {
  const line = answer.fields.find(field => /^set-cookie: torc=/i.test(field));
  if (line === undefined) return null;
  const [pair = '', ...attributes] = line
    .slice(line.indexOf(':') + 1)
    .trim()
    .split('; ');
  return { pair, value: pair.slice('torc='.length), attributes: attributes.join('; ') };
}

keyed('a client without the cookie gets one, and stays where its first request went', async () => {
  await proxy(ISSUE);
  const values = new Set<string>();
  const slots = new Set<string>();
  for (let index = 0; index < 40; index++) {
    const client = await rawClient(torc!.port);
    client.send(get('/first'));
    const first = await client.answer();
    const cookie = issuedIn(first)!;
    assert.is(cookie.attributes, 'Path=/; HttpOnly; SameSite=Lax');
    assert.match(cookie.value, /^[0-9a-z]{20}$/);
    assert.is(fieldOf(first, 'cache-control'), 'private');
    values.add(cookie.value);
    slots.add(fieldOf(first, 'x-served-by')!);
    for (const request of [
      get('/second', [`Cookie: a=1; ${cookie.pair}`]),
      post('x', [`Cookie: ${cookie.pair}`]),
    ]) {
      client.send(request);
      const next = await client.answer();
      assert.is(issuedIn(next), null);
      assert.is(fieldOf(next, 'cache-control'), undefined);
      assert.is(fieldOf(next, 'x-served-by'), fieldOf(first, 'x-served-by'));
    }
    client.close();
  }
  assert.is(values.size, 40);
  assert.is(slots.size, SLOTS);
});

keyed(
  'whoever is first served away from home stays there when home is back: a slot that is out, one that dies',
  async () => {
    await proxy(ISSUE, [0]);
    const firsts: (readonly [RawAnswer, string])[] = [];
    for (let index = 0; index < 20; index++) {
      const first = await ask(torc!.port, get('/'));
      firsts.push([first, issuedIn(first)!.pair]);
    }
    place(torc!);
    origins[1]!.answer = (_request, socket) => void socket.destroy();
    for (let index = 0; index < 20; index++) {
      const first = await ask(torc!.port, get('/'));
      if (first.status === 200) firsts.push([first, issuedIn(first)!.pair]);
    }
    origins[1]!.answer = plain('hello');
    for (const [first, pair] of firsts) {
      const next = await ask(torc!.port, get('/', [`Cookie: ${pair}`]));
      assert.is(fieldOf(next, 'x-served-by'), fieldOf(first, 'x-served-by'));
    }
    assert.ok(firsts.length > 30);
  },
);

keyed("a replica's cookies stay, and where it sets the same one its word counts", async () => {
  await proxy(ISSUE);
  for (const origin of origins)
    origin.answer = plain('hello', ['Set-Cookie: a=1', 'Set-Cookie: torc-like=2; Path=/x']);
  const both = await ask(torc!.port, get('/'));
  const set = both.fields.filter(field => /^set-cookie:/i.test(field));
  assert.equal(set.slice(0, 2), ['Set-Cookie: a=1', 'Set-Cookie: torc-like=2; Path=/x']);
  assert.is(set.length, 3);
  for (const origin of origins) origin.answer = plain('hello', ['set-cookie:torc=mine']);
  const own = await ask(torc!.port, get('/'));
  assert.equal(
    own.fields.filter(field => /^set-cookie:/i.test(field)),
    ['set-cookie:torc=mine'],
  );
  assert.is(fieldOf(own, 'cache-control'), undefined);
});

keyed(
  'Secure where the client asked by https, as far as who is believed says so; Max-Age where it is set',
  async () => {
    await proxy({ KEY: 'cookie:torc;issue;max-age=3600', TRUSTED_PROXIES: '127.0.0.1' });
    const attributesOf = async (...fields: string[]): Promise<string> =>
      issuedIn(await ask(torc!.port, get('/', fields)))!.attributes;
    const base = 'Path=/; Max-Age=3600; HttpOnly; SameSite=Lax';
    assert.is(await attributesOf(), base);
    assert.is(await attributesOf(CERTIFIED), `${base}; Secure`);
    assert.is(await attributesOf('X-Forwarded-Proto: https, http'), `${base}; Secure`);
    assert.is(await attributesOf('X-Forwarded-Proto: http, https'), base);
    assert.is(await attributesOf('Forwarded: for=203.0.113.7;proto=https'), `${base}; Secure`);
    await torc!.close();
    await proxy(ISSUE);
    assert.is(await attributesOf(CERTIFIED), 'Path=/; HttpOnly; SameSite=Lax');
  },
);

keyed("over HTTP/2, with a key from the body before it, and never with torc's own answers", async () => {
  await proxy({ KEY: 'json:/s,cookie:torc;issue' });
  const session = await http2Client(torc!.port);
  const first = await ask2(session, { ':method': 'POST' }, { body: '{}' });
  const [cookie = ''] = first.headers['set-cookie'] ?? [];
  assert.match(cookie, /^torc=[0-9a-z]{20}; Path=\/; HttpOnly; SameSite=Lax$/);
  const next = await ask2(session, { ':method': 'POST', cookie: cookie.split(';')[0]! }, { body: '{}' });
  assert.is(next.headers['x-served-by'], first.headers['x-served-by']);
  assert.is(next.headers['set-cookie'], undefined);
  session.destroy();
  assert.is(issuedIn(await ask(torc!.port, post('{"s":"k"}'))), null);
  place(torc!, [0, 1, 2]);
  const own = await ask(torc!.port, get('/'));
  assert.is(own.status, 503);
  assert.is(issuedIn(own), null);
});

keyed('an upgrade is an answer, too', async () => {
  await proxy(ISSUE);
  for (const origin of origins)
    origin.answer = (_request, socket) =>
      void socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  const client: RawClient = await rawClient(torc!.port);
  client.send(get('/', ['Connection: Upgrade', 'Upgrade: x']));
  assert.ok(issuedIn(await client.answer()));
  client.close();
});

keyed.run();
