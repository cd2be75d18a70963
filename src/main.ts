// Composition root: a command of its own (src/cli/), or settings, then one of two roles. The process that a person starts is the primary (control plane);
// runs this same file again for each worker (data plane). What goes wrong before torc is ready is one line
// on stderr for each cause and an exit code that is not 0: 2 for settings, 1 for the rest.

import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import type { CommandLine } from './cli/command-line.ts';
import type { Command } from './cli/commands.ts';
import { Predecessor } from './cluster/predecessor.ts';
import type { Config } from './config/fields.ts';
import { StartError } from './core/errors.ts';
import { packageRoot } from './core/installation.ts';
import { openLog, WORKER_LOG_FD } from './core/log.ts';
import { WORKER_BIRTH, type WorkerBirth } from './core/messages.ts';

/** The torc that this one is to take over from. */
let predecessor: Predecessor | null = null;

function fail(lines: readonly string[], exitCode: number): never {
  predecessor?.failed(lines);
  process.stderr.write(lines.map(line => `${line}\n`).join(''));
  process.exit(exitCode);
}

async function primary(): Promise<void> {
  keepCompiled();
  const { readCommandLine } = await import('./cli/command-line.ts');
  const line = readCommandLine(process.argv.slice(2));
  switch (line.kind) {
    case 'fault':
      return fail([line.fault], 2);
    case 'help':
      return tell(await help(line.command));
    case 'version':
      return tell(await version());
    case 'command':
      return line.command.name === 'start' ? start(line.settings) : otherCommand(line);
  }
}

async function help(command: Command | null): Promise<string> {
  const { generalHelp, helpOf } = await import('./cli/help.ts');
  if (command !== null) return helpOf(command);
  const { settingsHelp } = await import('./config/load.ts');
  return generalHelp(settingsHelp());
}

async function version(): Promise<string> {
  const { ownVersion } = await import('./version.ts');
  return `torc ${ownVersion()} (Node ${process.versions.node})`;
}

const tell = (text: string): void => void process.stdout.write(`${text}\n`);

/** The exit code is left to Node, so that a pipe gets all of the text. */
async function otherCommand(line: CommandLine): Promise<void> {
  const { runCommand } = await import('./cli/run.ts');
  process.exitCode = await runCommand(line, {
    env: process.env,
    cwd: process.cwd(),
    readFile,
    nowMs: Date.now,
    out: text => process.stdout.write(text),
    err: text => process.stderr.write(text),
  });
}

async function start(flags: readonly string[]): Promise<void> {
  predecessor = Predecessor.find(process.env);
  const { loadConfig } = await import('./config/load.ts');
  const files = { cwd: process.cwd(), readFile };
  const load = (): ReturnType<typeof loadConfig> => loadConfig(process.env, flags, files);
  const loaded = load();
  if (loaded.kind === 'faults') fail(loaded.faults, 2);
  const { runPrimary } = await import('./primary.ts');
  const processLog = openLog(loaded.config.log, 'primary', 1);
  try {
    process.exit(await runPrimary(loaded, load, processLog, predecessor));
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
async function worker(birth: string): Promise<void> {
  const { id, config } = JSON.parse(birth) as WorkerBirth & { readonly config: Config };
  const { runWorker } = await import('./cluster/worker.ts');
  await runWorker(id, config, openLog(config.log, `worker ${id}`, WORKER_LOG_FD));
}

const birth = process.env[WORKER_BIRTH];
await (birth === undefined ? primary() : worker(birth));
