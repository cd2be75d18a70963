// The bench's end of the load generator, which is a process of its own so that it can be pinned away from the target.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ClosedJob } from './closed-loop.ts';
import type { OpenJob } from './open-loop.ts';

export type Job = ClosedJob | OpenJob;

export interface LoadResult {
  /** Answered with 200. */
  readonly requests: number;
  readonly seconds: number;
  /** Other statuses, broken connections, timeouts. */
  readonly errors: number;
  /** Open loop: not answered when the run was over. */
  readonly unanswered: number;
  /** The start of a 200 that no replica can have sent. */
  readonly wrong: string | null;
  readonly perReplica: readonly number[];
  /** Latencies.toText() */
  readonly latencies: string;
  /** Open loop: how late the generator itself was. */
  readonly lateP99Us: number;
}

/** Different values of request_id in the load. */
export const KEYS = 4096;

/** A POST where there is a body, which is ASCII. */
export function requestText(index: number, body = ''): string {
  const path = `/request?request_id=${(index % KEYS) + 1}`;
  if (body === '') return `GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`;
  return `POST ${path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

export class Loader {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(join(import.meta.dirname, 'load.ts'));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  run(job: Job): Promise<LoadResult> {
    return new Promise((resolve, reject) => {
      const died = (code: number | null): void => reject(new Error(`the load generator ended with ${code}`));
      this.#child.once('exit', died);
      this.#child.once('message', result => {
        this.#child.off('exit', died);
        resolve(result as LoadResult);
      });
      this.#child.send(job);
    });
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.disconnect();
    await gone;
  }
}
