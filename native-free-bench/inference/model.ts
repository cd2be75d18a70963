// Replicas with a memory, simulated: conversations whose turns find what an earlier turn left in the replica that serves them,
// or make it read the whole conversation again. Whom a request goes to, whether it waits, and what a slot that is back gets, is torc's
// own code (routing/lending.ts, pick.ts, slow-start.ts, exchange/own-slot.ts) with a clock that jumps; replicas are the model.
//
// A replica has so many answers in its batch at once and the rest wait for a place; it reads prompts one after the other (prefill: so
// a cold one keeps all behind it waiting, too) and writes its answers side by side (decode). It remembers the conversations that
// it served last, as far as they had come there. Requests arrive at random; which conversation one belongs to is by Zipf, and a
// conversation that ends is followed by a new one of its rank.

import { seededRandom } from '../../src/core/random.ts';
import type { UpstreamSpec, WarmUp } from '../../src/core/types.ts';
import { OwnSlotQueues, type Waiter } from '../../src/exchange/own-slot.ts';
import { createTableBuilder } from '../../src/ring/build.ts';
import { murmurHash } from '../../src/ring/hash.ts';
import { CHOICES, rowOf } from '../../src/ring/table.ts';
import { choosableOf } from '../../src/routing/choosable.ts';
import { Lending, type LendingSettings, WAITS } from '../../src/routing/lending.ts';
import { NO_SLOT, pick } from '../../src/routing/pick.ts';
import { slowStartOf } from '../../src/routing/slow-start.ts';
import type { Snapshot } from '../../src/routing/snapshot.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';

export interface Load {
  readonly replicas: number;
  readonly conversations: number;
  /** Of their popularity: 0 is none, 1 the classic. */
  readonly zipf: number;
  readonly requestsPerS: number;
  /** What one replica remembers. */
  readonly cacheTokens: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface Policy extends LendingSettings {
  readonly name: string;
}

/** One replica dies, and another is in its place, cold, after that time. */
export interface Death {
  readonly atS: number;
  readonly awayS: number;
}

export interface Outcome {
  readonly requests: number;
  /** Of turns that had one before: its replica had the latest turn. */
  readonly hits: number;
  /** Of all tokens of prompts: read again although somebody had read them. */
  readonly readAgain: number;
  readonly firstTokenMs: { readonly p50: number; readonly p99: number };
  /** Mean load of the busiest slot by the mean of all. */
  readonly worstSlot: number;
  readonly waited: number;
  readonly meanWaitMs: number;
  readonly lost: number;
}

/** Of a 1 B decoder on a large GPU: read per second; and for one answer. */
const PREFILL_TOKENS_PER_S = 16_000;
const DECODE_MS = 1_200;
const FIRST_PROMPT_TOKENS = 600;
const TURN_TOKENS = 300;
const MOST_TOKENS = 6_000;
/** A conversation has so many turns in the mean. */
const TURNS = 10;
const BATCH = 16;
const WARM_UP_S = 60;

class Events {
  readonly #heap: { atMs: number; run: () => void }[] = [];
  nowMs = 0;

  after(ms: number, run: () => void): void {
    const heap = this.#heap;
    let at = heap.push({ atMs: this.nowMs + ms, run }) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.atMs <= heap[at]!.atMs) break;
      [heap[parent], heap[at]] = [heap[at]!, heap[parent]!];
      at = parent;
    }
  }

  next(): boolean {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined) return false;
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      for (let at = 0; ; ) {
        const left = 2 * at + 1;
        if (left >= heap.length) break;
        const least = left + 1 < heap.length && heap[left + 1]!.atMs < heap[left]!.atMs ? left + 1 : left;
        if (heap[at]!.atMs <= heap[least]!.atMs) break;
        [heap[least], heap[at]] = [heap[at]!, heap[least]!];
        at = least;
      }
    }
    this.nowMs = first.atMs;
    first.run();
    return true;
  }
}

class Replica {
  inFlight = 0;
  /** When it has read all prompts that it has. */
  readsUntilMs = 0;
  /** Another one since its death. */
  life = 0;
  /** Conversation -> tokens of it, the one that was served last at the end. */
  readonly #cache = new Map<number, number>();
  readonly #most: number;
  #tokens = 0;
  #atWork = 0;
  #queue: (() => void)[] = [];
  loadMs = 0;
  #sinceMs = 0;

  constructor(cacheTokens: number) {
    this.#most = cacheTokens;
  }

  /** A place in the batch. */
  enter(start: () => void): void {
    if (this.#atWork === BATCH) {
      this.#queue.push(start);
      return;
    }
    this.#atWork++;
    start();
  }

  leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#atWork--;
    else next();
  }

  count(change: number, nowMs: number): void {
    this.loadMs += this.inFlight * (nowMs - this.#sinceMs);
    this.#sinceMs = nowMs;
    this.inFlight += change;
  }

  known(conversation: number): number {
    return this.#cache.get(conversation) ?? 0;
  }

  keep(conversation: number, tokens: number): void {
    this.#tokens += tokens - this.known(conversation);
    this.#cache.delete(conversation);
    this.#cache.set(conversation, tokens);
    for (const [oldest, size] of this.#cache) {
      if (this.#tokens <= this.#most) break;
      this.#cache.delete(oldest);
      this.#tokens -= size;
    }
  }

  die(): void {
    this.life++;
    this.readsUntilMs = 0;
    this.#cache.clear();
    this.#tokens = 0;
  }
}

interface Conversation {
  id: number;
  tokens: number;
  turns: number;
}

/**
 * All requests behind the first minute are judged; with a death, those of the conversations that were the dead one's, from
 * its death on.
 */
export function simulate(load: Load, policy: Policy, death: Death | null): Outcome {
  const random = seededRandom(load.seed);
  const events = new Events();
  const counts = { lent: 0 };
  const lending = new Lending(policy, counts);
  const queues = new OwnSlotQueues();
  const replicas = Array.from({ length: load.replicas }, () => new Replica(load.cacheTokens));
  const table = createTableBuilder('rendezvous', 65_536).update(
    replicas.map((_, id) => ({ id, name: String(id + 1) })),
  );
  let warmUp: WarmUp | undefined;
  let isAway = false;
  let snapshot: Snapshot;
  const publish = (): void => {
    const specs = replicas.map(
      (_, slotId) =>
        ({
          slotId,
          state: isAway && slotId === 0 ? 'suspect' : 'ready',
          ...(slotId === 0 && warmUp ? { warmUp } : {}),
        }) as unknown as UpstreamSpec,
    );
    snapshot = {
      epoch: 1,
      checksum: 0,
      table,
      keyHash: () => 0,
      upstreams: replicas as unknown as Upstream[],
      slowStart: slowStartOf(specs, events.nowMs, events.nowMs),
      names: [],
      ...choosableOf(specs),
    };
  };
  publish();

  let inFlight = 0;
  let nextId = 0;
  const begin = (): Conversation => ({ id: ++nextId, tokens: FIRST_PROMPT_TOKENS, turns: 0 });
  const conversations = Array.from({ length: load.conversations }, begin);
  const shares = conversations.map((_, rank) => 1 / (rank + 1) ** load.zipf);
  const sums: number[] = [];
  for (const share of shares) sums.push((sums.at(-1) ?? 0) + share);
  const rankOf = (): number => {
    const at = random() * sums.at(-1)!;
    let low = 0;
    for (let high = sums.length - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if (sums[middle]! < at) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  const fromMs = 1000 * (death?.atS ?? WARM_UP_S);
  const firstTokens: number[] = [];
  let [laterTurns, hits, promptTokens, readAgain, waited, waitedMs, lost] = [0, 0, 0, 0, 0, 0, 0];

  const arrive = (): void => {
    const rank = rankOf();
    const conversation = conversations[rank]!;
    const { id, tokens, turns } = conversation;
    conversation.turns++;
    conversation.tokens = Math.min(MOST_TOKENS, tokens + TURN_TOKENS);
    if (random() < 1 / TURNS) conversations[rank] = begin();
    const text = `conversation-${id}`;
    const hash = murmurHash(text, 0, text.length);
    const arrivedMs = events.nowMs;
    const isHit = death === null || table.choices[rowOf(table, hash) * CHOICES] === 0;
    const isJudged = arrivedMs >= fromMs && isHit;
    let waitsFor = NO_SLOT;

    const choose = (mayWait: boolean): number =>
      lending.isOn
        ? lending.choose(snapshot, hash, [], inFlight, events.nowMs, mayWait)
        : pick(snapshot, hash, [], policy.balanceFactor, inFlight);
    const serve = (slotId: number): void => {
      const replica = replicas[slotId]!;
      const { life } = replica;
      const chosenMs = events.nowMs;
      replica.count(1, chosenMs);
      inFlight++;
      if (isJudged && chosenMs > arrivedMs) waited++;
      if (isJudged) waitedMs += chosenMs - arrivedMs;
      replica.enter(() => {
        const missing = tokens - Math.min(tokens, replica.known(id));
        replica.readsUntilMs =
          Math.max(replica.readsUntilMs, events.nowMs) + (1000 * missing) / PREFILL_TOKENS_PER_S;
        replica.keep(id, Math.max(tokens, replica.known(id)));
        if (isJudged) {
          promptTokens += tokens;
          readAgain += Math.max(0, missing - (turns === 0 ? FIRST_PROMPT_TOKENS : TURN_TOKENS));
          if (turns > 0) laterTurns++;
          if (turns > 0 && missing <= TURN_TOKENS) hits++;
          firstTokens.push(replica.readsUntilMs - arrivedMs);
        }
        const decodeMs = -Math.log(1 - random()) * DECODE_MS;
        events.after(replica.readsUntilMs - events.nowMs + decodeMs, () => {
          replica.count(-1, events.nowMs);
          replica.leave();
          inFlight--;
          if (life !== replica.life && isJudged) lost++;
          queues.freed(slotId);
        });
      });
    };
    const waiter: Waiter = {
      goes() {
        const slotId = choose(true);
        if (slotId === WAITS && pick(snapshot, hash, [], 0, 0) === waitsFor) return false;
        go();
        return true;
      },
    };
    const go = (): void => {
      queues.leave(waitsFor, waiter);
      waitsFor = NO_SLOT;
      serve(choose(false));
    };
    const slotId = choose(true);
    if (slotId !== WAITS) {
      serve(slotId);
      return;
    }
    waitsFor = pick(snapshot, hash, [], 0, 0);
    queues.join(waitsFor, waiter);
    events.after(policy.balanceWaitMs, () => {
      if (waitsFor !== NO_SLOT) go();
    });
  };

  const endMs = load.seconds * 1000;
  const nextArrival = (): void => {
    if (events.nowMs >= endMs) return;
    arrive();
    events.after((-Math.log(1 - random()) * 1000) / load.requestsPerS, nextArrival);
  };
  const sweep = (): void => {
    snapshot.slowStart?.advance(events.nowMs);
    lending.sweep(events.nowMs);
    if (events.nowMs < endMs) events.after(100, sweep);
  };
  nextArrival();
  sweep();
  if (death !== null) {
    events.after(death.atS * 1000, () => {
      isAway = true;
      replicas[0]!.die();
      publish();
    });
    events.after((death.atS + death.awayS) * 1000, () => {
      isAway = false;
      const keys = policy.returnHow === 'gradual' ? 'lent' : 'all';
      if (policy.slowStartMs > 0)
        warmUp = { fromMs: events.nowMs, untilMs: events.nowMs + policy.slowStartMs, keys };
      publish();
    });
  }
  while (events.next());

  firstTokens.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(firstTokens[Math.floor(share * firstTokens.length)] ?? 0);
  const loads = replicas.map(({ loadMs }) => loadMs);
  return {
    requests: firstTokens.length,
    hits: hits / Math.max(1, laterTurns),
    readAgain: readAgain / Math.max(1, promptTokens),
    firstTokenMs: { p50: at(0.5), p99: at(0.99) },
    worstSlot: Math.max(...loads) / (loads.reduce((sum, each) => sum + each, 0) / loads.length),
    waited: waited / Math.max(1, firstTokens.length),
    meanWaitMs: waitedMs / Math.max(1, waited),
    lost,
  };
}
