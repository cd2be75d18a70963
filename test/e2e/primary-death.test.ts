// The primary is killed while clients use torc: its workers serve on, and say so to whoever asks for something that only it
// could do. A torc that is started then takes over without a lost request; where none is, they end by themselves.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startFresh } from '../support/fresh.ts';
import { slotsOf } from '../support/healing.ts';
import { lostRequests, startLoad } from '../support/load.ts';
import { temporaryState } from '../support/state.ts';
import { freePort, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const LONG = { timeoutMs: 60_000 };
const LISTENING = '0A';
const death = suite('primary death');
/** The kernel's sockets are read in /proc, and no other lets a torc listen beside a worker. */
const onLinux = process.platform === 'linux' ? death : death.skip;
const dir = mkdtempSync(join(tmpdir(), 'torc-primary-'));
death.after(() => rmSync(dir, { recursive: true, force: true }));

const workersOf = async (torc: Torc): Promise<number[]> => {
  const answer = await torc.get('/admin/ring', { connection: 'close' });
  return (JSON.parse(answer.text) as { workers: { pid: number }[] }).workers.map(({ pid }) => pid);
};

/** The kernel's names of the sockets that listen on a port. */
const listeningOn = (port: number): string[] =>
  readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(([, local, , state]) => {
      const place = local?.split(':')[1];
      return state === LISTENING && place !== undefined && Number.parseInt(place, 16) === port;
    })
    .map(fields => fields[9]!)
    .sort();

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

async function kill(torc: Torc): Promise<void> {
  torc.process.kill('SIGKILL');
  await waitFor(() => torc.process.signalCode !== null, { ...LONG, what: 'the end of the primary' });
}

onLinux(
  'nothing is refused and nothing is lost: the workers serve on, and a new torc takes over',
  async () => {
    const port = await freePort();
    const path = join(dir, 'public.sock');
    const settings = {
      PORT: String(port),
      TORC_WORKERS: '2',
      TORC_OUTLIVE_MS: '60000',
      TORC_STATE_DIR: temporaryState(),
      TORC_LISTEN: `127.0.0.1:${port},unix:${path}`,
    };
    let torc = await startTorc(settings);
    const started = [torc];
    const seen: number[] = [];
    const kept = startLoad(torc.url, 32);
    const fresh = [startFresh(port, 8), startFresh(path, 2)];
    const flow = async (): Promise<void> =>
      void (await Promise.all([kept, ...fresh].map(load => load.flows())));
    try {
      const replicas = (await slotsOf(torc)).map(({ replica }) => replica);
      const sockets = listeningOn(port);
      assert.is(sockets.length, 2);
      for (let count = 0; count < 2; count++) {
        await flow();
        const orphans = await workersOf(torc);
        seen.push(...orphans);
        await kill(torc);
        await flow();
        const refused = await torc.get('/rep', { connection: 'close' });
        assert.is(refused.status, 503);
        assert.match(refused.text, /primary is gone/);
        torc = await startTorc(settings);
        started.push(torc);
        await waitFor(() => !orphans.some(isAlive), { ...LONG, what: 'the end of the old workers' });
        await flow();
        assert.match(torc.output(), /2 workers of a torc that died have served on/);
        // Nobody can be lost between one socket and another that is the same.
        assert.equal(listeningOn(port), sockets);
        assert.is((await torc.get('/rep', { connection: 'close' })).status, 200);
      }
      assert.equal(lostRequests(await kept.stop()), []);
      for (const { refused, lost } of await Promise.all(fresh.map(load => load.stop())))
        assert.equal([refused, lost], [{}, {}]);
      assert.equal(
        (await slotsOf(torc)).map(({ replica }) => replica),
        replicas,
      );
    } finally {
      await Promise.all([kept, ...fresh].map(load => load.stop()));
      for (const each of started) await each.close();
      for (const pid of seen) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    }
  },
);

onLinux('one that hangs keeps its sockets, and the new torc listens beside it', async () => {
  const settings = { TORC_WORKERS: '1', TORC_OUTLIVE_MS: '60000', TORC_STATE_DIR: temporaryState() };
  const torc = await startTorc(settings);
  const [orphan] = await workersOf(torc);
  const [socket] = listeningOn(torc.port);
  await kill(torc);
  process.kill(orphan!, 'SIGSTOP');
  const next = await startTorc({ ...settings, PORT: String(torc.port) });
  try {
    assert.match(next.output(), /a worker keeps its sockets: torc listens beside it/);
    assert.is(listeningOn(torc.port).length, 2);
    process.kill(orphan!, 'SIGCONT');
    await waitFor(() => !isAlive(orphan!), { ...LONG, what: 'the end of the old worker' });
    assert.is(listeningOn(torc.port).length, 1);
    assert.not.equal(listeningOn(torc.port), [socket]);
    assert.is((await next.get('/home', { connection: 'close' })).status, 200);
  } finally {
    await next.close();
    if (isAlive(orphan!)) process.kill(orphan!, 'SIGKILL');
  }
});

death('where nobody takes over, they end by themselves, or at once where they shall', async () => {
  for (const [outliveMs, servesOn] of [
    ['1500', true],
    ['0', false],
  ] as const) {
    const settings = { TORC_WORKERS: '1', TORC_REPLICAS: '1', TORC_STATE_DIR: temporaryState() };
    const torc = await startTorc({ ...settings, TORC_OUTLIVE_MS: outliveMs });
    const workers = await workersOf(torc);
    await kill(torc);
    if (servesOn) assert.is((await torc.get('/home', { connection: 'close' })).status, 200);
    await waitFor(() => !workers.some(isAlive), { ...LONG, what: 'the end of the workers' });
    // What it left is taken over, and removed.
    const next = await startTorc({ ...settings, PORT: String(torc.port) });
    await next.close();
    assert.is(next.process.exitCode, 0);
  }
});

death.run();
