// The rules of RFC 9113, each broken by a frame of the test's own: what is about the connection ends it with the code that says
// so, what is about one stream ends that one and the connection goes on, and what is allowed does no harm at all.

import { type AddressInfo, createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ACK,
  block,
  CANCEL,
  COMPRESSION_ERROR,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  type Frame,
  type FrameClient,
  frame,
  frameClient,
  GET,
  GOAWAY,
  getFrame,
  HEADERS,
  NO_ERROR,
  PING,
  PREFACE,
  PRIORITY,
  PROTOCOL_ERROR,
  RST_STREAM,
  SETTINGS,
  STREAM_CLOSED,
  setting,
  uint32,
  WINDOW_UPDATE,
} from '../support/http2.ts';
import { type Origin, plain, rawOrigin } from '../support/origin.ts';
import { errorCount, startProxy, type TestProxy } from '../support/proxy.ts';
import { waitFor } from '../support/wait.ts';

const PUSH_PROMISE = 5;
const PADDED = 8;
const HAS_PRIORITY = 0x20;

type Fields = readonly (readonly [string, string])[];

const rules = suite('http2 rules');
let origin: Origin;
let torc: TestProxy;

rules.before.each(async () => {
  origin = await rawOrigin((request, socket) => {
    if (request.target !== '/hold') plain('hello')(request, socket);
  });
  torc = await startProxy([origin.port]);
});
rules.after.each(async () => {
  await torc.close();
  await origin.close();
});

const asking = (fields: Fields): Fields => GET.map(pair => fields.find(([name]) => name === pair[0]) ?? pair);
const without = (name: string): Fields => GET.filter(pair => pair[0] !== name);
const held = asking([[':path', '/hold']]);
const post = asking([[':method', 'POST']]);
const heldPost = asking([
  [':method', 'POST'],
  [':path', '/hold'],
]);
const opened = (id: number, fields: Fields, flags = END_HEADERS): Buffer =>
  frame(HEADERS, flags, id, block(fields));
const ended = (id: number, fields: Fields): Buffer => opened(id, fields, END_HEADERS | END_STREAM);
const data = (id: number, text: string, flags = 0): Buffer => frame(DATA, flags, id, text);

/** What came before is answered. */
const ANSWERED = Buffer.alloc(0);
const isEndOf = ({ type, flags }: Frame): boolean => type === DATA && (flags & END_STREAM) !== 0;

async function say(client: FrameClient, frames: readonly Buffer[]): Promise<void> {
  for (const one of frames) {
    if (one === ANSWERED) await client.sees(isEndOf, 'an answer');
    else client.send(one);
  }
}

const ofConnection: Record<string, readonly [number, ...Buffer[]]> = {
  'a frame that is longer than any may be': [FRAME_SIZE_ERROR, frame(DATA, 0, 1, Buffer.alloc(16_385))],
  'a head that is longer than a frame may be': [
    FRAME_SIZE_ERROR,
    frame(HEADERS, END_HEADERS | END_STREAM, 1, Buffer.alloc(16_385)),
  ],
  'DATA on no stream': [PROTOCOL_ERROR, data(0, 'a')],
  'DATA on a stream that was never opened': [PROTOCOL_ERROR, data(1, 'a')],
  'DATA on a stream that both sides have ended': [STREAM_CLOSED, getFrame(1), ANSWERED, data(1, 'a')],
  'more padding than there is frame': [
    PROTOCOL_ERROR,
    opened(1, heldPost),
    frame(DATA, PADDED, 1, Buffer.from([5, 1, 2])),
  ],
  'padding of a head that is longer than it': [
    PROTOCOL_ERROR,
    frame(HEADERS, END_HEADERS | PADDED, 1, Buffer.from([200, 0x82])),
  ],
  'HEADERS on no stream': [PROTOCOL_ERROR, getFrame(0)],
  'HEADERS on a stream of the server': [PROTOCOL_ERROR, getFrame(2)],
  'HEADERS on a stream that is over': [STREAM_CLOSED, getFrame(1), ANSWERED, getFrame(1)],
  'HEADERS on a stream below the last one': [STREAM_CLOSED, getFrame(5), getFrame(3)],
  'no HPACK': [COMPRESSION_ERROR, frame(HEADERS, END_HEADERS | END_STREAM, 1, Buffer.from([0x80]))],
  'an index that is in no table': [
    COMPRESSION_ERROR,
    frame(HEADERS, END_HEADERS | END_STREAM, 1, Buffer.from([0xff, 0x20])),
  ],
  'a table that is larger than was offered': [
    COMPRESSION_ERROR,
    frame(HEADERS, END_HEADERS | END_STREAM, 1, Buffer.from([0x3f, 0xe2, 0x1f])),
  ],
  'a string that ends within a code': [
    COMPRESSION_ERROR,
    frame(HEADERS, END_HEADERS | END_STREAM, 1, Buffer.from([0x00, 0x81, 0x00, 0x00])),
  ],
  'PRIORITY on no stream': [PROTOCOL_ERROR, frame(PRIORITY, 0, 0, Buffer.alloc(5))],
  'PRIORITY of another length': [FRAME_SIZE_ERROR, frame(PRIORITY, 0, 1, Buffer.alloc(4))],
  'RST_STREAM on no stream': [PROTOCOL_ERROR, frame(RST_STREAM, 0, 0, uint32(CANCEL))],
  'RST_STREAM on a stream that was never opened': [PROTOCOL_ERROR, frame(RST_STREAM, 0, 1, uint32(CANCEL))],
  'RST_STREAM of another length': [
    FRAME_SIZE_ERROR,
    ended(1, held),
    frame(RST_STREAM, 0, 1, Buffer.alloc(3)),
  ],
  'SETTINGS on a stream': [PROTOCOL_ERROR, frame(SETTINGS, 0, 1)],
  'SETTINGS that are cut': [FRAME_SIZE_ERROR, frame(SETTINGS, 0, 0, Buffer.alloc(5))],
  'an acknowledgement that says something': [FRAME_SIZE_ERROR, frame(SETTINGS, ACK, 0, setting(3, 1))],
  'a push that is neither allowed nor not': [PROTOCOL_ERROR, frame(SETTINGS, 0, 0, setting(2, 2))],
  'windows that begin too large': [FLOW_CONTROL_ERROR, frame(SETTINGS, 0, 0, setting(4, 2 ** 31))],
  'frames that may not be as large as all take': [PROTOCOL_ERROR, frame(SETTINGS, 0, 0, setting(5, 16_383))],
  'frames that may be larger than can be said': [PROTOCOL_ERROR, frame(SETTINGS, 0, 0, setting(5, 2 ** 24))],
  'settings that make a window too large': [
    FLOW_CONTROL_ERROR,
    ended(1, held),
    frame(WINDOW_UPDATE, 0, 1, uint32(2 ** 31 - 1 - 65_535)),
    frame(SETTINGS, 0, 0, setting(4, 65_536)),
  ],
  PUSH_PROMISE: [PROTOCOL_ERROR, frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([uint32(2), block(GET)]))],
  'PING on a stream': [PROTOCOL_ERROR, frame(PING, 0, 1, Buffer.alloc(8))],
  'PING of another length': [FRAME_SIZE_ERROR, frame(PING, 0, 0, Buffer.alloc(7))],
  'GOAWAY on a stream': [PROTOCOL_ERROR, frame(GOAWAY, 0, 1, Buffer.alloc(8))],
  'GOAWAY that is cut': [FRAME_SIZE_ERROR, frame(GOAWAY, 0, 0, Buffer.alloc(7))],
  'WINDOW_UPDATE of another length': [FRAME_SIZE_ERROR, frame(WINDOW_UPDATE, 0, 0, Buffer.alloc(3))],
  'WINDOW_UPDATE by nothing': [PROTOCOL_ERROR, frame(WINDOW_UPDATE, 0, 0, uint32(0))],
  'WINDOW_UPDATE on a stream that was never opened': [PROTOCOL_ERROR, frame(WINDOW_UPDATE, 0, 1, uint32(1))],
  'CONTINUATION of nothing': [PROTOCOL_ERROR, frame(CONTINUATION, END_HEADERS, 1, block(GET))],
  'CONTINUATION of a whole head': [PROTOCOL_ERROR, ended(1, held), frame(CONTINUATION, END_HEADERS, 1)],
  'CONTINUATION of another stream': [
    PROTOCOL_ERROR,
    frame(HEADERS, END_STREAM, 1, block(GET)),
    frame(CONTINUATION, END_HEADERS, 3),
  ],
  'CONTINUATION of a stream that is over': [
    PROTOCOL_ERROR,
    getFrame(1),
    ANSWERED,
    frame(CONTINUATION, END_HEADERS, 1),
  ],
  'CONTINUATION behind a body': [
    PROTOCOL_ERROR,
    opened(1, heldPost),
    data(1, 'a'),
    frame(CONTINUATION, END_HEADERS, 1),
  ],
  ...Object.fromEntries(
    Object.entries({
      'a frame of the connection': frame(PING, 0, 0, Buffer.alloc(8)),
      'a priority': frame(PRIORITY, 0, 1, Buffer.alloc(5)),
      'another head': getFrame(3),
      'a frame that nobody knows': frame(77, 0, 0, 'abc'),
    }).map(([name, between]) => [
      `between the pieces of a head: ${name}`,
      [PROTOCOL_ERROR, frame(HEADERS, END_STREAM, 1, block(GET)), between] as const,
    ]),
  ),
};

for (const [name, [code, ...frames]] of Object.entries(ofConnection))
  rules(`the connection ends: ${name}`, async () => {
    const client = await frameClient(torc.port);
    await say(client, frames);
    assert.is(await client.goaway(), code);
  });

const malformed: Record<string, Fields> = {
  'a name in capitals': [...GET, ['Upper', 'x']],
  'a name that is no token': [...GET, ['a b', 'x']],
  'no name': [...GET, ['', 'x']],
  'a line feed in a value': [...GET, ['a', 'x\ny: z']],
  'a NUL in a value': [...GET, ['a', 'x\0']],
  'white space before a value': [...GET, ['a', ' x']],
  'white space behind a value': [...GET, ['a', 'x\t']],
  'a field of the connection': [...GET, ['connection', 'close']],
  'a transfer coding': [...GET, ['transfer-encoding', 'chunked']],
  'an upgrade': [...GET, ['upgrade', 'websocket']],
  'te that asks for more than trailers': [...GET, ['te', 'gzip']],
  'no method': without(':method'),
  'no scheme': without(':scheme'),
  'no path': without(':path'),
  'an empty path': asking([[':path', '']]),
  'a path that is none': asking([[':path', 'a']]),
  'a star for another method': asking([[':path', '*']]),
  'a method twice': [...GET, [':method', 'GET']],
  'a path twice': [[':path', '/'], ...GET],
  'a scheme twice': [[':scheme', 'http'], ...GET],
  'a method that is no token': asking([[':method', 'G T']]),
  'a pseudo-field behind a field': [...without(':path'), ['a', 'b'], [':path', '/']],
  'a pseudo-field that nobody knows': [[':a', 'b'], ...GET],
  'a pseudo-field of answers': [[':status', '200'], ...GET],
  'CONNECT with a path': asking([[':method', 'CONNECT']]),
  'a protocol without CONNECT': [[':protocol', 'websocket'], ...GET],
  'a length and no body': [...GET, ['content-length', '3']],
  'a length that is no number': [...GET, ['content-length', '-1']],
  'two lengths': [...GET, ['content-length', '0'], ['content-length', '0']],
};

for (const [name, fields] of Object.entries(malformed))
  rules(`a request is malformed: ${name}`, async () => {
    const client = await frameClient(torc.port);
    client.send(ended(1, fields), getFrame(3));
    const reset = await client.sees(({ type, id }) => type === RST_STREAM && id === 1, 'a reset');
    assert.is(reset.payload.readUInt32BE(0), PROTOCOL_ERROR);
    await client.sees(({ type, id }) => type === HEADERS && id === 3, 'the answer to the next one');
    client.close();
    assert.is(origin.requests.length, 1);
  });

const ofStream: Record<string, readonly [number, ...Buffer[]]> = {
  'a body that is longer than was said': [
    PROTOCOL_ERROR,
    opened(1, [...heldPost, ['content-length', '3']]),
    data(1, 'abcd'),
  ],
  'a body that is shorter than was said': [
    PROTOCOL_ERROR,
    opened(1, [...heldPost, ['content-length', '3']]),
    data(1, 'ab', END_STREAM),
  ],
  'the same in several frames': [
    PROTOCOL_ERROR,
    opened(1, [...heldPost, ['content-length', '3']]),
    data(1, 'a'),
    data(1, 'b', END_STREAM),
  ],
  'the same with trailers': [
    PROTOCOL_ERROR,
    opened(1, [...heldPost, ['content-length', '3']]),
    data(1, 'ab'),
    ended(1, [['a', 'b']]),
  ],
  'DATA behind the end of a request': [STREAM_CLOSED, ended(1, held), data(1, 'a')],
  'HEADERS behind the end of a request': [STREAM_CLOSED, ended(1, held), ended(1, [['a', 'b']])],
  'trailers that end nothing': [PROTOCOL_ERROR, opened(1, heldPost), opened(1, [['a', 'b']])],
  'trailers with a pseudo-field': [PROTOCOL_ERROR, opened(1, heldPost), ended(1, [[':path', '/']])],
  'trailers with capitals': [PROTOCOL_ERROR, opened(1, heldPost), ended(1, [['A', 'b']])],
  'a window beyond its bound': [
    FLOW_CONTROL_ERROR,
    ended(1, held),
    frame(WINDOW_UPDATE, 0, 1, uint32(2 ** 31 - 1)),
  ],
};

for (const [name, [code, ...frames]] of Object.entries(ofStream))
  rules(`a stream ends: ${name}`, async () => {
    origin.atHead = true;
    const client = await frameClient(torc.port);
    client.send(...frames, getFrame(3));
    const reset = await client.sees(({ type, id }) => type === RST_STREAM && id === 1, 'a reset');
    assert.is(reset.payload.readUInt32BE(0), code);
    await client.sees(({ type, id }) => type === HEADERS && id === 3, 'the answer to the next one');
    client.close();
    assert.is(errorCount(torc.counters.collect(false, null), 'CLIENT_GONE'), 1);
    assert.not.match(origin.bytes, /\r\n0\r\n\r\n$/, 'the body passes for a whole one');
  });

const harmless: Record<string, readonly Buffer[]> = {
  'settings that nobody knows': [frame(SETTINGS, 0, 0, setting(77, 1)), getFrame(1)],
  'frames that nobody knows': [frame(77, 255, 1, 'abc'), getFrame(1)],
  priorities: [frame(PRIORITY, 0, 1, Buffer.alloc(5)), getFrame(1), frame(PRIORITY, 0, 99, Buffer.alloc(5))],
  // RFC 9113 section 5.3.2: what RFC 7540 said about them is no rule any more.
  'priorities that depend on themselves': [
    frame(
      HEADERS,
      END_HEADERS | END_STREAM | HAS_PRIORITY,
      1,
      Buffer.concat([uint32(1), uint32(255).subarray(3), block(GET)]),
    ),
    frame(PRIORITY, 0, 3, Buffer.concat([uint32(3), uint32(255).subarray(3)])),
  ],
  'error codes that nobody knows': [ended(1, held), frame(RST_STREAM, 0, 1, uint32(255)), getFrame(3)],
  'flags that nobody knows': [frame(HEADERS, END_HEADERS | END_STREAM | 0xd2, 1, block(GET))],
  'a bit without a meaning': [frame(HEADERS, END_HEADERS | END_STREAM, 2 ** 31 + 1, block(GET))],
  'padding, and a priority within a head': [
    frame(
      HEADERS,
      END_HEADERS | END_STREAM | PADDED | HAS_PRIORITY,
      1,
      Buffer.concat([Buffer.from([7]), Buffer.alloc(5), block(GET), Buffer.alloc(7)]),
    ),
  ],
  'a padded body': [
    opened(1, [...post, ['content-length', '3']]),
    frame(DATA, END_STREAM | PADDED, 1, Buffer.from('\x02abc\0\0', 'latin1')),
  ],
  'an end that is a frame of its own': [
    opened(1, [...post, ['content-length', '3']]),
    data(1, 'abc'),
    data(1, '', END_STREAM),
  ],
  'a head in pieces': [
    frame(HEADERS, END_STREAM, 1, block(GET).subarray(0, 5)),
    frame(CONTINUATION, 0, 1),
    frame(CONTINUATION, END_HEADERS, 1, block(GET).subarray(5)),
  ],
  'frames of a stream that torc has ended before its client did': [
    opened(99, [...GET, ['Upper', 'x']]),
    data(99, 'abc'),
    frame(WINDOW_UPDATE, 0, 99, uint32(5)),
    ended(99, [['a', 'b']]),
    getFrame(101),
  ],
  'a reset of a stream that is over': [getFrame(1), ANSWERED, frame(RST_STREAM, 0, 1, uint32(CANCEL))],
};

for (const [name, frames] of Object.entries(harmless))
  rules(`no harm is done: ${name}`, async () => {
    const client = await frameClient(torc.port);
    await say(client, [...frames, ANSWERED, getFrame(201)]);
    await client.sees(frame => isEndOf(frame) && frame.id === 201, 'the answer to the next one');
    assert.not.ok(client.frames.some(({ type }) => type === GOAWAY));
    client.close();
  });

rules('what the connection begins with is settings, and before them the preface', async () => {
  for (const first of [getFrame(1), frame(PING, 0, 0, Buffer.alloc(8)), frame(SETTINGS, ACK, 0)]) {
    const client = await frameClient(torc.port, { silent: true });
    client.send(PREFACE, first);
    assert.is(await client.goaway(), PROTOCOL_ERROR);
  }
});

rules('settings and pings are acknowledged, in their order', async () => {
  const client = await frameClient(torc.port);
  client.send(frame(PING, 0, 0, 'torctorc'), frame(SETTINGS, 0, 0, setting(4, 1)));
  const pong = await client.sees(({ type }) => type === PING, 'the answer to a ping');
  assert.is(pong.flags, ACK);
  assert.is(pong.payload.toString(), 'torctorc');
  const isAck = ({ type, flags }: Frame): boolean => type === SETTINGS && flags === ACK;
  await client.sees(isAck, 'the acknowledgement');
  assert.equal(
    client.frames.filter(one => isAck(one) || one === pong).map(({ type }) => type),
    [SETTINGS, PING, SETTINGS],
  );
  client.close();
});

rules('GOAWAY of a client: what it has asked is answered, and the connection ends', async () => {
  const client = await frameClient(torc.port);
  client.send(getFrame(1), frame(GOAWAY, 0, 0, Buffer.concat([uint32(0), uint32(NO_ERROR)])));
  assert.is(await client.goaway(), NO_ERROR);
  assert.ok(client.frames.some(({ type, id }) => type === DATA && id === 1));
});

rules('of one setting that is said twice the last word counts', async () => {
  const client = await frameClient(torc.port, { settings: [setting(4, 100), setting(4, 1)] });
  client.send(getFrame(1));
  await client.sees(({ type }) => type === DATA, 'the first bytes');
  client.send(frame(PING, 0, 0, Buffer.alloc(8)));
  await client.sees(({ type }) => type === PING, 'the answer to a ping');
  const lengths = client.frames.filter(({ type }) => type === DATA).map(({ payload }) => payload.length);
  assert.equal(lengths, [1]);
  client.close();
});

rules('an answer keeps to the windows of its stream and its connection, also when they shrink', async () => {
  const body = 'a'.repeat(100_000);
  origin.answer = plain(body);
  const client = await frameClient(torc.port, { settings: [setting(4, 10)] });
  const received = (): number =>
    client.frames.reduce((sum, { type, payload }) => sum + (type === DATA ? payload.length : 0), 0);
  const pinged = async (text: string): Promise<void> => {
    client.send(frame(PING, 0, 0, text));
    await client.sees(({ type, payload }) => type === PING && payload.toString() === text, text);
  };
  client.send(getFrame(1));
  await client.sees(({ type }) => type === DATA, 'the first bytes');
  await pinged('window 1');
  assert.is(received(), 10);
  // Ten are taken: what a smaller window takes away has to be given again first.
  client.send(frame(SETTINGS, 0, 0, setting(4, 0)), frame(WINDOW_UPDATE, 0, 1, uint32(10)));
  await pinged('window 2');
  assert.is(received(), 10);
  client.send(frame(WINDOW_UPDATE, 0, 1, uint32(5)));
  await pinged('window 3');
  assert.is(received(), 15);
  client.send(frame(WINDOW_UPDATE, 0, 1, uint32(1_000_000)));
  await client.sees(() => received() === 65_535, "all that the connection's window has");
  await pinged('window 4');
  assert.is(received(), 65_535);
  client.send(frame(WINDOW_UPDATE, 0, 0, uint32(1_000_000)));
  await client.sees(({ type, flags }) => type === DATA && (flags & END_STREAM) !== 0, 'the end');
  assert.is(received(), body.length);
  client.close();
});

rules('bodies keep to the windows that were offered: of a stream, and of the connection', async () => {
  const narrow = await startProxy([origin.port], { MAX_CONNECTIONS_PER_REPLICA: '1' });
  const client = await frameClient(narrow.port);
  // The replica's only connection is taken: bodies wait.
  client.send(ended(1, held));
  const full = (id: number, count: number): Buffer[] => [
    opened(id, heldPost),
    ...Array.from({ length: count }, () => frame(DATA, 0, id, Buffer.alloc(16_384))),
  ];
  client.send(...full(3, 16));
  client.send(...full(5, 17));
  const reset = await client.sees(({ type }) => type === RST_STREAM, 'a reset');
  assert.is(reset.id, 5);
  assert.is(reset.payload.readUInt32BE(0), FLOW_CONTROL_ERROR);
  client.send(...full(7, 16), ...full(9, 16), ...full(11, 16));
  client.send(...full(13, 16));
  assert.is(await client.goaway(), FLOW_CONTROL_ERROR);
  await narrow.close();
});

rules("what streams sent that broke a rule is given back to the connection's window", async () => {
  const sixteenKib = Buffer.alloc(16_384);
  // Each of them 1.1 MiB in all, and no more faults than are forgiven.
  const broken = {
    'a body that is too long': (id: number) => [
      opened(id, [...heldPost, ['content-length', '1']]),
      frame(DATA, 0, id, sixteenKib),
    ],
    'a body behind the end': (id: number) => [ended(id, held), frame(DATA, 0, id, sixteenKib)],
  };
  for (const [name, frames] of Object.entries(broken)) {
    const client = await frameClient(torc.port);
    for (let index = 0; index < 70; index++) client.send(...frames(2 * index + 1));
    client.send(getFrame(999));
    await client.sees(({ type, id }) => type === HEADERS && id === 999, `an answer behind ${name}`);
    client.close();
  }
});

rules('a tunnel is given what came before it was there, and its end', async () => {
  const echo = createServer(socket => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: a\r\n\r\n');
      socket.pipe(socket);
    });
  });
  await new Promise<void>(resolve => echo.listen(0, '127.0.0.1', resolve));
  const tunnels = await startProxy([(echo.address() as AddressInfo).port]);
  const client = await frameClient(tunnels.port);
  const connect: Fields = [...asking([[':method', 'CONNECT']]), [':protocol', 'a'], ['content-length', '2']];
  client.send(opened(1, connect), ...[...'early'].map(letter => data(1, letter)), data(1, '', END_STREAM));
  client.send(ended(3, connect));
  await client.sees(frame => isEndOf(frame) && frame.id === 1, 'the end of the echo');
  await client.sees(frame => isEndOf(frame) && frame.id === 3, 'the end of a tunnel of nothing');
  const said = client.frames.filter(({ type, id }) => type === DATA && id === 1);
  assert.is(Buffer.concat(said.map(({ payload }) => payload)).toString(), 'early');
  client.close();
  await tunnels.close();
  echo.close();
});

rules('a tunnel whose client ended its half and then left ends for its replica too', async () => {
  const deaf = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {});
    socket.once('data', () =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: a\r\n\r\n'),
    );
  });
  await new Promise<void>(resolve => deaf.listen(0, '127.0.0.1', resolve));
  const tunnels = await startProxy([(deaf.address() as AddressInfo).port]);
  const client = await frameClient(tunnels.port);
  client.send(ended(1, [...asking([[':method', 'CONNECT']]), [':protocol', 'a']]));
  await client.sees(({ type }) => type === HEADERS, 'the tunnel');
  client.close();
  const isOver = (): boolean =>
    tunnels.counters.collect(false, null).slots.every(({ inFlight }) => inFlight === 0);
  await waitFor(isOver, { timeoutMs: 5000, what: "the tunnel's end" });
  await tunnels.close();
  deaf.close();
});

rules('streams that wait for the window of the connection take turns', async () => {
  origin.answer = plain('a'.repeat(200_000));
  const client = await frameClient(torc.port, { settings: [setting(4, 2 ** 20)] });
  client.send(getFrame(1), getFrame(3));
  const received = (of: number): number =>
    client.frames.reduce(
      (sum, { type, id, payload }) => sum + (type === DATA && id === of ? payload.length : 0),
      0,
    );
  await client.sees(() => received(1) + received(3) === 65_535, 'the window to be used');
  await client.sees(({ type, id }) => type === HEADERS && id === 3, 'both heads');
  const before = [received(1), received(3)];
  client.send(frame(WINDOW_UPDATE, 0, 0, uint32(65_536)));
  await client.sees(() => received(1) + received(3) === 131_071, 'the window to be used again');
  assert.equal([received(1) - before[0]!, received(3) - before[1]!], [32_768, 32_768]);
  client.close();
});

rules.run();
