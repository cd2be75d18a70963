// Composition root: settings, then one of two roles. The process that a person starts is the primary (control plane);
// node:cluster runs this same file again for each worker (data plane). What goes wrong before torc is ready is one line
// on stderr for each cause and an exit code that is not 0: 2 for settings, 1 for the rest.

import cluster from 'node:cluster';
import { helpText, loadConfig } from './config/load.ts';
import { StartError } from './core/errors.ts';
import { openLog, WORKER_LOG_FD } from './core/log.ts';

const OLDEST_NODE = 26;

function fail(lines: readonly string[], exitCode: number): never {
  process.stderr.write(lines.map(line => `${line}\n`).join(''));
  process.exit(exitCode);
}

const loaded = loadConfig(process.env, process.argv.slice(2));
if (loaded.kind === 'help') {
  process.stdout.write(`${helpText()}\n`);
} else if (loaded.kind === 'faults') {
  fail(loaded.faults, 2);
} else if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
  fail([`torc needs Node ${OLDEST_NODE}, this is ${process.versions.node}: run npm ci, then npm start`], 1);
} else if (cluster.isPrimary) {
  const { runPrimary } = await import('./primary.ts');
  const processLog = openLog(loaded.config.log, 'primary', 1);
  try {
    process.exit(await runPrimary(loaded.config, processLog));
  } catch (error) {
    if (error instanceof StartError)
      fail(processLog.fault() === null ? [`torc: ${error.message}`] : [], error.exitCode);
    throw error;
  }
} else {
  const { runWorker } = await import('./cluster/worker.ts');
  await runWorker(
    loaded.config,
    openLog(loaded.config.log, `worker ${cluster.worker?.id ?? 0}`, WORKER_LOG_FD),
  );
}
