// Suites that need Prometheus' own programs (Debian: apt-get install prometheus). Without them their tests become uvu's
// skips, so the run counts them; with TORC_TEST_PROMETHEUS=require their absence is a failure (CI).

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from './torc.ts';
import { waitFor } from './wait.ts';

const answers = ['promtool', 'prometheus'].every(
  program => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0,
);
const isRequired = process.env.TORC_TEST_PROMETHEUS === 'require';

/** Adds the test to `tests`, or counts it as skipped. */
export function prometheusTest(tests: Test, name: string, run: () => Promise<void> | void): void {
  if (answers) tests(name, run);
  else if (isRequired)
    tests(name, () => assert.unreachable('TORC_TEST_PROMETHEUS=require, and there is none'));
  else tests.skip(name, run);
}

/** Fails with what it said. */
export function promtool(args: readonly string[], input = ''): void {
  const { status, stdout, stderr } = spawnSync('promtool', args, {
    input,
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.is(status, 0, `promtool ${args.join(' ')}: ${stdout}${stderr}`);
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** The time and the value, as text. */
  readonly value: readonly [number, string];
}

export interface Prometheus {
  /** An instant query; fails with Prometheus' own error. */
  query(expression: string): Promise<readonly Series[]>;
  close(): Promise<void>;
}

/** A real one, with a configuration like that of docs/monitoring; its data goes with it. */
export async function startPrometheus(configuration: string): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'torc-prometheus-'));
  const port = await freePort();
  writeFileSync(join(folder, 'prometheus.yml'), configuration);
  const child: ChildProcess = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let output = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const isUp = (): Promise<boolean> =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok || child.exitCode !== null,
      () => child.exitCode !== null,
    );
  await waitFor(isUp, { timeoutMs: 60_000, what: 'Prometheus' });
  if (child.exitCode !== null) {
    await close();
    throw new Error(`prometheus ended with ${child.exitCode}:\n${output}`);
  }
  return {
    query: async expression => {
      const response = await fetch(`${url}/api/v1/query`, {
        method: 'POST',
        body: new URLSearchParams({ query: expression }),
      });
      const answer = (await response.json()) as { error?: string; data?: { result: Series[] } };
      if (answer.data === undefined) throw new Error(`${expression}: ${answer.error}`);
      return answer.data.result;
    },
    close,
  };
}
