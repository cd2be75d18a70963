// The engine itself ended and started again under a running torc, which takes every container down (live-restore is off).
// It is an engine of this test alone, in namespaces of its own (network, mounts, processes), so that nobody else's is
// touched and all of it ends with the test: this file runs itself again in there, and torc and its clients with it.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { BUNDLED_IMAGE } from '../../src/drivers/docker/image.ts';
import { answers, containersOf, ensureBundledImage, required } from '../support/engine.ts';
import { slotsOf } from '../support/healing.ts';
import { keepAsking } from '../support/rollout.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

/** Beside the engines' usual place: its storage needs a file system of that kind. */
const PARENT = '/var/lib';
const NETWORK = 'torc';
const NEEDS = ['unshare', 'ip', 'iptables', 'dockerd', 'containerd'];
const directory = process.env.TORC_TEST_ENGINE_DIRECTORY;

/** Why no second engine can be had here; null where one can. */
function whyNot(): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it needs root on Linux';
  if (!answers) return 'no engine answers that could lend its image';
  for (const program of NEEDS)
    if (spawnSync(program, ['--version']).error !== undefined) return `there is no ${program}`;
  const { status } = spawnSync('unshare', ['--net', '--mount', '--pid', '--fork', 'true']);
  return status === 0 ? null : 'namespaces cannot be made here';
}

/** This file again, in namespaces of its own. The shell is their first process: it clears up after orphans. */
async function runInside(): Promise<void> {
  await ensureBundledImage();
  const own = mkdtempSync(join(PARENT, 'torctest-'));
  const command = 'ip link set lo up && "$0" "$1"; exit $?';
  const child = spawn(
    'unshare',
    [
      ...['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', command],
      ...[process.execPath, import.meta.filename],
    ],
    {
      stdio: 'inherit',
      env: {
        ...process.env,
        TORC_TEST_ENGINE_DIRECTORY: own,
        DOCKER_HOST: `unix://${join(own, 'engine.sock')}`,
      },
    },
  );
  const [code] = (await once(child, 'exit')) as [number | null];
  rmSync(own, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  process.exitCode = code ?? 1;
}

class OwnEngine {
  readonly docker = new Docker();
  readonly #directory: string;
  #process: ChildProcess | null = null;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async start(): Promise<void> {
    const at = (name: string): string => join(this.#directory, name);
    const log = openSync(at('log'), 'a');
    rmSync(at('pid'), { force: true });
    this.#process = spawn(
      'dockerd',
      [
        ...['--host', `unix://${at('engine.sock')}`, '--pidfile', at('pid')],
        ...['--data-root', at('data'), '--exec-root', at('exec')],
      ],
      { stdio: ['ignore', log, log] },
    );
    const isUp = (): Promise<boolean> =>
      this.docker.ping().then(
        () => true,
        () => false,
      );
    await waitFor(
      () => {
        if (this.#process!.exitCode !== null) throw new Error(`dockerd ended:\n${this.lastWords()}`);
        return isUp();
      },
      { timeoutMs: 60_000, what: 'the engine to answer' },
    );
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const ended = once(this.#process!, 'exit');
    this.#process!.kill(signal);
    await ended;
  }

  lastWords(): string {
    return readFileSync(join(this.#directory, 'log'), 'utf8').slice(-4_000);
  }

  /** The image as the machine's engine has it. */
  async borrow(image: string): Promise<void> {
    const lender = new Docker({ socketPath: '/var/run/docker.sock' });
    const progress = await this.docker.loadImage(await lender.getImage(image).get());
    progress.resume();
    await once(progress, 'end');
  }
}

const whole = (torc: Torc): Promise<void> =>
  waitFor(async () => (await slotsOf(torc)).every(slot => slot.state === 'ready'), {
    timeoutMs: 90_000,
    what: 'three ready slots',
  });

const countOf = (torc: Torc, text: RegExp): number =>
  torc.lines().filter(({ msg }) => text.test(`${msg}`)).length;

function define(test: Test, engine: OwnEngine): void {
  let torc: Torc;
  test.before(async () => {
    await engine.start();
    await engine.borrow(BUNDLED_IMAGE);
    torc = await startTorc({
      TORC_DRIVER: 'docker',
      TORC_NETWORK: NETWORK,
      TORC_WORKERS: '1',
      DOCKER_HOST: process.env.DOCKER_HOST!,
    });
  });
  test.after(async () => {
    await torc.close();
    await engine.end('SIGTERM');
  });

  /** The engine is away; torc has said so. */
  async function away(signal: NodeJS.Signals): Promise<void> {
    const before = countOf(torc, /does not answer/);
    await engine.end(signal);
    await waitFor(() => countOf(torc, /does not answer/) > before, {
      timeoutMs: 30_000,
      what: 'the outage in the log',
    });
  }

  async function backAndWhole(generations: readonly number[]): Promise<void> {
    await engine.start();
    await waitFor(
      async () => (await slotsOf(torc)).every(({ generation }, index) => generation > generations[index]!),
      { timeoutMs: 90_000, what: 'new replicas' },
    );
    await whole(torc);
    assert.is((await torc.get('/request?request_id=1')).status, 200);
    await waitFor(async () => (await containersOf(NETWORK)).length === 3, {
      timeoutMs: 30_000,
      what: 'the dead containers to be cleared away',
    });
  }

  test('killed: its containers serve on without it; its start ends them, and N is restored', async () => {
    const before = await slotsOf(torc);
    await away('SIGKILL');
    const stop = keepAsking(torc);
    await waitFor(async () => (await torc.get('/request?request_id=1')).status === 200, {
      timeoutMs: 10_000,
      what: 'an answer without an engine',
    });
    for (let key = 0; key < 300; key++) assert.is((await torc.get(`/request?request_id=${key}`)).status, 200);
    assert.equal(Object.keys(await stop()), ['200']);
    assert.equal(await slotsOf(torc), before);
    await backAndWhole(before.map(slot => slot.generation));
  });

  test('ended in order: its containers end with it, torc outlives both, and N is restored', async () => {
    const generations = (await slotsOf(torc)).map(slot => slot.generation);
    await away('SIGTERM');
    assert.is((await torc.get('/request?request_id=1')).status, 503);
    assert.is((await torc.get('/rep')).status, 200);
    await backAndWhole(generations);
  });

  test('the exit leaves nothing on it', async () => {
    await torc.close();
    assert.is(torc.process.exitCode, 0, torc.output());
    assert.equal(await containersOf(NETWORK), []);
  });
}

if (directory === undefined) {
  const reason = whyNot();
  if (reason === null) {
    await runInside();
  } else {
    const test = suite(`a restart of the engine (${reason})`);
    if (required && !answers) test('an engine is there', () => assert.unreachable(reason));
    else test.skip('a restart of the engine', () => {});
    test.run();
  }
} else {
  const test = suite('a restart of the engine');
  define(test, new OwnEngine(directory));
  test.run();
}
