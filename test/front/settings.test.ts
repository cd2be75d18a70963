// What settings change about forwarding: trusted peers, x-served-by, the access log, the key, bounded load.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../src/config/load.ts';
import { type Answer, plain, rawOrigin } from '../support/origin.ts';
import { startProxy } from '../support/proxy.ts';
import { ask, fieldOf, get, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const settings = suite('settings');

async function withProxy(
  given: Record<string, string>,
  run: (
    torc: Awaited<ReturnType<typeof startProxy>>,
    origin: Awaited<ReturnType<typeof rawOrigin>>,
  ) => Promise<void>,
  answer: Answer = plain('x'),
): Promise<void> {
  const origin = await rawOrigin(answer);
  const torc = await startProxy([origin.port, origin.port], given);
  try {
    await run(torc, origin);
  } finally {
    await torc.close();
    await origin.close();
  }
}

const forwarded = [
  'X-Forwarded-For: 1.2.3.4, 5.6.7.8',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: public.test',
];

settings('a trusted peer’s X-Forwarded-* are kept and appended to', async () => {
  await withProxy({ TRUSTED_PROXIES: '127.0.0.0/8' }, async (torc, origin) => {
    await ask(torc.port, get('/a', forwarded));
    assert.match(origin.bytes, /X-Forwarded-For: 1\.2\.3\.4, 5\.6\.7\.8, 127\.0\.0\.1\r\n/);
    assert.match(origin.bytes, /X-Forwarded-Proto: https\r\n/);
    assert.match(origin.bytes, /X-Forwarded-Host: public\.test\r\n/);
    assert.is(origin.bytes.match(/x-forwarded-/gi)!.length, 3);
  });
});

settings(
  'another x-served-by holds from the next answer on, also where the replica’s head is the same',
  async () => {
    const head = 'HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 00:00:00 GMT\r\n';
    const whole = `${head}Content-Length: 2\r\n\r\nhi`;
    const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`;
    await withProxy(
      {},
      async torc => {
        const client = await rawClient(torc.port);
        const answerTo = async (path: string): Promise<string | undefined> => {
          client.send(get(path));
          const answer = await client.answer();
          assert.is(answer.body, 'hi');
          return fieldOf(answer, 'x-served-by');
        };
        for (const path of ['/whole', '/chunked']) {
          for (const [servedBy, expected] of [
            ['true', '1'],
            ['false', undefined],
            ['true', '1'],
          ] as const) {
            const loaded = loadConfig({ TORC_SERVED_BY: servedBy }, []);
            assert.ok(loaded.kind === 'config');
            torc.proxy.configure(loaded.config);
            for (let count = 0; count < 3; count++) assert.is(await answerTo(path), expected, path);
          }
        }
        client.close();
      },
      ({ target }, socket) => void socket.write(target === '/whole' ? whole : chunked, 'latin1'),
    );
  },
);

settings('everybody else’s are replaced', async () => {
  await withProxy({ TRUSTED_PROXIES: '10.0.0.0/8' }, async (torc, origin) => {
    await ask(torc.port, get('/a', [...forwarded, 'Connection: X-Forwarded-For, close']));
    assert.match(
      origin.bytes,
      /X-Forwarded-For: 127\.0\.0\.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: torc\.test\r\n/,
    );
    assert.is(origin.bytes.match(/x-forwarded-/gi)!.length, 3);
  });
});

settings(
  'a kept-alive connection without requests is closed after the idle time, a waiting one is not',
  async () => {
    const answer: Answer = (request, socket) => {
      if (request.target === '/late') setTimeout(() => plain('late')(request, socket), 1200);
      else plain('x')(request, socket);
    };
    await withProxy(
      { CLIENT_IDLE_TIMEOUT_MS: '500' },
      async torc => {
        const idle = await rawClient(torc.port);
        const waiting = await rawClient(torc.port);
        idle.send(get('/a'));
        waiting.send(get('/a'));
        await idle.has('\r\n\r\nx');
        await waiting.has('\r\n\r\nx');
        waiting.send(get('/late'));
        await waitFor(() => idle.ended, { timeoutMs: 5000, what: 'the idle connection is closed' });
        assert.is(waiting.ended, false);
        await waiting.has('\r\n\r\nlate');
        await waitFor(() => waiting.ended, { timeoutMs: 5000, what: 'the other one too, once it is idle' });
      },
      answer,
    );
  },
);

for (const [name, trusted, fields, key] of [
  ['nobody is trusted: the peer', '10.0.0.0/8', ['X-Forwarded-For: 1.2.3.4'], '127.0.0.1'],
  ['a trusted peer: who it speaks for', '127.0.0.0/8', ['X-Forwarded-For: 1.2.3.4'], '1.2.3.4'],
  [
    'what stands before the last untrusted hop is hearsay',
    '127.0.0.0/8',
    ['X-Forwarded-For: 9.9.9.9, 1.2.3.4'],
    '1.2.3.4',
  ],
  ['trusted hops are skipped', '127.0.0.0/8,10.0.0.0/8', ['X-Forwarded-For: 1.2.3.4, 10.1.1.1'], '1.2.3.4'],
  [
    'over several fields',
    '127.0.0.0/8,10.0.0.0/8',
    ['X-Forwarded-For: 1.2.3.4', 'x-forwarded-for: 10.1.1.1'],
    '1.2.3.4',
  ],
  ['only trusted hops: the peer', '127.0.0.0/8', ['X-Forwarded-For: 127.0.0.9'], '127.0.0.1'],
  ['no word of it: the peer', '127.0.0.0/8', [], '127.0.0.1'],
] as const) {
  settings(`TORC_KEY=ip: ${name}`, async () => {
    await withProxy({ KEY: 'ip', TRUSTED_PROXIES: trusted }, async torc => {
      await ask(torc.port, get('/a', fields));
      assert.equal(torc.counters.collect(true).slots[0]!.keys, [key]);
    });
  });
}

settings('TORC_SERVED_BY=false', async () => {
  await withProxy({ SERVED_BY: 'false' }, async torc => {
    assert.is(fieldOf(await ask(torc.port, get('/a')), 'x-served-by'), undefined);
  });
});

settings('TORC_ACCESS_LOG has one line a request', async () => {
  await withProxy({ ACCESS_LOG: 'true' }, async torc => {
    await ask(torc.port, get('/a?x=1'));
    const line = torc.lines.find(({ message }) => message === 'request')!;
    assert.is(line.fields.target, '/a?x=1');
    assert.is(line.fields.status, 200);
    assert.is(line.fields.slot, '1');
  });
});

settings('bounded load: a hot key overflows to the next choice', async () => {
  const waiting: (() => void)[] = [];
  const held: Answer = (request, socket) => void waiting.push(() => plain('ok')(request, socket));
  await withProxy(
    { BALANCE_FACTOR: '1.25' },
    async torc => {
      const clients = [];
      for (let index = 0; index < 8; index++) {
        const client = await rawClient(torc.port);
        client.send(get('/hot'));
        clients.push(client);
        await waitFor(() => waiting.length === index + 1, { timeoutMs: 2000, what: 'the request' });
      }
      const slots = torc.counters.collect().slots.map(({ slot, inFlight }) => [slot, inFlight]);
      assert.equal(slots, [
        ['1', 5],
        ['2', 3],
      ]);
      for (const answer of waiting) answer();
      for (const client of clients) assert.is((await client.answer()).status, 200);
      for (const client of clients) client.close();
    },
    held,
  );
});

settings('64 MB against a reader that does not read: the sender is stopped, memory stays', async () => {
  let written = 0;
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const flood: Answer = (_request, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${64 * 1024 * 1024}\r\n\r\n`);
    const more = (): void => {
      while (written < 64 * 1024 * 1024) {
        written += chunk.length;
        if (!socket.write(chunk)) {
          socket.once('drain', more);
          return;
        }
      }
    };
    more();
  };
  await withProxy(
    {},
    async torc => {
      const client = await rawClient(torc.port);
      let received = 0;
      client.socket.removeAllListeners('data');
      client.socket.pause();
      client.send(get('/big'));
      let last = -1;
      await waitFor(
        async () => {
          const before = last;
          last = written;
          await new Promise(resolve => setTimeout(resolve, 100));
          return written > 0 && before === written;
        },
        { timeoutMs: 5000, what: 'the sender to stop' },
      );
      assert.ok(written < 32 * 1024 * 1024, `${written} bytes are somewhere`);
      client.socket.on('data', data => {
        received += data.length;
      });
      client.socket.resume();
      await waitFor(() => received >= 64 * 1024 * 1024, { timeoutMs: 20_000, what: 'all of it' });
      client.close();
    },
    flood,
  );
});

settings.run();
