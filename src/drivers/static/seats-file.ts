// Who had which seat when torc ended: a torc that is started again seats by it, so that a restart moves no key. Without it
// (another machine, another TORC_STATE_DIR) addresses are seated in their order, which two torcs that start with the same
// answer agree on.

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Log } from '../../core/log.ts';
import { writeWhole } from '../../core/whole-file.ts';
import type { Seat } from './seats.ts';

const schema = z.object({
  seats: z.array(z.object({ group: z.string(), number: z.int().min(1), address: z.string() })).max(10_000),
});

export class SeatsFile {
  readonly #path: string;
  readonly #log: Log;
  #text = '';
  #isTold = false;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  read(): readonly Seat[] {
    try {
      this.#text = readFileSync(this.#path, 'utf8');
      return schema.parse(JSON.parse(this.#text)).seats.map(seat => ({ ...seat, leftMs: null }));
    } catch {
      return [];
    }
  }

  /** Never throws: without it only a restart may move keys. */
  write(seats: readonly Seat[]): void {
    const text = JSON.stringify({
      seats: seats.map(({ group, number, address }) => ({ group, number, address })),
    });
    if (text === this.#text || (seats.length === 0 && this.#text === '')) return;
    try {
      writeWhole(this.#path, text);
      this.#text = text;
      this.#isTold = false;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (!this.#isTold)
        this.#log.warn({ code }, `who has which seat cannot be remembered for the next start (${code})`);
      this.#isTold = true;
    }
  }
}
