// The control side from outside, as somebody with no right to it would try: tokens on loopback, what came through a
// proxy, other methods, other spellings, upgrades, bodies that never come, readers that never read; and the listener of
// its own. A real torc with a given upstream that answers everything, so whatever reaches it shows.

import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ask, get, rawClient } from '../support/raw.ts';
import { freePort, spawnTorc, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const control = suite('control side');

let app: Server;
const reached: string[] = [];

control.before(async () => {
  app = createServer((request, response) => {
    if (request.url !== '/heartbeat') reached.push(`${request.method} ${request.url}`);
    response.setHeader('access-control-allow-origin', '*');
    response.end('the app');
  });
  app.on('upgrade', (request, socket) => {
    reached.push(`upgrade ${request.url}`);
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  });
  await new Promise<void>(resolve => app.listen(0, '127.0.0.1', resolve));
});

control.after(() => {
  app.closeAllConnections();
  app.close();
});

async function withTorc(settings: Record<string, string>, use: (torc: Torc) => Promise<void>): Promise<void> {
  const { port } = app.address() as AddressInfo;
  const torc = await startTorc({
    TORC_DRIVER: 'static',
    TORC_UPSTREAMS: `127.0.0.1:${port};name=1`,
    TORC_WORKERS: '1',
    ...settings,
  });
  reached.length = 0;
  try {
    await use(torc);
  } finally {
    await torc.close();
  }
}

const LOCAL = 'Host: 127.0.0.1';
const JSON_TYPE = 'content-type: application/json';
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const asks = (method: string, target: string, fields: readonly string[] = []): string =>
  `${method} ${target} HTTP/1.1\r\n${[LOCAL, ...fields].join('\r\n')}\r\n\r\n`;

control(
  'a token is asked for on loopback too, by name and role; changes and refusals are logged',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'torc-test-tokens-'));
    const file = join(directory, 'tokens');
    writeFileSync(file, 'prometheus read scrape-me-please\nanna operate let-anna-in\n');
    try {
      await withTorc({ TORC_ADMIN_TOKEN_FILE: file, TORC_ADMIN_OPEN: 'true' }, async torc => {
        for (const path of ['/admin/slots', '/metrics', '/admin/live'])
          assert.is((await torc.get(path)).status, 401, path);
        assert.is((await torc.get('/rep')).status, 200, 'everybody may read it');
        assert.is((await torc.get('/metrics', bearer('scrape-me-please'))).status, 200);
        const payload = { n: 1, hostnames: ['1'] };
        assert.is((await torc.send('DELETE', '/rm', payload, bearer('scrape-me-please'))).status, 403);
        assert.is((await torc.send('POST', '/add', payload, bearer('let-anna-in'))).status, 409);
        const { text } = await torc.get('/metrics', bearer('scrape-me-please'));
        assert.match(text, /torc_control_refusals_total\{reason="token"\} 3/);
        assert.match(text, /torc_control_refusals_total\{reason="role"\} 1/);
        await waitFor(() => torc.lines().some(line => line.who === 'anna'), {
          timeoutMs: 20_000,
          what: 'the line of the change',
        });
        const change = torc.lines().find(line => line.who === 'anna')!;
        assert.is(change.from, '127.0.0.1');
        assert.is(change.body, JSON.stringify(payload));
        assert.is(torc.lines().filter(line => /was refused/.test(String(line.msg))).length, 1, 'bounded');
        assert.not.match(torc.output(), /let-anna-in|scrape-me/);
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);

control(
  'a token is no flag, and a wrong file stops the start with a line that says what is wrong',
  async () => {
    const flagged = await spawnTorc({}, ['--admin-token', 'correct-horse']);
    assert.is(await flagged.exited(), 2);
    assert.match(flagged.errors(), /--admin-token: .*--admin-token-file/);
    const missing = await spawnTorc({ TORC_ADMIN_TOKEN_FILE: '/nowhere/tokens' });
    assert.is(await missing.exited(), 1);
    assert.match(missing.errors(), /TORC_ADMIN_TOKEN_FILE: \/nowhere\/tokens cannot be read \(ENOENT\)/);
  },
);

control(
  'answers keep their order behind bytes that are no request, and a broken body is told at once',
  async () => {
    await withTorc({}, async torc => {
      const client = await rawClient(torc.port);
      client.send(`${asks('GET', '/rep')}\x00nonsense\r\n\r\n`);
      assert.is((await client.answer()).status, 200);
      assert.is((await client.answer()).status, 400);
      await client.gone();
      const json = ['Content-Type: application/json', 'Transfer-Encoding: chunked'];
      const startedMs = performance.now();
      const broken = await rawClient(torc.port);
      broken.send(`${asks('POST', '/add', json)}zz\r\n`);
      assert.is((await broken.answer()).status, 400);
      await broken.gone();
      assert.ok(performance.now() - startedMs < 8_000, 'not by the timeout of 10 s');
      for (const coding of ['gzip, chunked', 'identity'])
        assert.is(
          (await ask(torc.port, asks('GET', '/rep', [`Transfer-Encoding: ${coding}`]))).status,
          400,
          coding,
        );
      const old = 'GET /admin/slots HTTP/1.0\r\nHost: 127.0.0.1\r\n';
      assert.is((await ask(torc.port, `${old}\r\n`)).status, 403, 'as a proxy asks that was told nothing');
      assert.is((await ask(torc.port, `${old}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)).status, 400);
      assert.is((await ask(torc.port, 'GET /rep HTTP/2.0\r\nHost: 127.0.0.1\r\n\r\n')).status, 400);
    });
  },
);

control('an upgrade behind a control request waits for its answer, and holds no place of it', async () => {
  await withTorc({ TORC_WORKERS: '1' }, async torc => {
    const both = `${asks('GET', '/rep')}${asks('GET', '/home', ['Connection: Upgrade', 'Upgrade: x'])}`;
    // More often than control requests may wait in a worker.
    for (let index = 0; index < 300; index++) {
      const client = await rawClient(torc.port);
      client.send(both);
      const first = await client.answer();
      assert.is(first.status, 200);
      assert.match(first.body, /replicas/);
      assert.is((await client.answer()).body, 'the app');
      client.close();
    }
    assert.is((await torc.get('/admin/live')).status, 200);
  });
});

control('every method and no other spelling of a control path is torc s', async () => {
  await withTorc({}, async torc => {
    for (const method of ['OPTIONS', 'GET', 'PUT', 'PATCH', 'QUUX']) {
      const answer = await ask(torc.port, asks(method, '/add', ['Origin: http://127.0.0.1']));
      assert.is(answer.status, 405, method);
      assert.not.match(answer.fields.join('\n'), /access-control/i, method);
    }
    const upgrade = ['Connection: Upgrade', 'Upgrade: websocket'];
    assert.is((await ask(torc.port, asks('GET', '/admin/slots', upgrade))).status, 200);
    assert.is((await ask(torc.port, asks('GET', 'http://127.0.0.1/rep'))).status, 200);
    assert.equal(reached, [], 'none of them reached a replica');
    for (const target of [
      '/admin%2fslots',
      '/x/../admin/slots',
      '/./rep',
      '/\\admin\\slots',
      '//rep',
      '/re%70',
    ])
      assert.is((await ask(torc.port, asks('GET', target))).body, 'the app', target);
    const dots = await ask(torc.port, asks('GET', '/admin/../rep'));
    assert.is(dots.status, 404, 'one of torc, and there is none of that name');
  });
});

control(
  'what came through a proxy, without Host or with two, or from a foreign page is refused',
  async () => {
    await withTorc({}, async torc => {
      for (const field of [
        'X-Forwarded-For: 127.0.0.1',
        'Forwarded: for=x',
        'Via: 1.1 front',
        'X-Real-IP: ::1',
      ])
        assert.is((await ask(torc.port, asks('GET', '/admin/slots', [field]))).status, 403, field);
      assert.is((await ask(torc.port, asks('GET', '/rep', ['Via: 1.1 front']))).status, 200);
      assert.is((await ask(torc.port, 'GET /rep HTTP/1.1\r\n\r\n')).status, 400);
      assert.is((await ask(torc.port, asks('GET', '/rep', [LOCAL]))).status, 400);
      assert.is((await ask(torc.port, get('/rep'))).status, 403, 'a name');
      const rm = (...fields: string[]) =>
        ask(torc.port, `${asks('DELETE', '/rm', [JSON_TYPE, 'content-length: 7', ...fields])}{"n":1}`);
      assert.is((await rm('Origin: http://evil.example')).status, 403);
      assert.is((await rm('Sec-Fetch-Site: cross-site')).status, 403);
      assert.is(JSON.parse((await torc.get('/rep')).text).message.N, 1, 'nothing changed');
    });
  },
);

control('the app gets its own paths back', async () => {
  const paths = [
    ['GET', '/admin/login/?next=/admin/'],
    ['GET', '/metrics'],
    ['POST', '/add'],
    ['DELETE', '/rm'],
    ['GET', '/requests/5'],
    ['GET', '/rep'],
  ] as const;
  const answers = (torc: Torc) =>
    Promise.all(
      paths.map(
        async ([method, target]) => (await ask(torc.port, asks(method, target, ['content-length: 0']))).body,
      ),
    );
  const adminPort = String(await freePort());
  await withTorc({ TORC_ADMIN_PORT: adminPort, TORC_ADMIN_PATHS: 'off-public' }, async torc => {
    assert.equal(
      await answers(torc),
      paths.map(() => 'the app'),
    );
    const admin = `http://127.0.0.1:${adminPort}`;
    for (const path of ['/admin/slots', '/metrics', '/rep', '/admin/ready'])
      assert.is((await fetch(admin + path)).status, 200, path);
    assert.is((await fetch(`${admin}/home`)).status, 404, 'no traffic there');
    assert.match(torc.output(), new RegExp(`"admin":"${admin}/admin/slots"`));
  });
  await withTorc({ TORC_ADMIN_PORT: adminPort, TORC_ADMIN_PATHS: 'separate' }, async torc => {
    const [login, metrics, add, , requests, rep] = await answers(torc);
    assert.equal([login, metrics], ['the app', 'the app']);
    assert.match(add!, /JSON/);
    assert.match(requests! + rep, /Server ID not found.*"N": 1/s);
  });
});

control('a unix socket is a local listener of its own, for its owner alone', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'torc-test-socket-'));
  const socketPath = join(directory, 'admin.sock');
  const statusOf = (path: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = httpRequest({ socketPath, path, headers: { host: 'localhost' } }, response => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      asked.on('error', reject);
      asked.end();
    });
  try {
    const settings = { TORC_ADMIN_LISTEN: `unix:${socketPath}`, TORC_ADMIN_PATHS: 'off-public' };
    await withTorc(settings, async torc => {
      assert.is(statSync(socketPath).mode & 0o777, 0o600);
      assert.is(await statusOf('/admin/slots'), 200);
      torc.process.kill('SIGKILL');
      await torc.exited();
      assert.ok(existsSync(socketPath), 'a crash leaves it');
    });
    await withTorc(settings, async () => assert.is(await statusOf('/admin/slots'), 200));
    assert.not.ok(existsSync(socketPath), 'a stop does not');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

control('bodies that never come hold nothing: refused by their head, or after a time', async () => {
  await withTorc({ TORC_ADMIN_TOKEN: 'correct-horse', TORC_HEADER_TIMEOUT_MS: '500' }, async torc => {
    const unfinished = (fields: readonly string[]): string => asks('POST', '/add', fields);
    const sockets: Socket[] = [];
    // More than a worker lets wait at once, and all without a right to it.
    for (let index = 0; index < 400; index++) {
      const socket = connect(torc.port, '127.0.0.1');
      socket.resume();
      socket.on('error', () => {});
      socket.write(unfinished([JSON_TYPE, 'content-length: 100']));
      sockets.push(socket);
    }
    // By its head; while more of them than may wait are unanswered, for that.
    const isRefused = async (): Promise<boolean> => {
      const client = await rawClient(torc.port);
      client.send(unfinished([JSON_TYPE, 'content-length: 100']));
      const { status } = await client.answer();
      await client.gone();
      assert.ok(status === 401 || status === 503, String(status));
      return status === 401;
    };
    await waitFor(isRefused, { timeoutMs: 20_000, what: 'a refusal by its head' });
    assert.is((await torc.get('/admin/slots', bearer('correct-horse'))).status, 200);
    for (const [fields, status] of [
      [['content-type: text/plain', 'content-length: 10'], 415],
      [[JSON_TYPE, 'content-length: 70000'], 413],
      [[JSON_TYPE, 'content-length: 10'], 408],
    ] as const) {
      const client = await rawClient(torc.port);
      client.send(unfinished(['authorization: Bearer correct-horse', ...fields]));
      assert.is((await client.answer()).status, status);
      await client.gone();
    }
    await waitFor(() => sockets.every(socket => socket.destroyed), {
      timeoutMs: 20_000,
      what: 'all to be closed',
    });
    const expecting = await rawClient(torc.port);
    expecting.send(
      unfinished([
        'authorization: Bearer correct-horse',
        JSON_TYPE,
        'content-length: 7',
        'expect: 100-continue',
      ]),
    );
    await expecting.has('100 Continue');
    expecting.send('{"n":1}');
    assert.is((await expecting.answer()).status, 409);
    expecting.close();
  });
});

control('a long answer goes out as it is read, and a reader that stops loses its connection', async () => {
  await withTorc({ TORC_SHOW_KEYS: 'true', TORC_KEY: 'uri' }, async torc => {
    const padding = 'x'.repeat(400);
    const loader = await rawClient(torc.port);
    for (let start = 0; start < 10_000; start += 50) {
      loader.received = '';
      loader.send(
        Array.from({ length: 50 }, (_, index) => asks('GET', `/${start + index}?${padding}`)).join(''),
      );
      await waitFor(() => loader.received.split('the app').length === 51, {
        timeoutMs: 20_000,
        what: '50 answers',
      });
    }
    loader.close();
    const short = JSON.parse((await torc.get('/requests/1')).text);
    assert.is(short.requests.length, 1000);
    assert.is(short.count, 10_000, 'the count is exact');
    assert.is((await torc.get('/requests/1?limit=10001')).status, 400);
    const whole = JSON.parse((await torc.get('/requests/1?limit=10000')).text);
    assert.is(whole.requests.length, 10_000);
    assert.is(new Set(whole.requests).size, 10_000);
    const readers = await Promise.all(
      Array.from({ length: 24 }, async () => {
        const client = await rawClient(torc.port);
        client.socket.pause();
        // 23 MB in all: more than the kernel takes for a reader.
        client.send(asks('GET', '/requests/1?limit=10000').repeat(5));
        return client;
      }),
    );
    assert.is((await torc.get('/requests/1?limit=1')).status, 200, 'others are served');
    // Paused, so that a close is seen by what can still be written: requests like any other, which wait for their turn.
    let askedMs = 0;
    const isCut = (): boolean => {
      if (performance.now() - askedMs > 500) {
        askedMs = performance.now();
        for (const { socket } of readers) if (!socket.destroyed) socket.write(asks('GET', '/rep'));
      }
      return readers.some(({ closed }) => closed);
    };
    await waitFor(isCut, { timeoutMs: 60_000, what: 'readers that do not read to be cut off' });
    for (const { socket } of readers) socket.destroy();
  });
});

control('the listener of its own answers what is no request as the public port does', async () => {
  const adminPort = await freePort();
  await withTorc({ TORC_ADMIN_PORT: String(adminPort) }, async torc => {
    for (const port of [torc.port, adminPort]) {
      const statuses = async (text: string): Promise<number[]> => {
        const client = await rawClient(port);
        client.send(text);
        await client.gone();
        assert.match(client.received, /"status": ?"failure"/, text.slice(0, 60));
        return [...client.received.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(match => Number(match[1]));
      };
      assert.equal(await statuses('\x00x\r\n\r\n'), [400]);
      assert.equal(await statuses(`${asks('GET', '/admin/live')}\x00x\r\n\r\n`), [200, 400], 'in order');
      assert.equal(await statuses(asks('CONNECT', 'a:1')), [405]);
      assert.equal(await statuses(asks('GET', '/rep', [`a: ${'x'.repeat(40_000)}`])), [431]);
      assert.equal(await statuses('GET /rep HTTP/2.0\r\nHost: localhost\r\n\r\n'), [400]);
      const json = [JSON_TYPE, 'Transfer-Encoding: chunked'];
      assert.equal(await statuses(`${asks('POST', '/add', json)}zz\r\n`), [400], 'a broken body');
    }
  });
});

control(
  'a stream of events stays whole behind what is no request, and for a half-closed client',
  async () => {
    const adminPort = await freePort();
    await withTorc({ TORC_ADMIN_PORT: String(adminPort) }, async torc => {
      const readers = await Promise.all(
        [torc.port, adminPort].flatMap(port =>
          ['\x00x\r\n\r\n', null].map(async behind => {
            const client = await rawClient(port, { allowHalfOpen: true });
            client.send(asks('GET', '/admin/events'));
            await client.has('torc events');
            if (behind === null) client.socket.end();
            else client.send(behind);
            return client;
          }),
        ),
      );
      for (const reader of readers) reader.received = '';
      // A half-closed client whose replica is silent would be given up by now.
      await new Promise(resolve => setTimeout(resolve, 3_000));
      for (const { received, ended, closed } of readers) {
        assert.is(received, '', 'nothing of HTTP within the stream');
        assert.is(ended || closed, false);
      }
      for (const { socket } of readers) socket.destroy();
    });
  },
);

control('places of clients that are gone are free again, and a full house is told', async () => {
  const adminPort = await freePort();
  await withTorc({ TORC_ADMIN_PORT: String(adminPort) }, async torc => {
    const status = async (path: string): Promise<number> =>
      (await fetch(`http://127.0.0.1:${adminPort}${path}`)).status;
    const readers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const client = await rawClient(adminPort);
        client.send(asks('GET', '/admin/events') + asks('GET', '/admin/live').repeat(300));
        await client.has('torc events');
        return client;
      }),
    );
    assert.is(await status('/admin/live'), 200, 'what is pipelined behind a stream has no place yet');
    assert.is(await status('/admin/events'), 503, 'enough readers');
    // Their bodies do not come: each has a place until then.
    const slow = await Promise.all(
      Array.from({ length: 28 }, async () => {
        const client = await rawClient(adminPort);
        client.send(asks('POST', '/add', [JSON_TYPE, 'content-length: 9']));
        return client;
      }),
    );
    await waitFor(async () => (await status('/admin/live')) === 503, {
      timeoutMs: 20_000,
      what: 'the places of one address to be taken',
    });
    await waitFor(() => torc.output().includes('found no place'), { timeoutMs: 20_000, what: 'the line' });
    for (const { socket } of [...readers, ...slow]) socket.destroy();
    await waitFor(async () => (await status('/admin/live')) === 200, {
      timeoutMs: 20_000,
      what: 'their places',
    });
  });
});

control('a client that resets its connection ends nothing but that', async () => {
  const adminPort = await freePort();
  await withTorc({ TORC_ADMIN_PORT: String(adminPort), TORC_ADMIN_TOKEN: 'correct-horse' }, async torc => {
    const tunnel = asks('CONNECT', 'x:1');
    for (let index = 0; index < 40; index++) {
      const before = ['', asks('GET', '/rep'), asks('GET', '/slow')][index % 3]!;
      const client = await rawClient(index % 2 === 0 ? torc.port : adminPort);
      client.send(before + tunnel);
      if (index % 4 < 2) await new Promise(resolve => setImmediate(resolve));
      client.socket.resetAndDestroy();
    }
    const { text } = await torc.get('/metrics', bearer('correct-horse'));
    assert.match(text, /torc_worker_restarts_total 0/);
    assert.is((await fetch(`http://127.0.0.1:${adminPort}/rep`)).status, 200);
    assert.is((await torc.get('/home')).text, 'the app');
  });
});

control('one address does not have all connections of the own listener', async () => {
  const adminPort = await freePort();
  await withTorc({ TORC_ADMIN_PORT: String(adminPort) }, async torc => {
    const clients = await Promise.all(Array.from({ length: 300 }, () => rawClient(adminPort)));
    const open = (): number => clients.filter(({ closed }) => !closed).length;
    await waitFor(() => open() === 256, { timeoutMs: 20_000, what: 'those beyond the bound to be closed' });
    await waitFor(() => torc.output().includes('has its most, 256'), { timeoutMs: 20_000, what: 'the line' });
    for (const client of clients) client.close();
    await waitFor(() => fetch(`http://127.0.0.1:${adminPort}/rep`).then(Boolean, () => false), {
      timeoutMs: 20_000,
      what: 'a place',
    });
  });
});

control(
  'answers of both listeners are true in their order, and one what-if is computed at a time',
  async () => {
    const adminPort = await freePort();
    const settings = { TORC_DRIVER: 'process', TORC_UPSTREAMS: '', TORC_ADMIN_PORT: String(adminPort) };
    await withTorc(settings, async torc => {
      const payload = '{"n":1,"hostnames":["z"]}';
      const fields = [JSON_TYPE, `content-length: ${payload.length}`];
      for (const port of [torc.port, adminPort]) {
        const client = await rawClient(port);
        client.send(
          `${asks('POST', '/add', fields)}${payload}${asks('GET', '/rep')}${asks('DELETE', '/rm', fields)}${payload}${asks('GET', '/rep')}`,
        );
        const counts: number[] = [];
        for (let index = 0; index < 4; index++)
          counts.push(JSON.parse((await client.answer()).body).message.N);
        assert.equal(counts, [4, 4, 3, 3], String(port));
        client.close();
      }
      const many = await Promise.all(
        Array.from({ length: 20 }, (_, index) => torc.get(`/admin/whatif?n=${index < 10 ? 1000 : index}`)),
      );
      assert.is(
        many.filter(({ status }) => status === 200).length >= 10,
        true,
        'those that ask the same share it',
      );
      assert.is(many.filter(({ status }) => status === 503).length > 0, true);
    });
  },
);

control('a refusal that nobody reads does not keep its connection', async () => {
  await withTorc({}, async torc => {
    const holders = await Promise.all(
      Array.from({ length: 128 }, async () => {
        const client = await rawClient(torc.port);
        client.send(asks('POST', '/add', [JSON_TYPE, 'content-length: 9']));
        return client;
      }),
    );
    const refused = await rawClient(torc.port);
    await waitFor(async () => (await torc.get('/rep')).status === 503, {
      timeoutMs: 20_000,
      what: 'all places to be taken',
    });
    refused.send(asks('GET', '/rep').repeat(3));
    await refused.gone();
    assert.is(refused.received.split('HTTP/1.1 503').length - 1, 1, 'and nothing behind it is served');
    assert.match(refused.received, /connection: close/i);
    for (const { socket } of holders) socket.destroy();
  });
});

control('keys are shown to who may see them', async () => {
  await withTorc({ TORC_KEY: 'cookie:sid', TORC_ADMIN_TOKEN: 'correct-horse' }, async torc => {
    await torc.get('/a', { cookie: 'sid=secret-session' });
    assert.is((await torc.get('/requests/1')).status, 401);
    const { text } = await torc.get('/requests/1', bearer('correct-horse'));
    assert.match(text, /hash:[0-9a-f]{16}/);
    assert.not.match(text, /secret-session/);
  });
  await withTorc({}, async torc => {
    await torc.get('/reset/abc');
    await torc.get('/x?request_id=7');
    assert.equal(JSON.parse((await torc.get('/requests/1')).text).requests, ['/reset/abc', 7]);
    const open = JSON.parse((await torc.get('/requests/1', { via: '1.1 front' })).text);
    assert.equal(open, { requests: [7], count: 2, status: 'successful' });
    assert.is((await torc.get('/requests/1?limit=1001', { via: '1.1 front' })).status, 403, 'no long page');
    for (const limit of ['', '0x10', '1e3', '-1', '10001'])
      assert.is((await torc.get(`/requests/1?limit=${limit}`)).status, 400, limit);
  });
});

control.run();
