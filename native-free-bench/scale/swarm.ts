// What slots cost where a swarm's tasks fill them: torc of four workers over a manager and ten machines that are only pretended,
// on real sockets. Tasks are there the moment they are asked for, so each time is torc's own part: until it knows, has
// written, has proven and routes. Real swarms, whose own part is the larger one: test/swarm/faults.ts.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { GOSSIP_PORT } from '../../src/drivers/swarm/machine.ts';
import type { SwarmServiceSpec } from '../../src/drivers/swarm/objects.ts';
import { evacuatedNodes, replicasIn } from '../../src/drivers/swarm/write.ts';
import { FakeSwarm, fakeManager, node, SPEC, task } from '../../test/support/fake-swarm.ts';
import { waitFor } from '../../test/support/wait.ts';
import { cpuUs, residentKiB } from '../harness/cpu.ts';
import { torcWith } from '../harness/targets.ts';
import { cpuShare, type Figures, percent, rounded, untilReady } from './figures.ts';

const MACHINES = 10;
const MOST_MS = 60_000;

class Machine {
  readonly id: string;
  readonly address: string;
  readonly ports: number[];
  readonly #child: ChildProcess;

  private constructor(id: string, address: string, ports: number[], child: ChildProcess) {
    this.id = id;
    this.address = address;
    this.ports = ports;
    this.#child = child;
  }

  static async start(number: number, count: number): Promise<Machine> {
    const address = `127.9.0.${number}`;
    const script = new URL('machine.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [script, address, String(count)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = (await once(createInterface(child.stdout!), 'line')) as [string];
    return new Machine(`n${number}`, address, JSON.parse(line) as number[], child);
  }

  /** Nothing of it answers from now on. */
  async lose(): Promise<void> {
    this.#child.kill('SIGSTOP');
    const waiting = Array.from({ length: 8 }, () => connect({ host: this.address, port: GOSSIP_PORT }));
    for (const socket of waiting) socket.on('error', () => {}).unref();
    await waitFor(() => waiting.some(({ connecting }) => !connecting), {
      timeoutMs: 1_000,
      what: 'a full room',
    });
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Tasks over the machines, as the service's specification asks for them. */
class Tasks {
  readonly #swarm: FakeSwarm;
  readonly #machines: readonly Machine[];
  #made = 0;

  constructor(swarm: FakeSwarm, machines: readonly Machine[]) {
    this.#swarm = swarm;
    this.#machines = machines;
  }

  follow({ Mode, ...spec }: SwarmServiceSpec): void {
    const away = new Set(evacuatedNodes({ Mode, ...spec } as SwarmServiceSpec));
    const swarm = this.#swarm;
    const kept = swarm.tasks.filter(({ NodeID = '' }) => !away.has(NodeID));
    const taken = new Set(kept.map(({ Slot }) => Slot));
    const tasks = [...kept];
    for (let slot = 1; tasks.length < replicasIn({ Mode, ...spec } as SwarmServiceSpec)!; slot++)
      if (!taken.has(slot)) tasks.push(this.#make(slot, away));
    swarm.tasks = tasks;
  }

  /** On the machine with most that are free. */
  #make(slot: number, away: ReadonlySet<string>) {
    const [machine] = this.#machines
      .filter(({ id }) => !away.has(id))
      .sort((a, b) => b.ports.length - a.ports.length);
    const PublishedPort = machine!.ports.pop()!;
    const Ports = [{ TargetPort: 8080, PublishedPort, PublishMode: 'host' }];
    return task(`${slot} t${++this.#made} ${machine!.id}`, {
      CreatedAt: new Date().toISOString(),
      Status: { State: 'running', PortStatus: { Ports } },
    });
  }
}

export async function swarmFigures(slots: number, seconds: number): Promise<Figures> {
  const tenth = slots / 10;
  const numbers = Array.from({ length: MACHINES }, (_, index) => index + 1);
  // Room for a tenth more, and for those of one machine.
  const room = Math.ceil((slots + 2 * tenth) / (MACHINES - 1)) + 1;
  const machines = await Promise.all(numbers.map(number => Machine.start(number, room)));
  const swarm = new FakeSwarm({ ...SPEC, Mode: { Replicated: { Replicas: slots - tenth } } });
  swarm.nodes = machines.map(({ id, address }) => ({
    ...node(id),
    Status: { State: 'ready', Addr: address },
  }));
  const tasks = new Tasks(swarm, machines);
  tasks.follow(swarm.service.Spec);
  let writtenMs = 0;
  swarm.onWrite = spec => {
    writtenMs = performance.now();
    tasks.follow(spec);
  };
  const manager = await fakeManager(swarm);
  const target = await torcWith('torc', {
    TORC_DRIVER: 'swarm',
    TORC_SERVICE: 'web',
    TORC_SWARM_MANAGERS: manager.url,
    TORC_UPSTREAMS: '',
    TORC_HEARTBEAT_PATH: '/heartbeat',
  }).start([], 4);
  const url = target.urls[0]!;
  const [primary] = target.pids();
  try {
    await untilReady(url, slots - tenth);
    const figures: Figures = {};
    const addMs = performance.now();
    const added = await fetch(`${url}/add`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ n: tenth }),
    });
    if (added.status !== 200) throw new Error(await added.text());
    figures['swarm: /add of a tenth: answered, ms'] = rounded(performance.now() - addMs);
    await untilReady(url, slots);
    await new Promise(resolve => setTimeout(resolve, seconds * 1_000));
    figures['swarm: primary at rest, % of a core'] = percent(await cpuShare([primary!], seconds));
    figures['swarm: primary, MiB'] = rounded(residentKiB([primary!]) / 1024);
    const lost = machines.find(({ id }) => id === 'n5')!;
    const there = swarm.tasks.filter(({ NodeID }) => NodeID === lost.id).length;
    const cpuBefore = cpuUs([primary!]);
    const lostMs = performance.now();
    [writtenMs] = [0];
    await lost.lose();
    await waitFor(() => writtenMs > 0, { timeoutMs: MOST_MS, what: 'an evacuation' });
    figures['swarm: a machine lost: its tasks'] = there;
    figures['... written, ms'] = rounded(writtenMs - lostMs);
    await untilReady(url, slots);
    figures['... all routed again, ms'] = rounded(performance.now() - lostMs);
    figures['... CPU of the primary meanwhile, ms '] = rounded((cpuUs([primary!]) - cpuBefore) / 1_000);
    return figures;
  } finally {
    await target.stop();
    manager.close();
    for (const machine of machines) machine.stop();
  }
}
