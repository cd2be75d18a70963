// docker/stack.yaml is deployed on a lab of four nodes, a torc on each of the three managers, and what goes wrong there is
// done to it under load: a task is killed, torcs scale, a manager's cable is pulled, a worker is switched off. Printed: for
// how long the torcs saw other slots ready than each other, and what their clients lost; drawn: who saw what when. By hand,
// with the images torc and torc-replica on the nodes:
//   L=.../swarm-lab; MANAGERS=3 $L up 4; $L load torc torc-replica
//   TORC_TEST_SWARM_LAB=$L $L client node test/swarm/stack.ts [ROUNDS] [STEP...]
// Each torc is listened to from inside of its own node, so also while nobody else reaches it.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { lab, labScript, onNode } from '../support/swarm-lab.ts';
import { waitFor } from '../support/wait.ts';
import { type Panel, type Seen, stackSvg } from './draw.ts';

/** A torc on each; the fourth, a worker, has tasks alone. */
const NODES = [1, 2, 3];
/** Four machines on one that has other work: torcs of one worker each, with time for heartbeats. */
const FEWER = `
version: "3.8"
services:
  balancer:
    environment: { TORC_WORKERS: "1", TORC_HEARTBEAT_TIMEOUT_MS: "1000" }
    deploy: { placement: { constraints: [node.role == manager] } }
`;
const TRY_TIMEOUT_MS = 5_000;
const stackFile = join(import.meta.dirname, '../../docker/stack.yaml');
const picture = join(import.meta.dirname, '../../docs/swarm-torcs.svg');
const folder = mkdtempSync(join(tmpdir(), 'torc-stack-'));
const rounds = Number(process.argv[2] ?? 1);
const wanted = process.argv.slice(3);
const token = randomBytes(32).toString('hex');
const children: ChildProcess[] = [];

interface Where {
  readonly socketPath?: string;
  readonly host?: string;
  readonly port?: number;
}

function ask(
  where: Where,
  path: string,
  more: { method?: string; body?: string; agent?: Agent; timeoutMs?: number } = {},
): Promise<{ status: number; text: string }> {
  const { method = 'GET', body = '', agent, timeoutMs = TRY_TIMEOUT_MS } = more;
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body === ''
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    };
    const asked = request(
      { ...where, path, method, headers, agent, signal: AbortSignal.timeout(timeoutMs) },
      answer =>
        void text(answer).then(said => resolve({ status: answer.statusCode ?? 0, text: said }), reject),
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

const inside = (node: number): Where => ({ socketPath: join(folder, `n${node}.sock`) });

/** The lab's machines share their files: each node's containers shall have the node's own engine at the usual place. */
async function ownSocket(node: number): Promise<void> {
  const socket = await lab('socket', `${node}`);
  const pid = join(dirname(socket), 'dockerd.pid');
  const script = 'nsenter -t "$(cat "$1")" -m mount --bind "$2" /run/docker.sock';
  await new Promise<void>((resolve, reject) =>
    spawn('bash', ['-c', script, '_', pid, socket], { stdio: 'inherit' }).on('exit', code =>
      code === 0 ? resolve() : reject(new Error(`node ${node} has no socket of its own`)),
    ),
  );
}

/** A way to the torc of a node that needs no cable. */
async function tunnel(node: number): Promise<void> {
  const { socketPath } = inside(node);
  const child = spawn(
    labScript,
    ['inside', `${node}`, 'socat', `UNIX-LISTEN:${socketPath},fork,unlink-early`, 'TCP:127.0.0.1:5000'],
    { stdio: 'ignore' },
  );
  children.push(child);
}

async function digestOf(node: number): Promise<string> {
  return (
    JSON.parse((await ask(inside(node), '/admin/ring', { timeoutMs: 30_000 })).text) as { digest: string }
  ).digest;
}

interface Change {
  readonly atMs: number;
  readonly slot: string;
  readonly replicaId: string;
  readonly from: string;
  readonly to: string;
}

/**
 * Which slots each torc has ready, from when on: by its own events, which say when (all machines have one clock), so that a
 * busy machine delays what is read and not what it says. Asked once for what is before the events, anew after each break.
 */
class Watch {
  readonly seen = new Map<number, Seen[]>(NODES.map(node => [node, []]));
  readonly #ready = new Map<number, Map<string, string>>();
  #isOver = false;

  constructor() {
    for (const node of NODES) void this.#follow(node);
  }

  now(node: number): string {
    return this.seen.get(node)!.at(-1)?.view ?? '';
  }

  end(): void {
    this.#isOver = true;
  }

  async #follow(node: number): Promise<void> {
    while (!this.#isOver) {
      await this.#listen(node).catch(() => {});
      this.#ready.delete(node);
      this.#note(node, Date.now());
      await new Promise(resolve => setTimeout(resolve, 300));
    }
  }

  async #listen(node: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const path = `/admin/events?since=${new Date().toISOString()}`;
    const headers = { authorization: `Bearer ${token}` };
    const asked = request({ ...inside(node), path, headers }, answer => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', chunk => {
        const lines = (text + chunk).split('\n');
        text = lines.pop()!;
        for (const line of lines)
          if (line.startsWith('data: {')) this.#hear(node, JSON.parse(line.slice(6)) as Change);
      });
      answer.on('close', resolve);
    });
    asked.on('error', reject);
    // Awaited below: until then it is no fault of its own.
    promise.catch(() => {});
    asked.end();
    const { status, text } = await ask(inside(node), '/admin/slots', { timeoutMs: 20_000 });
    if (status !== 200) return void asked.destroy();
    const { slots } = JSON.parse(text) as { slots: { name: string; state: string; replica: string }[] };
    const ready = new Map(
      slots.flatMap(({ name, state, replica }) => (state === 'ready' ? [[idOf(replica), name]] : [])),
    );
    this.#ready.set(node, ready as Map<string, string>);
    this.#note(node, Date.now());
    await promise;
  }

  #hear(node: number, { atMs, slot, replicaId, from, to }: Change): void {
    const ready = this.#ready.get(node);
    if (ready === undefined || slot === undefined) return;
    // A successor that is proven beside the one it replaces.
    if (to === 'ready') ready.set(idOf(replicaId), slot.replace(/^next-/, ''));
    else if (from === 'ready') ready.delete(idOf(replicaId));
    this.#note(node, atMs);
  }

  #note(node: number, atMs: number): void {
    const view = [...new Set(this.#ready.get(node)?.values())].sort().join(' ');
    const all = this.seen.get(node)!;
    if (all.at(-1)?.view !== view) all.push({ atMs, view });
  }
}

/** "web.3.abcdefabcdef" or the whole id of a task: its beginning. */
const idOf = (task: string): string => task.split('.').at(-1)!.slice(0, 12);

/** A client of one torc that goes to the next node's where its own does not answer. */
function startClients(): {
  end(): Promise<{ count: number; lost: string[]; elsewhere: number; failed: Map<number, number> }>;
} {
  let isOver = false;
  let count = 0;
  let elsewhere = 0;
  const lost: string[] = [];
  const failed = new Map<number, number>();
  const client = async (node: number): Promise<void> => {
    const agent = new Agent({ keepAlive: true });
    for (let key = node; !isOver; key += NODES.length) {
      count++;
      let last = '';
      for (const add of NODES.keys()) {
        const at = ((node - 1 + add) % NODES.length) + 1;
        const where = { host: await address(at), port: 5000 };
        last = await ask(where, `/request?request_id=${key % 1_000}`, { agent }).then(
          ({ status, text }) => (status === 200 ? '' : `${status} ${text.trim().slice(0, 100)}`),
          (error: Error) => error.message,
        );
        if (last === '') {
          if (add > 0) elsewhere++;
          break;
        }
        failed.set(at, (failed.get(at) ?? 0) + 1);
      }
      if (last !== '') lost.push(last);
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    agent.destroy();
  };
  const all = [...NODES, ...NODES].map(client);
  return {
    async end() {
      isOver = true;
      await Promise.all(all);
      return { count, lost, elsewhere, failed };
    },
  };
}

const addresses = new Map<number, string>();
async function address(node: number): Promise<string> {
  if (!addresses.has(node)) addresses.set(node, await lab('ip', `${node}`));
  return addresses.get(node)!;
}

/** When these torcs did not see the same, from `fromMs` on: each time from-to. */
function disagreements(
  seen: ReadonlyMap<number, Seen[]>,
  nodes: readonly number[],
  fromMs: number,
): [number, number][] {
  const changes = nodes.flatMap(node => seen.get(node)!.map(({ atMs, view }) => ({ atMs, view, node })));
  changes.sort((a, b) => a.atMs - b.atMs);
  const now = new Map<number, string>();
  const spans: [number, number][] = [];
  let sinceMs = Number.NaN;
  for (const { atMs, view, node } of changes) {
    now.set(node, view);
    const agree = now.size === nodes.length && new Set(now.values()).size === 1;
    if (!agree && Number.isNaN(sinceMs)) sinceMs = atMs;
    if (!agree || Number.isNaN(sinceMs)) continue;
    if (atMs > fromMs) spans.push([Math.max(sinceMs, fromMs), atMs]);
    sinceMs = Number.NaN;
  }
  return spans;
}

async function deploy(): Promise<void> {
  for (const node of [...NODES, 4]) await ownSocket(node);
  const fewer = join(folder, 'fewer.yaml');
  writeFileSync(fewer, FEWER);
  const secret = join(folder, 'token');
  writeFileSync(secret, token, { mode: 0o600 });
  await onNode(1, 'secret', 'create', 'torc-admin-token', secret);
  await onNode(1, 'stack', 'deploy', '-c', stackFile, '-c', fewer, 'torc');
}

async function leader(): Promise<number> {
  const lines = (await onNode(1, 'node', 'ls', '--format', '{{.Hostname}} {{.ManagerStatus}}')).split('\n');
  return Number(
    lines
      .find(line => line.endsWith('Leader'))
      ?.split(' ')[0]
      ?.slice(1) ?? 0,
  );
}

interface Step {
  readonly what: string;
  /** What the torcs of these nodes see is compared. */
  readonly compared: readonly number[];
  act(): Promise<void>;
  undo?(): Promise<void>;
  /** Slots that are there in the end. */
  readonly slots: number;
}

async function scale(node: number, method: string, path: string): Promise<void> {
  const { status, text } = await ask(inside(node), path, { method, body: '{"n":2}', timeoutMs: 90_000 });
  if (status !== 200) throw new Error(`${method} ${path}: ${status} ${text}`);
}

const steps: Record<string, () => Promise<Step>> = {
  kill: async () => ({
    what: 'a task is killed on node 2',
    compared: NODES,
    slots: 6,
    async act() {
      const id = (await onNode(2, 'ps', '-qf', 'name=torc_web')).split('\n')[0]!;
      await onNode(2, 'kill', id);
    },
  }),
  add: async () => ({
    what: 'POST /add {"n":2} at node 2',
    compared: NODES,
    slots: 8,
    act: () => scale(2, 'POST', '/add'),
  }),
  rm: async () => ({
    what: 'DELETE /rm {"n":2} at node 3',
    compared: NODES,
    slots: 6,
    act: () => scale(3, 'DELETE', '/rm'),
  }),
  'cut-manager': async () => {
    const led = await leader();
    const node = NODES.findLast(each => each !== led && each !== 1)!;
    return {
      what: `the cable of manager ${node} is pulled, and plugged in again`,
      compared: NODES.filter(each => each !== node),
      slots: 6,
      act: async () => void (await lab('cut', `${node}`)),
      undo: async () => void (await lab('heal', `${node}`)),
    };
  },
  'off-worker': async () => ({
    what: 'worker 4 is switched off, and on again',
    compared: NODES,
    slots: 6,
    act: async () => void (await lab('poweroff', '4')),
    undo: async () => {
      await lab('poweron', '4');
      await ownSocket(4);
    },
  }),
};

/** Settled: these torcs see so many slots, all ready. */
const isWell = (nodes: readonly number[], slots: number): boolean =>
  new Set(nodes.map(node => watch.now(node))).size === 1 && watch.now(nodes[0]!).split(' ').length === slots;

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;
const panels: Panel[] = [];
let slotsNow = 6;
const watch = new Watch();

async function run(name: string): Promise<void> {
  const step = await steps[name]!();
  const clients = startClients();
  const settled = (nodes: readonly number[], what: string): Promise<void> => {
    let sinceMs = Date.now();
    return waitFor(
      () => {
        if (!isWell(nodes, step.slots)) sinceMs = Date.now();
        return Date.now() - sinceMs > 2_000;
      },
      { timeoutMs: 180_000, what },
    );
  };
  try {
    await waitFor(() => isWell(NODES, slotsNow), {
      timeoutMs: 180_000,
      what: 'all torcs with all slots',
    });
    await new Promise(resolve => setTimeout(resolve, 1_000));
    const startMs = Date.now();
    const acted = step.act();
    await waitFor(() => step.compared.some(node => watch.seen.get(node)!.at(-1)!.atMs > startMs), {
      timeoutMs: 60_000,
      what: 'a torc that sees something',
    });
    await acted;
    await settled(step.compared, `${step.what}: all slots again`);
    const backMs = Date.now() - 2_000;
    const spans = disagreements(watch.seen, step.compared, startMs);
    slotsNow = step.slots;
    let undone = '';
    if (step.undo !== undefined) {
      const healMs = Date.now();
      await step.undo();
      await waitFor(() => Date.now() - healMs > 40_000, {
        timeoutMs: 60_000,
        what: 'what a heal brings',
      });
      await settled(NODES, `${step.what}: all torcs again`);
      const after = disagreements(watch.seen, step.compared, healMs);
      const own = disagreements(watch.seen, NODES, healMs);
      undone = `; after the heal ${told(after)}, and its own torc is like them ${seconds((own.at(-1)?.[1] ?? healMs) - healMs)} after it`;
    }
    await waitFor(() => isWell(NODES, slotsNow), {
      timeoutMs: 90_000,
      what: 'three torcs that see the same',
    });
    const allMs = Date.now() - startMs;
    const digests = new Set(await Promise.all(NODES.map(digestOf)));
    const { count, lost, elsewhere, failed } = await clients.end();
    const alone = [...failed].map(([node, times]) => `n${node} ${times}`).join(', ');
    process.stdout.write(
      `${step.what}: all ready ${seconds(backMs - startMs)}; those that are left differed ${told(spans)}${undone}; all three alike ${seconds(allMs)} after; ${digests.size} digest; lost ${lost.length} of ${count}, ${elsewhere} answered by another torc (no answer at ${alone || 'none'})\n`,
    );
    for (const line of changesOf(watch.seen, startMs)) process.stdout.write(`    ${line}\n`);
    for (const cause of new Set(lost)) process.stdout.write(`    lost: ${cause}\n`);
    panels.push({
      title: step.what,
      startMs,
      endMs: Math.min(backMs + 1_500, startMs + 30_000),
      rows: NODES.map(node => ({ name: `torc ${node}`, seen: watch.seen.get(node)! })),
      spans,
    });
  } finally {
    await clients.end();
  }
}

/** What each saw from then on. */
function changesOf(seen: ReadonlyMap<number, Seen[]>, fromMs: number): string[] {
  const changes = [...seen].flatMap(([node, all]) => all.map(each => ({ node, ...each })));
  return changes
    .filter(({ atMs }) => atMs > fromMs)
    .sort((a, b) => a.atMs - b.atMs)
    .slice(0, 60)
    .map(({ node, atMs, view }) => `+${seconds(atMs - fromMs)} torc ${node}: ${view || 'no answer'}`);
}

function told(spans: readonly [number, number][]): string {
  const lengths = spans.map(([from, to]) => to - from);
  const sum = lengths.reduce((a, b) => a + b, 0);
  return `${seconds(sum)} (${lengths.map(ms => Math.round(ms)).join(' + ') || '0'} ms)`;
}

try {
  for (const node of NODES) await tunnel(node);
  await deploy();
  const deployedMs = Date.now();
  await waitFor(() => isWell(NODES, 6), {
    timeoutMs: 180_000,
    what: 'three torcs with six slots',
  });
  const digests = await Promise.all(NODES.map(digestOf));
  process.stdout.write(
    `deployed: three torcs serve after ${seconds(Date.now() - deployedMs)}, digests ${digests.join(' ')}\n`,
  );
  for (let round = 0; round < rounds; round++) {
    for (const name of Object.keys(steps))
      if (wanted.length === 0 || wanted.includes(name))
        await run(name).catch(error => {
          process.exitCode = 1;
          process.stdout.write(`${name}: ${(error as Error).message}\n`);
        });
    // The first round's.
    writeFileSync(picture, stackSvg(panels.slice(0, Object.keys(steps).length)));
  }
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
} finally {
  watch.end();
  await onNode(1, 'stack', 'rm', 'torc').catch(() => '');
  await waitFor(
    () =>
      onNode(1, 'secret', 'rm', 'torc-admin-token').then(
        () => true,
        () => false,
      ),
    { timeoutMs: 30_000, what: 'the secret goes' },
  ).catch(() => {});
  for (const child of children) child.kill();
  process.exit();
}
