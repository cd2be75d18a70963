// The bench's end of the load generator, which is a process of its own so that it can be pinned away from the target.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Job, LoadResult } from './job.ts';

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
