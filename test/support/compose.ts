// `docker compose` as the judge of what a Compose file means. Where it is not installed, its suites are skipped and counted;
// with TORC_TEST_DOCKER=require the absence is a failure. It needs no engine to read a file.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { required } from './engine.ts';

const TIMEOUT_MS = 60_000;

export const composeVersion: string | null = (() => {
  try {
    return execFileSync('docker', ['compose', 'version', '--short'], {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return null;
  }
})();

/** `define` adds the tests; then they run, or are counted as skipped. */
export function composeSuite(name: string, define: (test: Test) => void): void {
  const test = suite(name);
  if (composeVersion !== null) define(test);
  else if (required)
    test('docker compose is there', () =>
      assert.unreachable('TORC_TEST_DOCKER=require, and no docker compose'));
  else define(test.skip.bind(test) as unknown as Test);
  test.run();
}

export interface ComposeProject {
  readonly name: string;
  readonly services: Readonly<Record<string, Record<string, unknown>>>;
  readonly [kind: string]: unknown;
}

/** What `docker compose config` makes of the files, or its error. */
export function composeConfig(
  files: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): ComposeProject | Error {
  try {
    const flags = files.flatMap(file => ['-f', file]);
    const args = ['compose', ...flags, '--profile', '*', 'config', '--format', 'json'];
    const text = execFileSync('docker', args, {
      cwd,
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    });
    return JSON.parse(text) as ComposeProject;
  } catch (error) {
    return error as Error;
  }
}

/** readFile of service/sources.ts, on the disk. */
export function readFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
