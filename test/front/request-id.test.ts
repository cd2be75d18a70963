// Every request has a name (TORC_REQUEST_ID): the replica, the client and the log see the same one, through each lane; a
// trusted peer's is kept where it is sane, a replica's is not. And what passes untouched beside it: traceparent.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seededRandom } from '../../src/core/random.ts';
import { RequestIds } from '../../src/exchange/request-id.ts';
import { type Answer, bytes, plain, rawOrigin } from '../support/origin.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { ask, fieldOf, get, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const requestId = suite('request id');
const MADE = /^0-[0-9a-z]{12}-[0-9a-z]{1,6}$/;

async function withProxy(
  settings: Record<string, string>,
  run: (torc: TestProxy, origin: Awaited<ReturnType<typeof rawOrigin>>) => Promise<void>,
  answer: Answer = plain('hello'),
): Promise<void> {
  const origin = await rawOrigin(answer);
  const torc = await startProxy([origin.port], settings);
  try {
    await run(torc, origin);
  } finally {
    await torc.close();
    await origin.close();
  }
}

const idsIn = (head: string, name = 'x-request-id'): string[] =>
  [...head.matchAll(new RegExp(`^${name}: (.*)\\r$`, 'gim'))].map(match => match[1]!);

requestId('one name each, told to replica, client and log; a client’s own word is nothing', () =>
  withProxy({ ACCESS_LOG: 'true' }, async (torc, origin) => {
    const seen: string[] = [];
    for (const fields of [
      [],
      ['X-Request-ID: mine'],
      ['x-request-id: a', 'TE: trailers'],
      ['X_Request_Id: b'],
    ]) {
      const answer = await ask(torc.port, get('/a', fields));
      seen.push(fieldOf(answer, 'x-request-id')!);
    }
    assert.ok(
      seen.every(id => MADE.test(id)),
      seen.join(),
    );
    assert.is(new Set(seen).size, 4);
    assert.equal(idsIn(origin.bytes), seen);
    const lines = (): unknown[] =>
      torc.lines.filter(({ message }) => message === 'request').map(({ fields }) => fields.id);
    await waitFor(() => lines().length === 4, { timeoutMs: 20_000, what: 'the lines' });
    assert.equal(lines(), seen);
  }),
);

requestId(
  'no trailer names it, by whatever field; without one, the usual name is a trailer like any',
  async () => {
    const post =
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Trace: mine\r\nX-Request-Id: mine\r\nX-Sum: 7\r\n\r\n';
    const answer = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ny\r\n0\r\nX-Trace: its\r\nX-Request-Id: its\r\nX-Sum: 8\r\n\r\n`;
    for (const [field, kept] of [
      ['x-request-id', 'X-Trace'],
      ['x-trace', 'X-Request-Id'],
    ] as const)
      await withProxy({ REQUEST_ID: field }, async (torc, origin) => {
        origin.answer = bytes(answer);
        const { trailers } = await ask(torc.port, post);
        assert.is(trailers, `${kept}: its\r\nX-Sum: 8`);
        assert.is(origin.requests[0]!.trailers, `${kept}: mine\r\nX-Sum: 7`);
      });
  },
);

requestId('a trusted peer names the request, once and with a name that is one', () =>
  withProxy({ TRUSTED_PROXIES: '127.0.0.1' }, async (torc, origin) => {
    for (const id of [
      'abc',
      '01932c07-209d-7a8e-8000-000000000000',
      'Root=1-67891233-abcdef',
      'a'.repeat(200),
    ]) {
      assert.is(fieldOf(await ask(torc.port, get('/a', [`X-Request-Id: ${id}`])), 'x-request-id'), id);
      assert.is(idsIn(origin.bytes).at(-1), id);
    }
    for (const fields of [
      ['X-Request-Id: '],
      ['X-Request-Id: a b'],
      ['X-Request-Id: "a"'],
      ['X-Request-Id: \xe9'],
      [`X-Request-Id: ${'a'.repeat(201)}`],
      ['X-Request-Id: a', 'x-request-id: b'],
    ])
      assert.match(fieldOf(await ask(torc.port, get('/a', fields)), 'x-request-id')!, MADE);
  }),
);

for (const [name, answer] of [
  ['whole', 'HTTP/1.1 200 OK\r\nX-Request-Id: 1\r\nContent-Length: 2\r\nx-request-id: 2\r\n\r\nhi'],
  [
    'chunked',
    'HTTP/1.1 200 OK\r\nX-Request-Id: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Request-Id: 3\r\n\r\n',
  ],
  ['prepared', 'HTTP/1.1 200 OK\r\nDate: x\r\nX-Request-Id: 1\r\nContent-Length: 2\r\n\r\nhi'],
] as const) {
  requestId(`a replica's answer (${name}) has the request's name and no other`, () =>
    withProxy(
      {},
      async (torc, origin) => {
        const client = await rawClient(torc.port);
        for (let round = 0; round < 3; round++) {
          client.received = '';
          client.send(get('/a'));
          await client.has('hi');
          await waitFor(() => client.received.endsWith('hi') || client.received.endsWith('0\r\n\r\n'), {
            timeoutMs: 20_000,
            what: 'the end',
          });
          assert.equal(idsIn(client.received), [idsIn(origin.bytes).at(-1)!]);
        }
        client.close();
      },
      (_request, socket) => void socket.write(answer, 'latin1'),
    ),
  );
}

requestId('another field, or none', async () => {
  await withProxy({ REQUEST_ID: 'Correlation-Id' }, async (torc, origin) => {
    const answer = await ask(torc.port, get('/a', ['X-Request-Id: mine', 'correlation-id: mine']));
    assert.equal(idsIn(origin.bytes), ['mine']);
    assert.equal(idsIn(origin.bytes, 'Correlation-Id'), [fieldOf(answer, 'correlation-id')!]);
    assert.match(fieldOf(answer, 'correlation-id')!, MADE);
  });
  await withProxy(
    { REQUEST_ID: 'off' },
    async (torc, origin) => {
      const answer = await ask(torc.port, get('/a', ['X-Request-Id: mine']));
      assert.equal(idsIn(origin.bytes), ['mine']);
      assert.is(fieldOf(answer, 'x-request-id'), 'theirs');
    },
    (_request, socket) =>
      void socket.write('HTTP/1.1 200 OK\r\nX-Request-Id: theirs\r\nContent-Length: 0\r\n\r\n'),
  );
});

requestId('torc’s own answers have it in head and body, also to what never became a request', () =>
  withProxy({ ACCESS_LOG: 'true' }, async torc => {
    for (const bytes of [
      'GET /a HTTP/1.1\r\n\r\n',
      'GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx',
      'nonsense\r\n\r\n',
    ]) {
      const answer = await ask(torc.port, bytes);
      assert.is(answer.status, 400);
      const id = fieldOf(answer, 'x-request-id')!;
      assert.match(id, MADE);
      assert.is((JSON.parse(answer.body) as { id: string }).id, id);
      await waitFor(() => torc.lines.some(({ fields }) => fields.id === id), {
        timeoutMs: 20_000,
        what: 'its line',
      });
    }
  }),
);

requestId('traceparent, tracestate and baggage pass as they are, both ways', () =>
  withProxy(
    {},
    async (torc, origin) => {
      const fields = [
        'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        'Tracestate: rojo=00f067aa0ba902b7,congo=t61rcWkgMzE',
        'baggage: a=1;b',
      ];
      const answer = await ask(torc.port, get('/a', fields));
      assert.ok(origin.bytes.includes(`\r\n${fields.join('\r\n')}\r\n`));
      assert.is(fieldOf(answer, 'traceresponse'), '00-1-2-01');
    },
    (_request, socket) =>
      void socket.write('HTTP/1.1 200 OK\r\ntraceresponse: 00-1-2-01\r\nContent-Length: 0\r\n\r\n'),
  ),
);

requestId('no two are alike, and the counter does not show', () => {
  const ids = new RequestIds('x-request-id', 1, seededRandom(1));
  const made = Array.from({ length: 100_000 }, () => ids.next());
  assert.is(new Set(made).size, made.length);
  const counters = made.map(id => Number.parseInt(id.split('-')[2]!, 36));
  const rising = counters.filter((value, index) => index > 0 && value > counters[index - 1]!).length;
  assert.ok(rising > 45_000 && rising < 55_000, `${rising} of 100,000 are more than the one before`);
  assert.not.ok(new RequestIds('x', 1, seededRandom(2)).next().startsWith(made[0]!.slice(0, 14)));
});

requestId.run();
