// Tunnels: after a 101 torc carries bytes both ways and says nothing itself; before it, a refusal is a plain answer.

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
): Promise<void> {
  const origin = await rawOrigin((_request, socket) => onOpen(socket), { atHead: true });
  const torc = await startProxy([origin.port]);
  try {
    await run(torc, origin);
  } finally {
    await torc.close();
    await origin.close();
  }
}

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
      const delta = torc.counters.collect();
      assert.is(delta.slots[0]!.inFlight, 1, 'a tunnel is in flight');
      client.close();
      await waitFor(() => origin.sockets.size === 0, { timeoutMs: 2000, what: 'the other side to close' });
      assert.equal(torc.counters.collect().slots, []);
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

upgrade.run();
