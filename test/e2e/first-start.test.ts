// The first start of somebody's own program: what torc asks it, what it says on the screen when that is not answered, and how
// long it waits.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Authority } from '../support/certificates.ts';
import { slotsOf } from '../support/healing.ts';
import { freePort, spawnTorc, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const first = suite('first start');
const directory = mkdtempSync(join(tmpdir(), 'torctest-'));
first.after(() => rmSync(directory, { recursive: true, force: true }));

function command(name: string, code: string): string {
  const path = join(directory, `${name}.cjs`);
  writeFileSync(path, `const http = require('http'); const { PORT } = process.env; ${code}`);
  return `exec ${process.execPath} ${path}`;
}

const saying = (torc: Torc, text: RegExp): Record<string, unknown>[] =>
  torc.lines().filter(({ msg }) => text.test(String(msg)));
const untilSaid = (torc: Torc, text: RegExp): Promise<void> =>
  waitFor(() => saying(torc, text).length > 0, { timeoutMs: 30_000, what: `a line with ${text}` });

async function withTorc(
  settings: Record<string, string>,
  body: (torc: Torc) => Promise<void>,
): Promise<void> {
  const torc = await spawnTorc({ TORC_WORKERS: '1', ...settings });
  try {
    await body(torc);
  } finally {
    await torc.close();
  }
}

first('a program without a heartbeat is asked for its first page, and the log says so once', () =>
  withTorc(
    {
      TORC_REPLICA_COMMAND: command(
        'plain',
        `http.createServer((ask, reply) => { if (ask.url !== '/') reply.statusCode = 404; reply.end('hi'); }).listen(PORT, '127.0.0.1')`,
      ),
    },
    async torc => {
      await untilSaid(torc, /torc is ready on/);
      const [line, ...more] = saying(torc, /^heartbeats ask for/);
      assert.match(
        String(line?.msg),
        /^heartbeats ask for GET \/: 200 in \d+ ms \(GET \/heartbeat: 404 in \d+ ms\); TORC_HEARTBEAT_PATH/,
      );
      assert.equal(more, []);
      assert.is((await torc.get('/')).text, 'hi');
    },
  ),
);

first(
  'a program on a port of its own: where it listens, once for all slots, long before the start is over',
  async () => {
    const port = await freePort();
    const code = `http.createServer((ask, reply) => reply.end()).listen(${port}, '127.0.0.1').on('error', () => setInterval(() => {}, 1000))`;
    await withTorc({ TORC_REPLICA_COMMAND: command('fixed', code) }, async torc => {
      await untilSaid(torc, /not on \d+: have it listen on the port that it finds in PORT/);
      const [line, ...more] = saying(torc, /does not answer yet: .* it listens on/);
      assert.equal([line?.level, more], ['warn', []]);
      const expected = `: connection refused; it listens on 127.0.0.1:${port}, not on `;
      assert.ok(String(line?.msg).includes(expected), String(line?.msg));
      assert.not.match(torc.output(), /no replica is ready yet/, 'before anybody waited for it');
    });
  },
);

first(
  'upstreams that TLS fails with: each fault once for all that have it, and nothing is said of HTTP',
  async () => {
    const authority = new Authority(join(directory, 'tls'));
    const servers: Server[] = [['DNS:other.test'], ['IP:127.0.0.1']].map(names =>
      createTlsServer(authority.issue(names)),
    );
    // It speaks no TLS.
    servers.push(createServer(socket => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
    const ports: number[] = [];
    for (const server of servers) {
      server.on('tlsClientError', () => {});
      await new Promise<void>(resolve => server.listen(0, resolve));
      ports.push((server.address() as { port: number }).port);
    }
    // Each on two addresses, in turns: a log that remembers only the last would repeat itself.
    const upstreams = ['127.0.0.1', '127.0.0.2'].flatMap(host =>
      ports.map((port, index) => `https://${host}:${port}${index === 0 ? `;ca=${authority.path}` : ''}`),
    );
    const settings = {
      TORC_DRIVER: 'static',
      TORC_UPSTREAMS: `${upstreams}`,
    };
    const ended = withTorc(settings, async torc => {
      for (const fault of [/is for others/, /from an unknown authority/, /does not speak TLS/])
        await untilSaid(torc, new RegExp(`does not answer yet: .*${fault.source}`));
      // For what should not come: those that have the same fault were asked in the same second.
      await new Promise(resolve => setTimeout(resolve, 1_500));
      const told = saying(torc, /does not answer yet/).map(({ msg }) => String(msg));
      assert.is(told.length, 3, told.join('\n'));
      for (const line of told) assert.not.match(line, /TORC_HEARTBEAT|speaks something else/);
    });
    await ended.finally(() => {
      for (const server of servers) server.close();
    });
  },
);

first('one that prints while it starts may take longer than one that is silent', () =>
  withTorc(
    {
      TORC_REPLICAS: '2',
      TORC_START_TIMEOUT_MS: '6000',
      TORC_REPLICA_COMMAND: command(
        'slow',
        `const isTalker = process.env.SERVER_ID === '1';
        if (isTalker) setInterval(() => console.log('still migrating'), 200);
        setTimeout(() => http.createServer((ask, reply) => reply.end()).listen(PORT, '127.0.0.1'), isTalker ? 10000 : 600000);`,
      ),
    },
    async torc => {
      const stateOf = async (name: string): Promise<string> => {
        const slot = (await slotsOf(torc)).find(each => each.name === name);
        return `${slot?.state} ${slot?.generation}`;
      };
      await untilSaid(torc, /torc is ready|torc listens/);
      await waitFor(async () => (await stateOf('1')) === 'ready 1', { timeoutMs: 60_000, what: 'slot 1' });
      assert.is(await stateOf('1'), 'ready 1');
      assert.not((await stateOf('2')).endsWith(' 1'), 'the silent one was started anew');
      assert.ok(
        saying(torc, /^slot 2 is not filled, failure 1: no heartbeat answered yet: .*it listens nowhere yet/),
      );
    },
  ),
);

first('a connection may be enough; docker is no mode for child processes', async () => {
  const code = `require('net').createServer(socket => socket.end()).listen(PORT, '127.0.0.1')`;
  const torc = await startTorc({
    TORC_WORKERS: '1',
    TORC_HEARTBEAT_MODE: 'tcp',
    TORC_REPLICA_COMMAND: command('no-http', code),
  });
  try {
    assert.match(torc.output(), /torc is ready on/);
  } finally {
    await torc.close();
  }
  const refused = await spawnTorc({ TORC_HEARTBEAT_MODE: 'docker' });
  assert.is(await refused.exited(), 2);
  assert.match(refused.output(), /TORC_HEARTBEAT_MODE: docker asks a container's own health/);
});

first.run();
