// Containers that somebody else runs, for the follow driver's tests: an image with a small server, a Compose project of it,
// plain `docker run`s, and which slot serves each of many keys, so that what moved can be counted.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { slotsOf } from './healing.ts';
import { type LoadReport, lostRequests, startLoad } from './load.ts';
import type { Torc } from './torc.ts';
import { waitFor } from './wait.ts';

const KEYS = 600;
const LANES = 16;
export const CONNECTIONS = 16;

export interface Followed {
  /** Compose's project, the image's repository and the value of the label. */
  readonly name: string;
  readonly image: string;
  compose(args: string, env?: Record<string, string>): Promise<void>;
  docker(...args: string[]): Promise<string>;
  removeAll(): Promise<void>;
}

export async function makeFollowed(): Promise<Followed> {
  const name = `torctest-${randomBytes(3).toString('hex')}`;
  const directory = mkdtempSync(join(tmpdir(), `${name}-`));
  const image = `${name}:1`;
  cpSync(join(import.meta.dirname, 'followed-app.ts'), join(directory, 'app.ts'));
  writeFileSync(
    join(directory, 'Dockerfile'),
    'FROM node:26-slim\nCOPY app.ts /\nEXPOSE 8080\nCMD ["node", "/app.ts"]\n',
  );
  writeFileSync(
    join(directory, 'compose.yaml'),
    [
      'services:',
      '  web:',
      `    image: ${image}`,
      '    labels: { torc.test: web }',
      '    environment: [VERSION, START_MS]',
      '',
    ].join('\n'),
  );
  const docker = async (...args: string[]): Promise<string> => run(args, directory, {});
  await docker('build', '-q', '-t', image, directory);
  const compose = async (args: string, env: Record<string, string> = {}): Promise<void> => {
    await run(['compose', '-p', name, '--progress', 'quiet', ...args.split(' ')], directory, env);
  };
  return {
    name,
    image,
    compose,
    docker,
    removeAll: async () => {
      await compose('down -t 1').catch(() => {});
      const left = await docker('ps', '-aq', '--filter', `label=${name}`);
      if (left !== '') await docker('rm', '-f', '-v', ...left.split('\n'));
      await docker('network', 'rm', name).catch(() => {});
      await docker('rmi', '-f', image);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Runs `docker ARGS`; what it printed, or an error with that. */
function run(args: string[], cwd: string, env: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('docker', args, {
      cwd,
      env: { ...process.env, VERSION: '1', START_MS: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', code => {
      if (code === 0) resolve(output.trim());
      else reject(new Error(`docker ${args.join(' ')}: ${code}\n${output}${errors}`));
    });
  });
}

/** Which slot serves each key now: as torc routes, because a single request on a busy machine may have had its second try. */
export async function servedBy(torc: Torc): Promise<string[]> {
  const slots: string[] = new Array(KEYS);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < KEYS) {
      const key = next++;
      slots[key] = (
        JSON.parse((await torc.get(`/admin/explain?key=${key}`)).text) as { servedBy: string }
      ).servedBy;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return slots;
}

/** How many keys changed their slot, and how many of them had no reason to: both their slots were there all the time. */
export function moved(
  before: readonly string[],
  after: readonly string[],
): { count: number; needless: number } {
  const stayed = (slot: string): boolean => before.includes(slot) && after.includes(slot);
  const changes = before.flatMap((slot, key) =>
    slot === after[key] ? [] : [{ from: slot, to: after[key]! }],
  );
  return {
    count: changes.length,
    needless: changes.filter(({ from, to }) => stayed(from) && stayed(to)).length,
  };
}

export const allReady = (torc: Torc, names: string[]): Promise<void> =>
  waitFor(
    async () => {
      const slots = await slotsOf(torc);
      return (
        slots.every(({ state }) => state === 'ready') &&
        JSON.stringify(slots.map(({ name }) => name).sort()) === JSON.stringify(names)
      );
    },
    { timeoutMs: 60_000, what: `slots ${names.join(', ')}, all ready` },
  );

export interface Expected {
  /** Slots that are there and ready in the end. */
  readonly names: string[];
  /** Of the keys: the least that can move. */
  readonly least?: number;
  /** Waited for besides. */
  readonly until?: () => Promise<boolean>;
}

/** Does something to the containers under load; prints what moved and what was lost, and wants both least. */
export async function underLoad(
  what: string,
  torc: Torc,
  act: () => Promise<unknown>,
  { names, least, until }: Expected,
): Promise<void> {
  const before = await servedBy(torc);
  const load = startLoad(torc.url, CONNECTIONS);
  let report: LoadReport;
  try {
    await load.flows();
    await act();
    if (until) await waitFor(until, { timeoutMs: 60_000, what: `the end of ${what}` });
    await allReady(torc, names);
    await load.flows();
  } finally {
    report = await load.stop();
  }
  const after = await servedBy(torc);
  const { count, needless } = moved(before, after);
  const sent = report.sent.GET + report.sent.POST;
  const lost = lostRequests(report);
  process.stdout.write(
    `\n  ${what}: keys moved ${count} of ${before.length} (least possible ${least ?? 0}, needless ${needless}), ` +
      `requests ${sent}, lost ${JSON.stringify(lost)}, slowest ${Math.round(report.slowestMs)} ms\n`,
  );
  assert.is(needless, 0);
  if (least === undefined) assert.is(count, 0);
  assert.equal(lost, []);
}
