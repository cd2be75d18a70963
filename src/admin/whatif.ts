// `/admin/whatif?n=N`: whose keys would move. It is half a second of work for many slots, whoever still waits for it: so one
// number at a time is computed, and those who ask for the same wait for the same.

import { whatIf } from '../analysis/remap.ts';
import type { Config } from '../config/fields.ts';
import type { Supervisor } from '../control/supervisor.ts';
import type { AdminReply } from '../core/messages.ts';
import { failure, json } from './replies.ts';

const MOST_SLOTS = 1000;
/** The largest moves say it; a thousand slots have a million pairs. */
const MOST_PAIRS = 100;

export class WhatIfs {
  readonly #config: Config;
  readonly #supervisor: Supervisor;
  #current: { readonly wanted: number; readonly reply: Promise<AdminReply> } | null = null;

  constructor(config: Config, supervisor: Supervisor) {
    this.#config = config;
    this.#supervisor = supervisor;
  }

  answer(query: URLSearchParams): Promise<AdminReply> | AdminReply {
    const text = query.get('n') ?? '';
    const wanted = /^\d{1,4}$/.test(text) ? Number(text) : 0;
    if (wanted < 1 || wanted > MOST_SLOTS)
      return failure(400, `say how many slots: /admin/whatif?n=N, N a whole number, 1 to ${MOST_SLOTS}`);
    if (this.#current !== null && this.#current.wanted !== wanted)
      return failure(503, 'another what-if is being computed: try again', { 'retry-after': '1' });
    this.#current ??= {
      wanted,
      reply: this.#compute(wanted).finally(() => {
        this.#current = null;
      }),
    };
    return this.#current.reply;
  }

  async #compute(wanted: number): Promise<AdminReply> {
    const { ring, ringRows } = this.#config;
    const slots = this.#supervisor.slots().map(({ id, name }) => ({ id, name }));
    const result = await whatIf(slots, wanted, ring, ringRows);
    if (typeof result === 'string') return failure(400, result);
    const pairs = result.pairs.slice(0, MOST_PAIRS);
    return json(200, { slotsNow: slots.length, slotsThen: wanted, ...result, pairs });
  }
}
