// Replicas that keep failing: the others are untouched, /admin/slots says why with the replica's own last words, and
// all is well again without a restart once the cause is gone.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { beside } from '../support/beside.ts';
import { slotsOf } from '../support/healing.ts';
import { muteTest } from '../support/mute.ts';
import { spawnTorc, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

interface Failing {
  readonly failureCount: number;
  readonly retryInMs: number;
  readonly cause: string;
  readonly output: string;
}

const replica = `exec ${process.execPath} ${join(import.meta.dirname, '..', '..', 'docker', 'replica.ts')}`;
const suiteOfLoops = suite('crash loops');
const loops = beside(suiteOfLoops);

async function failingOf(torc: Torc, name: string): Promise<Failing | undefined> {
  const { slots } = JSON.parse((await torc.get('/admin/slots')).text) as {
    slots: { name: string; failing?: Failing }[];
  };
  return slots.find(slot => slot.name === name)?.failing;
}

async function untilReady(torc: Torc): Promise<void> {
  const isWhole = async (): Promise<boolean> => (await slotsOf(torc)).every(slot => slot.state === 'ready');
  await waitFor(isWhole, { timeoutMs: 45_000, what: 'all slots ready' });
}

/** Starts without waiting for what will not come: all slots ready. */
async function startBroken(settings: Record<string, string>): Promise<Torc> {
  const torc = await spawnTorc({ TORC_WORKERS: '1', ...settings });
  const answers = (): Promise<boolean> =>
    torc.get('/rep').then(
      () => true,
      () => false,
    );
  await waitFor(answers, { timeoutMs: 20_000, what: 'an answer' });
  return torc;
}

/** Runs with a command that fails in slot 2 while the file "broken" is there. */
async function withBroken(how: string, body: (torc: Torc, mend: () => void) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'torctest-'));
  const broken = join(directory, 'broken');
  writeFileSync(broken, '');
  const torc = await startBroken({
    TORC_START_TIMEOUT_MS: '20000',
    TORC_REPLICA_COMMAND: `if [ $SERVER_ID = 2 ] && [ -e ${broken} ]; then ${how}; fi; ${replica}`,
  });
  try {
    await body(torc, () => rmSync(broken));
  } finally {
    await torc.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

loops('a command that exits at once: cause, last words, backoff, recovery', () =>
  withBroken('echo starting; echo no database at db:5432 >&2; exit 3', async (torc, mend) => {
    const isLooping = async (): Promise<boolean> => ((await failingOf(torc, '2'))?.failureCount ?? 0) >= 4;
    await waitFor(isLooping, { timeoutMs: 30_000, what: 'four failures' });
    const hasWords = async (): Promise<boolean> => (await failingOf(torc, '2'))?.output !== '';
    await waitFor(hasWords, { timeoutMs: 10_000, what: 'the last words' });
    const failing = (await failingOf(torc, '2'))!;
    assert.match(failing.cause, /exit code 3/);
    assert.match(failing.output, /starting\nno database at db:5432/);
    await waitFor(async () => (await slotsOf(torc)).filter(slot => slot.state === 'ready').length === 2, {
      timeoutMs: 20_000,
      what: 'the other two',
    });
    const others = (await slotsOf(torc)).filter(slot => slot.name !== '2');
    assert.equal(
      others.map(({ state, generation }) => [state, generation]),
      [
        ['ready', 1],
        ['ready', 1],
      ],
    );
    for (let key = 0; key < 50; key++) assert.is((await torc.get(`/request?request_id=${key}`)).status, 200);
    mend();
    await untilReady(torc);
    assert.is(await failingOf(torc, '2'), undefined);
  }),
);

loops(
  'one that never answers its heartbeat: said while it is waited for, replaced, and well once the cause is gone',
  () => withBroken('exec sleep 600', muteTest),
);

loops('a port that is taken is said in the words of the replica', async () => {
  const first = await startTorc({ TORC_WORKERS: '1', TORC_REPLICAS: '1' });
  const [taken] = (await first.get('/admin/slots')).text.match(/(?<="127\.0\.0\.1:)\d+/) ?? [];
  const torc = await startBroken({
    TORC_REPLICAS: '1',
    TORC_REPLICA_COMMAND: `PORT=${taken} ${replica}`,
  });
  try {
    const isSaid = async (): Promise<boolean> =>
      /EADDRINUSE/.test((await failingOf(torc, '1'))?.output ?? '');
    await waitFor(isSaid, { timeoutMs: 20_000, what: 'the taken port in words' });
    assert.is((await torc.get('/request?request_id=1')).status, 503);
  } finally {
    await first.close();
    await torc.close();
  }
});

loops('the log says at the first failure which slot, why and when next, then ever more rarely', async () => {
  await withBroken('echo no database >&2; exit 1', async (torc, mend) => {
    const told = () => torc.lines().filter(line => line.slot === '2' && line.failureCount !== undefined);
    await waitFor(() => told().some(line => Number(line.failureCount) >= 8), {
      timeoutMs: 45_000,
      what: 'the eighth failure',
    });
    assert.equal(
      told().map(({ level, failureCount }) => [level, failureCount]),
      [1, 2, 4, 8].map(count => ['warn', count]),
    );
    const [first] = told();
    assert.match(String(first!.msg), /^slot 2 is not filled, failure 1: .*exit code 1.*next try in \d+ ms$/);
    assert.match(String(first!.output), /no database/);
    await waitFor(() => torc.output().includes('torc is ready'), { timeoutMs: 30_000, what: 'the banner' });
    const banner = torc.lines().find(line => String(line.msg).startsWith('torc is ready'))!;
    assert.is(banner.level, 'warn');
    assert.match(String(banner.msg), /but only 2 of 3 replicas are$/);
    assert.match(String(banner.notReady), /^2: .*exit code 1/);
    mend();
    await untilReady(torc);
  });
});

loops('nothing is called ready before a replica is, and the cause names what was asked', async () => {
  const torc = await startTorc({
    TORC_WORKERS: '1',
    TORC_REPLICAS: '1',
    TORC_HEARTBEAT_PATH: '/no-such-path',
  });
  try {
    assert.match(torc.output(), /torc listens on .*, but no replica is ready yet/);
    assert.not.match(torc.output(), /torc is ready/);
    const { notReady } = torc.lines().find(line => line.notReady !== undefined)!;
    assert.match(
      String(notReady),
      /^1: no heartbeat answered yet: GET \/no-such-path on 127\.0\.0\.1:\d+: 404 in/,
    );
    const warned = torc.lines().filter(({ msg }) => String(msg).startsWith('slot 1 does not answer yet: '));
    assert.is(warned.length, 1, 'before the banner, and once');
    assert.match(String(warned[0]!.msg), /GET \/no-such-path on .*: 404 in \d+ ms; set TORC_HEARTBEAT_PATH/);
  } finally {
    await torc.close();
  }
});

loops("an operator's /rm is no warning, a death is", async () => {
  const torc = await startTorc({ TORC_WORKERS: '1', TORC_REPLICAS: '3' });
  try {
    assert.is((await torc.send('DELETE', '/rm', { n: 1, hostnames: ['3'] })).status, 200);
    const [victim] = await slotsOf(torc);
    process.kill(Number(victim!.replica.replace('pid ', '')), 'SIGKILL');
    const levelOf = (slot: string) =>
      torc.lines().find(line => line.slot === slot && line.from === 'ready')?.level;
    await waitFor(() => levelOf('1') !== undefined, { timeoutMs: 20_000, what: 'the line of the death' });
    assert.equal([levelOf('3'), levelOf('1')], ['info', 'warn']);
  } finally {
    await torc.close();
  }
});

suiteOfLoops.run();
