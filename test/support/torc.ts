// Starts the real torc as a child process, as `npm start` does, and stops it again. Each gets a port and a place for
// state of its own, and no setting of the surrounding shell. `close` is safe to call twice and ends it even when a test failed half-way. What the
// last ones printed is shown at the end of a file that failed. Answers of the control side are held against its contract.

import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { AdminPaths } from '../../src/core/control-path.ts';
import { holdAgainstContract } from './contract.ts';
import { temporaryState } from './state.ts';
import { waitFor } from './wait.ts';

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');

/** A replica of a machine that is busy with tests is slow, not hung; no test but those of the heartbeat is about that. */
const TORC_HEARTBEAT_TIMEOUT_MS = '2000';
const CLOSE_TIMEOUT_MS = 60_000;
const FIRST_PORT = 10_000;
const PORTS = 20_000;
/** Processes that test at once begin far from each other. */
const PORTS_OF_ONE = 211;
let nextPort = process.pid * PORTS_OF_ONE;
const MOST_TOLD = 4;
const LONGEST_TOLD = 4_000;
const outputs: (() => string)[] = [];

process.on('exit', () => {
  if (!process.exitCode) return;
  for (const output of outputs) process.stdout.write(`\n  a torc said:\n${output().slice(-LONGEST_TOLD)}\n`);
});

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

export interface Torc {
  readonly url: string;
  readonly port: number;
  readonly process: ChildProcess;
  /** All of stdout and stderr so far. */
  output(): string;
  errors(): string;
  /** The log's lines that parse as JSON. */
  lines(): Record<string, unknown>[];
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  send(method: string, path: string, payload: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Waits for the exit; null after a signal, also the one that ends it after a minute. */
  exited(): Promise<number | null>;
  close(): Promise<void>;
}

/**
 * A port that was free a moment ago; never the same twice. Not one of those that the kernel takes for connections (32768 and
 * above): until it is used it could go to one of them, or to the next who asks.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORTS; tries++) {
    const port = FIRST_PORT + (nextPort++ % PORTS);
    if (await isFree(port)) return port;
  }
  throw new Error('no port is free');
}

/** On all addresses. */
function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}

/** Spawns torc without waiting; for starts that are meant to fail. */
export async function spawnTorc(settings: Record<string, string> = {}, args: string[] = []): Promise<Torc> {
  const port = Number(settings.PORT ?? (await freePort()));
  const child = spawn(process.execPath, [main, ...args], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TORC_DRIVER: 'process',
      TORC_HEARTBEAT_TIMEOUT_MS,
      TORC_EXPRESS: process.env.TORC_TEST_EXPRESS ?? 'on',
      TORC_PIPELINING: process.env.TORC_TEST_PIPELINING ?? 'off',
      // A test that kills a torc leaves nobody behind.
      TORC_OUTLIVE_MS: '0',
      TORC_STATE_DIR: settings.TORC_STATE_DIR ?? temporaryState(),
      ...settings,
      PORT: String(port),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    errors += chunk.toString();
  });
  outputs.push(() => output);
  if (outputs.length > MOST_TOLD) outputs.shift();
  const exit = new Promise<number | null>(resolve => child.on('close', code => resolve(code)));
  const url = `http://127.0.0.1:${port}`;
  const adminPaths = (settings.TORC_ADMIN_PATHS ?? 'both') as AdminPaths;
  const ask = async (target: string, init: RequestInit): Promise<Answer> => {
    const { method = 'GET' } = init;
    let answer: Answer;
    try {
      const response = await fetch(url + target, { ...init, signal: AbortSignal.timeout(60_000) });
      const { status, headers } = response;
      answer = { status, text: await response.text(), headers };
    } catch (error) {
      // fetch says "fetch failed" and no more.
      const { cause = error } = error as { cause?: unknown };
      throw new Error(`${method} ${target}: ${cause}`, { cause });
    }
    const contentType = answer.headers.get('content-type') ?? '';
    holdAgainstContract({ method, target, contentType, ...answer }, adminPaths);
    return answer;
  };
  return {
    url,
    port,
    process: child,
    output: () => output,
    errors: () => errors,
    lines: () =>
      output
        .split('\n')
        .filter(line => line.startsWith('{'))
        .map(line => JSON.parse(line) as Record<string, unknown>),
    get: (path, headers = {}) => ask(path, { headers }),
    send: (method, path, payload, headers = {}) =>
      ask(path, {
        method,
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof payload === 'string' ? payload : JSON.stringify(payload),
      }),
    exited: async () => {
      const tooLong = setTimeout(() => child.kill('SIGKILL'), CLOSE_TIMEOUT_MS);
      const code = await exit;
      clearTimeout(tooLong);
      return code;
    },
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const tooLong = setTimeout(() => child.kill('SIGKILL'), CLOSE_TIMEOUT_MS);
      await exit;
      clearTimeout(tooLong);
    },
  };
}

/** Spawns torc and waits for its ready line, or the one that says why no replica is. */
export async function startTorc(settings: Record<string, string> = {}): Promise<Torc> {
  const torc = await spawnTorc(settings);
  await waitFor(
    () => /torc is ready on|torc listens on/.test(torc.output()) || torc.process.exitCode !== null,
    {
      timeoutMs: 60_000,
      what: 'the ready line',
    },
  );
  if (torc.process.exitCode !== null) throw new Error(`torc did not start:\n${torc.output()}`);
  return torc;
}

/** Sends `count` GETs, `parallel` at a time; returns how often each status came, and how often each slot answered. */
export async function sendMany(
  url: (index: number) => string,
  count: number,
  parallel: number,
): Promise<{ statuses: Record<number, number>; slots: Record<string, number> }> {
  const statuses: Record<number, number> = {};
  const slots: Record<string, number> = {};
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const response = await fetch(url(index), { signal: AbortSignal.timeout(60_000) });
      await response.arrayBuffer();
      statuses[response.status] = (statuses[response.status] ?? 0) + 1;
      const slot = response.headers.get('x-served-by') ?? '';
      slots[slot] = (slots[slot] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));
  return { statuses, slots };
}
