// Workers that outlive their primary (SIGKILL, a crash): they serve on by what they know, until a new torc has their sockets and
// workers of its own, and asks them to end (cluster/worker.ts). It finds them by a record in the state directory, where nobody
// else can write, and a pid counts only together with its start time, so nothing else is ever signalled. While the primary of
// the record lives, its workers are nobody's to take.

import { readFileSync, rmSync } from 'node:fs';
import type { Inherited } from './cluster/sockets.ts';
import { takeSockets } from './cluster/sockets-on-the-way.ts';
import type { Clock } from './core/clock.ts';
import type { Log } from './core/log.ts';
import { writeWhole } from './core/whole-file.ts';
import { observe } from './drivers/process/identity.ts';

interface Recorded {
  readonly pid: number;
  readonly startTime: string;
}

interface Kept {
  readonly primary: Recorded | null;
  readonly workers: readonly Recorded[];
}

/** For one that has not heard yet that it is alone; one that hangs keeps its sockets. */
const OFFER_WAIT_MS = 2_000;

export class Orphans {
  readonly #path: string;
  readonly #log: Log;
  /** Of a torc that died. */
  #left: readonly Recorded[] = [];
  /** What they listen on, by place. */
  readonly sockets = new Map<string, Inherited[]>();
  /** That of the control endpoints was the primary's alone. */
  readonly adminSocket = null;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  get count(): number {
    return this.#left.length;
  }

  /** Those of the last torc that live. */
  async find(): Promise<void> {
    const { primary, workers } = this.#read();
    this.#left = [];
    if (primary !== null && (await living([primary])).length > 0) return;
    this.#left = await living(workers);
    for (const each of workers)
      if (!this.#left.includes(each)) rmSync(this.offerAt(each.pid), { force: true });
  }

  /** Where a worker of ours offers its sockets when it is alone. */
  offerAt(pid: number): string {
    return `${this.#path}.${pid}`;
  }

  /** Those of the last torc that live, and their sockets, from which they go on accepting beside us. */
  async take(clock: Clock): Promise<void> {
    await this.find();
    const taken = await Promise.allSettled(
      this.#left.map(({ pid }) => takeSockets(this.offerAt(pid), clock, OFFER_WAIT_MS)),
    );
    for (const each of taken) {
      if (each.status === 'rejected')
        this.#log.warn({ error: String(each.reason) }, 'a worker keeps its sockets: torc listens beside it');
      else
        for (const { place, handle } of each.value)
          this.sockets.set(place, [...(this.sockets.get(place) ?? []), { handle, keeper: null }]);
    }
  }

  /** The workers there are now. */
  async record(pids: readonly number[]): Promise<void> {
    const [primary = null, ...workers] = await named([process.pid, ...pids]);
    const record: Kept = { primary, workers: [...this.#left, ...workers] };
    try {
      writeWhole(this.#path, JSON.stringify(record));
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

  #read(): Kept {
    const nothing = { primary: null, workers: [] };
    try {
      const { primary, workers } = JSON.parse(readFileSync(this.#path, 'utf8')) as Partial<Kept>;
      if (!Array.isArray(workers) || !isRecorded(primary)) return nothing;
      return { primary, workers: workers.filter(isRecorded) };
    } catch {
      return nothing;
    }
  }
}

async function named(pids: readonly number[]): Promise<Recorded[]> {
  const found = await observe(pids);
  return pids.flatMap(pid => {
    const startTime = found.get(pid)?.startTime;
    return startTime === undefined ? [] : { pid, startTime };
  });
}

async function living(recorded: readonly Recorded[]): Promise<Recorded[]> {
  const found = await observe(recorded.map(({ pid }) => pid));
  return recorded.filter(({ pid, startTime }) => found.get(pid)?.startTime === startTime);
}

const isRecorded = (one: Partial<Recorded> | null | undefined): one is Recorded =>
  Number.isSafeInteger(one?.pid) && typeof one?.startTime === 'string';
