// Composition root: settings, then one of two roles. The process that a person starts is the primary (control plane);
// node:cluster runs this same file again for each worker (data plane). What goes wrong before torc is ready is one line
// on stderr for each cause and an exit code that is not 0: 2 for settings, 1 for the rest.

import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import type { Config } from './config/fields.ts';
import { StartError } from './core/errors.ts';
import { packageRoot } from './core/installation.ts';
import { openLog, WORKER_LOG_FD } from './core/log.ts';
import { WORKER_CONFIG } from './core/messages.ts';

function fail(lines: readonly string[], exitCode: number): never {
  process.stderr.write(lines.map(line => `${line}\n`).join(''));
  process.exit(exitCode);
}

async function primary(): Promise<void> {
  keepCompiled();
  const { helpText, loadConfig } = await import('./config/load.ts');
  const loaded = loadConfig(process.env, process.argv.slice(2), { cwd: process.cwd(), readFile });
  if (loaded.kind === 'help') {
    process.stdout.write(`${helpText()}\n`);
    return;
  }
  if (loaded.kind === 'version') {
    const { ownVersion } = await import('./version.ts');
    process.stdout.write(`torc ${ownVersion()} (Node ${process.versions.node})\n`);
    return;
  }
  if (loaded.kind === 'faults') fail(loaded.faults, 2);
  const { runPrimary } = await import('./primary.ts');
  const processLog = openLog(loaded.config.log, 'primary', 1);
  try {
    process.exit(await runPrimary(loaded, processLog));
  } catch (error) {
    if (error instanceof StartError)
      fail(processLog.fault() === null ? [`torc: ${error.message}`] : [], error.exitCode);
    throw error;
  }
}

/** Null where there is no such file. */
function readFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/**
 * What was compiled once is read the next time, without the compiler for types: 20 MB less in each process. For workers by
 * their environment, so that they begin with it; `npm start` does the same for the primary. In a place of the installation,
 * because what lies in /tmp could be another user's; where that cannot be written, all works without.
 */
function keepCompiled(): void {
  process.env.NODE_COMPILE_CACHE ??= join(packageRoot, 'node_modules', '.cache', 'torc');
  enableCompileCache(process.env.NODE_COMPILE_CACHE);
}

/** Settings come from the primary, checked: what reads them costs 8 MB that a worker does without. */
async function worker(): Promise<void> {
  const config = JSON.parse(process.env[WORKER_CONFIG]!) as Config;
  const { runWorker } = await import('./cluster/worker.ts');
  await runWorker(config, openLog(config.log, `worker ${cluster.worker?.id ?? 0}`, WORKER_LOG_FD));
}

await (cluster.isPrimary ? primary() : worker());
