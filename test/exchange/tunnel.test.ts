// Tunnels: after a 101 torc carries bytes both ways and says nothing itself; before it, a refusal is a plain answer.

import { existsSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { plain, rawOrigin } from '../support/origin.ts';
import { startProxy } from '../support/proxy.ts';
import { ask, fieldOf, get, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const upgrade = suite('upgrade');

const handshake = get('/chat', [
  'Connection: keep-alive, Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Key: x',
]);
const accepted =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Own: 1\r\n\r\n';

async function withTunnel(
  onOpen: (socket: Socket) => void,
  run: (
    torc: Awaited<ReturnType<typeof startProxy>>,
    origin: Awaited<ReturnType<typeof rawOrigin>>,
  ) => Promise<void>,
  settings: Record<string, string> = {},
): Promise<void> {
  const origin = await rawOrigin((_request, socket) => onOpen(socket), { atHead: true });
  const torc = await startProxy([origin.port], settings);
  try {
    await run(torc, origin);
  } finally {
    await torc.close();
    await origin.close();
  }
}

upgrade('h2c is offered to nobody, however it is spelled; other protocols of the list are', async () => {
  const origin = await rawOrigin(plain('served'));
  const torc = await startProxy([origin.port]);
  try {
    for (const offer of ['h2c', 'H2C', ' h2c ', 'h2c, h2c', 'h2c\r\nUpgrade: H2c']) {
      const fields = ['Connection: Upgrade, HTTP2-Settings', `Upgrade: ${offer}`, 'HTTP2-Settings: AAMAAABk'];
      const answer = await ask(torc.port, get('/a', fields));
      assert.is(answer.body, 'served', offer);
    }
    // Also where nobody named it in Connection.
    await ask(torc.port, get('/a', ['HTTP2-Settings: AAMAAABk']));
    assert.not.match(origin.bytes, /h2c|http2-settings|upgrade/i);
    for (const offer of ['h2c, websocket', 'websocket, H2C', 'h2c\r\nUpgrade: websocket'])
      await ask(torc.port, get('/b', ['Connection: Upgrade', `Upgrade: ${offer}`]));
    assert.is(origin.bytes.match(/\r\nUpgrade: websocket\r\n/g)?.length, 3);
    assert.not.match(origin.bytes, /h2c/i);
  } finally {
    await torc.close();
    await origin.close();
  }
});

upgrade('bytes flow both ways, also those right behind the handshake', async () => {
  await withTunnel(
    socket => {
      socket.removeAllListeners('data');
      socket.write(`${accepted}first`);
      socket.on('data', chunk => socket.write(`echo ${chunk}`));
    },
    async (torc, origin) => {
      const client = await rawClient(torc.port);
      client.send(`${handshake}`);
      await client.has('\r\n\r\nfirst');
      assert.match(client.received, /^HTTP\/1\.1 101 Switching Protocols\r\nX-Own: 1\r\n/);
      assert.match(client.received, /Connection: Upgrade\r\nUpgrade: websocket\r\n/);
      assert.match(origin.bytes, /Sec-WebSocket-Key: x\r\n/);
      assert.match(origin.bytes, /Connection: Upgrade\r\nUpgrade: websocket\r\n/);
      client.send('one');
      await client.has('echo one');
      const delta = torc.counters.collect(true);
      assert.is(delta.slots[0]!.inFlight, 1, 'a tunnel is in flight');
      assert.is(delta.slots[0]!.tunnels, 1, 'and known as a tunnel');
      client.close();
      await waitFor(() => origin.sockets.size === 0, { timeoutMs: 2000, what: 'the other side to close' });
      await waitFor(() => torc.counters.collect().slots.length === 0, {
        timeoutMs: 2000,
        what: 'nothing more to count',
      });
    },
  );
});

upgrade('bytes that the client sends with the handshake are kept', async () => {
  let got = '';
  await withTunnel(
    socket => {
      socket.removeAllListeners('data');
      socket.on('data', chunk => {
        got += chunk;
      });
      setImmediate(() => socket.write(accepted));
    },
    async torc => {
      const client = await rawClient(torc.port);
      client.send(`${handshake}early`);
      await waitFor(() => got === 'early', { timeoutMs: 2000, what: 'the early bytes' });
      client.close();
    },
  );
});

upgrade('a half-close is passed on, and the other direction goes on', async () => {
  await withTunnel(
    socket => {
      socket.removeAllListeners('data');
      socket.removeAllListeners('end');
      socket.write(accepted);
      socket.resume();
      socket.on('end', () => socket.end('after your end'));
    },
    async torc => {
      const client = await rawClient(torc.port, { allowHalfOpen: true });
      client.send(handshake);
      await client.has('101');
      client.socket.end();
      await client.has('after your end');
      await client.gone();
    },
  );
});

upgrade('a reset of one side is passed on', async () => {
  await withTunnel(
    socket => {
      socket.removeAllListeners('data');
      socket.write(accepted);
      socket.once('data', () => socket.resetAndDestroy());
    },
    async torc => {
      const client = await rawClient(torc.port);
      client.send(handshake);
      await client.has('101');
      client.send('x');
      await client.gone();
    },
  );
});

upgrade('back-pressure: a reader that does not read stops the writer', async () => {
  let written = 0;
  let stopped = false;
  await withTunnel(
    socket => {
      socket.removeAllListeners('data');
      socket.write(accepted);
      const chunk = Buffer.alloc(64 * 1024);
      const more = (): void => {
        while (written < 64 * 1024 * 1024) {
          written += chunk.length;
          if (!socket.write(chunk)) {
            socket.once('drain', more);
            stopped = true;
            return;
          }
        }
      };
      more();
    },
    async torc => {
      const client = await rawClient(torc.port);
      client.socket.pause();
      client.send(handshake);
      let last = -1;
      await waitFor(
        async () => {
          const before = last;
          last = written;
          await new Promise(resolve => setTimeout(resolve, 100));
          return stopped && before === written;
        },
        { timeoutMs: 5000, what: 'the writer to stop' },
      );
      assert.ok(written < 32 * 1024 * 1024, `${written} bytes are somewhere`);
      client.close();
    },
  );
});

upgrade('a refusal is a plain answer, and the connection goes on', async () => {
  const origin = await rawOrigin(plain('no', [], '403 Forbidden'));
  const torc = await startProxy([origin.port]);
  const client = await rawClient(torc.port);
  for (const request of [handshake, get('/plain'), handshake]) {
    client.send(request);
    const answer = await client.answer();
    assert.is(answer.status, 403);
    assert.is(answer.body, 'no');
    assert.is(fieldOf(answer, 'connection'), undefined);
  }
  client.send(handshake.replace('Upgrade\r\n', 'Upgrade, close\r\n'));
  assert.is(fieldOf(await client.answer(), 'connection'), 'close');
  await client.gone();
  await torc.close();
  await origin.close();
});

upgrade('a request with a body is served without the upgrade', async () => {
  const origin = await rawOrigin(plain('plain'));
  const torc = await startProxy([origin.port]);
  const client = await rawClient(torc.port);
  client.send(
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi',
  );
  assert.is((await client.answer()).body, 'plain');
  assert.is(origin.requests[0]!.body, 'hi');
  assert.not.match(origin.bytes, /upgrade/i);
  client.close();
  await torc.close();
  await origin.close();
});

upgrade('nobody there: 502 as a plain answer', async () => {
  const torc = await startProxy([1]);
  assert.is((await ask(torc.port, handshake)).status, 502);
  await torc.close();
});

upgrade('a drain leaves tunnels their grace, then cuts them', async () => {
  await withTunnel(
    socket => {
      socket.removeAllListeners('data');
      socket.write(accepted);
      socket.on('data', chunk => socket.write(chunk));
    },
    async torc => {
      const client = await rawClient(torc.port);
      client.send(handshake);
      await client.has('101');
      const drained = torc.proxy.drain(900);
      client.send('still here');
      await client.has('still here');
      await drained;
      await client.gone();
    },
  );
});

upgrade(
  'a tunnel without a byte in either direction ends; one that speaks, from whichever side, goes on',
  async () => {
    const sockets: Socket[] = [];
    await withTunnel(
      socket => {
        sockets.push(socket);
        socket.removeAllListeners('data');
        socket.write(accepted);
      },
      async (torc, origin) => {
        const [silent, speaking, listening] = await Promise.all([1, 2, 3].map(() => rawClient(torc.port)));
        for (const client of [silent!, speaking!, listening!]) {
          client.send(handshake);
          await client.has('101');
        }
        const timer = setInterval(() => {
          speaking!.send('x');
          sockets[2]!.write('y');
        }, 50);
        try {
          await silent!.gone();
          await waitFor(() => origin.sockets.size === 2, {
            timeoutMs: 20_000,
            what: 'the replica to hear of it',
          });
          const { received } = listening!;
          await waitFor(() => listening!.received.length > received.length + 20, {
            timeoutMs: 20_000,
            what: 'the others to go on for twice the timeout',
          });
          assert.is(speaking!.closed || listening!.closed, false);
        } finally {
          clearInterval(timer);
        }
        await Promise.all([speaking!.gone(), listening!.gone()]);
        await waitFor(() => torc.counters.collect().slots.length === 0, {
          timeoutMs: 20_000,
          what: 'none in flight',
        });
      },
      { TUNNEL_TIMEOUT_MS: '500' },
    );
  },
);

// Linux shows the timers of sockets; 02 is keep-alive's.
if (existsSync('/proc/net/tcp'))
  upgrade(
    'TCP keep-alive is on towards both sides of a tunnel, and its first probe comes within 30 s',
    async () => {
      await withTunnel(
        socket => socket.write(accepted),
        async (torc, origin) => {
          const client = await rawClient(torc.port);
          client.send(handshake);
          await client.has('101');
          const timers = (): (readonly [string, number])[] =>
            readFileSync('/proc/net/tcp', 'utf8')
              .split('\n')
              .map(line => line.trim().split(/\s+/))
              .filter(([, local = '', remote = '', state]) => {
                const [from, to] = [local, remote].map(address =>
                  Number.parseInt(address.split(':')[1] ?? '', 16),
                );
                return (
                  state === '01' &&
                  ((from === torc.port && to === client.socket.localPort) || to === origin.port)
                );
              })
              .map(([, , , , , timer = '']) => {
                const [kind = '', jiffies = ''] = timer.split(':');
                return [kind, Number.parseInt(jiffies, 16)] as const;
              });
          await waitFor(() => timers().length === 2 && timers().every(([kind]) => kind === '02'), {
            timeoutMs: 20_000,
            what: `two timers of keep-alive: ${timers()}`,
          });
          for (const [, jiffies] of timers()) assert.ok(jiffies <= 3000, `${jiffies} hundredths`);
          client.close();
        },
      );
    },
  );

upgrade('the access log tells a tunnel at its end, with what it carried', async () => {
  await withTunnel(
    socket => {
      socket.removeAllListeners('data');
      socket.write(`${accepted}first`);
      socket.on('data', () => socket.write('echo'));
    },
    async torc => {
      const client = await rawClient(torc.port);
      client.send(handshake);
      await client.has('first');
      client.send('1234567');
      await client.has('echo');
      const lines = () => torc.lines.filter(({ message }) => message === 'request');
      assert.is(lines().length, 0);
      client.close();
      await waitFor(() => lines().length === 1, { timeoutMs: 20_000, what: 'its line' });
      const { status, bytesIn, bytesOut, attempts } = lines()[0]!.fields;
      assert.equal(
        { status, bytesIn, bytesOut, attempts },
        { status: 101, bytesIn: 7, bytesOut: 9, attempts: 1 },
      );
    },
    { ACCESS_LOG: 'true' },
  );
});

upgrade.run();
