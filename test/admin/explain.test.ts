// /admin/explain agrees with where real requests go, whatever bytes their keys have: each question is asked, then the
// request itself is sent over a socket, and `x-served-by` is compared. Also the faults of a question.

import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readQuestion } from '../../src/admin/explain.ts';
import { sourcesOf } from '../support/key-sources.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

interface Explained {
  readonly source: string;
  readonly key: string | null;
  readonly bytes: string | null;
  readonly servedBy: string | null;
  readonly because: string;
}

/** Characters stand for bytes, as node:http has them. */
async function send(
  torc: Torc,
  path: string,
  headers: Record<string, string> = {},
): Promise<IncomingMessage> {
  const [response] = (await once(get({ port: torc.port, host: '127.0.0.1', path, headers }), 'response')) as [
    IncomingMessage,
  ];
  response.resume();
  await once(response, 'end');
  return response;
}

const servedBy = async (torc: Torc, path: string, headers: Record<string, string> = {}): Promise<unknown> =>
  (await send(torc, path, headers)).headers['x-served-by'];

const encoded = (text: string): string =>
  [...Buffer.from(text, 'latin1')].map(byte => `%${byte.toString(16).padStart(2, '0')}`).join('');

async function explained(torc: Torc, query: string): Promise<Explained> {
  const asked = get({ port: torc.port, host: '127.0.0.1', path: `/admin/explain?${query}` });
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return JSON.parse(text) as Explained;
}

const utf8 = (text: string): string => Buffer.from(text).toString('latin1');
/** What may stand in a target, and what decoding it would make another key of. Bytes above 127 come in fields only. */
const KEYS = ['7', 'a%20b', '%41', '%zz', 'a+b', '+', '%2B', 'caf%C3%A9', '%', 'a=b', "o'x"];
const MANY = Array.from({ length: 20 }, (_, index) => `${index}%2f+%C3%A9`);

const explain = suite('admin/explain');
const origins: Server[] = [];
let torc: Torc;

explain.before(async () => {
  for (let count = 0; count < 4; count++) {
    const server = createServer((_request, response) => response.end('ok'));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    origins.push(server);
  }
  torc = await startTorc({
    TORC_DRIVER: 'static',
    TORC_UPSTREAMS: origins
      .map((server, index) => `127.0.0.1:${(server.address() as AddressInfo).port};name=${index + 1}`)
      .join(','),
    TORC_WORKERS: '1',
    TORC_HEARTBEAT_INTERVAL_MS: '100',
    TORC_KEY: 'query:id,header:x-user,cookie:sid,path',
  });
});

explain.after(async () => {
  await torc.close();
  for (const server of origins) server.close().closeAllConnections();
});

explain('key=K is what a request with that K in its query has, byte for byte', async () => {
  for (const key of [...KEYS, ...MANY]) {
    const told = await explained(torc, `key=${key}`);
    assert.is(told.bytes, Buffer.from(key, 'latin1').toString('hex'));
    assert.is(told.servedBy, await servedBy(torc, `/a?id=${key}`), key);
  }
});

explain('target= is read as the request itself: source, key and slot', async () => {
  for (const key of [...KEYS, ...MANY]) {
    const path = `/a?x=1&id=${key}`;
    const told = await explained(torc, `target=${encoded(path)}`);
    assert.is(told.source, 'query:id');
    assert.is(told.bytes, Buffer.from(key, 'latin1').toString('hex'));
    assert.is(told.servedBy, await servedBy(torc, path), key);
  }
  const plain = await explained(torc, 'target=/a?id=x+y');
  assert.is(plain.key, 'x+y');
});

explain('header= is read as the fields of a request: the first source that is present wins', async () => {
  for (const name of ['bob', utf8('zoë'), 'a b', '50%41']) {
    const user = await explained(torc, `target=/b&header=X-User:%20${encoded(name)}`);
    assert.is(user.source, 'header:x-user');
    assert.is(user.bytes, Buffer.from(name, 'latin1').toString('hex'));
    assert.is(user.servedBy, await servedBy(torc, '/b', { 'x-user': name }), name);
  }
  const cookie = await explained(torc, 'target=/b&header=x-other:1&header=cookie:a%3D1;%20sid%3Dq%2B1');
  assert.is(cookie.source, 'cookie:sid');
  assert.is(cookie.key, 'q+1');
  assert.is(cookie.servedBy, await servedBy(torc, '/b', { cookie: 'a=1; sid=q+1' }));
  const path = await explained(torc, 'target=/p%2541th?id=');
  assert.is(path.source, 'path');
  assert.is(path.key, '/p%41th');
  assert.is(path.servedBy, await servedBy(torc, '/p%41th?id='));
});

explain('one whose choices are all out goes where the data plane lets it go', async () => {
  const [first, second, third] = origins;
  for (const server of [first!, second!, third!]) server.close().closeAllConnections();
  const ready = async (): Promise<number> => JSON.parse((await torc.get('/admin/ready')).text).ready;
  await waitFor(async () => (await ready()) === 1, { timeoutMs: 20_000, what: 'three of four out' });
  for (const key of MANY) {
    const told = await explained(torc, `key=${key}`);
    assert.is(told.servedBy, '4');
    assert.is(told.servedBy, await servedBy(torc, `/a?id=${key}`), key);
  }
});

explain('a question that cannot be answered says how to ask', () => {
  const path = sourcesOf('path');
  const fault = (target: string): string => String(readQuestion(target, path));
  assert.match(fault('/admin/explain'), /target=/);
  assert.match(fault('/admin/explain?key='), /target=/);
  assert.match(fault('/admin/explain?target=a'), /must begin with/);
  for (const part of ['target=/a', 'header=a:1', 'ip=10.0.0.1', 'body=x'])
    for (const question of [`key=7&${part}`, `${part}&key=7`])
      assert.match(
        fault(`/admin/explain?${question}`),
        `${part.split('=')[0]} is of a request, and a key is asked for alone`,
      );
  assert.match(fault('/admin/explain?target=/a&header=x'), /name:value/);
  // What torc would not serve is not foretold a slot.
  for (const target of ['/a%20b', '/%C3%A9', '/a%00', '/a%0d%0ab'])
    assert.match(fault(`/admin/explain?target=${target}`), /answered with 400: in a target/);
  for (const field of ['a%20b:1', 'a:1%0a', ':1', 'a%3A%00'])
    assert.match(fault(`/admin/explain?target=/a&header=${field}`), /400: a header|name:value/);
  assert.match(fault(`/admin/explain?key=${'k'.repeat(8193)}`), /longer than/);
  // More parts than a target can have; if what each costs grew with those before it, these would take minutes.
  const startedMs = performance.now();
  for (const part of ['=&', 'header=&', 'target=&']) fault(`/admin/explain?${part.repeat(200_000)}`);
  assert.ok(performance.now() - startedMs < 20_000);
  const ip = sourcesOf('ip');
  assert.match(String(readQuestion('/admin/explain?target=/a', ip)), /ip=ADDRESS/);
  assert.equal(readQuestion('/admin/explain?target=/a&ip=10.0.0.1', ip), { text: '10.0.0.1', source: 'ip' });
  const random = sourcesOf('random');
  assert.equal(readQuestion('/admin/explain?target=/a', random), { text: null, source: 'random' });
});

explain('each source of a told request is found as the data plane finds it', () => {
  const told = (sources: string, question: string) =>
    readQuestion(`/admin/explain?${question}`, sourcesOf(sources));
  const found = (text: string, source: string) => ({ text, source });
  const body = encodeURIComponent('{"session":{"id":"ü"}}');
  const sources = 'json:/session/id,header:x-tenant+path,host';
  assert.equal(told(sources, `target=/a&body=${body}`), found('\xc3\xbc', 'json:/session/id'));
  const tenant = 'header=x-tenant:acme';
  assert.equal(told(sources, `target=/a&${tenant}&body={}`), found('acme/a', 'header:x-tenant+path'));
  assert.equal(
    told(sources, `target=/a&${tenant}&header=content-encoding:gzip&body=${body}`),
    found('acme/a', 'header:x-tenant+path'),
  );
  assert.equal(told(sources, 'target=/a&header=Host:Shop.Test:81'), found('shop.test', 'host'));
  assert.equal(told('body-prefix:3', 'target=/&body=abcdef'), found('abc', 'body-prefix:3'));
  assert.equal(told('ip/24', 'target=/&ip=10.1.2.3'), found('10.1.2.0/24', 'ip/24'));
  assert.match(String(told('ip/24,path', 'target=/')), /ip=ADDRESS/);
  assert.equal(told('query:id;decoded', 'target=/%3Fid=a%2Bb'), found('a b', 'query:id;decoded'));
  assert.equal(told('cookie:sid;issue', 'target=/'), {
    text: null,
    source: 'cookie:sid;issue',
    isIssued: true,
  });
  assert.equal(told('json:/a', 'target=/&body={}'), { text: null, source: 'random' });
});

explain.run();
