// The package as somebody gets it: packed as `npm run pack` does, installed in an empty folder, with the Nodes that it
// claims and one that is too old. From npm's registry, or its cache; where neither has them the tests are skipped.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');
const NPM_TIMEOUT_MS = 150_000;

/** Runs npm as a person would, without what `npm test` adds to the environment. */
async function npm(cwd: string, ...args: string[]): Promise<string> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  const { stdout } = await run('npm', args, { cwd, env, timeout: NPM_TIMEOUT_MS });
  return stdout;
}

export interface Packed {
  readonly file: string;
  readonly bytes: number;
  /** Paths in it, below package/. */
  readonly paths: readonly string[];
}

/** An empty folder; `remove` takes it away again. */
export function emptyFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'torc-package-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export async function pack(folder: string): Promise<Packed> {
  await npm(root, 'run', '--silent', 'pack', '--', '--silent', '--pack-destination', folder);
  const file = join(folder, readdirSync(folder).find(name => name.endsWith('.tgz'))!);
  const { stdout } = await run('tar', ['tzf', file]);
  const paths = stdout
    .trim()
    .split('\n')
    .map(path => path.replace('package/', ''));
  return { file, bytes: statSync(file).size, paths };
}

const QUIET = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'];

/** Installs the tarball into `folder`/app: the path of its command. Rejects where the registry does not answer. */
export async function install(folder: string, { file }: Packed): Promise<string> {
  const app = join(folder, 'app');
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{"private":true}');
  const again = (): Promise<string> => npm(app, 'install', ...QUIET, file);
  await again().catch(again); // a registry that falls silent for a moment
  return join(app, 'node_modules', '.bin', 'torc');
}

/** The paths of Nodes of these versions: npm's packages of the binaries alone. */
export async function nodesOf(folder: string, versions: readonly string[]): Promise<string[]> {
  const place = join(folder, 'nodes');
  mkdirSync(place);
  writeFileSync(join(place, 'package.json'), '{"private":true}');
  const platform = `node-${process.platform}-${process.arch}`;
  const wanted = versions.map(version => `node-${version}@npm:${platform}@${version}`);
  await npm(place, 'install', ...QUIET, '--no-bin-links', ...wanted);
  return versions.map(version => join(place, 'node_modules', `node-${version}`, 'bin', 'node'));
}
