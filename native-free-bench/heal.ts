// How torc heals: the matrix fault x driver x spares. A replica is broken while 64 connections keep asking; which signal
// won, how long until it was out of routing and until N were ready again comes from torc's own /admin/events, and what was
// lost from the clients' counts. Victims take turns, so that none of them looks like a crash loop. The clock of all of
// it is this machine's: from the moment of the strike (for containers: of the call to the engine).

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlEvent } from '../src/control/journal.ts';
import { docker, networkName, removeAll } from '../test/support/engine.ts';
import { type Events, followEvents } from '../test/support/events.ts';
import { slotsOf } from '../test/support/healing.ts';
import { begunPosts, type LoadReport, lostCount, lostRequests, startLoad } from '../test/support/load.ts';
import { startTorc, type Torc } from '../test/support/torc.ts';
import { waitFor } from '../test/support/wait.ts';
import { median } from './harness/cpu.ts';
import { type Fault, faults } from './harness/faults.ts';
import { timelineSvg } from './harness/timeline.ts';

const CONNECTIONS = 64;
const SLOTS = 3;
const WARM_MS = 1_500;
/** After all is well again, before the next strike. */
const REST_MS = 1_000;
const HEALED_WITHIN_MS = 40_000;
const MOST_TRIES = 5;

export interface HealOptions {
  /** Strikes of each row; with `everyMs` for how long. */
  readonly strikes: number;
  readonly idleStrikes: number;
  readonly streamMs: number;
  /** Words of which a row's driver or fault must have one; none: all rows. */
  readonly only: readonly string[];
  /** Where the timeline of one kill is drawn; null: nowhere. */
  readonly timelinePath: string | null;
  readonly progress: (text: string) => void;
}

interface Strike {
  readonly slot: string;
  readonly replicaId: string;
  /** Since 1970. */
  readonly atMs: number;
}

interface Healed {
  readonly signal: string;
  readonly ejectMs: number;
  readonly readyMs: number;
  /** From torc's first signal to the publish that brought the slot back. */
  readonly ownReadyMs: number;
}

export async function heal(options: HealOptions): Promise<object[]> {
  const hasEngine = await docker.ping().then(
    () => true,
    () => false,
  );
  if (!hasEngine) options.progress('no Docker engine answers: its rows are left out');
  const { only } = options;
  const rows: object[] = [];
  for (const fault of faults) {
    if (fault.driver === 'docker' && !hasEngine) continue;
    if (only.length > 0 && !only.some(word => fault.driver === word || fault.name.includes(word))) continue;
    for (const spares of [0, 1]) {
      const row = await healRow(fault, spares, options).catch(error => ({
        driver: fault.driver,
        fault: fault.name,
        spares,
        signal: String(error),
      }));
      options.progress(JSON.stringify(row));
      rows.push(row);
    }
  }
  return rows;
}

async function healRow(fault: Fault, spares: number, options: HealOptions): Promise<object> {
  const network = networkName();
  const torc = await startTorc({
    TORC_DRIVER: fault.driver,
    ...(fault.driver === 'docker' ? { TORC_NETWORK: network } : {}),
    TORC_SPARES: String(spares),
    // torc's own default; tests have more patience.
    TORC_HEARTBEAT_TIMEOUT_MS: '500',
    ...fault.settings,
  });
  try {
    const events = await followEvents(torc);
    await allWell(torc, spares);
    const load = fault.idle ? null : startLoad(torc.url, CONNECTIONS);
    await pause(WARM_MS);
    const strikes =
      fault.everyMs === undefined
        ? await strikeInTurn(torc, events, { fault, spares, network, options })
        : await strikeOften(torc, fault, network, fault.everyMs, options.streamMs);
    await allWell(torc, spares);
    await pause(REST_MS);
    const report = (await load?.stop()) ?? null;
    events.close();
    if (options.timelinePath !== null && fault.name === 'kill -9' && spares === 0 && report !== null) {
      writeFileSync(options.timelinePath, timelineSvg(report, strikes[0]!, events.changes));
    }
    if (report !== null && lostCount(report) > 0) options.progress(faultLines(torc));
    return rowOf(fault, spares, strikes, events.changes, report);
  } finally {
    await torc.close();
    if (fault.driver === 'docker') await removeAll(network);
  }
}

/** What torc's log says of requests that failed. */
const faultLines = (torc: Torc): string =>
  torc
    .lines()
    .filter(line => 'code' in line && 'detail' in line)
    .map(line => JSON.stringify(line))
    .join('\n');

interface Turn {
  readonly fault: Fault;
  readonly spares: number;
  readonly network: string;
  readonly options: HealOptions;
}

/** The next strike comes when the last one is healed. */
async function strikeInTurn(torc: Torc, events: Events, turn: Turn): Promise<Strike[]> {
  const { fault, spares, network, options } = turn;
  const strikes: Strike[] = [];
  for (let i = 0; i < (fault.idle ? options.idleStrikes : options.strikes); i++) {
    const strike = await strikeAt(torc, fault, network, i);
    strikes.push(strike);
    await waitFor(() => fault.recovers || healedBy(strike, events.changes) !== null, {
      timeoutMs: HEALED_WITHIN_MS,
      what: `slot ${strike.slot} to be ready again after ${fault.name}`,
    });
    await allWell(torc, spares);
    await pause(REST_MS);
  }
  return strikes;
}

async function strikeOften(
  torc: Torc,
  fault: Fault,
  network: string,
  everyMs: number,
  forMs: number,
): Promise<Strike[]> {
  const strikes: Strike[] = [];
  const startedMs = performance.now();
  while (performance.now() - startedMs < forMs) {
    strikes.push(await strikeAt(torc, fault, network, strikes.length));
    // From the last strike on: two at once, to catch up, would hit the last ready replica before torc knows of the first.
    await pause(everyMs);
  }
  return strikes;
}

/** Strikes the first ready slot from `turn` on; never the last ready one, for then nobody is left to lose nothing. */
async function strikeAt(torc: Torc, fault: Fault, network: string, turn: number): Promise<Strike> {
  let ready: Awaited<ReturnType<typeof slotsOf>> = [];
  const isThere = async (): Promise<boolean> => {
    const slots = await slotsOf(torc);
    const inTurn = slots.map((_, index) => slots[(turn + index) % slots.length]!);
    ready = inTurn.filter(({ state }) => state === 'ready');
    return ready.length > 1;
  };
  await waitFor(isThere, { timeoutMs: HEALED_WITHIN_MS, what: 'a replica to strike' });
  const victim = ready[0]!;
  const { name: slot } = victim;
  const replicaId = victim.replica.replace('pid ', '');
  const strike = { slot, replicaId, atMs: Date.now() };
  // A call to the engine returns when the container is gone; what is measured goes on meanwhile.
  void strikeUntilDone(fault, victim.replica, network, strike);
  return strike;
}

/** An engine refuses a pause now and then ("unable to freeze"): the strike that it took is the one that counts. */
async function strikeUntilDone(
  fault: Fault,
  label: string,
  network: string,
  strike: { atMs: number },
): Promise<void> {
  for (let tries = 1; tries <= MOST_TRIES; tries++) {
    strike.atMs = Date.now();
    try {
      await fault.strike(label, network);
      return;
    } catch (error) {
      process.stderr.write(`${fault.name}: ${error}\n`);
    }
  }
}

/** What torc's own events say of one strike; null while it is not over. */
function healedBy(strike: Strike, changes: readonly ControlEvent[]): Healed | null {
  const after = changes.filter(({ slot, atMs }) => slot === strike.slot && atMs >= strike.atMs);
  const out = after.find(({ from, replicaId }) => from === 'ready' && replicaId.startsWith(strike.replicaId));
  if (out === undefined) return null;
  const isBack = ({ seq, to, replicaId }: ControlEvent): boolean =>
    seq > out.seq && to === 'ready' && !replicaId.startsWith(strike.replicaId);
  const back = after.find(isBack);
  if (back === undefined) return null;
  return {
    signal: out.source,
    ejectMs: out.atMs - strike.atMs,
    readyMs: back.atMs - strike.atMs,
    ownReadyMs: back.readyMs ?? 0,
  };
}

function rowOf(
  fault: Fault,
  spares: number,
  strikes: readonly Strike[],
  changes: readonly ControlEvent[],
  report: LoadReport | null,
): object {
  const healed = strikes.flatMap(strike => healedBy(strike, changes) ?? []);
  const total = (report?.sent.GET ?? 0) + (report?.sent.POST ?? 0);
  const causes =
    report === null ? [] : lostRequests(report).map(loss => `${loss.count} ${loss.method} ${loss.cause}`);
  return {
    driver: fault.driver,
    fault: fault.name,
    spares,
    strikes: strikes.length,
    healed: fault.recovers ? '-' : healed.length,
    signal: tally(healed.map(({ signal }) => signal)) || '-',
    'eject ms': middle(healed.map(({ ejectMs }) => ejectMs)),
    'ready ms': middle(healed.map(({ readyMs }) => readyMs)),
    'signal to ready ms': middle(healed.map(({ ownReadyMs }) => ownReadyMs)),
    lost: report === null ? '-' : `${lostCount(report)} of ${total}`,
    'POSTs begun': report === null ? '-' : begunPosts(report),
    'slowest ms': report === null ? '-' : Math.round(report.slowestMs),
    ...(causes.length === 0 ? {} : { causes: causes.join('; ') }),
  };
}

const middle = (values: readonly number[]): number | '-' =>
  values.length === 0 ? '-' : Math.round(median(values));

/** "connection 4, event 1" */
function tally(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([word, count]) => `${word} ${count}`)
    .join(', ');
}

async function allWell(torc: Torc, spares: number): Promise<void> {
  const isWell = async (): Promise<boolean> => {
    const text = (await torc.get('/admin/slots')).text;
    const state = JSON.parse(text) as { slots: { state: string }[]; spares: { state: string }[] };
    const ready = [...state.slots, ...state.spares].filter(slot => slot.state === 'ready').length;
    return ready === SLOTS + spares;
  };
  await waitFor(isWell, { timeoutMs: HEALED_WITHIN_MS, what: `${SLOTS} replicas and ${spares} spares` });
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

export const timelineFile = join(import.meta.dirname, '../docs/healing-timeline.svg');
