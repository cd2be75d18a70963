// Arbitrary input where torc reads something other than HTTP's framing: the bodies and targets of the control endpoints
// of a real torc (never a 5xx, never a change), and the key finder (the key is always a part of what it was found in).

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FOUND, FoundKey, findKey } from '../../src/routing/key.ts';
import { sourcesOf } from '../support/key-sources.ts';
import { fieldOf, rawClient } from '../support/raw.ts';
import { startTorc, type Torc } from '../support/torc.ts';

const inputs = suite('inputs');
let torc: Torc;

inputs.before(async () => {
  torc = await startTorc({
    TORC_DRIVER: 'static',
    TORC_UPSTREAMS: '127.0.0.1:1',
    TORC_HEARTBEAT_PATH: '',
    TORC_WORKERS: '1',
    TORC_LOG: 'error',
  });
});
inputs.after(() => torc.close());

/** What people and programs send, and what nobody would. */
const membership = fc.oneof(
  fc.json(),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc
    .record(
      {
        n: fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constant(null), fc.constant(1)),
        hostnames: fc.oneof(
          fc.anything(),
          fc.array(fc.oneof(fc.string(), fc.constant('1'), fc.integer()), { maxLength: 5 }),
        ),
        __proto__: fc.anything(),
      },
      { requiredKeys: [] },
    )
    .map(
      value =>
        JSON.stringify(value, (_key, part) =>
          typeof part === 'bigint' ? String(part) : (part as unknown),
        ) ?? '',
    ),
);

const endpoint = fc.constantFrom(['POST', '/add'], ['DELETE', '/rm']);
const contentType = fc.constantFrom(
  'application/json',
  'application/json',
  'application/json;charset=x',
  'text/plain',
  'multipart/form-data',
);

/** The one change that is allowed here: the static driver makes nothing, and there is one slot to remove. */
function isRight(path: string, body: string): boolean {
  try {
    const { n, hostnames = [] } = JSON.parse(body) as { n?: unknown; hostnames?: unknown };
    return (
      path === '/rm' &&
      n === 1 &&
      (JSON.stringify(hostnames) === '[]' || JSON.stringify(hostnames) === '["1"]')
    );
  } catch {
    return false;
  }
}

inputs('bodies of /add and /rm: never a 5xx, nothing changes', async () => {
  const before = (await torc.get('/rep')).text;
  await fc.assert(
    fc.asyncProperty(endpoint, membership, contentType, async ([method, path], body, type) => {
      fc.pre(!isRight(path!, body));
      const answer = await torc.send(method!, path!, body, { 'content-type': type });
      assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} ${answer.text}`);
      assert.is((JSON.parse(answer.text) as { status: string }).status, 'failure');
    }),
    { numRuns: 150, interruptAfterTimeLimit: 20_000 },
  );
  assert.is((await torc.get('/rep')).text, before);
});

/** Bytes that may stand in a target. */
const visible = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map(code => String.fromCharCode(code)),
  maxLength: 60,
});
const controlPath = fc.constantFrom(
  '/requests/',
  '/admin/',
  '/admin/explain?key=',
  '/admin/whatif?n=',
  '/admin/slots?',
  '/rep?',
  '/metrics?',
);

inputs('targets under the control paths: never a 5xx, always an answer', async () => {
  let client = await rawClient(torc.port);
  await fc.assert(
    fc.asyncProperty(
      controlPath,
      visible,
      fc.constantFrom('GET', 'HEAD', 'POST', 'PUT'),
      async (path, rest, method) => {
        // A stream of events has no end to wait for.
        if (`${path}${rest}`.startsWith('/admin/events')) return;
        client.send(`${method} ${path}${rest} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`);
        const answer = await client.answer({ head: method === 'HEAD' });
        const { status } = answer;
        // A fragment in what is proxied is a fault, which ends the connection.
        if (fieldOf(answer, 'connection') === 'close') client = await rawClient(torc.port);
        // What is proxied (`/requests/a/b`, any POST /metrics) finds no replica here.
        const mayBeProxied = path === '/requests/' || method === 'POST' || method === 'PUT';
        const isFine = status < 500 || (mayBeProxied && (status === 502 || status === 503));
        assert.ok(isFine, `${method} ${path}${rest}: ${status}`);
      },
    ),
    { numRuns: 250, interruptAfterTimeLimit: 20_000, examples: [['/requests/', 'a/b#', 'GET']] },
  );
  client.close();
  assert.is((await torc.get('/admin/live')).status, 200);
});

const kind = fc.constantFrom('query', 'header', 'cookie', 'path', 'uri', 'ip', 'random');
const name = fc.stringMatching(/^[a-z_-]{1,4}$/);
const latin1 = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map(code => String.fromCharCode(code)),
  maxLength: 30,
});
/** Dense in what separates: a name now and then, and its separators. */
const dense = fc
  .array(fc.oneof(fc.constantFrom('?', '&', '=', ';', ' ', 'id', 'id=', 'id=7'), latin1), { maxLength: 12 })
  .map(parts => parts.join(''));
const headers = fc
  .array(fc.tuple(fc.oneof(fc.constantFrom('Cookie', 'cookie', 'id', 'ID'), name), dense), { maxLength: 6 })
  .map(pairs => pairs.flat());

inputs('the key finder: a part of its source, never empty, never out of bounds', () => {
  const found = new FoundKey();
  fc.assert(
    fc.property(
      kind,
      fc.oneof(name, fc.constant('id')),
      dense,
      headers,
      (source, field, target, rawHeaders) => {
        const text = `/${target}`;
        const named = ['query', 'header', 'cookie'].includes(source) ? `${source}:${field}` : source;
        if (findKey(sourcesOf(named), text, rawHeaders, '10.0.0.1', '', false, found) !== FOUND) return;
        assert.ok(source !== 'random');
        assert.ok(found.start >= 0 && found.start < found.end && found.end <= found.text.length);
        assert.ok(found.text === text || found.text === '10.0.0.1' || rawHeaders.includes(found.text));
        if (source === 'query')
          assert.is(found.text.slice(found.start - field.length - 1, found.start), `${field}=`);
      },
    ),
    { numRuns: 20_000, interruptAfterTimeLimit: 10_000 },
  );
});

inputs('the key finder agrees with a slow reading of the query', () => {
  const found = new FoundKey();
  fc.assert(
    fc.property(fc.oneof(name, fc.constant('id')), dense, (field, target) => {
      const text = `/${target}`;
      const mark = text.indexOf('?');
      const pairs = mark === -1 ? [] : text.slice(mark + 1).split('&');
      const expected = pairs
        .find(pair => pair.startsWith(`${field}=`) && pair.length > field.length + 1)
        ?.slice(field.length + 1);
      const place = findKey(sourcesOf(`query:${field}`), text, [], '', '', false, found);
      assert.is(place === FOUND ? found.text.slice(found.start, found.end) : undefined, expected);
    }),
    { numRuns: 20_000, interruptAfterTimeLimit: 10_000 },
  );
});

inputs.run();
