// Latencies per slot, as /admin/slots and /metrics give them: microseconds, of all workers together. A real torc of two
// workers, and an origin that answers each request no sooner than it is told. Nothing is assumed of the machine's speed:
// a percentile must lie between that of the delays asked for and that of the times in the access log, which are read a
// moment later. The worker with the slow requests has few of them, so that each worker alone would be told by one bound.

import { once } from 'node:events';
import { Agent, createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

/** A timer may fire a moment early, a cell of the histogram is 1 % wide. */
const EARLY_MS = 1;
const CELL = 1.01;
const MOST_CONNECTIONS = 64;

interface Logged {
  readonly role: string;
  readonly target: string;
  readonly slot: string;
  readonly ms: number;
}

const loggedBy = (torc: Torc): Logged[] =>
  torc.lines().filter(line => line.msg === 'request') as unknown as Logged[];

const delayOf = (target: string): number => Number(/delay=(\d+)/.exec(target)?.[1] ?? 0);

async function origin(): Promise<Server> {
  const server = createServer((request, response) => {
    const delay = delayOf(request.url ?? '');
    if (delay === 0) response.end('ok');
    else setTimeout(() => response.end('ok'), delay + EARLY_MS);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

/** Asks over the agent's one connection. */
async function ask(torc: Torc, agent: Agent, target: string): Promise<void> {
  const [response] = await once(get(torc.url + target, { agent }), 'response');
  response.resume();
  await once(response, 'end');
}

/** A connection to each of two workers; the kernel deals them out. */
async function connectionPerWorker(torc: Torc): Promise<Agent[]> {
  const byRole = new Map<string, Agent>();
  for (let count = 0; count < MOST_CONNECTIONS && byRole.size < 2; count++) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const target = `/?request_id=${count}`;
    await ask(torc, agent, target);
    let line: Logged | undefined;
    await waitFor(
      () => {
        line = loggedBy(torc).find(logged => logged.target === target);
        return line !== undefined;
      },
      { timeoutMs: 20_000, what: 'the line of the request' },
    );
    if (byRole.has(line!.role)) agent.destroy();
    else byRole.set(line!.role, agent);
  }
  return [...byRole.values()];
}

/** A key that the slot owns. */
async function keyOf(torc: Torc, slot: string): Promise<string> {
  for (let key = 1000; key < 1100; key++) {
    const { text } = await torc.get(`/admin/explain?key=${key}`);
    if ((JSON.parse(text) as { servedBy: string }).servedBy === slot) return String(key);
  }
  throw new Error(`no key of slot ${slot}`);
}

/** The values around the percentile's rank: implementations round it differently. */
function around(values: readonly number[], percentile: number): { least: number; most: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (percentile / 100) * sorted.length;
  const at = (place: number): number => sorted[Math.min(sorted.length, Math.max(1, place)) - 1]!;
  return { least: at(Math.floor(rank)), most: at(Math.ceil(rank) + 1) };
}

function checkLatency(us: number, percentile: number, logged: readonly Logged[]): void {
  const { least } = around(
    logged.map(({ target }) => delayOf(target)),
    percentile,
  );
  const { most } = around(
    logged.map(({ ms }) => ms),
    percentile,
  );
  const told = `p${percentile} is ${us} us, asked for ${least} ms, logged ${most} ms`;
  assert.ok(us * CELL >= least * 1000, told);
  assert.ok(us <= most * 1000 * CELL, told);
}

const latency = suite('admin/latency');

latency('/admin/slots and /metrics give the latencies of both workers as one', async () => {
  const origins = [await origin(), await origin()];
  const torc = await startTorc({
    TORC_DRIVER: 'static',
    TORC_UPSTREAMS: origins
      .map((server, index) => `127.0.0.1:${(server.address() as AddressInfo).port};name=${index + 1}`)
      .join(','),
    TORC_HEARTBEAT_PATH: '',
    TORC_WORKERS: '2',
    TORC_ACCESS_LOG: 'true',
  });
  try {
    const agents = await connectionPerWorker(torc);
    assert.is(agents.length, 2, 'both workers answer');
    const key = await keyOf(torc, '2');
    const send = async (agent: Agent, delay: number, count: number): Promise<void> => {
      for (let index = 0; index < count; index++)
        await ask(torc, agent, `/?request_id=${key}&delay=${delay}`);
    };
    const before = loggedBy(torc).length;
    await Promise.all([send(agents[0]!, 20, 30), send(agents[1]!, 150, 8)]);
    await waitFor(() => loggedBy(torc).length === before + 38, { timeoutMs: 20_000, what: 'all log lines' });

    const { slots } = JSON.parse((await torc.get('/admin/slots')).text) as {
      slots: { name: string; requests: number; latencyUs: { p50: number; p99: number } }[];
    };
    const metrics = (await torc.get('/metrics')).text;
    for (const { name, requests, latencyUs } of slots) {
      const logged = loggedBy(torc).filter(({ slot }) => slot === name);
      assert.is(requests, logged.length);
      if (requests === 0) continue;
      checkLatency(latencyUs.p50, 50, logged);
      checkLatency(latencyUs.p99, 99, logged);
      for (const [quantile, percentile] of Object.entries({ 0.5: 50, 0.9: 90, 0.99: 99 })) {
        const line = `torc_request_duration_seconds{slot="${name}",quantile="${quantile}"} `;
        const value = metrics.split('\n').find(text => text.startsWith(line));
        assert.ok(value !== undefined, line);
        checkLatency(Number(value.slice(line.length)) * 1e6, percentile, logged);
      }
    }
    for (const agent of agents) agent.destroy();
  } finally {
    await torc.close();
    for (const server of origins) server.close().closeAllConnections();
  }
});

latency.run();
