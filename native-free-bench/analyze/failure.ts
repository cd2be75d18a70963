// A-3's second half: a replica of slot 2 is broken from outside while clients keep asking, and three witnesses are laid
// side by side: our own clock at the blow, torc's events (/admin/events), and what the clients got. The load is an open
// loop: two requests every 5 ms whether the last was answered or not, because users do not wait for each other.

import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlEvent } from './events.ts';
import { randomKeys, slotThatAnswers } from './load.ts';
import { type Fault, MOST_CONNECTIONS, type Torc } from './torc.ts';

const VICTIM = '2';
const EVERY_MS = 5;
const EACH_TIME = 2;
export const PER_SECOND = (1000 / EVERY_MS) * EACH_TIME;
const QUIET_MS = 800;
const HEAL_TIMEOUT_MS = 30_000;
export const BIN_MS = 100;

/** What the clients saw in one BIN_MS, by the time of the answer. */
export interface Bin {
  /** Since the blow; negative before it. */
  readonly fromMs: number;
  readonly answered: Readonly<Record<string, number>>;
  readonly failed: number;
  readonly slowestMs: number;
}

export interface Failure {
  readonly fault: Fault;
  readonly source: string;
  readonly cause: string;
  /** From the blow (before the command was given) until the slot was out of routing, and until it was back. */
  readonly outMs: number;
  readonly backMs: number;
  /** torc's own word: last proof of life to first signal; first signal to out of routing; first signal to back. */
  readonly detectedMs: number;
  readonly ejectedMs: number;
  readonly readyMs: number;
  readonly asked: number;
  readonly failed: number;
  readonly slowestMs: number;
  readonly bins: readonly Bin[];
}

export async function breakReplica(torc: Torc, fault: Fault, seed: number): Promise<Failure> {
  // On a busy machine a slot may be out for a moment, before and after.
  await torc.allReady(3, HEAL_TIMEOUT_MS);
  const before = (await torc.slots()).find(slot => slot.name === VICTIM);
  if (before === undefined) throw new Error(`no slot ${VICTIM}`);
  const load = keepAsking(torc, seed);
  await sleep(QUIET_MS);
  const blowMs = Date.now();
  await torc.strike(VICTIM, fault);
  const { out, back } = await healed(torc, before.generation);
  await sleep(QUIET_MS);
  const answers = await load.stop();
  return {
    fault,
    source: out.source,
    cause: out.cause,
    outMs: out.atMs - blowMs,
    backMs: back.atMs - blowMs,
    detectedMs: out.detectedMs ?? 0,
    ejectedMs: out.ejectedMs ?? 0,
    readyMs: back.readyMs ?? 0,
    asked: answers.length,
    failed: answers.filter(answer => answer.slot === null).length,
    slowestMs: Math.max(...answers.map(answer => answer.tookMs)),
    bins: binsOf(answers, blowMs),
  };
}

interface Answered {
  readonly slot: string | null;
  readonly atMs: number;
  readonly tookMs: number;
}

function keepAsking(torc: Torc, seed: number): { stop(): Promise<Answered[]> } {
  const keys = randomKeys(10_000, seed);
  const answers: Answered[] = [];
  const inFlight = new Set<Promise<void>>();
  let next = 0;
  const ask = async (): Promise<void> => {
    const startMs = performance.now();
    const slot = await slotThatAnswers(torc, `/request?request_id=${keys[next++ % keys.length]}`);
    answers.push({ slot, atMs: Date.now(), tookMs: performance.now() - startMs });
  };
  const timer = setInterval(() => {
    // At most one each connection, the stream of events apart: nothing here may grow without end.
    for (let left = EACH_TIME; left > 0 && inFlight.size < MOST_CONNECTIONS - 1; left--) {
      const asked = ask().finally(() => inFlight.delete(asked));
      inFlight.add(asked);
    }
  }, EVERY_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all(inFlight);
      return answers;
    },
  };
}

interface Healing {
  readonly out: ControlEvent;
  readonly back: ControlEvent;
}

/** Waits for torc to say that it took this replica out and put a later one in. */
async function healed(torc: Torc, generation: number): Promise<Healing> {
  const deadlineMs = performance.now() + HEAL_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    const mine = torc.events.filter(event => event.slot === VICTIM);
    const out = mine.find(event => event.generation === generation && event.ejectedMs !== undefined);
    const back = mine.find(event => event.generation > generation && event.readyMs !== undefined);
    if (out && back) return { out, back };
    await sleep(20);
  }
  throw new Error(`slot ${VICTIM} was not replaced within ${HEAL_TIMEOUT_MS} ms`);
}

function binsOf(answers: readonly Answered[], blowMs: number): Bin[] {
  const grouped = Map.groupBy(answers, answer => Math.floor((answer.atMs - blowMs) / BIN_MS));
  return [...grouped]
    .sort(([a], [b]) => a - b)
    .map(([index, group]) => {
      const answered: Record<string, number> = {};
      for (const { slot } of group) if (slot !== null) answered[slot] = (answered[slot] ?? 0) + 1;
      return {
        fromMs: index * BIN_MS,
        answered,
        failed: group.filter(answer => answer.slot === null).length,
        slowestMs: Math.round(Math.max(...group.map(answer => answer.tookMs)) * 10) / 10,
      };
    });
}
