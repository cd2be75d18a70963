// What operators said of single slots, by name: their weights, and the versions that they keep alone. A torc that is started again
// goes by it, so that a restart moves no key, a drained slot stays drained, and a canary heals as one. Beside the events, in
// files of its own, because drivers differ in what they keep, and none keeps this. Written whole at each change, which a person
// makes.

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Log } from '../core/log.ts';
import { MOST_WEIGHT } from '../core/types.ts';
import { writeWhole } from '../core/whole-file.ts';

export interface SlotStore<Word> {
  read(): Map<string, Word>;
  write(words: ReadonlyMap<string, Word>): void;
}

export const weightFile = (path: string, log: Log): SlotStore<number> =>
  new SlotFile(path, 'weights', z.number().min(0).max(MOST_WEIGHT), log);

/** Of slots that run a version of their own. */
export const canaryFile = (path: string, log: Log): SlotStore<string> =>
  new SlotFile(path, 'versions', z.string().min(1), log);

class SlotFile<Word> implements SlotStore<Word> {
  readonly #path: string;
  readonly #what: string;
  readonly #schema: z.ZodType<Record<string, Word>>;
  readonly #log: Log;

  /** `what`: they are, in the plural. */
  constructor(path: string, what: string, word: z.ZodType<Word>, log: Log) {
    this.#path = path;
    this.#what = what;
    this.#schema = z.record(z.string(), word) as z.ZodType<Record<string, Word>>;
    this.#log = log;
  }

  read(): Map<string, Word> {
    try {
      const kept = JSON.parse(readFileSync(this.#path, 'utf8')) as Record<string, unknown>;
      return new Map(Object.entries(this.#schema.parse(kept[this.#what])));
    } catch {
      return new Map();
    }
  }

  /** Never throws: what was said is in force all the same. */
  write(words: ReadonlyMap<string, Word>): void {
    try {
      writeWhole(this.#path, JSON.stringify({ [this.#what]: Object.fromEntries(words) }));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      this.#log.warn({ code }, `${this.#what} cannot be remembered for the next start (${code})`);
    }
  }
}
