// Heartbeats that share a connection, against real servers: how many do, when another one is made, and that nothing is believed
// or blamed that probe.ts would not believe or blame.

import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ProbeResult, Question, Replica } from '../../src/control/driver.ts';
import { probe } from '../../src/drivers/probe.ts';
import { keptProbe } from '../../src/drivers/probe-kept.ts';
import { waitFor } from '../support/wait.ts';

const kept = suite('probe-kept');
const TIMEOUT_MS = 5_000;
const QUESTION: Question = {
  mode: 'http',
  method: 'GET',
  path: '/heartbeat',
  host: null,
  port: null,
  statuses: [{ from: 200, to: 399 }],
};

interface Subject {
  readonly server: Server;
  readonly sockets: Set<Socket>;
  readonly replica: Replica;
  /** Connections so far. */
  readonly made: () => number;
  readonly ask: (isRoutine?: boolean, timeoutMs?: number, question?: Question) => Promise<ProbeResult>;
}

async function withServer(server: Server, use: (subject: Subject) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>();
  let count = 0;
  server.on('connection', (socket: Socket) => {
    count++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const place = { id: 'a', slot: '1', generation: 1, spare: false, status: 'running', label: 'a' } as const;
  const replica: Replica = { ...place, host: '127.0.0.1', port };
  const subject = keptProbe(() => 0);
  try {
    await use({
      server,
      sockets,
      replica,
      made: () => count,
      ask: (isRoutine = true, timeoutMs = TIMEOUT_MS, question = QUESTION) =>
        subject(replica, question, timeoutMs, isRoutine),
    });
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

const http = (listener: RequestListener): Server => createHttpServer({ keepAliveTimeout: 60_000 }, listener);
/** Answers each head that it reads with `text`. */
const raw = (text: string, end = false): Server =>
  createServer(socket => {
    socket.on('data', () => (end ? socket.end(text) : socket.write(text)));
  });

kept('thirty beats share a connection, and the next thirty another one', async () => {
  await withServer(
    http((_request, response) => void response.end('well')),
    async ({ ask, made, sockets }) => {
      for (let beat = 0; beat < 90; beat++) {
        const { alive, got, status } = await ask();
        assert.equal({ alive, got, status }, { alive: true, got: 'answer', status: 200 });
      }
      assert.is(made(), 3);
      await waitFor(() => sockets.size === 0, {
        timeoutMs: 20_000,
        what: 'the thirtieth beat to be the last of its connection',
      });
    },
  );
});

kept('asks as probe.ts does, but for the connection', async () => {
  const heads: string[] = [];
  await withServer(
    http((request, response) => {
      const { connection, ...rest } = request.headers;
      heads.push(JSON.stringify([request.method, request.url, rest]));
      response.end();
    }),
    async ({ ask, replica }) => {
      for (const question of [QUESTION, { ...QUESTION, method: 'HEAD', host: 'app.test' } as const]) {
        await ask(true, TIMEOUT_MS, question);
        await probe(replica, question, TIMEOUT_MS);
      }
    },
  );
  assert.is(heads.length, 4);
  assert.is(heads[0], heads[1]);
  assert.is(heads[2], heads[3]);
});

kept('who is doubted is asked by a new connection, and the old one is given up', async () => {
  await withServer(
    http((_request, response) => void response.end()),
    async ({ ask, made, sockets }) => {
      await ask();
      await ask(false);
      assert.is(made(), 2);
      await waitFor(() => sockets.size === 0, { timeoutMs: 20_000, what: 'both to be closed' });
      await ask();
      assert.is(made(), 3);
    },
  );
});

kept(
  'who accepts nothing new, and answers where it is connected, is found out within thirty beats',
  async () => {
    await withServer(
      http((_request, response) => void response.end()),
      async ({ ask, server }) => {
        assert.ok((await ask()).alive);
        server.close();
        const beats: ProbeResult[] = [];
        for (let beat = 0; beat < 30; beat++) beats.push(await ask());
        assert.is(beats.at(-1)!.got, 'refused');
      },
    );
  },
);

kept('a connection that was closed for its age is no fault', async () => {
  await withServer(
    http((_request, response) => void response.end()),
    async ({ ask, made, sockets }) => {
      assert.ok((await ask()).alive);
      // As the question is on its way.
      for (const socket of sockets) socket.destroy();
      assert.ok((await ask()).alive);
      assert.is(made(), 2);
      for (const socket of sockets) socket.destroy();
      await waitFor(() => sockets.size === 0, { timeoutMs: 20_000, what: 'the end to be there' });
      assert.ok((await ask()).alive);
      assert.is(made(), 3);
    },
  );
});

kept('who hangs up on every question has not answered', async () => {
  await withServer(
    createServer(socket => void socket.on('data', () => socket.destroy())),
    async ({ ask }) => {
      for (let beat = 0; beat < 3; beat++) {
        const { alive, got } = await ask();
        assert.equal({ alive, got }, { alive: false, got: 'nothing' });
      }
    },
  );
});

kept('who hangs is late, and its connection is not asked again', async () => {
  let isHung = false;
  await withServer(
    http((_request, response) => {
      if (!isHung) response.end();
    }),
    async ({ ask, made }) => {
      assert.ok((await ask()).alive);
      isHung = true;
      const result = await ask(true, 200);
      assert.equal(result, { alive: false, got: 'nothing', status: 0, detail: 'no answer within 200 ms' });
      isHung = false;
      assert.ok((await ask()).alive);
      assert.is(made(), 2);
    },
  );
});

kept('a status that is not well is an answer', async () => {
  await withServer(
    http((_request, response) => void response.writeHead(503).end('no')),
    async ({ ask }) => {
      const { alive, got, status } = await ask();
      assert.equal({ alive, got, status }, { alive: false, got: 'answer', status: 503 });
    },
  );
});

const SAME = [
  ['chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n'],
  ['an interim answer first', 'HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
  ['no HTTP', 'hello\r\n\r\n'],
  ['a name that is none', 'HTTP/1.1 200 OK\r\nbad name: 1\r\ncontent-length: 0\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 1\r\n\r\n'],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok', true],
  ['until the end', 'HTTP/1.1 200 OK\r\n\r\nok', true],
  ['close', 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok', true],
  ['cut off', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok', true],
  ['204', 'HTTP/1.1 204 No Content\r\n\r\n'],
  ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'],
] as const;

for (const [what, text, end = false] of SAME) {
  kept(`${what}: what probe.ts makes of it`, async () => {
    await withServer(raw(text, end), async ({ ask, replica }) => {
      const { detail: _, ...theirs } = await probe(replica, QUESTION, TIMEOUT_MS);
      for (let beat = 0; beat < 3; beat++) {
        const { detail: _, ...ours } = await ask();
        assert.equal(ours, theirs);
      }
    });
  });
}

kept(
  'an answer that comes byte by byte is read whole, and what nobody asked for ends the connection',
  async () => {
    const text = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
    await withServer(
      createServer({ noDelay: true }, socket => {
        socket.on('data', async () => {
          for (const byte of text) {
            socket.write(byte);
            await new Promise(setImmediate);
          }
        });
      }),
      async ({ ask, made, sockets }) => {
        assert.ok((await ask()).alive);
        assert.ok((await ask()).alive);
        assert.is(made(), 1);
        for (const socket of sockets) socket.write(text);
        await waitFor(() => sockets.size === 0, { timeoutMs: 20_000, what: 'it to be closed' });
        assert.ok((await ask()).alive);
        assert.is(made(), 2);
      },
    );
  },
);

kept('an unasked status that waits is not the next answer', async () => {
  const well = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
  await withServer(raw(`${well}${well}`), async ({ ask, made }) => {
    const before = made();
    assert.ok((await ask()).alive, 'as the whole way has it');
    assert.ok(made() - before >= 1);
  });
});

kept.run();
