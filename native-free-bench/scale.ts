// What slots cost: one torc of four workers over 100 and over 1,000 given replicas (listeners on real sockets, in processes of
// their own), asked for their heartbeats once a second as by default. At rest, while a hundredth of them goes and comes each
// second, when a tenth is killed at once, when the list grows by a tenth; what a publish weighs, and what the control endpoints
// answer; then the same slots filled by a swarm's tasks (scale/swarm.ts). CPU is the operating system's accounting, so a loaded machine makes spans longer, not figures larger; times are of
// this machine as it was. Heartbeats are spans with them less spans without, of two torcs.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { serialize } from 'node:v8';
import { Publisher } from '../src/control/publish.ts';
import { newMember, Slots } from '../src/control/slots.ts';
import { cpuUs, median, residentKiB } from './harness/cpu.ts';
import { type BenchOptions, Origin } from './harness/rounds.ts';
import { torcWith } from './harness/targets.ts';
import { cpuShare, type Figures, percent, rounded, untilReady } from './scale/figures.ts';
import { swarmFigures } from './scale/swarm.ts';

const SIZES = [100, 1_000];
const WORKERS = 4;
const FULL = { spans: 3, seconds: 10 };
const SHORT = { spans: 1, seconds: 5 };

export async function scale({ full, progress }: BenchOptions): Promise<object[]> {
  const { spans, seconds } = full ? FULL : SHORT;
  const columns: Figures[] = [];
  for (const slots of SIZES) {
    const without = await figuresOf(slots, { TORC_HEARTBEAT_PATH: '' }, spans, seconds, progress);
    const asked = await figuresOf(slots, { TORC_HEARTBEAT_PATH: '/heartbeat' }, spans, seconds, progress);
    columns.push({
      ...asked,
      'heartbeats, % of a core': rounded(asked[AT_REST]! - without[AT_REST]!),
      ...publishFigures(slots),
      ...(await swarmFigures(slots, seconds)),
    });
    progress(`${slots} slots: ${JSON.stringify(columns.at(-1))}`);
  }
  return Object.keys(columns[0]!).map(what => ({
    what,
    ...Object.fromEntries(SIZES.map((slots, index) => [`${slots} slots`, columns[index]![what]])),
  }));
}

const AT_REST = 'primary at rest, % of a core';

async function figuresOf(
  slots: number,
  settings: Record<string, string>,
  spans: number,
  seconds: number,
  progress: (text: string) => void,
): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), 'torc-scale-'));
  const tenth = slots / 10;
  const [most, last] = [await Origin.start(slots - tenth), await Origin.start(tenth)];
  const list = (origins: readonly Origin[]): void => {
    const path = join(folder, 'upstreams');
    // Whole, or not at all: who follows it never reads half a list.
    writeFileSync(
      `${path}.new`,
      origins.flatMap(({ ports }) => ports.map(port => `127.0.0.1:${port}\n`)).join(''),
    );
    renameSync(`${path}.new`, path);
  };
  list([most, last]);
  const file = { TORC_UPSTREAMS: '', TORC_UPSTREAMS_FILE: join(folder, 'upstreams') };
  const startMs = performance.now();
  const target = await torcWith('torc', { ...settings, ...file }).start([], WORKERS);
  const url = target.urls[0]!;
  const [primary, ...workers] = target.pids();
  try {
    await untilReady(url, slots);
    const figures: Figures = { 'all ready after the start, ms': rounded(performance.now() - startMs) };
    await pause(seconds * 1_000);
    const rest: number[] = [];
    for (let span = 0; span < spans; span++) rest.push(await cpuShare([primary!], seconds));
    figures[AT_REST] = percent(median(rest));
    figures['primary, MiB'] = rounded(residentKiB([primary!]) / 1024);
    figures['a worker, MiB'] = rounded(residentKiB(workers) / 1024 / workers.length);
    progress(`${slots} slots ${JSON.stringify(settings)}: ${JSON.stringify(figures)}`);
    if (settings.TORC_HEARTBEAT_PATH === '') return figures;
    Object.assign(figures, await answers(url));
    // A hundredth out of the list, and back.
    const all = [...most.ports, ...last.ports];
    const epochBefore = await epochOf(url);
    figures['primary under churn, % of a core'] = percent(
      await cpuShare([primary!], seconds, async second => {
        const from = second % 2 === 0 ? slots / 100 : 0;
        writeFileSync(
          join(folder, 'new'),
          all
            .slice(from)
            .map(port => `127.0.0.1:${port}\n`)
            .join(''),
        );
        renameSync(join(folder, 'new'), join(folder, 'upstreams'));
      }),
    );
    figures['publishes a second under churn'] = rounded(((await epochOf(url)) - epochBefore) / seconds);
    list([most, last]);
    await untilReady(url, slots);
    list([most]);
    await untilReady(url, slots - tenth);
    const epoch = await epochOf(url);
    const addMs = performance.now();
    list([most, last]);
    await untilReady(url, slots);
    figures['a tenth more listed: all ready, ms'] = rounded(performance.now() - addMs);
    figures['... publishes'] = (await epochOf(url)) - epoch;
    const before = await epochOf(url);
    const cpuBefore = cpuUs([primary!]);
    const killMs = performance.now();
    process.kill(last.pid, 'SIGKILL');
    await untilReady(url, slots - tenth);
    figures['a tenth killed: all out of routing, ms'] = rounded(performance.now() - killMs);
    figures['... CPU of the primary meanwhile, ms'] = rounded((cpuUs([primary!]) - cpuBefore) / 1_000);
    figures['... publishes '] = (await epochOf(url)) - before;
    progress(`${slots} slots: ${JSON.stringify(figures)}`);
    return figures;
  } finally {
    await target.stop();
    for (const origin of [most, last]) origin.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const epochOf = async (url: string): Promise<number> =>
  ((await (await fetch(`${url}/admin/status`)).json()) as { epoch: number }).epoch;

async function answers(url: string): Promise<Figures> {
  const figures: Figures = {};
  for (const path of ['/admin/stats', '/admin/slots', '/admin/ring', '/metrics']) {
    const times: number[] = [];
    let bytes = 0;
    for (let time = 0; time < 5; time++) {
      const startMs = performance.now();
      bytes = (await (await fetch(`${url}${path}`)).arrayBuffer()).byteLength;
      times.push(performance.now() - startMs);
    }
    figures[`${path}, KiB`] = rounded(bytes / 1024);
    figures[`${path}, ms`] = rounded(median(times));
  }
  return figures;
}

/** What one publish of another state takes, in this process: made once, and made into bytes for each worker. */
function publishFigures(count: number): Figures {
  const slots = new Slots();
  const change = { atMs: 0, cause: 'listed', source: 'listing' } as const;
  for (let number = 0; number < count; number++) {
    const slot = slots.add(`10.0.${number >> 8}.${number & 255}:8080`, change, false);
    const seat = { id: slot.name, slot: slot.name, generation: 1, spare: false, status: 'running' } as const;
    slot.member = newMember({ ...seat, host: '10.0.0.1', port: 8080, label: slot.name }, 0, 0);
    slot.member.state = 'ready';
  }
  const publisher = new Publisher('rendezvous', 65_536);
  publisher.update(slots.listed());
  const whole = serialize(publisher.snapshot).length;
  const made: number[] = [];
  const sent: number[] = [];
  let bytes = 0;
  for (let time = 0; time < 101; time++) {
    const { member } = slots.listed()[time % count]!;
    member!.state = member!.state === 'ready' ? 'suspect' : 'ready';
    const startMs = performance.now();
    publisher.update(slots.listed());
    const madeMs = performance.now();
    for (let worker = 0; worker < WORKERS; worker++)
      bytes = serialize({ ...publisher.snapshot, choices: null, points: null }).length;
    made.push(madeMs - startMs);
    sent.push(performance.now() - madeMs);
  }
  return {
    'a publish with its table, KiB for a worker': rounded(whole / 1024),
    'a publish of other states, KiB for a worker': rounded(bytes / 1024),
    '... made, ms': Number(median(made).toFixed(2)),
    [`... serialized for ${WORKERS} workers, ms`]: Number(median(sent).toFixed(2)),
  };
}
