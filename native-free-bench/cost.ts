// What one request costs: CPU time (user + system) of the balancer's processes per request, from the operating system's
// accounting. One worker on core 0, load generator and replicas on core 1, 64 connections, keep-alive but for the case
// that is about new connections. The load is h2load's, which leaves the balancer no rest; at 4,000 requests a second it rests for
// most of the time, and what it costs to wake up is in each request. Rounds of the targets interleave, so that the
// machine's moods hit all alike; the median round counts, and the ratio to nginx. Says nothing about latency or peak
// throughput: see the other scenarios.

import { BUSY, hasH2load } from './harness/h2load.ts';
import { drawPanels } from './harness/panels.ts';
import {
  type Bench,
  type BenchOptions,
  countdown,
  inTurns,
  type Result,
  rounded,
  type Sample,
  SMALL_BYTES,
  type Step,
  sizeText,
  withTargets,
} from './harness/rounds.ts';
import { balancers, bare, type Target } from './harness/targets.ts';

/** Warm when V8 has compiled what is hot: a Node proxy's first 20,000 requests cost up to half more than those after. */
const FULL = { rounds: 7, seconds: 1.5, requests: 25_000, warmUpRequests: 80_000 };
const SHORT = { rounds: 3, seconds: 1, requests: 5_000, warmUpRequests: 20_000 };
/** Not counted, before each round: a target has rested while the others had theirs, and its connections to replicas are old. */
const SETTLING_REQUESTS = 2_000;
/** Of bytes of answers in one round, at most. */
const MOST_BYTES = 400 * 1024 * 1024;
const GENTLE_PER_SECOND = 4_000;

interface Case extends Step {
  /** Of the answer. */
  readonly bytes: number;
  /** Whether `bare` can do it, which has its own answer of one size and takes no body. */
  readonly forBare: boolean;
}

function casesOf(bench: Bench, { seconds, requests }: typeof FULL, full: boolean): Case[] {
  const counted = async (target: Target, bytes: number, isPost: boolean): Promise<Sample> => {
    const most = Math.ceil(MOST_BYTES / bytes);
    await bench.counted(target, { ...BUSY, isPost, requests: Math.min(SETTLING_REQUESTS, most) });
    return bench.counted(target, { ...BUSY, isPost, requests: Math.min(requests, most) });
  };
  const get = (bytes: number): Case => ({
    bytes,
    name: `GET ${sizeText(bytes)}`,
    forBare: bytes === SMALL_BYTES,
    measure: target => counted(target, bytes, false),
  });
  const small: Case[] = [
    get(SMALL_BYTES),
    {
      bytes: SMALL_BYTES,
      name: 'POST 1 KiB',
      forBare: false,
      measure: target => counted(target, SMALL_BYTES, true),
    },
    {
      bytes: SMALL_BYTES,
      name: 'connect + GET',
      forBare: true,
      measure: target => bench.closed(target, seconds, { reconnects: true }),
    },
  ];
  const gentle: Case = {
    bytes: SMALL_BYTES,
    name: `GET ${sizeText(SMALL_BYTES)}, ${GENTLE_PER_SECOND}/s`,
    forBare: true,
    measure: target => bench.open(target, seconds, GENTLE_PER_SECOND, 64),
  };
  return full ? [...small, get(65_536), get(1_048_576), gentle] : small;
}

export async function cost(options: BenchOptions): Promise<object[]> {
  if (!hasH2load(options.progress)) return [];
  const size = options.full ? FULL : SHORT;
  const results = await withTargets([...balancers, bare], options, async bench => {
    const { targets } = bench;
    const cases = casesOf(bench, size, options.full);
    const tick = countdown(targets.length * (1 + cases.length * size.rounds), options);
    for (const target of targets) {
      await bench.counted(target, { ...BUSY, requests: size.warmUpRequests });
      tick(`${target.name} is warm`);
    }
    const all: Result<Case>[] = [];
    for (const step of cases) {
      await bench.origin.setBodyBytes(step.bytes);
      const some = targets.filter(({ name }) => step.forBare || name !== bare.name);
      all.push(...(await inTurns(some, [step], size.rounds, tick)));
    }
    return all;
  });
  if (options.chartPath !== null) chart(options.chartPath, results);
  return results.map(result => {
    const { step, target, merged } = result;
    const nginx = results.find(other => other.step === step && other.target.name === 'nginx');
    return {
      case: step.name,
      target: target.name,
      'us/request': rounded(merged.cpuUsPerRequest),
      'x nginx':
        nginx === undefined
          ? null
          : Number((merged.cpuUsPerRequest / nginx.merged.cpuUsPerRequest).toFixed(2)),
      rounds: merged.cpuUsRounds.map(us => us.toFixed(1)).join(' '),
      errors: merged.errors,
      lost: merged.unanswered,
    };
  });
}

function chart(path: string, results: readonly Result<Case>[]): void {
  const targets = [...new Set(results.map(({ target }) => target))];
  const panels = [...new Set(results.map(({ step }) => step))].map(step => ({
    name: step.name,
    unit: 'CPU microseconds',
    series: {
      'per request': targets.map(target => {
        const result = results.find(one => one.step === step && one.target === target);
        return result === undefined ? null : result.merged.cpuUsPerRequest;
      }),
    },
  }));
  const look = {
    title: 'Cost: CPU time of the balancer per request',
    subtitle: 'user and system time, one worker, 64 connections; median of the rounds',
    figures: true,
  };
  drawPanels(
    path,
    look,
    targets.map(({ name }) => name),
    panels,
  );
}
