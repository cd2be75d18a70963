// A real systemd for a test (systemd.sh), where this machine has one, a tree of cgroup v2 and the right to make namespaces. What
// runs in it is reached by its namespaces; nothing of this machine's own is touched.

import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from './wait.ts';

const here = import.meta.dirname;
const torc = join(here, '..', '..');
const LONG = { timeoutMs: 60_000 };
const COMMAND_TIMEOUT_MS = 90_000;

/** Where this process is in the tree of cgroup v2; null: there is none. */
function cgroupHome(): string | null {
  const mounted = /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/self/mounts', 'utf8'))?.[1];
  const path = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
  return mounted === undefined || path === undefined ? null : join(mounted, path);
}

/** Null where one can be had, else why not. */
export function whyNoSystemd(): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root';
  if (!existsSync('/lib/systemd/systemd')) return 'no systemd';
  if (cgroupHome() === null) return 'no cgroup v2';
  return spawnSync('unshare', ['--pid', '--fork', '--mount', '--net', '--cgroup', 'true']).status === 0
    ? null
    : 'no namespaces';
}

export interface Ran {
  readonly status: number;
  readonly text: string;
}

export class Systemd {
  readonly #cgroup: string;
  readonly #root: string;
  readonly #process: ChildProcess;
  #output = '';
  /** Its process 1, as this machine knows it. */
  pid = 0;

  constructor() {
    this.#cgroup = join(cgroupHome()!, `torctest-${process.pid}`);
    this.#root = mkdtempSync(join(tmpdir(), 'torctest-systemd-'));
    mkdirSync(this.#cgroup);
    const enter = `echo $$ >'${this.#cgroup}/cgroup.procs'; exec "$@"`;
    const apart = [
      // It ends with this process, however that ends.
      ...['setpriv', '--pdeathsig', 'KILL', 'unshare'],
      '--pid',
      '--fork',
      '--kill-child',
      '--mount',
      '--net',
      '--uts',
      '--ipc',
      '--cgroup',
    ];
    const boot = [
      'sh',
      join(here, 'systemd.sh'),
      this.#root,
      torc,
      process.execPath,
      join(torc, 'docs', 'systemd'),
    ];
    this.#process = spawn('sh', ['-c', enter, 'sh', ...apart, ...boot], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream!.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
  }

  async booted(): Promise<void> {
    const children = `/proc/${this.#process.pid}/task/${this.#process.pid}/children`;
    await waitFor(
      async () => {
        if (this.#process.exitCode !== null) throw new Error(`systemd ended: ${this.#output}`);
        this.pid = Number(readFileSync(children, 'utf8').trim());
        return this.pid > 0 && (await this.run('systemctl', 'is-active', 'test.target')).status === 0;
      },
      { ...LONG, what: 'a systemd that has booted' },
    );
  }

  /** The words before a command that has it run there. */
  get inside(): readonly string[] {
    return ['nsenter', '--target', String(this.pid), '--mount', '--pid', '--net', '--root', '--wd', '--'];
  }

  /** As `inside`, but with this machine's files. */
  get withItsNetwork(): readonly string[] {
    return ['nsenter', '--target', String(this.pid), '--net', '--'];
  }

  run(...command: readonly string[]): Promise<Ran> {
    const [program, ...args] = [...this.inside, ...command];
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin' };
    return new Promise(resolve => {
      execFile(program!, args, { env, timeout: COMMAND_TIMEOUT_MS }, (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ status, text: stdout + stderr });
      });
    });
  }

  async close(): Promise<void> {
    if (this.pid > 0) process.kill(this.pid, 'SIGKILL');
    else this.#process.kill('SIGKILL');
    await waitFor(() => this.#process.exitCode !== null || this.#process.signalCode !== null, {
      ...LONG,
      what: 'the end of systemd',
    });
    await waitFor(() => removed(this.#cgroup), { ...LONG, what: 'an empty cgroup' });
    rmSync(this.#root, { recursive: true, force: true });
  }
}

/** A tree of cgroups; false while somebody is in one. */
function removed(path: string): boolean {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory() && !removed(join(path, entry.name))) return false;
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}
