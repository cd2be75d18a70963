// Everything at once, for hours: replicas are killed and hang, roll-outs, scaling, reloads, deaths of workers and of the
// primary and replacements of torc come one behind the other, now and then two together, while clients of every kind keep asking. Each request is
// accounted for (soak/accounts.ts); memory, descriptors, timers and the log are drawn over time. It ends by a verdict, which is its exit
// code: lost, what ended otherwise than it may; leaked, what is still held when nobody asks any more; stalled, what did not end.
//   npm run bench -- soak --minutes 30 [--seed 7] [--only kill,reload] [--driver docker]

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { seededRandom } from '../src/core/random.ts';
import { ownDirectory, runInside, whyNone } from '../test/support/own-engine.ts';
import type { BenchOptions } from './harness/rounds.ts';
import { isByContract, type Loss, type Tally, type Trouble, total } from './soak/accounts.ts';
import { type Sample, soakSvg } from './soak/drawing.ts';
import { containers, processes } from './soak/replicas.ts';
import { Cut, metricOf, SoakedTorc } from './soak/torc.ts';
import { drawing, type Row } from './soak/troubles.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;
/** Of a drawing. */
const MOST_SAMPLES = 1_200;
const SHORT_MINUTES = 2;
const FULL_MINUTES = 60;
/** Between two troubles. */
const REST_MS = 4_000;
const TWO_AT_ONCE = 0.25;
/** No answer at all for so long, of whatever kind: on the slowest machine that is a stall. */
const STALL_MS = 10_000;
/** After the last request, at most: replicas close what is idle (5 s), and what drains has its grace (10 s). */
const SETTLE_MS = 90_000;
const SETTLE_POLL_MS = 250;
/** A log that was rotated, an answer that is still read: what may be more than before. */
const MORE_DESCRIPTORS = 12;
const MORE_TIMERS = 8;
/** A leak is what grows from the first third to the last: by a quarter, and by more than a garbage collector leaves lying. */
const GROWTH = 1.25;
const GROWTH_MIB = 48;
const MOST_TOLD = 12;

interface Held {
  /** One more is a torc that was replaced and does not end. */
  readonly processes: number;
  readonly descriptors: number;
  readonly timers: number;
  readonly inFlight: number;
}

/** What was found in the end; all of it empty where all is well. */
export interface Verdict {
  readonly lost: readonly string[];
  readonly leaked: readonly string[];
  readonly stalled: readonly string[];
}

interface SoakOptions extends Pick<BenchOptions, 'seed' | 'only' | 'progress' | 'driver'> {
  readonly minutes: number;
  /** Where it is drawn. */
  readonly chartPath: string;
}

export async function soak(options: BenchOptions): Promise<object[]> {
  const minutes = options.minutes ?? (options.full ? FULL_MINUTES : SHORT_MINUTES);
  const ofDocker = options.driver === 'docker';
  if (ofDocker && ownDirectory === undefined) {
    const reason = whyNone();
    if (reason !== null) throw new Error(`no engine of its own for a soak of the docker driver: ${reason}`);
    process.exit(await runInside(process.argv.slice(1)));
  }
  const results = join(import.meta.dirname, 'results');
  const chartPath = ofDocker
    ? join(results, 'soak-docker.svg')
    : (options.chartPath ?? join(results, 'soak.svg'));
  const { verdict, rows } = await runSoak({ ...options, minutes, chartPath });
  if (Object.values(verdict).some(found => found.length > 0)) process.exitCode = 1;
  return rows;
}

export async function runSoak(options: SoakOptions): Promise<{ verdict: Verdict; rows: object[] }> {
  const { progress, only, minutes, seed, driver, chartPath } = options;
  const random = seededRandom(seed);
  progress(`${minutes} minutes, seed ${seed}`);
  mkdirSync(dirname(chartPath), { recursive: true });
  const replicas = driver === 'docker' ? await containers(ownDirectory!) : processes();
  const draw = drawing(random, only, replicas.engine !== null);
  const torc = await SoakedTorc.start(replicas);
  const before = await heldBy(torc);
  const load = new Load(torc.url, seed);
  const samples: Sample[] = [];
  const everyMs = Math.max(1_000, (minutes * MINUTE_MS) / MOST_SAMPLES);
  const sampler = setInterval(() => void sample(torc, load, samples).catch(() => {}), everyMs);
  const troubles: Trouble[] = [];
  const stalled: string[] = [];
  const stall = (what: string): void => {
    stalled.push(what);
    progress(`stalled: ${what}`);
  };
  const beganMs = performance.now();
  const endMs = beganMs + minutes * MINUTE_MS;
  const strike = async (row: Row): Promise<void> => {
    const fromMs = Date.now();
    // While it goes on, what is lost by it is told from what is not.
    const trouble = { kind: row.kind, fromMs, untilMs: Infinity, goneMs: Infinity };
    troubles.push(trouble);
    const gone = (): void => {
      trouble.goneMs = Date.now();
    };
    await row.strike(torc, random, gone).catch((error: Error) => {
      if (!(error instanceof Cut)) stall(`${row.kind}: ${error.message}`);
      else if (error.isTold) progress(`${row.kind}: ${error.message}`);
    });
    await torc.isWell().catch((error: Error) => stall(`behind ${row.kind}: ${error.message}`));
    trouble.untilMs = Date.now();
  };
  while (performance.now() < endMs && stalled.length === 0) {
    const one = draw(null);
    const other = random() < TWO_AT_ONCE ? draw(one) : null;
    await Promise.all([one, other].map(row => (row === null ? null : strike(row))));
    await new Promise(resolve => setTimeout(resolve, random() * REST_MS));
  }
  const lasted = Math.round((10 * (performance.now() - beganMs)) / MINUTE_MS) / 10;
  const neverEnded = await load.end();
  clearInterval(sampler);
  if (neverEnded > 0) stall(`${neverEnded} requests did not end`);
  if (load.longestGapMs > STALL_MS) stall(`no answer for ${Math.round(load.longestGapMs)} ms`);
  const leaked = [...(await leaksOf(torc, before)), ...growthOf(samples)];
  const lost = load.losses.filter(loss => !isByContract(loss, troubles));
  const verdict: Verdict = { lost: lost.map(loss => inWords(loss, troubles)), leaked, stalled };
  const found = [...verdict.lost, ...leaked];
  for (const what of found.slice(0, MOST_TOLD)) progress(what);
  if (found.length > MOST_TOLD) progress(`... and ${found.length - MOST_TOLD} more`);
  if (found.length + stalled.length > 0) {
    const logPath = join(dirname(chartPath), 'soak.log');
    torc.keepLog(logPath);
    progress(`its log: ${logPath}`);
  }
  await torc.close();
  const words = [
    lost.length === 0 ? 'nothing lost' : `LOST ${lost.length}`,
    leaked.length === 0 ? 'nothing leaked' : 'LEAKED',
    stalled.length === 0 ? 'nothing stalled' : 'STALLED',
  ].join(', ');
  const sent = total(load.tally.sent);
  const subtitle = `${lasted} minutes, ${sent.toLocaleString('en')} requests, ${troubles.length} troubles, seed ${seed}: ${words}`;
  writeFileSync(chartPath, soakSvg('A soak of everything at once', subtitle, samples, troubles));
  progress(`drawn: ${chartPath}`);
  progress(
    `${sent} requests in ${lasted} minutes, ${load.tally.repeated} asked again by their client: ${words}`,
  );
  return { verdict, rows: rowsOf(load, lost, troubles) };
}

/** The load's process, and what it told. */
class Load {
  readonly #child: ChildProcess;
  readonly losses: Loss[] = [];
  tally: Tally = { atMs: 0, sent: {}, answered: {}, aborted: {}, repeated: 0, latenciesMs: [], gapMs: 0 };
  longestGapMs = 0;

  constructor(url: string, seed: number) {
    this.#child = spawn(process.execPath, [join(import.meta.dirname, 'soak', 'load.ts'), url, String(seed)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    createInterface({ input: this.#child.stdout! }).on('line', text => {
      const { loss, tally } = JSON.parse(text) as { loss?: Loss; tally?: Tally };
      if (loss !== undefined) this.losses.push(loss);
      if (tally === undefined) return;
      this.tally = tally;
      this.longestGapMs = Math.max(this.longestGapMs, tally.gapMs);
    });
  }

  /** How many requests did not. */
  async end(): Promise<number> {
    const closed = once(this.#child, 'close');
    this.#child.stdin!.end();
    const tooLong = setTimeout(() => this.#child.kill(), SETTLE_MS);
    await closed;
    clearTimeout(tooLong);
    const { sent, answered, aborted } = this.tally;
    return total(sent) - total(answered) - total(aborted) - this.losses.length;
  }
}

let last = { atMs: 0, answered: 0 };

async function sample(torc: SoakedTorc, load: Load, samples: Sample[]): Promise<void> {
  const { primaries, workers } = torc.processes;
  const metrics = await torc.metrics();
  const sum = (of: readonly { rssBytes: number }[]): number =>
    Math.round(of.reduce((bytes, { rssBytes }) => bytes + rssBytes, 0) / MIB);
  const { atMs, answered, latenciesMs } = load.tally;
  const now = { atMs, answered: total(answered) };
  const seconds = (now.atMs - last.atMs) / 1000;
  const answersPerS = seconds > 0 && last.atMs > 0 ? Math.round((now.answered - last.answered) / seconds) : 0;
  last = now;
  if (answersPerS === 0 && samples.length === 0) return;
  samples.push({
    atMs: Date.now(),
    answersPerS,
    p99Ms: Math.round(latenciesMs[1] ?? 0),
    primaryMiB: sum(primaries),
    workersMiB: sum(workers),
    descriptors: [...primaries, ...workers].reduce((count, { descriptors }) => count + descriptors, 0),
    timers: timersIn(metrics),
    logKiB: Math.round(torc.logBytes / 1024),
  });
}

const timersIn = (metrics: string): number =>
  metricOf(metrics, 'torc_primary_nodejs_active_resources', 'type="Timeout"');

async function heldBy(torc: SoakedTorc): Promise<Held> {
  const { primaries, workers } = torc.processes;
  const metrics = await torc.metrics();
  return {
    processes: primaries.length + workers.length,
    descriptors: [...primaries, ...workers].reduce((count, { descriptors }) => count + descriptors, 0),
    timers: timersIn(metrics),
    inFlight: metricOf(metrics, 'torc_requests_in_flight'),
  };
}

/** What is held when nobody asks any more; waited for, because pools and drains take their time. */
async function leaksOf(torc: SoakedTorc, before: Held): Promise<string[]> {
  let now = before;
  const bounds = {
    processes: before.processes,
    descriptors: before.descriptors + MORE_DESCRIPTORS,
    timers: before.timers + MORE_TIMERS,
    inFlight: 0,
  };
  const over = (): (keyof Held)[] =>
    (Object.keys(bounds) as (keyof Held)[]).filter(key => now[key] > bounds[key]);
  const deadlineMs = performance.now() + SETTLE_MS;
  for (;;) {
    now = await heldBy(torc);
    if (over().length === 0 || performance.now() > deadlineMs) break;
    await new Promise(resolve => setTimeout(resolve, SETTLE_POLL_MS));
  }
  return over().map(key => `leaked: ${key} ${before[key]} before, ${now[key]} after`);
}

function growthOf(samples: readonly Sample[]): string[] {
  const third = Math.floor(samples.length / 3);
  if (third < 100) return [];
  const middle = (of: readonly Sample[], key: 'primaryMiB' | 'workersMiB'): number =>
    of.map(each => each[key]).sort((a, b) => a - b)[Math.floor(of.length / 2)]!;
  return (['primaryMiB', 'workersMiB'] as const).flatMap(key => {
    const first = middle(samples.slice(0, third), key);
    const end = middle(samples.slice(-third), key);
    const grew = end > first * GROWTH && end > first + GROWTH_MIB;
    return grew ? [`leaked: ${key} ${first} in the first third, ${end} in the last`] : [];
  });
}

function inWords(loss: Loss, troubles: readonly Trouble[]): string {
  const beside = troubles
    .filter(({ fromMs, untilMs }) => fromMs <= loss.endedMs && untilMs + 5_000 >= loss.beganMs)
    .map(({ kind, fromMs }) => `${kind} ${loss.endedMs - fromMs} ms before`);
  return `lost: ${new Date(loss.endedMs).toISOString()}: ${loss.kind}: ${loss.cause}, after ${loss.endedMs - loss.beganMs} ms; ${beside.join(', ')}`;
}

function rowsOf(load: Load, lost: readonly Loss[], troubles: readonly Trouble[]): object[] {
  const { sent, answered, aborted } = load.tally;
  const of = (losses: readonly Loss[], kind: string): number =>
    losses.filter(loss => loss.kind === kind).length;
  const rows = Object.keys(sent).map(kind => ({
    requests: kind,
    sent: sent[kind],
    answered: answered[kind] ?? 0,
    'left by client': aborted[kind] ?? 0,
    'lost by contract': of(load.losses, kind) - of(lost, kind),
    lost: of(lost, kind),
  }));
  const kinds = [...new Set(troubles.map(({ kind }) => kind))].sort();
  return [
    ...rows,
    ...kinds.map(kind => {
      const times = troubles
        .filter(each => each.kind === kind)
        .map(({ fromMs, untilMs }) => untilMs - fromMs);
      return { trouble: kind, times: times.length, 'all was well after ms, at most': Math.max(...times) };
    }),
  ];
}
