// Floods of frames, each written by hand: the connection ends with an error that says so before it costs memory, the replica
// hears little or nothing of it, and another client is answered all the while (docs/operations.md, "HTTP/2").

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ACK,
  block,
  CANCEL,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  ENHANCE_YOUR_CALM,
  FLOW_CONTROL_ERROR,
  frame,
  frameClient,
  GET,
  GOAWAY,
  getFrame,
  HEADERS,
  http2Client,
  NO_ERROR,
  PING,
  PRIORITY,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  RST_STREAM,
  SETTINGS,
  setting,
  uint32,
  WINDOW_UPDATE,
} from '../support/http2.ts';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { errorCount, startProxy, type TestProxy } from '../support/proxy.ts';
import { get, rawClient } from '../support/raw.ts';
import { waitFor } from '../support/wait.ts';

const INITIAL_WINDOW_SIZE = 4;
const MOST_MB = 64;

const floods = suite('http2 floods');
let origin: Origin;
let torc: TestProxy;

floods.before.each(async () => {
  origin = await rawOrigin(plain('hello'));
  torc = await startProxy([origin.port]);
});
floods.after.each(async () => {
  await torc.close();
  await origin.close();
});

const times = (count: number, one: (index: number) => Buffer): Buffer[] =>
  Array.from({ length: count }, (_, i) => one(i));
const idOf = (index: number): number => 2 * index + 1;
const withPath = (path: string): [string, string][] =>
  GET.map(([name, value]) => [name, name === ':path' ? path : value]);
const post = GET.map(([name, value]) => [name, name === ':method' ? 'POST' : value] as const);
const opened = frame(HEADERS, END_HEADERS, 1, block(post));
const big: [string, string] = ['x', 'a'.repeat(15_000)];

interface Flood {
  readonly frames: readonly Buffer[];
  readonly code: number;
  /** Requests that may have reached the replica. */
  readonly reach?: number;
}

const table: Record<string, Flood> = {
  'streams that are opened and reset (CVE-2023-44487)': {
    frames: times(3000, index =>
      Buffer.concat([getFrame(idOf(index)), frame(RST_STREAM, 0, idOf(index), uint32(CANCEL))]),
    ),
    code: ENHANCE_YOUR_CALM,
    reach: 200,
  },
  'streams that torc is made to reset (CVE-2025-8671)': {
    frames: times(3000, index =>
      Buffer.concat([getFrame(idOf(index)), frame(WINDOW_UPDATE, 0, idOf(index), uint32(0))]),
    ),
    code: PROTOCOL_ERROR,
  },
  'a head that goes on for ever (CVE-2024-28182)': {
    frames: [
      frame(HEADERS, END_STREAM, 1, block(GET)),
      ...times(10_000, () => frame(CONTINUATION, 0, 1, block([['a', 'b']]))),
    ],
    code: ENHANCE_YOUR_CALM,
  },
  'a head of empty pieces': {
    frames: [frame(HEADERS, END_STREAM, 1, block(GET)), ...times(10_000, () => frame(CONTINUATION, 0, 1))],
    code: ENHANCE_YOUR_CALM,
  },
  'settings (CVE-2019-9515)': { frames: times(5000, () => frame(SETTINGS, 0, 0)), code: ENHANCE_YOUR_CALM },
  'settings with a thousand entries': {
    frames: times(10, () => frame(SETTINGS, 0, 0, Buffer.concat(times(1000, () => setting(3, 100))))),
    code: ENHANCE_YOUR_CALM,
  },
  'pings (CVE-2019-9512)': {
    frames: times(5000, () => frame(PING, 0, 0, Buffer.alloc(8))),
    code: ENHANCE_YOUR_CALM,
  },
  'answers to pings that nobody sent': {
    frames: times(5000, () => frame(PING, ACK, 0, Buffer.alloc(8))),
    code: ENHANCE_YOUR_CALM,
  },
  'empty frames of a body (CVE-2019-9518)': {
    frames: [opened, ...times(5000, () => frame(DATA, 0, 1))],
    code: ENHANCE_YOUR_CALM,
    reach: 1,
  },
  'priorities (CVE-2019-9513)': {
    frames: times(100_000, index => frame(PRIORITY, 0, idOf(index % 1000), Buffer.from([0, 0, 0, 0, 1]))),
    code: ENHANCE_YOUR_CALM,
  },
  'frames that nobody knows': {
    frames: times(50_000, () => frame(77, 0, 0, Buffer.alloc(8))),
    code: ENHANCE_YOUR_CALM,
  },
  'windows beyond their bound': {
    frames: times(10, () => frame(WINDOW_UPDATE, 0, 0, uint32(2 ** 31 - 1))),
    code: FLOW_CONTROL_ERROR,
  },
  'streams beyond their number': {
    frames: times(1000, index =>
      frame(HEADERS, END_HEADERS | END_STREAM, idOf(index), block(withPath('/hold'))),
    ),
    code: ENHANCE_YOUR_CALM,
    reach: 128,
  },
  'heads that are malformed': {
    frames: times(500, index => getFrame(idOf(index), [['Upper-Case', 'x']])),
    code: ENHANCE_YOUR_CALM,
  },
};

for (const [name, { frames, code, reach = 0 }] of Object.entries(table)) {
  floods(name, async () => {
    origin.answer = (request, socket) => {
      if (request.target !== '/hold') plain('hello')(request, socket);
    };
    const other = await rawClient(torc.port);
    const beforeMb = process.memoryUsage.rss() / 2 ** 20;
    const client = await frameClient(torc.port);
    client.send(...frames);
    other.send(get('/other'));
    assert.is(await client.goaway(), code);
    assert.is((await other.answer()).body, 'hello');
    other.close();
    const grownMb = process.memoryUsage.rss() / 2 ** 20 - beforeMb;
    assert.ok(grownMb < MOST_MB, `${grownMb} MB`);
    const reached = origin.requests.filter(({ target }) => target !== '/other').length;
    assert.ok(reached <= reach, `${reached} requests reached the replica`);
  });
}

floods(
  'a head that unpacks to a hundred times its bytes (a bomb) is refused, and the connection goes on',
  async () => {
    const client = await frameClient(torc.port);
    const length = 3900;
    const rest = length - 127;
    const value = [0x7f, (rest & 127) | 128, rest >> 7];
    const kept = Buffer.concat([Buffer.from([0x40, 1, 0x61, ...value]), Buffer.alloc(length, 'b')]);
    // Each byte is the field again, from the dynamic table (RFC 7541 section 6.1).
    const bomb = Buffer.concat([block(GET), kept, Buffer.alloc(12_000, 0xbe)]);
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, bomb), getFrame(3));
    const reset = await client.sees(({ type, id }) => type === RST_STREAM && id === 1, 'a reset');
    assert.is(reset.payload.readUInt32BE(0), ENHANCE_YOUR_CALM);
    await client.sees(({ type, id }) => type === HEADERS && id === 3, 'an answer');
    client.close();
    assert.is(origin.requests.length, 1);
  },
);

floods('an answer whose window is opened byte by byte (CVE-2019-9511) ends the connection', async () => {
  origin.answer = plain('a'.repeat(50_000));
  const client = await frameClient(torc.port, { settings: [setting(INITIAL_WINDOW_SIZE, 0)] });
  client.send(getFrame(1));
  await client.sees(({ type }) => type === HEADERS, 'the head of the answer');
  client.send(...times(20_000, () => frame(WINDOW_UPDATE, 0, 1, uint32(1))));
  assert.is(await client.goaway(), ENHANCE_YOUR_CALM);
});

floods('long heads get a 431, in as many pieces as are taken', async () => {
  const client = await frameClient(torc.port);
  client.send(
    frame(HEADERS, END_STREAM, 1, block([...GET, big])),
    frame(CONTINUATION, 0, 1, block([big])),
    frame(CONTINUATION, END_HEADERS, 1, block([big])),
  );
  await client.sees(({ type, id }) => type === HEADERS && id === 1, 'an answer');
  client.close();
  assert.is(origin.requests.length, 0);
});

floods('a head is as long as the last one, but for its path: it gets a 431 all the same', async () => {
  const client = await frameClient(torc.port);
  const long = withPath(`/${'a'.repeat(40_000)}`);
  client.send(getFrame(1));
  const whole = block(long);
  client.send(
    frame(HEADERS, END_STREAM, 3, whole.subarray(0, 16_000)),
    frame(CONTINUATION, 0, 3, whole.subarray(16_000, 32_000)),
    frame(CONTINUATION, END_HEADERS, 3, whole.subarray(32_000)),
  );
  await client.sees(({ type, id }) => type === HEADERS && id === 3, 'an answer');
  client.close();
  assert.is(errorCount(torc.counters.collect(false, null), 'HEAD_TOO_LARGE'), 1);
});

floods(
  'a head that is never complete ends its connection in time, whatever else is at work there',
  async () => {
    origin.answer = () => {};
    const slow = await startProxy([origin.port], { HEADER_TIMEOUT_MS: '300' });
    const client = await frameClient(slow.port);
    client.send(getFrame(1), frame(HEADERS, END_STREAM, 3, block(GET).subarray(0, 9)));
    assert.is(await client.goaway(), ENHANCE_YOUR_CALM);
    await slow.close();
  },
);

floods(
  'so does a frame that is never complete, but for one of a body, which has other time-outs',
  async () => {
    origin.answer = () => {};
    const slow = await startProxy([origin.port], { HEADER_TIMEOUT_MS: '300' });
    const head = getFrame(3);
    for (const length of [1, 5, 9, head.length - 1]) {
      const client = await frameClient(slow.port);
      client.send(getFrame(1), head.subarray(0, length));
      assert.is(await client.goaway(), ENHANCE_YOUR_CALM, `${length} bytes`);
    }
    const client = await frameClient(slow.port);
    client.send(opened, frame(DATA, 0, 1, 'abc').subarray(0, 10));
    const other = await frameClient(slow.port);
    other.send(getFrame(1), head.subarray(0, 1));
    // Whoever came later has been waited for in vain.
    assert.is(await other.goaway(), ENHANCE_YOUR_CALM);
    assert.not.ok(client.closed);
    client.close();
    await slow.close();
  },
);

floods('interim answers without end to a reader that takes nothing are not kept for it', async () => {
  const streams = 100;
  const one = `HTTP/1.1 103 Early Hints\r\nLink: <${'a'.repeat(1000)}>\r\n\r\n`;
  const many = one.repeat(240);
  origin.answer = (_request, socket) =>
    void socket.write(`${many}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`);
  const client = await frameClient(torc.port);
  client.socket.pause();
  client.send(...times(streams, index => getFrame(idOf(index))));
  let answered = 0;
  const areAnswered = (): boolean => {
    answered += torc.counters.collect(false, null).requests;
    return answered === streams;
  };
  await waitFor(areAnswered, { timeoutMs: 20_000, what: 'all answers' });
  client.socket.resume();
  const isEnd = ({ type, flags }: { type: number; flags: number }): boolean =>
    type === DATA && (flags & END_STREAM) !== 0;
  await waitFor(() => client.frames.filter(isEnd).length === streams, {
    timeoutMs: 20_000,
    what: 'the ends',
  });
  // What the sockets between the two have, some megabytes, and of the rest a few hundred KiB.
  const bytes = client.frames.reduce((sum, { payload }) => sum + payload.length, 0);
  assert.ok(bytes < (streams * many.length) / 2, `${bytes} of ${streams * many.length} bytes`);
  client.close();
});

floods('streams above the number are refused so that they may be sent again', async () => {
  origin.answer = () => {};
  const client = await frameClient(torc.port);
  // Whoever has acknowledged the number and does not keep to it loses the connection.
  client.send(...times(130, index => getFrame(idOf(index))));
  const refused = await client.sees(({ type }) => type === RST_STREAM, 'a refusal');
  assert.is(refused.payload.readUInt32BE(0), REFUSED_STREAM);
  assert.is(refused.id, idOf(128));
  await waitFor(() => origin.requests.length === 128, { timeoutMs: 10_000, what: 'the others' });
  client.close();
});

floods(
  'a reader that opens no window holds a bounded part of each answer, and loses them in time',
  async () => {
    const slow = await startProxy([origin.port], { IDLE_TIMEOUT_MS: '1500', CLIENT_IDLE_TIMEOUT_MS: '1500' });
    const body = 'a'.repeat(4 * 2 ** 20);
    origin.answer = plain(body);
    const beforeMb = process.memoryUsage.rss() / 2 ** 20;
    const client = await frameClient(slow.port, { settings: [setting(INITIAL_WINDOW_SIZE, 0)] });
    client.send(...times(100, index => getFrame(idOf(index))));
    const resets = (): number => client.frames.filter(({ type }) => type === RST_STREAM).length;
    await waitFor(() => resets() === 100, { timeoutMs: 20_000, what: 'the streams to be reset' });
    // The origin is in this process too: what its sockets have not sent is its own.
    const grownMb = process.memoryUsage.rss() / 2 ** 20 - beforeMb;
    assert.ok(grownMb < 1000, `${grownMb} MB`);
    // Small answers are over for the exchange at once, and still wait for their reader.
    origin.answer = plain('hello');
    client.send(getFrame(idOf(100)));
    const reset = await client.sees(({ type, id }) => type === RST_STREAM && id === idOf(100), 'its reset');
    assert.is(reset.payload.readUInt32BE(0), CANCEL);
    client.close();
    await slow.close();
  },
);

floods('downloads that are cancelled leave nothing behind that a connection could be full of', async () => {
  origin.answer = plain('a'.repeat(2 ** 20));
  const client = await frameClient(torc.port);
  let seen = 0;
  for (let index = 0; index < 180; index++) {
    const id = idOf(index);
    client.send(getFrame(id), frame(WINDOW_UPDATE, 0, 0, uint32(100_000)));
    const isAnswered = (): boolean => {
      for (; seen < client.frames.length; seen++) {
        const { type, id: of } = client.frames[seen]!;
        if (of === id && (type === DATA || type === RST_STREAM)) return true;
      }
      return false;
    };
    await waitFor(isAnswered, { timeoutMs: 10_000, what: `answer ${index}` });
    assert.is(client.frames[seen]!.type, DATA, `stream ${index}`);
    client.send(frame(RST_STREAM, 0, id, uint32(CANCEL)));
  }
  client.close();
});

floods('a client that asks nothing, or nothing more, is sent away without an error', async () => {
  const idle = await startProxy([origin.port], { HEADER_TIMEOUT_MS: '300', CLIENT_IDLE_TIMEOUT_MS: '300' });
  const silent = await frameClient(idle.port);
  assert.is(await silent.goaway(), NO_ERROR);
  const asked = await frameClient(idle.port);
  asked.send(getFrame(1));
  assert.is(await asked.goaway(), NO_ERROR);
  assert.ok(asked.frames.some(({ type, id }) => type === HEADERS && id === 1));
  // Not even the preface: like every client that says nothing.
  const mute = await frameClient(idle.port, { silent: true });
  mute.socket.write('PRI * HTTP/2.0\r\n');
  await waitFor(() => mute.closed, { timeoutMs: 10_000, what: 'the connection to end' });
  assert.is(mute.frames.filter(({ type }) => type === GOAWAY).length, 0);
  await idle.close();
});

floods('what a polite client does often is no flood', async () => {
  const session = await http2Client(torc.port);
  for (let round = 0; round < 100; round++) {
    await new Promise<void>((resolve, reject) =>
      session.ping(error => (error === null ? resolve() : reject(error))),
    );
  }
  assert.not.ok(session.destroyed);
  session.destroy();
});

floods.run();
