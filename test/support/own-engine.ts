// An engine of one's own, to be ended and started again: in namespaces of its own (network, mounts, processes), so that nobody
// else's is touched and all of it ends with who asked for it. That program runs itself again in there, and torc and its
// clients with it. A container would not do: what is asked from outside would go through the engine that ends.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import { answers, ensureBundledImage } from './engine.ts';
import { waitFor } from './wait.ts';

/** Beside the engines' usual place: its storage needs a file system of that kind. */
const PARENT = '/var/lib';
const NEEDS = ['unshare', 'ip', 'iptables', 'dockerd', 'containerd'];

/** Where it keeps what it has; undefined outside. */
export const ownDirectory = process.env.TORC_TEST_ENGINE_DIRECTORY;

/** Why no second engine can be had here; null where one can. */
export function whyNone(): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it needs root on Linux';
  if (!answers) return 'no engine answers that could lend its image';
  for (const program of NEEDS)
    if (spawnSync(program, ['--version']).error !== undefined) return `there is no ${program}`;
  const { status } = spawnSync('unshare', ['--net', '--mount', '--pid', '--fork', 'true']);
  return status === 0 ? null : 'namespaces cannot be made here';
}

/** A program of Node's, in namespaces of its own; its exit code. The shell is their first process: it clears up after orphans. */
export async function runInside(args: readonly string[]): Promise<number> {
  await ensureBundledImage();
  const own = mkdtempSync(join(PARENT, 'torctest-'));
  const command = 'ip link set lo up && "$0" "$@"; exit $?';
  const child = spawn(
    'unshare',
    [
      ...['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', command],
      ...[process.execPath, ...args],
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
  return code ?? 1;
}

export class OwnEngine {
  readonly docker = new Docker();
  readonly #directory: string;
  #process: ChildProcess | null = null;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async start(flags: readonly string[] = []): Promise<void> {
    const at = (name: string): string => join(this.#directory, name);
    const log = openSync(at('log'), 'a');
    rmSync(at('pid'), { force: true });
    this.#process = spawn(
      'dockerd',
      [
        ...['--host', `unix://${at('engine.sock')}`, '--pidfile', at('pid')],
        ...['--data-root', at('data'), '--exec-root', at('exec'), ...flags],
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
