// `/admin/whatif?n=N`, `?remove=NAME` or `?ring=NAME`: whose keys would move. It is half a second of work for many slots, whoever still waits
// for it: so one question at a time is computed, and those who ask the same wait for the same.

import { otherRing, whatIf } from '../analysis/remap.ts';
import type { Config } from '../config/fields.ts';
import type { Supervisor } from '../control/supervisor.ts';
import type { AdminReply } from '../core/messages.ts';
import { RINGS, type RingAlgorithm } from '../core/types.ts';
import type { RingSlot } from '../ring/table.ts';
import { failure, json } from './replies.ts';

const MOST_SLOTS = 1000;
/** The largest moves say it; a thousand slots have a million pairs. */
const MOST_PAIRS = 100;
const HOW = `say how many slots: /admin/whatif?n=N, N a whole number, 1 to ${MOST_SLOTS}, which one less: ?remove=NAME, or placed how else: ?ring=NAME`;

/** Slots in order of age, and how many there would be: the newest come or go. */
interface Question {
  readonly slots: readonly RingSlot[];
  readonly wanted: number;
  /** The ring to compare with; null: the same. */
  readonly ring: RingAlgorithm | null;
}

/** One that is removed counts as the newest. */
function readQuestion(query: URLSearchParams, slots: readonly RingSlot[]): Question | string {
  const asked = query.get('ring');
  if (asked !== null) {
    const ring = RINGS.find(each => each === asked);
    return ring === undefined
      ? `there is no ring ${JSON.stringify(asked.slice(0, 80))}; there are ${RINGS.join(', ')}`
      : { slots, wanted: slots.length, ring };
  }
  const name = query.get('remove');
  if (name !== null) {
    const leaving = slots.filter(slot => slot.name === name);
    if (leaving.length === 0) return `there is no slot ${JSON.stringify(name.slice(0, 80))}`;
    if (slots.length === 1) return 'it is the only slot: what would be left is nothing';
    return {
      slots: [...slots.filter(slot => slot.name !== name), ...leaving],
      wanted: slots.length - 1,
      ring: null,
    };
  }
  const text = query.get('n') ?? '';
  const wanted = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  return wanted < 1 || wanted > MOST_SLOTS ? HOW : { slots, wanted, ring: null };
}

export class WhatIfs {
  readonly #context: { readonly config: Config };
  readonly #supervisor: Supervisor;
  #current: { readonly question: string; readonly reply: Promise<AdminReply> } | null = null;

  constructor(context: { readonly config: Config }, supervisor: Supervisor) {
    this.#context = context;
    this.#supervisor = supervisor;
  }

  answer(query: URLSearchParams): Promise<AdminReply> | AdminReply {
    const slots = this.#supervisor.slots();
    const asked = readQuestion(query, slots);
    if (typeof asked === 'string') return failure(400, asked);
    const question = `${asked.wanted} by ${asked.ring} without ${query.get('remove')}`;
    if (this.#current !== null && this.#current.question !== question)
      return failure(503, 'another what-if is being computed: try again', { 'retry-after': '1' });
    this.#current ??= {
      question,
      reply: this.#compute(asked).finally(() => {
        this.#current = null;
      }),
    };
    return this.#current.reply;
  }

  async #compute({ slots, wanted, ring: other }: Question): Promise<AdminReply> {
    const { ring, ringRows } = this.#context.config;
    const result = await (other === null
      ? whatIf(slots, wanted, ring, ringRows)
      : otherRing(slots, ring, other, ringRows));
    if (typeof result === 'string') return failure(400, result);
    const pairs = result.pairs.slice(0, MOST_PAIRS);
    return json(200, { slotsNow: slots.length, slotsThen: wanted, ...result, pairs });
  }
}
