// Upgrades: after a 101 bytes go both ways untouched; before it, all is plain HTTP (RFC 9110 section 7.8, RFC 6455).

import type { Socket } from 'node:net';
import * as assert from 'uvu/assert';
import { type Answer, bytes, plain } from '../support/origin.ts';
import { get, type RawClient } from '../support/raw.ts';
import {
  area,
  type Case,
  check,
  ends,
  forwarded,
  hasNoWords,
  requestValues,
  talk,
  until,
  type World,
  withClient,
} from './talk.ts';

export const upgrades: Case[] = [];
const test = area('upgrades', upgrades);
const should = area('upgrades', upgrades, 'should');

const handshake = (protocol = 'websocket', fields: readonly string[] = []): string =>
  get('/chat', [
    'Connection: Upgrade',
    `Upgrade: ${protocol}`,
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...fields,
  ]);
const accepted = (protocol = 'websocket'): string =>
  `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n`;

/** A tunnel: the replica's socket in the hands of `open`. */
const tunnelTo =
  (open: (socket: Socket) => void, protocol = 'websocket', behind = ''): Answer =>
  (_request, socket) => {
    socket.removeAllListeners('data');
    socket.removeAllListeners('end');
    open(socket);
    socket.write(accepted(protocol) + behind, 'latin1');
  };
const echoing = (socket: Socket): void => {
  socket.on('data', chunk => socket.write(chunk));
  socket.on('end', () => socket.end());
};
async function opened(
  world: World,
  answer: Answer,
  run: (client: RawClient) => Promise<void>,
  protocol = 'websocket',
): Promise<void> {
  await withClient(world, { answer, atHead: true, halfOpen: true }, async client => {
    client.send(handshake(protocol));
    const has101 = (): boolean => /^HTTP\/1\.1 101 [\s\S]*?\r\n\r\n/.test(client.received);
    await until(() => has101() || client.closed || client.ended, 'the 101');
    assert.ok(has101(), 'no 101');
    await run(client);
  });
}
const behindHead = (client: RawClient): string =>
  client.received.slice(client.received.indexOf('\r\n\r\n') + 4);

for (const protocol of ['websocket', 'WebSocket', 'chat/2', 'TLS/1.0', 'custom']) {
  test('9110 7.8', `upgrade to ${protocol}`, async world => {
    await opened(
      world,
      tunnelTo(echoing, protocol),
      async client => {
        assert.match(client.received, new RegExp(`upgrade: ${protocol}\r\n`, 'i'));
        assert.match(client.received, /connection: upgrade\r\n/i);
        client.send('ping\x00\xff');
        await until(() => behindHead(client) === 'ping\x00\xff', 'the echo');
      },
      protocol,
    );
  });
}
test('9110 7.8', 'the replica sees the handshake', async world => {
  await opened(world, tunnelTo(echoing), async () => {
    assert.match(world.origin.bytes, /connection: upgrade\r\n/i);
    assert.match(world.origin.bytes, /upgrade: websocket\r\n/i);
    assert.match(world.origin.bytes, /sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n/i);
  });
});
test('6455 4.2.2', 'the answer’s fields are kept', async world => {
  await opened(world, tunnelTo(echoing), async client => {
    assert.match(client.received, /sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i);
  });
});
test('6455 4', 'bytes right behind the 101 are kept', async world => {
  await opened(world, tunnelTo(echoing, 'websocket', 'hello\x81'), client =>
    until(() => behindHead(client) === 'hello\x81', 'the bytes'),
  );
});
test('6455 4', 'bytes right behind the handshake are kept or refused, never another request', async world => {
  await withClient(world, { answer: tunnelTo(echoing), atHead: true }, async client => {
    client.send(`${handshake()}early`);
    await until(() => client.closed || client.ended || behindHead(client) === 'early', 'the echo');
  });
});
test('6455 4', 'all bytes survive both ways', async world => {
  const all = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');
  await opened(world, tunnelTo(echoing), async client => {
    client.send(all);
    await until(() => behindHead(client) === all, 'the echo');
  });
});
test('6455 4', '1 MB both ways', async world => {
  await opened(world, tunnelTo(echoing), async client => {
    client.send('x'.repeat(1_000_000));
    await until(() => behindHead(client).length === 1_000_000, 'the echo');
  });
});
test('6455 4', 'a request in a tunnel is only bytes', async world => {
  await opened(world, tunnelTo(echoing), async client => {
    client.send(get('/evil'));
    await until(() => behindHead(client) === get('/evil'), 'the echo');
  });
});
test('6455 7.1', 'a half-close of the client is passed on, and the rest still comes', async world => {
  const open = (socket: Socket): void => {
    socket.resume();
    socket.on('end', () => socket.end('last words'));
  };
  await opened(world, tunnelTo(open), async client => {
    client.socket.end();
    await until(() => behindHead(client) === 'last words', 'the rest');
    await ends(client);
  });
});
test('6455 7.1', 'a half-close of the replica is passed on', async world => {
  let heard = '';
  const open = (socket: Socket): void => {
    socket.on('data', chunk => {
      heard += chunk.toString('latin1');
    });
    setTimeout(() => socket.end('bye'), 20);
  };
  await opened(world, tunnelTo(open), async client => {
    await until(() => behindHead(client) === 'bye', 'the bye');
    await ends(client);
    assert.is(heard, '');
  });
});
for (const side of ['client', 'replica'] as const) {
  test('6455 7.1', `a reset of the ${side} ends the other side`, async world => {
    let replica: Socket | undefined;
    const open = (socket: Socket): void => {
      replica = socket;
      socket.resume();
    };
    await opened(world, tunnelTo(open), async client => {
      if (side === 'client') {
        client.reset();
        await until(
          () => replica!.destroyed || world.origin.sockets.size === 0 || replica!.readableEnded,
          'the end',
        );
      } else {
        replica!.resetAndDestroy();
        await ends(client);
      }
    });
  });
}
test('6455 7', 'a tunnel may be silent for longer than the timeouts of requests', async world => {
  await opened(world, tunnelTo(echoing), async client => {
    await new Promise(resolve => setTimeout(resolve, 1500));
    client.send('still there');
    await until(() => behindHead(client) === 'still there', 'the echo');
  });
});
test('6455 4', 'back-pressure: a client that does not read stops the replica', async world => {
  let written = 0;
  let stopped = false;
  const open = (socket: Socket): void => {
    const more = (): void => {
      while (!socket.destroyed && written < 64_000_000) {
        written += 65_536;
        if (!socket.write(Buffer.alloc(65_536))) {
          stopped = true;
          socket.once('drain', more);
          return;
        }
      }
    };
    setImmediate(more);
  };
  await withClient(world, { answer: tunnelTo(open), atHead: true }, async client => {
    client.socket.pause();
    client.send(handshake());
    let before = -1;
    await until(() => {
      const same = stopped && before === written;
      before = written;
      return same;
    }, 'the replica to stop');
    assert.ok(written < 48_000_000, `${written} bytes are somewhere`);
  });
});

// ---- refusals and what is no upgrade

for (const status of [
  '200 OK',
  '400 Bad',
  '401 U',
  '403 Forbidden',
  '404 N',
  '426 Upgrade Required',
  '500 Broken',
]) {
  test('9110 7.8', `${status} instead of 101 is a plain answer with its body`, async world => {
    const seen = await talk(world, { send: handshake(), answer: plain('refused', ['X-Why: 1'], status) });
    const { answer } = forwarded(seen, Number(status.slice(0, 3)));
    assert.is(answer.body, 'refused');
  });
}
should('9110 7.8', 'a chunked refusal', async world => {
  const answer = bytes('HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nrefused\r\n0\r\n\r\n');
  assert.is(forwarded(await talk(world, { send: handshake(), answer }), 403).answer.body, 'refused');
});
should('9110 7.8', 'a refusal until close', async world => {
  assert.is(
    forwarded(
      await talk(world, {
        send: handshake(),
        answer: bytes('HTTP/1.1 403 No\r\n\r\nrefused', { end: true }),
      }),
      403,
    ).answer.body,
    'refused',
  );
});
test('9110 7.8', 'a replica that closes instead: 502', async world => {
  const seen = await talk(world, { send: handshake(), answer: (_request, socket) => void socket.end() });
  check((seen.answers[0]?.status ?? 0) >= 500 || (seen.closed && seen.answers.length === 0), 'neither', seen);
});
should('9110 7.8', 'a 101 without an upgrade field is refused or passed on as it is', async world => {
  const seen = await talk(world, {
    send: handshake(),
    answer: bytes('HTTP/1.1 101 Switching\r\n\r\n', { end: true }),
  });
  check(
    seen.closed || (seen.answers[0]?.status ?? 0) >= 500 || seen.answers[0]?.status === 101,
    'neither',
    seen,
  );
});
should('9110 7.8', 'an upgrade with a body is served; the body arrives', async world => {
  const send =
    'POST /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: custom\r\nContent-Length: 3\r\n\r\nabc';
  assert.is(forwarded(await talk(world, { send })).request.body, 'abc');
});
test('9110 7.8', 'an upgrade of HTTP/1.0 is ignored', async world => {
  const send = 'GET /chat HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  const { request } = forwarded(await talk(world, { send }));
  assert.equal(requestValues(request, 'upgrade'), []);
});
test('9110 7.8', 'an upgrade that Connection does not name is dropped', async world => {
  const { request } = forwarded(await talk(world, { send: get('/', ['Upgrade: websocket']) }));
  assert.equal(requestValues(request, 'upgrade'), []);
});
test('9113 3.1', 'h2c: the proxy itself does not switch', async world => {
  const seen = await talk(world, {
    send: get('/', [
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
    ]),
  });
  const { answer, request } = forwarded(seen);
  assert.is(answer.body, 'hello');
  assert.equal(requestValues(request, 'http2-settings'), []);
});
should('9112 9.3.2', 'an upgrade behind a pipelined request: in order or closed', async world => {
  const answer: Answer = (request, socket) =>
    request.target === '/chat' ? tunnelTo(echoing)(request, socket) : plain('first')(request, socket);
  await withClient(world, { answer }, async client => {
    client.send(get('/one') + handshake());
    await until(() => client.closed || client.ended || client.received.includes(' 101 '), 'the end');
    assert.ok(client.received.startsWith('HTTP/1.1 200'), client.received);
    assert.match(client.received, /first/);
  });
});
test('9110 7.8', 'after a tunnel the replica’s connection serves nobody else', async world => {
  await opened(world, tunnelTo(echoing), async client => {
    client.send('x');
    await until(() => behindHead(client) === 'x', 'the echo');
  });
  forwarded(
    await talk({ ...world, origin: world.origin }, { send: get('/after'), answer: plain('plain') }).then(
      seen => ({ ...seen, requests: seen.requests.slice(-1) }),
    ),
  );
});
for (const send of [
  'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n',
  'CONNECT /path HTTP/1.1\r\nHost: a\r\n\r\n',
  'CONNECT a:443 HTTP/1.0\r\n\r\n',
]) {
  test('9110 9.3.6', `${JSON.stringify(send.slice(0, 24))} opens no tunnel`, async world => {
    if (hasNoWords(world)) return;
    const seen = await talk(world, { send: `${send}GET /evil HTTP/1.1\r\nHost: a\r\n\r\n` });
    check(seen.requests.length === 0, 'reached the replica', seen);
    check((seen.answers[0]?.status ?? 400) >= 400, 'not refused', seen);
  });
}

// ---- in pieces, and on

test('9110 7.8', 'handshake, 101 and the first bytes behind it, byte by byte', async world => {
  const answer: Answer = (_request, socket) => {
    socket.removeAllListeners('data');
    echoing(socket);
    const all = `${accepted()}hello`;
    let at = 0;
    const next = (): void => {
      if (at === all.length || socket.destroyed) return;
      socket.write(all[at++]!);
      setImmediate(next);
    };
    next();
  };
  await withClient(world, { answer, atHead: true }, async client => {
    for (const byte of handshake()) {
      client.send(byte);
      await new Promise(resolve => setImmediate(resolve));
    }
    await until(() => behindHead(client) === 'hello', 'the bytes behind the 101');
    client.send('ping');
    await until(() => behindHead(client) === 'helloping', 'the echo');
  });
});
should('9110 7.8', 'behind a refused upgrade the connection goes on', async world => {
  await withClient(world, { answer: plain('no', [], '403 Forbidden') }, async client => {
    for (const request of [handshake(), get('/plain'), handshake(), get('/plain')]) {
      client.send(request);
      assert.is((await client.answer()).status, 403);
    }
  });
});
should('9110 7.8', 'a request right behind an upgrade that is refused', async world => {
  const answer: Answer = (request, socket) =>
    plain(request.target, [], request.target === '/chat' ? '403 No' : '200 OK')(request, socket);
  await withClient(world, { answer }, async client => {
    client.send(handshake() + get('/next'));
    assert.is((await client.answer()).body, '/chat');
    assert.is((await client.answer()).body, '/next');
  });
});
should('9110 7.8', 'an upgrade behind a refused one', async world => {
  let refusals = 0;
  const answer: Answer = (request, socket) =>
    refusals++ === 0 ? plain('no', [], '503 Later')(request, socket) : tunnelTo(echoing)(request, socket);
  await withClient(world, { answer, atHead: true }, async client => {
    client.send(handshake());
    assert.is((await client.answer()).status, 503);
    client.send(handshake());
    await until(() => client.received.includes(' 101 '), 'the 101');
    client.send('ping');
    await until(() => client.received.endsWith('\r\n\r\nping'), 'the echo');
  });
});
