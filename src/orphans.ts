// Workers that outlive their primary (SIGKILL, a crash): they serve on by what they know, until a new torc has workers of its own on
// the same addresses and asks them to end (cluster/worker.ts). It finds them by a record in the state directory, where nobody
// else can write, and a pid counts only together with its start time, so nothing else is ever signalled.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Log } from './core/log.ts';
import { observe } from './drivers/process/identity.ts';

interface Recorded {
  readonly pid: number;
  readonly startTime: string;
}

const OWNER_ONLY = 0o600;

export class Orphans {
  readonly #path: string;
  readonly #log: Log;
  /** Of a torc that died. */
  #left: readonly Recorded[] = [];

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  get count(): number {
    return this.#left.length;
  }

  /** Those of the last torc that live. */
  async find(): Promise<void> {
    this.#left = await living(this.#read());
  }

  /** The workers there are now. */
  async record(pids: readonly number[]): Promise<void> {
    const found = await observe(pids);
    const workers = pids.flatMap(pid => {
      const startTime = found.get(pid)?.startTime;
      return startTime === undefined ? [] : { pid, startTime };
    });
    try {
      writeFileSync(`${this.#path}.new`, JSON.stringify([...this.#left, ...workers]), { mode: OWNER_ONLY });
      renameSync(`${this.#path}.new`, this.#path);
    } catch (error) {
      this.#log.warn({ path: this.#path, error: String(error) }, 'the workers could not be written down');
    }
  }

  /** Somebody else serves: they finish what they have and end. Their number. */
  async dismiss(): Promise<number> {
    const left = await living(this.#left);
    this.#left = [];
    for (const { pid } of left) process.kill(pid, 'SIGUSR2');
    return left.length;
  }

  /** No worker is left. */
  forget(): void {
    rmSync(this.#path, { force: true });
  }

  #read(): Recorded[] {
    try {
      const workers = JSON.parse(readFileSync(this.#path, 'utf8')) as unknown;
      return Array.isArray(workers) ? workers.filter(isRecorded) : [];
    } catch {
      return [];
    }
  }
}

async function living(workers: readonly Recorded[]): Promise<Recorded[]> {
  const found = await observe(workers.map(({ pid }) => pid));
  return workers.filter(({ pid, startTime }) => found.get(pid)?.startTime === startTime);
}

const isRecorded = (worker: Partial<Recorded> | null): worker is Recorded =>
  Number.isSafeInteger(worker?.pid) && typeof worker?.startTime === 'string';
