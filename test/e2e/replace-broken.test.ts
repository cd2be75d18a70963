// A replacement that something breaks into: the end of torc is asked for, the new one or the old one is killed. Whatever is left
// serves, and nothing is lost; where torc was to end, nothing is left. Each at several moments, which the log tells.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startFresh } from '../support/fresh.ts';
import { slotsOf } from '../support/healing.ts';
import { lostRequests, startLoad } from '../support/load.ts';
import { temporaryState } from '../support/state.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const LONG = { timeoutMs: 60_000 };
/** What the new one says: it reads its settings; it has the replicas; one of them is ready. */
const MOMENTS = [/ starts$/, /^replicas of an earlier run$/, /^slot \S+ is ready$/];
const test = suite('replace, broken');

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const gone = (pids: readonly number[]): Promise<void> =>
  waitFor(() => !pids.some(isAlive), { ...LONG, what: `the end of ${pids}` });

const workersOf = async (torc: Torc): Promise<number[]> => {
  const answer = await torc.get('/admin/ring', { connection: 'close' });
  return (JSON.parse(answer.text) as { workers: { pid: number }[] }).workers.map(({ pid }) => pid);
};

const replicasOf = async (torc: Torc): Promise<number[]> =>
  (await slotsOf(torc)).map(({ replica }) => Number(replica.replace('pid ', '')));

/** Has torc replaced; resolves with the new one's pid as soon as it has said that. `outcome`: of the call. */
async function replacing(
  torc: Torc,
  said: RegExp,
  headers: Record<string, string> = { connection: 'close' },
): Promise<{ pid: number; outcome: Promise<string> }> {
  const before = torc.lines().length;
  const outcome = torc
    .send('POST', '/admin/replace', '', headers)
    .then(({ status, text }) => `${status} ${text}`, String);
  const since = (): Record<string, unknown>[] => torc.lines().slice(before);
  await waitFor(() => since().some(({ msg }) => said.test(String(msg))), { ...LONG, what: `${said}` });
  const pid = Number(since().find(({ msg }) => MOMENTS[0]!.test(String(msg)))!.pid);
  return { pid, outcome };
}

test('replicas that are given hinder none', async () => {
  const origin = createServer((_, answer) => answer.end('here')).listen(0, '127.0.0.1');
  await once(origin, 'listening');
  const { port } = origin.address() as AddressInfo;
  const torc = await startTorc({
    ...{ TORC_DRIVER: 'static', TORC_UPSTREAMS: `127.0.0.1:${port}`, TORC_WORKERS: '1' },
    TORC_HEARTBEAT_PATH: '/',
  });
  try {
    const { outcome } = await replacing(torc, MOMENTS[0]!);
    assert.match(await outcome, /^200 /);
    assert.is((await torc.get('/', { connection: 'close' })).text, 'here');
  } finally {
    await torc.close();
    origin.close();
    origin.closeAllConnections();
  }
});

test('during a roll-out there is none; a change of slots during one is refused, or is there afterwards', async () => {
  const token = 'a-token-of-thirty-two-characters-or-more';
  const torc = await startTorc({ TORC_WORKERS: '1', TORC_REPLICAS: '2', TORC_ADMIN_TOKEN: token });
  const asked = { authorization: `Bearer ${token}`, connection: 'close' };
  const ask = (method: string, path: string, payload: object = {}): Promise<string> =>
    torc.send(method, path, payload, asked).then(({ status, text }) => `${status} ${text}`);
  try {
    const rollout = ask('POST', '/admin/rollout', { command: 'exec sleep 600' });
    const isRunning = async (): Promise<boolean> =>
      /"state": "running"/.test((await torc.get('/admin/rollout', asked)).text);
    await waitFor(isRunning, { ...LONG, what: 'a roll-out' });
    assert.match(await ask('POST', '/admin/replace'), /^409 .*a roll-out of exec sleep 600 is under way/s);
    await ask('DELETE', '/admin/rollout');
    await rollout;
    let count = 2;
    for (const moment of MOMENTS) {
      const { outcome } = await replacing(torc, moment, asked);
      const added = await ask('POST', '/add', { n: 1 });
      const replaced = await outcome;
      if (added.startsWith('200')) count++;
      else assert.match(added, /^503 .*another torc/s);
      // One that began while the new one read its settings hinders it.
      assert.match(replaced, /^200 |^409 .*slots are being changed/s);
      const now = JSON.parse((await torc.get('/rep', asked)).text) as { message: { N: number } };
      assert.is(now.message.N, count);
    }
  } finally {
    await torc.close();
  }
});

test('a roll-out that begins meanwhile hinders it, in words; settings that are read again meanwhile are not lost', async () => {
  const folder = temporaryState();
  const config = join(folder, 'torc.yaml');
  const write = (retries: number): void =>
    writeFileSync(config, `workers: 1\nreplicas: 1\nretries: ${retries}\n`);
  const token = 'a-token-of-thirty-two-characters-or-more';
  write(1);
  const torc = await startTorc({ TORC_CONFIG: config, TORC_ADMIN_TOKEN: token });
  const asked = { authorization: `Bearer ${token}`, connection: 'close' };
  const ask = (method: string, path: string, payload: object = {}): Promise<string> =>
    torc.send(method, path, payload, asked).then(({ status, text }) => `${status} ${text}`);
  const retries = async (): Promise<string | undefined> =>
    /"TORC_RETRIES"[^}]*?"value": "?(\d+)/.exec((await torc.get('/admin/status', asked)).text)?.[1];
  /** One that has read its settings and is stopped there, unless it was quicker. */
  const stopped = async (): Promise<{ go: () => Promise<string> }> => {
    const { pid, outcome } = await replacing(torc, MOMENTS[0]!, asked);
    process.kill(pid, 'SIGSTOP');
    const go = (): Promise<string> => {
      process.kill(pid, 'SIGCONT');
      return outcome;
    };
    return { go };
  };
  const isRunning = async (): Promise<boolean> =>
    /"state": "running"/.test((await torc.get('/admin/rollout', asked)).text);
  try {
    let seen = '';
    for (let tries = 0; tries < 10 && !seen.startsWith('409'); tries++) {
      const { go } = await stopped();
      const rollout = ask('POST', '/admin/rollout', { command: 'exec sleep 600' });
      const begun = Promise.race([rollout, waitFor(isRunning, { ...LONG, what: 'a roll-out' })]);
      if ((await begun) === undefined) seen = await go();
      else assert.match(await go(), /^200 /);
      await ask('DELETE', '/admin/rollout');
      await rollout;
    }
    assert.match(seen, /^409 .*torc goes on as it was, a roll-out of exec sleep 600 is under way/s);
    seen = '';
    for (let tries = 0; tries < 10 && !seen.startsWith('409'); tries++) {
      const { go } = await stopped();
      write(3 + tries);
      seen = await ask('POST', '/admin/reload');
      torc.process.kill('SIGHUP');
      assert.match(await go(), /^200 /);
      await waitFor(async () => (await retries()) === `${3 + tries}`, {
        ...LONG,
        what: 'the settings of now',
      });
    }
    assert.match(seen, /^409 .*torc is being replaced: ask again/s);
    assert.not.match(torc.output(), /the driver does not answer|slots are kept from an earlier run/);
  } finally {
    await torc.close();
  }
});

test('SIGTERM: both end, and the replicas with them', async () => {
  for (const moment of MOMENTS) {
    const torc = await startTorc({ TORC_WORKERS: '1', TORC_REPLICAS: '2' });
    const { pid } = torc.process;
    const all = [...(await workersOf(torc)), ...(await replicasOf(torc))];
    const successor = await replacing(torc, moment);
    torc.process.kill('SIGTERM');
    await waitFor(() => torc.process.exitCode !== null, { ...LONG, what: 'the end' });
    await gone([pid!, successor.pid, ...all]);
    assert.is(torc.process.exitCode, 0);
    await fetch(torc.url).then(
      () => assert.unreachable('somebody listens'),
      () => {},
    );
  }
});

test('the new one is killed: the old one goes on, heals, and is replaced later', async () => {
  const torc = await startTorc({ TORC_WORKERS: '2' });
  const kept = startLoad(torc.url, 8);
  const fresh = startFresh(torc.port, 4);
  try {
    const before = await replicasOf(torc);
    for (const moment of MOMENTS) {
      await Promise.all([kept.flows(), fresh.flows()]);
      const { pid, outcome } = await replacing(torc, moment);
      process.kill(pid, 'SIGKILL');
      assert.match(await outcome, /^500 .*it ended: SIGKILL/s);
      await Promise.all([kept.flows(), fresh.flows()]);
    }
    assert.equal(await replicasOf(torc), before);
    const [keptReport, freshReport] = await Promise.all([kept.stop(), fresh.stop()]);
    assert.equal(lostRequests(keptReport), []);
    assert.equal([freshReport.refused, freshReport.lost], [{}, {}]);
    process.kill(before[0]!, 'SIGKILL');
    await waitFor(
      async () => {
        const [slot] = await slotsOf(torc);
        return slot!.state === 'ready' && slot!.replica !== `pid ${before[0]}`;
      },
      { ...LONG, what: 'a healed slot' },
    );
    const { outcome } = await replacing(torc, MOMENTS[0]!);
    assert.match(await outcome, /^200 /);
  } finally {
    await torc.close();
  }
  assert.is(torc.process.exitCode, 0);
});

test('the old one is killed: the new one goes on alone if it has the replicas, else the next start does', async () => {
  for (const moment of MOMENTS) {
    const settings = { TORC_WORKERS: '2', TORC_OUTLIVE_MS: '60000', TORC_STATE_DIR: temporaryState() };
    const torc = await startTorc(settings);
    const workers = await workersOf(torc);
    const replicas = await replicasOf(torc);
    const kept = startLoad(torc.url, 8);
    await kept.flows();
    let { pid } = await replacing(torc, moment);
    torc.process.kill('SIGKILL');
    let next: Torc | null = null;
    try {
      if (moment === MOMENTS[0]) {
        await gone([pid]);
        next = await startTorc({ ...settings, PORT: String(torc.port) });
        pid = next.process.pid!;
      }
      await gone(workers);
      await kept.flows();
      assert.equal(await replicasOf(torc), replicas);
      assert.equal(lostRequests(await kept.stop()), []);
    } finally {
      if (isAlive(pid)) process.kill(pid, 'SIGTERM');
      await gone([pid, ...replicas]);
      await next?.close();
      for (const each of workers) if (isAlive(each)) process.kill(each, 'SIGKILL');
    }
  }
});

test.run();
