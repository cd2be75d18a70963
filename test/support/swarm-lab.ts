// Several Docker machines on this one, in one swarm: by a script (TORC_TEST_SWARM_LAB) that gives each a network namespace and an
// engine of its own (another one than this machine's: its programs are in the folder TORC_TEST_SWARM_ENGINE), pulls their cables
// and switches them off. Torc and its clients meet on unix sockets, which need no
// network, so a test stands outside of all namespaces while torc stands in the clients'.

import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitFor } from './wait.ts';

const run = promisify(execFile);
const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const COMMAND_TIMEOUT_MS = 120_000;

export const labScript = process.env.TORC_TEST_SWARM_LAB ?? '';
const { TORC_TEST_SWARM_ENGINE: engine, PATH = '' } = process.env;
const labPath = engine === undefined ? PATH : `${engine}:${PATH}`;

/** One command of the lab's; what it printed. */
export async function lab(...args: string[]): Promise<string> {
  const env = { ...process.env, MANAGERS: process.env.MANAGERS ?? '3', PATH: labPath };
  const { stdout } = await run(labScript, args, { timeout: COMMAND_TIMEOUT_MS, env });
  return stdout.trim();
}

export const onNode = (node: number, ...args: string[]): Promise<string> =>
  lab('docker', String(node), ...args);

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly slot: string;
}

export function ask(
  socketPath: string,
  method: string,
  path: string,
  body = '',
  agent?: Agent,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers =
      body === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const asked = request({ socketPath, method, path, headers, agent, timeout: 90_000 }, response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', chunk => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        const slot = String(response.headers['x-served-by'] ?? '');
        resolve({ status: response.statusCode ?? 0, text, slot });
      });
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer')));
    asked.on('error', reject);
    asked.end(body);
  });
}

export interface SlotLine {
  readonly name: string;
  readonly state: string;
  readonly replica: string;
  readonly image: string;
  readonly machine?: string;
  readonly weight: number;
}

export interface LabTorc {
  readonly socket: string;
  /** The control endpoints'. */
  readonly admin: string;
  output(): string;
  /** Its log's lines. */
  lines(): Record<string, unknown>[];
  control(method: string, path: string, body?: string): Promise<Answer>;
  slots(): Promise<readonly SlotLine[]>;
  close(): Promise<void>;
}

/** In the clients' namespace, from where every node is reached. */
export async function startLabTorc(settings: Record<string, string>): Promise<LabTorc> {
  const folder = mkdtempSync(join(tmpdir(), 'torc-lab-'));
  const socket = join(folder, 'torc.sock');
  const admin = join(folder, 'admin.sock');
  const child = spawn(labScript, ['client', process.execPath, main], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TORC_DRIVER: 'swarm',
      TORC_LISTEN: `unix:${socket}`,
      TORC_ADMIN_LISTEN: `unix:${admin}`,
      TORC_STATE_DIR: join(folder, 'state'),
      TORC_WORKERS: '1',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const exit = new Promise<void>(resolve => child.on('close', () => resolve()));
  const torc: LabTorc = {
    socket,
    admin,
    output: () => output,
    lines: () =>
      output
        .split('\n')
        .filter(line => line.startsWith('{'))
        .map(line => JSON.parse(line) as Record<string, unknown>),
    control: (method, path, body) => ask(admin, method, path, body),
    slots: async () =>
      (JSON.parse((await ask(admin, 'GET', '/admin/slots')).text) as { slots: SlotLine[] }).slots,
    async close() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      const tooLong = setTimeout(() => child.kill('SIGKILL'), 20_000);
      await exit;
      clearTimeout(tooLong);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await waitFor(() => /torc is ready on|torc listens on/.test(output) || child.exitCode !== null, {
      timeoutMs: 60_000,
      what: 'the ready line',
    });
    if (child.exitCode !== null) throw new Error(`torc did not start:\n${output.slice(-2_000)}`);
    return torc;
  } catch (error) {
    await torc.close();
    throw error;
  }
}

/** Where each of these keys goes now. */
export async function placesOf(socket: string, keys: number): Promise<Map<number, string>> {
  const places = new Map<number, string>();
  for (let key = 0; key < keys; key++)
    places.set(key, (await ask(socket, 'GET', `/request?request_id=${key}`)).slot);
  return places;
}

export interface LoadReport {
  readonly count: number;
  readonly lost: number;
  readonly slowestMs: number;
  /** What the lost ones heard, and how often. */
  readonly causes: ReadonlyMap<string, number>;
  /** Those that ended within each BUCKET_MS since the begin. */
  readonly buckets: readonly { count: number; lost: number; slowestMs: number }[];
}

export const BUCKET_MS = 250;

/** Requests that may be repeated, over many keys, until it is told to end. */
export function startLabLoad(socket: string, connections = 8): { end(): Promise<LoadReport> } {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const causes = new Map<string, number>();
  let count = 0;
  let lost = 0;
  let slowestMs = 0;
  let isOver = false;
  const buckets: { count: number; lost: number; slowestMs: number }[] = [];
  const beganMs = performance.now();
  const note = (isLost: boolean, tookMs: number): void => {
    const at = Math.floor((performance.now() - beganMs) / BUCKET_MS);
    while (buckets.length <= at) buckets.push({ count: 0, lost: 0, slowestMs: 0 });
    const bucket = buckets[at]!;
    bucket.count++;
    if (isLost) bucket.lost++;
    bucket.slowestMs = Math.max(bucket.slowestMs, tookMs);
  };
  const client = async (number: number): Promise<void> => {
    for (let key = number; !isOver; key += connections) {
      const startedMs = performance.now();
      const path = `/request?request_id=${key % 1_000}`;
      const outcome = await ask(socket, 'GET', path, '', agent).then(
        ({ status, text }) => (status === 200 ? '' : `${status} ${text.replaceAll(/\s+/g, ' ')}`),
        (error: Error) => error.message,
      );
      count++;
      const tookMs = performance.now() - startedMs;
      note(outcome !== '', tookMs);
      slowestMs = Math.max(slowestMs, tookMs);
      if (outcome !== '') {
        lost++;
        causes.set(outcome, (causes.get(outcome) ?? 0) + 1);
      }
      await new Promise(resolve => setTimeout(resolve, 2));
    }
  };
  const clients = Array.from({ length: connections }, (_, number) => client(number));
  return {
    async end() {
      isOver = true;
      await Promise.all(clients);
      agent.destroy();
      return { count, lost, slowestMs: Math.round(slowestMs), causes, buckets };
    },
  };
}
