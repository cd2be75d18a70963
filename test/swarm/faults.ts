// Machines of a swarm are lost under load, several times each, and what torc makes of it is printed: the rows of
// docs/healing.md. By hand, with a lab of four nodes that are up and have the image torc-replica:lab and an
// attachable overlay network ov:
//   TORC_TEST_SWARM_LAB=.../swarm-lab node test/swarm/faults.ts [ROUNDS] [FAULT...]
// Each row: after how long the lost machine's slots were out of routing, and answered again elsewhere; requests lost of how
// many, the slowest; keys that had moved when all were back. Beside it, in the same run, a client on the overlay that asks
// Swarm's DNS for each request, without torc. TORC_EVACUATE=off: torc without evacuation.

import { lab, onNode, placesOf, startLabLoad, startLabTorc } from '../support/swarm-lab.ts';
import { waitFor } from '../support/wait.ts';

const KEYS = 200;
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

for (const [who, choose] of Object.entries(victims))
  for (const fault of ['poweroff', 'cut']) {
    if (wanted.length > 0 && !wanted.includes(`${fault}-${who}`)) continue;
    for (let round = 0; round < rounds; round++) {
      await fresh();
      const victim = choose(await nodes());
      const number = numberOf(victim);
      const managers = await Promise.all(
        [1, 2, 3].map(async each => `unix://${await lab('socket', `${each}`)}`),
      );
      const torc = await startLabTorc({
        TORC_SERVICE: 'web',
        TORC_SWARM_MANAGERS: managers.join(),
        ...fromOutside(),
      });
      const other = number === 1 ? 2 : 1;
      const undo = fault === 'cut' ? 'heal' : 'poweron';
      let isHealed = false;
      try {
        const areReady = async (count: number): Promise<boolean> => {
          const slots = await torc.slots();
          return slots.length === count && slots.every(({ state }) => state === 'ready');
        };
        await waitFor(() => areReady(6), { timeoutMs: 60_000, what: 'six slots' });
        const before = await placesOf(torc.socket, KEYS);
        await startClient(other);
        const load = startLabLoad(torc.socket);
        await new Promise(resolve => setTimeout(resolve, 1_000));
        const wallMs = Date.now();
        const startedMs = performance.now();
        await lab(fault, `${number}`);
        const sinceMs = (): number => Math.round(performance.now() - startedMs);
        await waitFor(async () => (await torc.slots()).some(({ state }) => state !== 'ready'), {
          timeoutMs: 60_000,
          what: 'a slot that is out',
        });
        const outMs = sinceMs();
        await waitFor(() => areReady(6), { timeoutMs: 120_000, what: 'all slots' });
        const backMs = sinceMs();
        const after = await placesOf(torc.socket, KEYS);
        await lab(undo, `${number}`);
        isHealed = true;
        const healedMs = performance.now();
        await waitFor(() => performance.now() - healedMs > 40_000, {
          timeoutMs: 60_000,
          what: 'what a heal brings',
        });
        const report = await load.end();
        const plain = await endClient(other);
        const last = await placesOf(torc.socket, KEYS);
        const moved = (now: ReadonlyMap<number, string>): number =>
          [...before].filter(([key, slot]) => now.get(key) !== slot).length;
        const notices = torc
          .lines()
          .filter(
            ({ topic, msg }) =>
              topic === 'machine' || /placed on|does not answer|answers again/.test(String(msg)),
          )
          .map(({ time, msg }) => `${((Date.parse(String(time)) - wallMs) / 1000).toFixed(1)} s ${msg}`);
        process.stdout.write(
          `${fault} ${who} (${victim.hostname}): out ${outMs} ms, all answer ${backMs} ms, lost ${report.lost} of ${report.count}, slowest ${report.slowestMs} ms, keys moved ${moved(after)} then ${moved(last)} of ${KEYS}; Swarm's DNS alone: ${plain}\n`,
        );
        for (const [cause, count] of report.causes) process.stdout.write(`    lost ${count}: ${cause}\n`);
        for (const notice of notices) process.stdout.write(`    ${notice}\n`);
      } finally {
        await torc.close();
        if (!isHealed) await lab(undo, `${number}`);
        await onNode(other, 'rm', '-f', 'plain').catch(() => '');
      }
    }
  }

/** Settings of torc's, named when this is run. */
function fromOutside(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => /^TORC_(?!TEST_)/.test(name)),
  ) as Record<string, string>;
}
