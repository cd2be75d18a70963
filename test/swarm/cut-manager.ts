// A manager's word to the others is cut off (TCP 2377), while its machine is as well as before: the torc there asks a manager
// that knows no leader. A task is killed meanwhile, and what Swarm makes in its place has to be found by gossip. Printed: after
// how long its slot was out and served again, and when a manager answered again. By hand, with the images torc and torc-replica:
//   TORC_TEST_SWARM_LAB=.../swarm-lab node test/swarm/cut-manager.ts

import { lab, onNode } from '../support/swarm-lab.ts';
import { waitFor } from '../support/wait.ts';

const TORC_ON = 3;
const SLOTS = 4;
const SETTINGS = {
  TORC_DRIVER: 'swarm',
  TORC_SERVICE: 'web',
  TORC_REPLICA_PORT: '5000',
  TORC_WORKERS: '1',
  TORC_ADMIN_OPEN: 'true',
  // Four machines on one that has other work.
  TORC_HEARTBEAT_TIMEOUT_MS: '1000',
};

interface Status {
  readonly replicas: { readonly ready: number };
  readonly driver: { readonly reachable: boolean; readonly cause?: string };
}

/** Asked in its container, which is reached whatever is cut. */
async function status(): Promise<Status> {
  const program = "fetch('http://127.0.0.1:5000/admin/status').then(r => r.text()).then(console.log)";
  return JSON.parse(await onNode(TORC_ON, 'exec', 'torc', 'node', '-e', program)) as Status;
}

async function until(what: string, isSo: (now: Status) => boolean, timeoutMs = 120_000): Promise<void> {
  const startedMs = performance.now();
  await waitFor(() => status().then(isSo, () => false), { timeoutMs, what });
  process.stdout.write(`${what}: after ${((performance.now() - startedMs) / 1_000).toFixed(1)} s\n`);
}

const isWhole = ({ replicas }: Status): boolean => replicas.ready === SLOTS;
const tasksOn = async (node: number): Promise<string[]> =>
  (await onNode(node, 'ps', '-q', '--filter', 'label=com.docker.swarm.service.name=web'))
    .split('\n')
    .filter(Boolean);

process.env.MANAGERS = '3';
// One that is up is somebody's.
await lab('up', '4');
try {
  await lab('load', 'torc', 'torc-replica:latest');
  await onNode(1, 'network', 'create', '-d', 'overlay', '--attachable', 'front');
  const service = ['--replicas', `${SLOTS}`, '--network', 'front', '--endpoint-mode', 'dnsrr'];
  const quick = ['--no-resolve-image', '--no-healthcheck', '--restart-delay', '0s'];
  await onNode(1, 'service', 'create', '-d', '--name', 'web', ...service, ...quick, 'torc-replica:latest');
  const socket = await lab('socket', `${TORC_ON}`);
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const mount = ['-v', `${socket}:/var/run/docker.sock`];
  // The network comes to a node with its first task.
  await waitFor(async () => (await tasksOn(TORC_ON)).length > 0, { timeoutMs: 60_000, what: 'a task' });
  await onNode(TORC_ON, 'run', '-d', '--name', 'torc', '--network', 'front', ...mount, ...settings, 'torc');
  await until('all slots are ready', isWhole);
  for (const chain of ['INPUT', 'OUTPUT'])
    for (const side of ['--dport', '--sport'])
      await lab('inside', `${TORC_ON}`, 'iptables', '-I', chain, '-p', 'tcp', side, '2377', '-j', 'DROP');
  await until('cut off: no manager answers', ({ driver }) => !driver.reachable);
  process.stdout.write(`  ${(await status()).driver.cause}\n`);
  const [victim = ''] = await tasksOn(1);
  await onNode(1, 'kill', victim);
  await until('a task is killed: its slot is out', now => !isWhole(now));
  await until('its slot serves again', isWhole);
  await lab('inside', `${TORC_ON}`, 'iptables', '-F');
  await until('healed: a manager answers', ({ driver }) => driver.reachable);
  await until('all slots are ready', isWhole);
} finally {
  await lab('down');
}
