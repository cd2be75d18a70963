// A worker as a process: its flags, its environment, where what it prints goes. What it is told and asked is workers.ts's
// business.

import { type ChildProcess, fork, type StdioOptions } from 'node:child_process';
import type { Config } from '../config/fields.ts';
import { WORKER_BIRTH, type WorkerBirth } from '../core/messages.ts';
import { asOwnGroup } from '../core/own-group.ts';

/**
 * A worker logs to the primary's stdout, but not as its own descriptor 1: Node makes 0 to 2 of a child blocking at its start
 * and puts them back at its end, and where they are a socket that holds for all who have it. The place is WORKER_LOG_FD.
 * Its stderr is a pipe to the primary for the same reason: a shell may have joined the two (`2>&1`).
 */
const STDIO: StdioOptions = ['ignore', 'ignore', 'pipe', 'ipc', 1];
/** A worker's last words that may wait in the primary for a stderr that nobody reads. */
const MAX_STDERR_BYTES = 256 * 1024;

/**
 * Room for young objects, in MiB. V8 would let it grow to 16 or 32, which no cache holds and which stays resident; while a request
 * makes as little as it does now, 1, 2, 4 and 16 cost the same (docs/benchmarks.md).
 */
const YOUNG = ['--min-semi-space-size=1', '--max-semi-space-size=4'];
/** V8's helpers: four would share the core that the worker has, and wake each other for a heap that one does at once. */
const FLAGS = [...YOUNG, '--v8-pool-size=1'];

/**
 * `config`: as forWorkers gives it. Not by node:cluster: its workers end with their primary, and have their sockets in ways
 * of its own (sockets.ts).
 */
export function forkWorker(id: number, config: Config): ChildProcess {
  const worker = asOwnGroup(() =>
    fork(process.argv[1]!, process.argv.slice(2), {
      env: environmentFor({ id, config }),
      execArgv: [...process.execArgv, ...FLAGS],
      serialization: 'advanced',
      stdio: STDIO,
    }),
  );
  worker.stderr?.on('data', (text: Buffer) => {
    if (process.stderr.writableLength < MAX_STDERR_BYTES) process.stderr.write(text);
  });
  return worker;
}

/** Who may administer, and what replicas are told, is the primary's: workers get neither tokens nor a service's secrets. */
export const forWorkers = (config: Config): Config => ({
  ...config,
  adminToken: null,
  adminTokenFile: null,
  service: null,
});

const environmentFor = (birth: WorkerBirth): NodeJS.ProcessEnv => ({
  ...process.env,
  TORC_ADMIN_TOKEN: undefined,
  TORC_ADMIN_TOKEN_FILE: undefined,
  [WORKER_BIRTH]: JSON.stringify(birth),
});
