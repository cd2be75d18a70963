// /metrics of a real torc: what Prometheus' own linter says, histograms that add up, counters that survive a worker, whose
// fault an error was, who waits, why a slot left routing; and what was not measured is absent.

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { histogramText } from '../../src/admin/metric-text.ts';
import { slotsOf } from '../support/healing.ts';
import { prometheusTest, promtool } from '../support/prometheus.ts';
import { sendMany, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const metrics = suite('metrics');

/** Runs a torc before one given replica, which does with its connections what `serve` says. */
async function withOrigin(
  serve: (socket: Socket) => void,
  settings: Record<string, string>,
  run: (torc: Torc) => Promise<void>,
): Promise<void> {
  const origin = createServer(socket => serve(socket.on('error', () => {})));
  await once(origin.listen(0, '127.0.0.1'), 'listening');
  const address = origin.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const torc = await startTorc({
    TORC_DRIVER: 'static',
    TORC_UPSTREAMS: `127.0.0.1:${port};name=1`,
    TORC_HEARTBEAT_PATH: '',
    TORC_WORKERS: '1',
    ...settings,
  });
  try {
    await run(torc);
  } finally {
    await torc.close();
    origin.close();
  }
}

const textOf = async (torc: Torc): Promise<string> => (await torc.get('/metrics')).text;

/** The sum of all series of a metric that have these labels. */
function sumOf(text: string, name: string, labels = ''): number {
  const lines = text.split('\n').filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  const wanted = lines.filter(line => line.includes(labels));
  return wanted.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

metrics('errors by code, slot and source; recent latencies only where something was served', async () => {
  // Takes requests and answers with what is no HTTP.
  const nonsense = (socket: Socket): void => void socket.on('data', () => socket.end('nonsense\r\n\r\n'));
  await withOrigin(nonsense, {}, async torc => {
    const before = await textOf(torc);
    assert.match(before, /^# TYPE torc_errors_total counter$/m);
    assert.not.match(before, /^torc_errors_total\{/m);
    assert.not.match(before, /^torc_request_duration_recent_seconds\{/m);
    assert.is((await torc.send('POST', '/x', 'body')).status, 502);
    assert.is((await torc.send('PROPFIND', '/x?n=1', 'body')).status, 502);
    const after = await textOf(torc);
    const errors = [...after.matchAll(/^torc_errors_total\{(.*)\} (\d+)$/gm)].map(([, labels, count]) => [
      labels,
      count,
    ]);
    assert.equal(errors, [['code="BAD_RESPONSE",slot="1",source="upstream"', '2']]);
  });
});

metrics('requests that wait for a connection are counted while they wait, however that ends', async () => {
  const held: Socket[] = [];
  const hold = (socket: Socket): void => void socket.on('data', () => held.push(socket));
  const settings = { TORC_MAX_CONNECTIONS_PER_REPLICA: '1', TORC_MAX_QUEUE: '9' };
  await withOrigin(hold, settings, async torc => {
    const leaving = new AbortController();
    const ask = (signal?: AbortSignal): Promise<number> =>
      fetch(`${torc.url}/x`, { signal: signal ?? null }).then(
        ({ status }) => status,
        () => 0,
      );
    const answers = [ask(), ask(), ask(leaving.signal)];
    const queued = async (wanted: number): Promise<void> =>
      waitFor(async () => sumOf(await textOf(torc), 'torc_requests_queued') === wanted, {
        timeoutMs: 30_000,
        what: `${wanted} requests in the queue`,
      });
    await queued(2);
    assert.is(sumOf(await textOf(torc), 'torc_requests_in_flight'), 3);
    leaving.abort();
    await queued(1);
    const serve = (): void => {
      for (const socket of held.splice(0)) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    };
    await waitFor(
      async () => {
        serve();
        return sumOf(await textOf(torc), 'torc_requests_in_flight') === 0;
      },
      { timeoutMs: 30_000, what: 'their answers' },
    );
    await queued(0);
    assert.equal((await Promise.all(answers)).sort(), [0, 200, 200]);
  });
});

metrics('histograms add up, and neither they nor a counter fall when a worker dies', async () => {
  const torc = await startTorc({ TORC_WORKERS: '2', TORC_REPLICAS: '2' });
  try {
    await sendMany(index => `${torc.url}/request?request_id=${index}`, 200, 16);
    const before = await textOf(torc);
    const name = 'torc_http_request_duration_seconds';
    assert.is(sumOf(before, `${name}_count`), 200);
    assert.is(sumOf(before, `${name}_bucket`, 'le="+Inf"'), 200);
    for (const slot of ['1', '2']) {
      const buckets = [
        ...before.matchAll(new RegExp(`^${name}_bucket\\{slot="${slot}",le=.*\\} (\\d+)$`, 'gm')),
      ];
      const counts = buckets.map(([, count]) => Number(count));
      assert.is(counts.length, 16);
      assert.equal(
        counts,
        [...counts].sort((a, b) => a - b),
      );
      assert.is(counts.at(-1), sumOf(before, 'torc_requests_total', `slot="${slot}"`));
    }
    const seconds = sumOf(before, `${name}_sum`);
    assert.ok(seconds > 0 && seconds < 200 * 5, `${seconds} s in all`);
    assert.match(before, /^torc_build_info\{version="\d+\.\d+\.\d+",node="\d+\.\d+\.\d+"\} 1$/m);
    const { workers } = JSON.parse((await torc.get('/admin/status')).text) as {
      workers: { each: { pid: number }[] };
    };
    process.kill(workers.each[0]!.pid, 'SIGKILL');
    // Connections of the worker are lost, perhaps also those that ask.
    let after = '';
    const until = (name: string, value: number): Promise<void> =>
      waitFor(
        async () => {
          after = await textOf(torc).catch(() => '');
          return sumOf(after, name) === value;
        },
        { timeoutMs: 30_000, what: `${name} of ${value}` },
      );
    await until('torc_worker_restarts_total', 1);
    for (const counter of [`${name}_count`, `${name}_sum`, 'torc_requests_total'])
      assert.is(sumOf(after, counter), sumOf(before, counter), counter);
    await until('torc_workers_current', 2);
  } finally {
    await torc.close();
  }
});

metrics('a slot that left routing is counted by what took it out', async () => {
  const torc = await startTorc({ TORC_WORKERS: '1', TORC_REPLICAS: '2' });
  try {
    const [first] = await slotsOf(torc);
    process.kill(Number(first!.replica.slice('pid '.length)), 'SIGKILL');
    await waitFor(async () => sumOf(await textOf(torc), 'torc_replacements_total') === 1, {
      timeoutMs: 30_000,
      what: 'the replacement',
    });
    const text = await textOf(torc);
    const ejected = `^torc_ejections_total\\{slot="${first!.name}",cause="(event|connection)"\\} 1$`;
    assert.match(text, new RegExp(ejected, 'm'));
    assert.is(sumOf(text, 'torc_slots'), 2);
    assert.is(sumOf(text, 'torc_slots_ready'), 2);
    assert.is(sumOf(text, 'torc_driver_up'), 1);
    await torc.send('DELETE', '/rm', { n: 1, hostnames: [first!.name] });
    assert.is(sumOf(await textOf(torc), 'torc_ejections_total'), 0, 'a removed slot leaves nothing');
  } finally {
    await torc.close();
  }
});

metrics('buckets are cumulative, the sum is in seconds, and labels are escaped', () => {
  const series = [{ labels: { slot: 'a"\\b' }, counts: [1, 2, 3], sum: 0.5 }];
  assert.equal(histogramText('x_seconds', 'help', [0.1, 1], series).split('\n'), [
    '# HELP x_seconds help',
    '# TYPE x_seconds histogram',
    'x_seconds_bucket{slot="a\\"\\\\b",le="0.1"} 1',
    'x_seconds_bucket{slot="a\\"\\\\b",le="1"} 3',
    'x_seconds_bucket{slot="a\\"\\\\b",le="+Inf"} 6',
    'x_seconds_sum{slot="a\\"\\\\b"} 0.5',
    'x_seconds_count{slot="a\\"\\\\b"} 6',
    '',
  ]);
});

prometheusTest(metrics, 'promtool check metrics has nothing to say, before traffic and after', async () => {
  const torc = await startTorc({ TORC_WORKERS: '1', TORC_REPLICAS: '2' });
  try {
    promtool(['check', 'metrics'], await textOf(torc));
    await sendMany(index => `${torc.url}/request?request_id=${index}`, 20, 4);
    const text = await textOf(torc);
    promtool(['check', 'metrics'], text);
    assert.match(text, /^# HELP torc_request_duration_seconds Deprecated/m);
  } finally {
    await torc.close();
  }
});

metrics.run();
