// Weights that an operator gave slots, by name: a torc that is started again places keys by them, so that a restart moves none
// and a drained slot stays drained. Beside the events, in a file of its own, because drivers differ in what they keep, and
// none keeps this. Written whole at each change, which a person makes.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Log } from '../core/log.ts';
import { MOST_WEIGHT } from './weights.ts';

const OWNER_ONLY = 0o600;
const schema = z.object({ weights: z.record(z.string(), z.number().min(0).max(MOST_WEIGHT)) });

export interface WeightStore {
  read(): Map<string, number>;
  write(weights: ReadonlyMap<string, number>): void;
}

export class WeightFile implements WeightStore {
  readonly #path: string;
  readonly #log: Log;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  read(): Map<string, number> {
    try {
      return new Map(Object.entries(schema.parse(JSON.parse(readFileSync(this.#path, 'utf8'))).weights));
    } catch {
      return new Map();
    }
  }

  /** Never throws: the weight is in force all the same. */
  write(weights: ReadonlyMap<string, number>): void {
    try {
      const text = JSON.stringify({ weights: Object.fromEntries(weights) });
      writeFileSync(`${this.#path}.new`, text, { mode: OWNER_ONLY });
      renameSync(`${this.#path}.new`, this.#path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      this.#log.warn({ code }, `weights cannot be remembered for the next start (${code})`);
    }
  }
}
