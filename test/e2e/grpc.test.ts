// gRPC end to end: @grpc/grpc-js calls through torc's door of HTTP/2 into replicas of @grpc/grpc-js, kept alive and asked for
// their health by the real torc. All four kinds of calls, metadata both ways, deadlines, cancels and statuses; what is lost when replicas
// die under load: calls that had begun there, and no other.

import { join } from 'node:path';
import type {
  ClientDuplexStream,
  ClientReadableStream,
  ClientUnaryCall,
  ClientWritableStream,
  ServiceError,
  StatusObject,
} from '@grpc/grpc-js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { callUnary, type EchoClient, echoClient, type Message, metadata, status } from '../support/grpc.ts';
import { slotsOf } from '../support/healing.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';
import { allReady } from '../support/zero-loss.ts';

const replica = join(import.meta.dirname, '..', 'support', 'grpc-replica.ts');
const SETTINGS = {
  TORC_WORKERS: '2',
  TORC_REPLICA_COMMAND: `exec ${process.execPath} ${replica}`,
  TORC_REPLICA_PROTOCOL: 'h2c',
  TORC_HEARTBEAT_MODE: 'grpc',
  TORC_KEY: 'header:x-key,path',
};

const grpc = suite('grpc');
let torc: Torc;
let client: EchoClient;
grpc.before(async () => {
  torc = await startTorc(SETTINGS);
  client = echoClient(torc.port);
});
grpc.after(async () => {
  client.close();
  await torc.close();
});

const failed = (call: Promise<unknown>): Promise<ServiceError> =>
  call.then(
    () => {
      throw new Error('it succeeded');
    },
    (error: ServiceError) => error,
  );

grpc('unary: message, metadata, trailers and the status of success', async () => {
  const seen: Record<string, unknown> = {};
  const answer = await new Promise<Message>((resolve, reject) => {
    const call: ClientUnaryCall = client.unary!(
      { text: 'h\u00e9llo' },
      metadata({ 'x-key': 'a' }),
      (error: ServiceError | null, message?: Message) => (error === null ? resolve(message!) : reject(error)),
    );
    call.on('metadata', head => {
      seen.head = head.get('x-head')[0];
      seen.servedBy = head.get('x-served-by')[0];
    });
    call.on('status', (end: StatusObject) => {
      seen.code = end.code;
      seen.trailer = end.metadata.get('x-trailer')[0];
    });
  });
  assert.is(answer.text, 'h\u00e9llo');
  assert.equal(seen, { head: answer.by, servedBy: answer.by, code: status.OK, trailer: answer.by });
});

grpc('unary: a message that is larger than any window, both ways', async () => {
  const text = 'x'.repeat(3_000_000);
  const answer = await callUnary(client, { text });
  assert.ok(answer.text === text);
});

grpc('a key is the same slot for every call, and keys spread', async () => {
  const slots = new Map<string, string>();
  for (let key = 0; key < 30; key++)
    slots.set(`k${key}`, (await callUnary(client, {}, { 'x-key': `k${key}` })).by!);
  assert.ok(new Set(slots.values()).size === 3);
  for (const [key, slot] of slots) assert.is((await callUnary(client, {}, { 'x-key': key })).by, slot);
});

grpc(
  'a status that is no success arrives with its details and metadata, with and without a body before it',
  async () => {
    const error = await failed(
      callUnary(client, { text: 'a' }, { 'x-status': String(status.FAILED_PRECONDITION) }),
    );
    assert.equal(
      [error.code, error.details, error.metadata.get('x-why')[0]],
      [status.FAILED_PRECONDITION, 'as you \u00fcsh', 'asked for'],
    );
    const got: string[] = [];
    const spread: ClientReadableStream<Message> = client.spread!(
      { text: 'm', count: 3 },
      metadata({ 'x-status': '8' }),
    );
    spread.on('data', (message: Message) => got.push(message.text!));
    const late = await new Promise<ServiceError>(resolve =>
      spread.on('error', resolve as (error: Error) => void),
    );
    assert.equal([got, late.code], [['m0', 'm1', 'm2'], status.RESOURCE_EXHAUSTED]);
    const unknown = await failed(
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          '/torc.test.Echo/Nothing',
          (message: Message) => Buffer.from(JSON.stringify(message)),
          (bytes: Buffer) => bytes,
          {},
          (error: ServiceError | null, bytes) => (error === null ? resolve(bytes) : reject(error)),
        );
      }),
    );
    assert.is(unknown.code, status.UNIMPLEMENTED);
  },
);

grpc('client stream, server stream: every message, in order', async () => {
  const collected = await new Promise<Message>((resolve, reject) => {
    const call: ClientWritableStream<Message> = client.collect!(
      (error: ServiceError | null, message?: Message) => (error === null ? resolve(message!) : reject(error)),
    );
    for (let index = 0; index < 500; index++) call.write({ text: `${index},` });
    call.end();
  });
  assert.is(collected.count, 500);
  assert.is(collected.text, Array.from({ length: 500 }, (_, index) => `${index},`).join(''));
  const spread: ClientReadableStream<Message> = client.spread!({ text: 'm', count: 2000 });
  let count = 0;
  for await (const message of spread) assert.is((message as Message).text, `m${count++}`);
  assert.is(count, 2000);
});

grpc('both at once: an answer to each message before the next one is sent', async () => {
  const call: ClientDuplexStream<Message, Message> = client.chat!(metadata({ 'x-key': 'chat' }));
  const answers = call[Symbol.asyncIterator]();
  const by = new Set<string>();
  for (let index = 0; index < 50; index++) {
    call.write({ text: String(index) });
    const { value } = (await answers.next()) as { value: Message };
    assert.is(value.text, `re: ${index}`);
    by.add(value.by!);
  }
  call.end();
  assert.is((await answers.next()).done, true);
  assert.is(by.size, 1);
});

grpc(
  "a replica that ends both directions while its client still sends: the status is the replica's",
  async () => {
    for (const [text, fields, code] of [
      ['enough', {}, status.OK],
      ['no', { 'x-status': String(status.ABORTED) }, status.ABORTED],
    ] as const) {
      for (let turn = 0; turn < 10; turn++) {
        const call: ClientDuplexStream<Message, Message> = client.chat!(metadata(fields));
        const got: string[] = [];
        call.on('data', (message: Message) => got.push(message.text!));
        call.on('error', () => {});
        const ended = new Promise<StatusObject>(resolve => call.on('status', resolve));
        call.write({ text });
        const end = await ended;
        assert.equal([end.code, got], [code, [`re: ${text}`]], end.details);
      }
    }
  },
);

grpc('a deadline ends the call here and there; so does a cancel', async () => {
  const late = await failed(callUnary(client, { text: 'deadline' }, { 'x-hang': '1' }, 300));
  assert.is(late.code, status.DEADLINE_EXCEEDED);
  const cancelled = new Promise<ServiceError>(resolve => {
    const call: ClientUnaryCall = client.unary!(
      { text: 'cancel' },
      metadata({ 'x-hang': '1' }),
      (error: ServiceError | null) => resolve(error!),
    );
    setTimeout(() => call.cancel(), 300);
  });
  assert.is((await cancelled).code, status.CANCELLED);
  await waitFor(
    async () =>
      /torc_requests_in_flight\{slot="1"\} 0/.test((await torc.get('/metrics')).text) &&
      !/torc_requests_in_flight\{slot="\d"\} [1-9]/.test((await torc.get('/metrics')).text),
    {
      timeoutMs: 20_000,
      what: 'nothing to be in flight',
    },
  );
});

interface Load {
  readonly done: number;
  readonly lost: readonly ServiceError[];
  stop(): Promise<void>;
}

/** Calls without an end, so many at once, over a few connections. */
function startCalls(port: number, atOnce: number): Load {
  const clients = Array.from({ length: 4 }, () => echoClient(port));
  const load = { done: 0, lost: [] as ServiceError[], stop: async () => {} };
  let isStopped = false;
  let next = 0;
  const worker = async (mine: EchoClient): Promise<void> => {
    while (!isStopped) {
      const key = `k${next++}`;
      await callUnary(mine, { text: key }, { 'x-key': key, 'x-wait-ms': '5' }).then(
        answer => {
          assert.is(answer.text, key);
          load.done++;
        },
        (error: ServiceError) => void load.lost.push(error),
      );
    }
  };
  const workers = Array.from({ length: atOnce }, (_, index) => worker(clients[index % clients.length]!));
  load.stop = async () => {
    isStopped = true;
    await Promise.all(workers);
    for (const each of clients) each.close();
  };
  return load;
}

for (const [name, isLossless] of [
  ['SIGKILL', false],
  ['SIGTERM', true],
] as const)
  grpc(
    `replicas end under load by ${name}: ${isLossless ? 'no call is lost' : 'no call but those that had begun there'}`,
    async () => {
      await allReady(torc);
      const load = startCalls(torc.port, 32);
      let killed = 0;
      for (const { name: slot, replica: before } of await slotsOf(torc)) {
        const at = load.done;
        await waitFor(() => load.done > at + 200, { timeoutMs: 40_000, what: 'calls to flow' });
        process.kill(Number(before.replace('pid ', '')), name);
        killed++;
        await waitFor(
          async () =>
            (await slotsOf(torc)).some(
              now => now.name === slot && now.replica !== before && now.state === 'ready',
            ),
          { timeoutMs: 60_000, what: `slot ${slot} to be ready again` },
        );
      }
      const at = load.done;
      await waitFor(() => load.done > at + 200, { timeoutMs: 40_000, what: 'calls to flow' });
      await load.stop();
      const codes = load.lost.map(({ code, details }) => `${code} ${details}`);
      process.stdout.write(
        `\n  ${name}: ${killed} replicas ended, ${load.done} calls answered, ${load.lost.length} lost\n`,
      );
      if (isLossless) assert.equal(codes, []);
      // A third of 32 is at each replica.
      assert.ok(load.lost.length <= killed * 32, codes.join('; '));
      for (const error of load.lost) assert.is(error.code, status.UNAVAILABLE, codes.join('; '));
    },
  );

grpc('nobody there: UNAVAILABLE, in so many words', async () => {
  const alone = await startTorc({
    TORC_DRIVER: 'static',
    TORC_UPSTREAMS: '127.0.0.1:1',
    TORC_HEARTBEAT_PATH: '',
    TORC_REPLICA_PROTOCOL: 'h2c',
    TORC_RESPONSE_TIMEOUT_MS: '500',
  });
  const caller = echoClient(alone.port);
  const error = await failed(callUnary(caller, {}));
  assert.is(error.code, status.UNAVAILABLE);
  assert.match(error.details, /^torc: /);
  caller.close();
  await alone.close();
});

grpc.run();
