// Machines of a swarm are lost under load, several times each, and what torc makes of it is printed: the rows of
// docs/healing.md. By hand, with a lab of four nodes that are up and have the image torc-replica:lab and an
// attachable overlay network ov:
//   TORC_TEST_SWARM_LAB=.../swarm-lab node test/swarm/faults.ts [ROUNDS] [FAULT...]
// Each row: when the first of the lost machine's slots was out of routing, the machine taken for lost, the write that moves its
// tasks taken, the last new task made, and running, and all slots answered again; requests lost of how many, the slowest; keys
// that had moved when all were back. Beside it, in the same run, a client on the overlay that asks
// Swarm's DNS for each request, without torc. TORC_EVACUATE=off: torc without evacuation. The first leader that is switched
// off is drawn.

import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { lab, onNode, placesOf, startLabLoad, startLabTorc } from '../support/swarm-lab.ts';
import { waitFor } from '../support/wait.ts';
import {
  askEngine,
  type Course,
  courseOf,
  idOf,
  type Listener,
  listen,
  median,
  type Node,
  tasksOf,
} from './course.ts';
import { Leaders, lossSvg } from './draw-loss.ts';

const KEYS = 200;
const SLOTS = 6;
const picture = join(import.meta.dirname, '../../docs/swarm-leader.svg');
const CREATE = [
  ...[
    'service',
    'create',
    '-d',
    '--name',
    'web',
    '--replicas',
    '6',
    '--no-resolve-image',
    '--no-healthcheck',
  ],
  ...['--network', 'ov', '--endpoint-mode', 'dnsrr', '--publish', 'mode=host,target=5000'],
  ...['--restart-delay', '1s', '--stop-grace-period', '2s', 'torc-replica:lab'],
];
const rounds = Number(process.argv[2] ?? 1);
const wanted = process.argv.slice(3);

interface NodeLine {
  readonly hostname: string;
  readonly isLeader: boolean;
  readonly isManager: boolean;
}

async function nodes(): Promise<NodeLine[]> {
  const text = await onNode(
    await aliveManager(),
    'node',
    'ls',
    '--format',
    '{{.Hostname}} {{.ManagerStatus}}',
  );
  return text.split('\n').map(line => {
    const [hostname = '', role = ''] = line.split(' ');
    return { hostname, isLeader: role === 'Leader', isManager: role !== '' };
  });
}

async function aliveManager(): Promise<number> {
  for (const number of [1, 2, 3])
    if (
      await onNode(number, 'node', 'ls').then(
        () => true,
        () => false,
      )
    )
      return number;
  throw new Error('no manager answers');
}

const numberOf = ({ hostname }: NodeLine): number => Number(hostname.slice(1));

const victims: Record<string, (all: readonly NodeLine[]) => NodeLine> = {
  worker: all => all.find(({ isManager }) => !isManager)!,
  manager: all => all.find(({ isManager, isLeader }) => isManager && !isLeader)!,
  leader: all => all.find(({ isLeader }) => isLeader)!,
};

/** All nodes ready, a leader there, and the service made anew: six tasks over all nodes. */
async function fresh(): Promise<void> {
  const isWell = async (): Promise<boolean> => {
    const states = await onNode(
      await aliveManager(),
      'node',
      'ls',
      '--format',
      '{{.Status}} {{.ManagerStatus}}',
    );
    return (
      states.split('\n').every(state => state.startsWith('Ready')) &&
      states.includes('Leader') &&
      !states.includes('Unreachable')
    );
  };
  await waitFor(() => isWell().catch(() => false), { timeoutMs: 180_000, what: 'a swarm that is well' });
  const manager = await aliveManager();
  await onNode(manager, 'service', 'rm', 'web').catch(() => '');
  await waitFor(
    () =>
      onNode(manager, ...CREATE).then(
        () => true,
        () => false,
      ),
    { timeoutMs: 30_000, what: 'a new service' },
  );
  const running = async (): Promise<number> => {
    const states = await onNode(manager, 'service', 'ps', 'web', '--format', '{{.CurrentState}}');
    return states.split('\n').filter(state => state.startsWith('Running')).length;
  };
  await waitFor(async () => (await running()) === 6, { timeoutMs: 60_000, what: 'six tasks' });
}

/** In a container on the overlay: an address of Swarm's for each request, a second for the answer, no second try. */
const CLIENT = `
const { resolve4 } = require('node:dns').promises;
const { get } = require('node:http');
let count = 0, lost = 0;
const one = host => new Promise(done => {
  const asked = get({ host, port: 5000, path: '/home', agent: false, timeout: 1000 }, answer => {
    answer.resume();
    answer.on('end', () => done(answer.statusCode === 200));
  });
  asked.on('timeout', () => asked.destroy());
  asked.on('error', () => done(false));
});
const client = async () => {
  for (;;) {
    const ok = await resolve4('web').then(([host]) => one(host), () => false);
    count++;
    if (!ok) lost++;
    await new Promise(done => setTimeout(done, 20));
  }
};
for (let i = 0; i < 8; i++) client();
process.on('SIGTERM', () => { console.log('lost ' + lost + ' of ' + count); process.exit(0); });
`;

const startClient = (node: number): Promise<string> =>
  onNode(
    node,
    ...[
      'run',
      '-d',
      '--rm=false',
      '--name',
      'plain',
      '--network',
      'ov',
      'torc-replica:lab',
      'node',
      '-e',
      CLIENT,
    ],
  );

async function endClient(node: number): Promise<string> {
  await onNode(node, 'stop', '-t', '3', 'plain');
  const said = await onNode(node, 'logs', 'plain');
  await onNode(node, 'rm', '-f', 'plain');
  return said;
}

interface Run {
  readonly course: Course;
  /** When managers first told of another leader, of a lost one. */
  readonly led: number | null;
  readonly count: number;
  readonly lost: number;
  readonly slowestMs: number;
  readonly moved: number;
  readonly plain: string;
}

async function run(fault: string, victim: NodeLine, isDrawn: boolean): Promise<Run> {
  const number = numberOf(victim);
  const socketOf = (node: number): Promise<string> => lab('socket', `${node}`);
  const managers = await Promise.all([1, 2, 3].map(socketOf));
  const torc = await startLabTorc({
    TORC_SERVICE: 'web',
    TORC_SWARM_MANAGERS: managers.map(path => `unix://${path}`).join(),
    ...fromOutside(),
  });
  const other = number === 1 ? 2 : 1;
  const undo = fault === 'cut' ? 'heal' : 'poweron';
  let isHealed = false;
  let events: Listener | undefined;
  let leaders: Leaders | undefined;
  try {
    const allReady = async (): Promise<boolean> => {
      const slots = await torc.slots();
      return slots.length === SLOTS && slots.every(({ state }) => state === 'ready');
    };
    await waitFor(allReady, { timeoutMs: 60_000, what: 'six slots' });
    const ready = new Map((await torc.slots()).map(({ name, replica }) => [name, idOf(replica)]));
    const heard = await listen(torc.admin, ready);
    events = heard;
    const places = await placesOf(torc.socket, KEYS);
    await startClient(other);
    const load = startLabLoad(torc.socket);
    const loadMs = Date.now();
    leaders = victim.isLeader ? new Leaders(managers.filter((_, index) => index + 1 !== number)) : undefined;
    await new Promise(resolve => setTimeout(resolve, 2_000));
    const tasksBefore = await tasksOf(await socketOf(other), 'web');
    const before = new Map(ready);
    const faultMs = Date.now();
    await lab(fault, `${number}`);
    const isOut = (): boolean => heard.entries.some(({ atMs, from }) => atMs > faultMs && from === 'ready');
    await waitFor(isOut, { timeoutMs: 60_000, what: 'a slot that is out' });
    await waitFor(() => ready.size === SLOTS, { timeoutMs: 120_000, what: 'all slots' });
    const answerMs = Date.now();
    const after = await placesOf(torc.socket, KEYS);
    const tasks = await tasksOf(await socketOf(other), 'web');
    const course = courseOf(faultMs, heard.entries, tasks, torc.lines());
    await lab(undo, `${number}`);
    isHealed = true;
    await waitFor(() => Date.now() - answerMs > 40_000, { timeoutMs: 60_000, what: 'what a heal brings' });
    const { buckets, causes, ...report } = await load.end();
    leaders?.end();
    const plain = await endClient(other);
    const last = await placesOf(torc.socket, KEYS);
    const moved = (now: ReadonlyMap<number, string>): number =>
      [...places].filter(([key, slot]) => now.get(key) !== slot).length;
    for (const [cause, count] of causes) process.stdout.write(`    lost ${count}: ${cause}\n`);
    for (const { atMs, text } of heard.entries)
      if (text !== undefined)
        process.stdout.write(`    ${((atMs - faultMs) / 1_000).toFixed(1)} s ${text}\n`);
    if (leaders !== undefined && isDrawn) {
      const nodes = await askEngine<Node[]>(await socketOf(other), '/nodes');
      const nameOf = new Map(nodes.map(({ ID, Description }) => [ID, Description.Hostname]));
      const placed = new Map(
        [...tasksBefore, ...tasks].map(({ ID, NodeID }) => [idOf(ID), nameOf.get(NodeID) ?? '']),
      );
      writeFileSync(
        picture,
        lossSvg({
          name: victim.hostname,
          faultMs,
          course,
          entries: heard.entries,
          placed,
          before,
          leaders: leaders.seen,
          buckets,
          loadMs,
        }),
      );
    }
    const led = leaders?.seen.find(({ atMs, by }) => atMs > faultMs && by !== victim.hostname);
    return {
      course,
      led: led === undefined ? null : led.atMs - faultMs,
      ...report,
      moved: Math.max(moved(after), moved(last)),
      plain,
    };
  } finally {
    events?.close();
    leaders?.end();
    await torc.close();
    if (!isHealed) await lab(undo, `${number}`);
    await onNode(other, 'rm', '-f', 'plain').catch(() => '');
  }
}

const inSeconds = (ms: number | null): string => (ms === null ? '-' : `${(ms / 1_000).toFixed(1)} s`);
const PARTS = ['out', 'lost', 'written', 'made', 'runs', 'listed', 'answer'] as const;

/** Medians of all runs, as a row of docs/healing.md. */
function row(name: string, runs: readonly Run[]): string {
  const of = (part: (typeof PARTS)[number]): string => {
    const values = runs.flatMap(({ course }) => course[part] ?? []);
    return values.length === 0 ? '-' : inSeconds(median(values));
  };
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const lost = sum(runs.map(run => run.lost));
  const count = sum(runs.map(run => run.count));
  const slowest = inSeconds(Math.max(...runs.map(({ slowestMs }) => slowestMs)));
  const [plainLost, plainCount] = [1, 2].map(at =>
    sum(runs.map(({ plain }) => Number(/lost (\d+) of (\d+)/.exec(plain)?.[at] ?? 0))),
  );
  return `| ${[name, runs.length, ...PARTS.map(of), `${lost} of ${count.toLocaleString('en')}`, slowest, Math.max(...runs.map(({ moved }) => moved)), `${plainLost} of ${plainCount!.toLocaleString('en')}`].join(' | ')} |`;
}

const rows: string[] = [];
for (const [who, choose] of Object.entries(victims))
  for (const fault of ['poweroff', 'cut']) {
    if (wanted.length > 0 && !wanted.includes(`${fault}-${who}`)) continue;
    const runs: Run[] = [];
    for (let round = 0; round < rounds; round++) {
      try {
        await fresh();
        const victim = choose(await nodes());
        const one = await run(fault, victim, who === 'leader' && fault === 'poweroff' && round === 0);
        runs.push(one);
        const parts = PARTS.map(part => `${part} ${inSeconds(one.course[part])}`).join(', ');
        process.stdout.write(
          `${fault} ${who} (${victim.hostname}, load ${loadavg()[0]!.toFixed(0)}): ${parts}${one.led === null ? '' : `, led again ${inSeconds(one.led)}`}; lost ${one.lost} of ${one.count}, slowest ${one.slowestMs} ms, keys moved ${one.moved}; Swarm's DNS alone: ${one.plain}\n`,
        );
      } catch (error) {
        process.exitCode = 1;
        process.stdout.write(`${fault} ${who}: ${(error as Error).message}\n`);
      }
    }
    if (runs.length > 0)
      rows.push(row(`${fault === 'cut' ? 'cable pulled' : 'switched off'} | ${who}`, runs));
  }
process.stdout.write(`${rows.join('\n')}\n`);

/** Settings of torc's, named when this is run. */
function fromOutside(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => /^TORC_(?!TEST_)/.test(name)),
  ) as Record<string, string>;
}
