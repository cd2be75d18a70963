// Sockets as a service manager has them: made before torc, kept when it ends, and given to each torc that is started (LISTEN_FDS,
// sd_listen_fds(3)). By Python, because Node gives a child no listening socket at a descriptor of its choice.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { temporaryState } from './state.ts';
import { waitFor } from './wait.ts';

const HOLD = `import json, os, socket, sys
held = []
for where in json.loads(sys.argv[1]):
    if 'path' in where:
        s = socket.socket(socket.AF_UNIX)
        s.bind(where['path'])
    else:
        s = socket.socket(socket.AF_INET6 if ':' in where['host'] else socket.AF_INET)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if s.family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if where.get('shared'): s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind((where['host'], where['port']))
    s.listen(4096)
    held.append((where['name'], s))
print('held', flush=True)
for line in sys.stdin:
    command = json.loads(line)
    pid = os.fork()
    if pid == 0:
        for i, (_, s) in enumerate(held): os.dup2(s.fileno(), 100 + i)
        for i in range(len(held)): os.dup2(100 + i, 3 + i)
        os.closerange(3 + len(held), 200)
        own = command['pid'] or str(os.getpid())
        names = ':'.join(name for name, _ in held)
        os.environ.update({**command['env'], 'LISTEN_PID': own, 'LISTEN_FDS': str(len(held)), 'LISTEN_FDNAMES': names})
        os.execvp(command['argv'][0], command['argv'])
    print('started', pid, flush=True)
    print('ended', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)`;

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const LONG = { timeoutMs: 60_000 };

export type HeldSocket =
  | { readonly name: string; readonly host: string; readonly port: number; readonly shared?: boolean }
  | { readonly name: string; readonly path: string };

export class SocketHolder {
  readonly #process: ChildProcess;
  readonly #state = temporaryState();
  #output = '';

  constructor(sockets: readonly HeldSocket[]) {
    this.#process = spawn('python3', ['-c', HOLD, JSON.stringify(sockets)], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream!.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
  }

  output(): string {
    return this.#output;
  }

  #all(what: RegExp): string[] {
    return [...this.#output.matchAll(what)].map(([, number]) => number!);
  }

  /** Starts torc; resolves with its pid. `pid`: whom the sockets are for, if not for it. */
  async start(settings: Record<string, string>, pid = ''): Promise<number> {
    const before = this.#all(/^started (\d+)$/gm).length;
    const env = {
      ...{ TORC_DRIVER: 'process', TORC_REPLICAS: '1', TORC_HEARTBEAT_TIMEOUT_MS: '2000' },
      ...{ TORC_OUTLIVE_MS: '0', TORC_STATE_DIR: this.#state },
      ...settings,
    };
    const argv = [process.execPath, main];
    this.#process.stdin!.write(`${JSON.stringify({ argv, env, pid })}\n`);
    const started = (): string[] => this.#all(/^started (\d+)$/gm);
    await waitFor(() => started().length > before, { ...LONG, what: 'a torc' });
    return Number(started().at(-1));
  }

  /** As `start`; resolves when it serves. */
  async serve(settings: Record<string, string>): Promise<number> {
    const ready = (): number => this.#all(/(torc is ready on)/g).length;
    const [before, ends] = [ready(), this.ends().length];
    const pid = await this.start(settings);
    await waitFor(() => ready() > before || this.ends().length > ends, { ...LONG, what: 'the ready line' });
    if (ready() === before) throw new Error(`torc did not start:\n${this.#output}`);
    return pid;
  }

  /** Exit codes so far; below 0 a signal. */
  ends(): string[] {
    return this.#all(/^ended (-?\d+)$/gm);
  }

  /** Of the torc that runs; resolves with its exit code. */
  async ended(): Promise<string> {
    const started = this.#all(/^started (\d+)$/gm).length;
    await waitFor(() => this.ends().length >= started, { ...LONG, what: 'the end of torc' });
    return this.ends().at(-1)!;
  }

  async close(): Promise<void> {
    const closed = once(this.#process, 'exit');
    this.#process.stdin!.end();
    await closed;
  }
}
