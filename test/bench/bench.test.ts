// The parts of the bench that could lie: when a latency begins, what a percentile is, and what passes as a balancer.

import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { closedLoop } from '../../native-free-bench/harness/closed-loop.ts';
import { Latencies } from '../../native-free-bench/harness/latencies.ts';
import { openLoop } from '../../native-free-bench/harness/open-loop.ts';
import { merge } from '../../native-free-bench/harness/rounds.ts';
import { type Target, verify } from '../../native-free-bench/harness/targets.ts';

const test = suite('bench');

/** Runs `use` against a server of its own. */
async function withServer(listener: RequestListener, use: (url: string) => Promise<void>): Promise<void> {
  const server: Server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const greeting = (slot: number): string => JSON.stringify({ message: `Hello from Server: ${slot}` });
const keyOf = (url = ''): number => Number(/request_id=(\d+)/.exec(url)?.[1] ?? 0);

/** A balancer as it should be; its answers can be bent. */
const balancer =
  (bend: { status?: number; slotOf?: (key: number) => number; lose?: number } = {}): RequestListener =>
  (request, response) => {
    let received = 0;
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    request.on('end', () => {
      const { status = 200, slotOf = key => 1 + (key % 3), lose = 0 } = bend;
      const body = greeting(slotOf(keyOf(request.url)));
      const headers = { 'content-length': body.length, 'x-received-bytes': received - lose };
      response.writeHead(status, headers).end(body);
    });
  };

const targetAt = (url: string): Target => ({
  name: 'subject',
  urls: [url],
  closes: false,
  pids: () => [],
  stop: async () => {},
});

const rejectionOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'accepted',
    (error: Error) => error.message,
  );

test('a percentile of known samples is the sample, to a thousandth', () => {
  const latencies = new Latencies();
  for (let us = 1; us <= 10_000; us++) latencies.record(us);
  const { p50Us, p90Us, p99Us, p999Us, maxUs } = latencies.percentiles();
  const pairs = [
    [p50Us, 5000],
    [p90Us, 9000],
    [p99Us, 9900],
    [p999Us, 9990],
    [maxUs, 10_000],
  ] as const;
  for (const [got, known] of pairs) assert.ok(Math.abs(got - known) <= known / 1000, `${got} for ${known}`);
});

test('a latency below a millisecond is not zero, and one beyond the range is not lost', () => {
  const latencies = new Latencies();
  latencies.record(0.2);
  latencies.record(3e9);
  assert.is(latencies.count, 2);
  assert.is(latencies.atPercentile(50), 1);
  assert.ok(latencies.percentiles().maxUs >= 59_900_000);
  assert.is(new Latencies().percentiles().p99Us, 0);
});

test('rounds are one: all latencies, the median rate, every error', () => {
  const sample = (us: number, requests: number, errors: number): Parameters<typeof merge>[0][number] => {
    const latencies = new Latencies();
    latencies.record(us);
    const counts = { requests, errors, unanswered: 0, perReplica: [requests, 0] };
    return {
      ...counts,
      seconds: 1,
      wrong: null,
      latencies: latencies.toText(),
      lateP99Us: us,
      cpuUsPerRequest: us,
    };
  };
  const merged = merge([sample(100, 10, 0), sample(300, 30, 2), sample(200, 1000, 0)]);
  assert.is(merged.perSecond, 30);
  assert.is(merged.cpuUsPerRequest, 200);
  assert.is(merged.errors, 2);
  assert.equal(merged.perReplica, [1040, 0]);
  assert.is(merged.p50Us, 200);
  assert.is(merged.maxUs, 300);
});

test('open loop: one stall shows in every request that was due meanwhile', async () => {
  // 4 connections, so without correction 4 requests would have waited. Of 250 a second 100 are due in the first 400 ms
  // of a stall of 500 ms: each of them waits at least 100 ms, however fast or slow this machine is.
  const STALL_MS = 500;
  let seen = 0;
  let stalledUntilMs = 0;
  const answer = balancer();
  const listener: RequestListener = (request, response) => {
    if (++seen === 60) stalledUntilMs = performance.now() + STALL_MS;
    const leftMs = stalledUntilMs - performance.now();
    if (leftMs > 0) setTimeout(() => answer(request, response), leftMs);
    else answer(request, response);
  };
  await withServer(listener, async url => {
    const result = await openLoop({ kind: 'open', urls: [url], connections: 4, seconds: 2, perSecond: 250 });
    const latencies = Latencies.fromText(result.latencies);
    assert.is(result.requests, 500);
    assert.is(result.errors + result.unanswered, 0);
    assert.is(latencies.count, 500, 'each request once: the histogram corrects nothing itself');
    assert.ok(latencies.atPercentile(82) >= 99_000, `p82 is ${latencies.atPercentile(82)} us`);
    assert.ok(latencies.percentiles().maxUs >= 490_000);
  });
});

test('open loop: what is never answered counts with its wait, and the run ends', async () => {
  let seen = 0;
  const answer = balancer();
  const listener: RequestListener = (request, response) => {
    // The two that open the connections, and two more.
    if (++seen <= 4) answer(request, response);
  };
  await withServer(listener, async url => {
    const result = await openLoop({
      kind: 'open',
      urls: [url],
      connections: 2,
      seconds: 0.2,
      perSecond: 100,
    });
    assert.is(result.requests, 2);
    assert.is(result.unanswered, 18);
    const latencies = Latencies.fromText(result.latencies);
    assert.is(latencies.count, 20);
    assert.ok(latencies.atPercentile(50) >= 1_900_000);
  });
});

test('open loop: other statuses are errors, broken connections are lost, neither is a latency', async () => {
  const listener: RequestListener = (request, response) => {
    const key = keyOf(request.url);
    if (key % 4 === 0) request.socket.destroy();
    else balancer(key % 4 === 1 ? { status: 500 } : {})(request, response);
  };
  await withServer(listener, async url => {
    const result = await openLoop({
      kind: 'open',
      urls: [url],
      connections: 2,
      seconds: 0.4,
      perSecond: 100,
    });
    assert.is(result.requests, 20);
    assert.equal([result.errors, result.unanswered], [10, 10]);
    assert.is(Latencies.fromText(result.latencies).count, 20);
  });
});

for (const reconnects of [false, true]) {
  test(`closed loop${reconnects ? ' with reconnects' : ''}: counts what was answered`, async () => {
    let served = 0;
    const answer = balancer();
    const listener: RequestListener = (request, response) => {
      if (reconnects) response.setHeader('connection', 'close');
      response.on('finish', () => served++);
      answer(request, response);
    };
    await withServer(listener, async url => {
      const job = { kind: 'closed', urls: [url], connections: 4, seconds: 0.3 } as const;
      const result = await closedLoop({ ...job, method: 'POST', reconnects });
      assert.is(result.errors, 0);
      assert.ok(result.requests > 0 && result.requests <= served, `${result.requests} of ${served}`);
      // Those under way at the end are not counted: at most one per connection.
      assert.ok(served - result.requests <= 4, `${result.requests} of ${served}`);
      assert.is(Latencies.fromText(result.latencies).count, result.requests);
      if (!reconnects)
        assert.is(
          result.perReplica.reduce((sum, count) => sum + count),
          result.requests,
        );
    });
  });
}

for (const reconnects of [false, true]) {
  test(`closed loop${reconnects ? ' with reconnects' : ''}: a server that drops each tenth, and stalls once`, async () => {
    const STALL_MS = 400;
    let seen = 0;
    let dropped = 0;
    const answer = balancer();
    const listener: RequestListener = (request, response) => {
      if (++seen % 10 === 0) {
        dropped++;
        request.socket.destroy();
      } else if (seen === 55) setTimeout(() => answer(request, response), STALL_MS);
      else answer(request, response);
    };
    await withServer(listener, async url => {
      const job = { kind: 'closed', urls: [url], connections: 4, seconds: 1.5, method: 'GET' } as const;
      const result = await closedLoop({ ...job, reconnects });
      assert.ok(dropped >= 10, `${dropped} dropped`);
      // What is under way at the end: at most one per connection.
      assert.ok(Math.abs(result.unanswered - dropped) <= 4, `${result.unanswered} lost, ${dropped} dropped`);
      assert.is(result.errors, 0);
      assert.ok(Latencies.fromText(result.latencies).percentiles().maxUs >= STALL_MS * 990);
      assert.is(Latencies.fromText(result.latencies).count, result.requests);
    });
  });
}

test('closed loop: an answer that no replica gives is found out', async () => {
  const listener: RequestListener = (_request, response) => void response.end('It works!');
  await withServer(listener, async url => {
    const job = { kind: 'closed', urls: [url], connections: 2, seconds: 0.1 } as const;
    const result = await closedLoop({ ...job, method: 'GET', reconnects: false });
    assert.is(result.wrong, 'It works!');
  });
});

test('verify() accepts a balancer that hashes and delivers', () =>
  withServer(balancer(), async url => assert.is(await rejectionOf(verify(targetAt(url))), 'accepted')));

let turn = 0;
const liars: Record<string, [RequestListener, RegExp]> = {
  'answers errors': [balancer({ status: 500 }), /answers 500/],
  'moves keys': [balancer({ slotOf: () => 1 + (turn++ % 7) }), /moves key/],
  'has one replica only': [balancer({ slotOf: () => 1 }), /one replica only/],
  'loses bytes of a POST': [balancer({ lose: 1 }), /1023 of 1024 bytes/],
  'does not say how long its answers are': [
    (_request, response) => {
      response.write(greeting(1));
      response.end();
    },
    /content-length/,
  ],
};
for (const [name, [listener, reason]] of Object.entries(liars)) {
  test(`verify() rejects a target that ${name}`, () =>
    withServer(listener, async url => assert.match(await rejectionOf(verify(targetAt(url))), reason)));
}

test.run();
