// A torc that is replaced by another one while clients use it: nothing is refused, nothing is lost, replicas, slots and counters
// go on, and whoever started the first one still has torc by its pid. One that does not start changes nothing.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startFresh } from '../support/fresh.ts';
import { slotsOf } from '../support/healing.ts';
import { lostRequests, startLoad } from '../support/load.ts';
import { freePort, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const LONG = { timeoutMs: 60_000 };
const REPLACEMENTS = 3;
const slow = join(import.meta.dirname, '..', 'support', 'slow-replica.ts');

const test = suite('replace');
const dir = mkdtempSync(join(tmpdir(), 'torc-replace-'));
test.after(() => rmSync(dir, { recursive: true, force: true }));

/** The pid of the new one. Over a connection of its own, because one that is kept may be the last torc's. */
async function replace({ port }: Torc): Promise<number> {
  const asked = request({
    port,
    host: '127.0.0.1',
    method: 'POST',
    path: '/admin/replace',
    agent: false,
  }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const body = await text(answer);
  assert.is(answer.statusCode, 200, body);
  return (JSON.parse(body) as { pid: number }).pid;
}

const requestsOf = async (torc: Torc): Promise<number> => {
  const metrics = await torc.get('/metrics', { connection: 'close' });
  return [...metrics.text.matchAll(/^torc_requests_total\{.*status="2xx"\} (\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
};

const replicasOf = async (torc: Torc): Promise<string[]> =>
  (await slotsOf(torc)).map(({ name, replica }) => `${name} ${replica}`);

test('under load nothing is refused and nothing is lost; replicas, counters and events go on', async () => {
  const torc = await startTorc({ TORC_WORKERS: '2' });
  try {
    const replicas = await replicasOf(torc);
    const kept = startLoad(torc.url, 32);
    const fresh = startFresh(torc.port, 8);
    let counted = 0;
    const pids = new Set<number>([torc.process.pid!]);
    for (let count = 0; count < REPLACEMENTS; count++) {
      await Promise.all([kept.flows(), fresh.flows()]);
      pids.add(await replace(torc));
      await Promise.all([kept.flows(), fresh.flows()]);
      const now = await requestsOf(torc);
      assert.ok(now > counted, `${counted} requests were counted, and then ${now}`);
      counted = now;
    }
    assert.is(pids.size, REPLACEMENTS + 1);
    const [keptReport, freshReport] = await Promise.all([kept.stop(), fresh.stop()]);
    assert.equal(lostRequests(keptReport), []);
    assert.equal([freshReport.refused, freshReport.lost], [{}, {}]);
    assert.equal(await replicasOf(torc), replicas);
    const sent = keptReport.sent.GET + keptReport.sent.POST + freshReport.answered;
    // What the replaced one has served since, it tells while it drains.
    const all = async (): Promise<boolean> => (await requestsOf(torc)) >= sent;
    await waitFor(all, { ...LONG, what: 'each to be counted, whoever served it' });
  } finally {
    await torc.close();
  }
  assert.is(torc.process.exitCode, 0);
});

test('one replica hangs meanwhile: the new torc does not wait for what it may not make, and makes it once it is torc', async () => {
  const torc = await startTorc({ TORC_WORKERS: '1' });
  try {
    const [victim] = await slotsOf(torc);
    process.kill(Number(victim!.replica.replace('pid ', '')), 'SIGSTOP');
    await replace(torc);
    const isFilled = async (): Promise<boolean> => {
      const [slot] = await slotsOf(torc);
      return slot!.state === 'ready' && slot!.replica !== victim!.replica;
    };
    await waitFor(() => isFilled().catch(() => false), { ...LONG, what: 'another replica' });
    assert.not.match(torc.output(), /is not filled/);
    assert.match(torc.output(), /but only 2 of 3 replicas are|torc is ready on/);
  } finally {
    await torc.close();
  }
  assert.is(torc.process.exitCode, 0);
});

test('one that does not start is told with its faults, and torc goes on: serves, heals, and is replaced later', async () => {
  const config = join(dir, 'faulty.yaml');
  writeFileSync(config, 'replicas: 2\n');
  const torc = await startTorc({ TORC_WORKERS: '1', TORC_CONFIG: config });
  try {
    writeFileSync(config, 'replicas: 2\nretries: many\nbogus: 1\n');
    const refused = await torc.send('POST', '/admin/replace', '');
    assert.is(refused.status, 500);
    assert.match(refused.text, /the new one does not start.*retries/);
    assert.match(refused.text, /bogus/);
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    writeFileSync(config, `replicas: 2\nlisten: 127.0.0.1:${torc.port},127.0.0.1:${port}\n`);
    const late = await torc.send('POST', '/admin/replace', '');
    assert.is(late.status, 500);
    assert.match(late.text, `127.0.0.1:${port} is taken by another program`);
    taken.close();
    // It has the replicas by then.
    const [victim] = await slotsOf(torc);
    writeFileSync(config, 'replicas: 2\nheartbeat-path: /none\nheartbeat-status: 299\n');
    const none = await torc.send('POST', '/admin/replace', '');
    assert.is(none.status, 500, none.text);
    assert.match(none.text, /no replica answers its heartbeats/);
    process.kill(Number(victim!.replica.replace('pid ', '')), 'SIGKILL');
    await waitFor(
      async () => {
        const [now] = await slotsOf(torc);
        return now!.state === 'ready' && now!.replica !== victim!.replica;
      },
      { ...LONG, what: 'a healed slot' },
    );
    writeFileSync(config, 'replicas: 2\n');
    await replace(torc);
    assert.is((await torc.get('/home')).status, 200);
  } finally {
    await torc.close();
  }
});

test('other addresses, and slots that operators made', async () => {
  const config = join(dir, 'addresses.yaml');
  const [port, second, admin] = [await freePort(), await freePort(), await freePort()];
  const path = join(dir, 'public.sock');
  const common = `replicas: 2\nadmin-port: ${admin}\nadmin-paths: both\nworkers: 1\n`;
  writeFileSync(config, `${common}listen: 127.0.0.1:${port},unix:${path}\n`);
  const torc = await startTorc({ PORT: String(port), TORC_CONFIG: config });
  const ask = (where: object): Promise<number> =>
    new Promise(resolve => {
      get({ ...where, path: '/home', agent: false }, answer => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode!));
      }).on('error', () => resolve(0));
    });
  try {
    assert.is((await torc.send('POST', '/add', { n: 1, hostnames: ['extra'] })).status, 200);
    assert.is((await torc.send('DELETE', '/rm', { n: 1, hostnames: ['1'] })).status, 200);
    const before = await replicasOf(torc);
    writeFileSync(
      config,
      `${common}workers: 2\nlisten: 127.0.0.1:${port},127.0.0.1:${second},unix:${path}\n`.replace(
        'workers: 1\n',
        '',
      ),
    );
    await replace(torc);
    assert.equal(await replicasOf(torc), before);
    assert.equal(
      await Promise.all([
        ask({ host: '127.0.0.1', port }),
        ask({ host: '127.0.0.1', port: second }),
        ask({ socketPath: path }),
      ]),
      [200, 200, 200],
    );
    writeFileSync(config, `${common}listen: 127.0.0.1:${port}\n`);
    await replace(torc);
    await waitFor(async () => (await ask({ host: '127.0.0.1', port: second })) === 0, {
      ...LONG,
      what: 'the end of the second address',
    });
    assert.equal(await replicasOf(torc), before);
    const status = await fetch(`http://127.0.0.1:${admin}/admin/live`);
    assert.is(status.status, 200);
  } finally {
    await torc.close();
  }
});

test('an answer that takes its time is finished by the old one', async () => {
  const torc = await startTorc({
    TORC_WORKERS: '1',
    TORC_REPLICAS: '1',
    TORC_REPLICA_COMMAND: `exec ${process.execPath} ${slow}`,
  });
  try {
    const answer = torc.get('/slow?ms=3000');
    const inFlight = async (): Promise<boolean> =>
      /"inFlight": 1/.test((await torc.get('/admin/slots')).text);
    await waitFor(inFlight, {
      ...LONG,
      what: 'a request in flight',
    });
    await replace(torc);
    assert.is((await answer).status, 200);
  } finally {
    await torc.close();
  }
});

test('SIGUSR2 does it too; the pid that was started stands for torc to its end', async () => {
  const torc = await startTorc({ TORC_WORKERS: '1', TORC_REPLICAS: '1' });
  try {
    for (let count = 1; count <= 2; count++) {
      torc.process.kill('SIGUSR2');
      await waitFor(() => torc.output().split('has taken over from pid').length > count, {
        ...LONG,
        what: 'a successor',
      });
      assert.is((await torc.get('/home', { connection: 'close' })).status, 200);
    }
    torc.process.kill('SIGHUP');
    await waitFor(() => /settings reloaded \(SIGHUP\)/.test(torc.output()), { ...LONG, what: 'a reload' });
  } finally {
    torc.process.kill('SIGTERM');
    if (torc.process.exitCode === null) await once(torc.process, 'close');
  }
  assert.is(torc.process.exitCode, 0);
});

test.run();
