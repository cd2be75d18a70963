// A service's tasks -> what the control plane lists; pure. A slot is Swarm's own number of it: it outlives every task (killed,
// rolled, drained, its node lost), has gaps after scaling down, and may hold two tasks while one takes the other's place.
// A task is what fills it: one run, never restarted, so its id names a replica for ever, where its address is given to the
// next one. "Running" for Swarm is a started process: what proves it is the first heartbeat, as for every replica.

import type { Replica } from '../../control/driver.ts';
import type { ReplicaAddress } from '../../core/types.ts';
import { byMoment } from '../docker/units.ts';
import type { SwarmNode, SwarmPort, SwarmServiceSpec, SwarmTask } from './objects.ts';

const SHORT_ID = 12;
const HOST_NETWORK = 'host';
const ANYWHERE = '0.0.0.0';
/** A service without a published port says by it where its program listens. */
export const PORT_LABEL = 'torc.port';

/** Where torc is, and how it may get to tasks. */
export interface Here {
  /** Ids of the networks that torc's container is on; null: torc is on a host, where no overlay network leads. */
  readonly networks: ReadonlySet<string> | null;
  readonly reach: 'auto' | 'ip' | 'published';
  readonly port: number;
  readonly nodes: ReadonlyMap<string, SwarmNode>;
  /** Published in host mode by the service itself; null: any free one, which each task is listed with. */
  readonly hostPort: number | null;
  /**
   * Where tasks were listed before, by id. It holds for a task's whole life, while Swarm forgets its port: after a change of
   * leader tasks that go on to run are listed without (20.10, for as long as they run).
   */
  readonly known: ReadonlyMap<string, ReplicaAddress>;
}

export type Way =
  | { readonly host: string; readonly port: number; readonly by: string }
  | { readonly fault: string };

/** Every task that is wanted; those that do not run yet keep their slots in the table. */
export function replicasOf(tasks: readonly SwarmTask[], service: string, here: Here): Replica[] {
  const numberOf = new Map<number, number>();
  const replicas: Replica[] = [];
  for (const task of [...tasks].sort(byAge)) {
    if (task.Slot === undefined) continue;
    const generation = (numberOf.get(task.Slot) ?? 0) + 1;
    numberOf.set(task.Slot, generation);
    replicas.push(replicaOf(task, generation, service, here));
  }
  return replicas.sort((a, b) => Number(a.slot) - Number(b.slot) || a.generation - b.generation);
}

/** Oldest first: of two in one slot the newer is the higher generation. */
const byAge = (a: SwarmTask, b: SwarmTask): number =>
  byMoment(a.CreatedAt, b.CreatedAt) || (a.ID < b.ID ? -1 : 1);

function replicaOf(task: SwarmTask, generation: number, service: string, here: Here): Replica {
  const image = task.Spec.ContainerSpec?.Image;
  const node = here.nodes.get(task.NodeID ?? '');
  const common = {
    id: task.ID,
    slot: `${task.Slot}`,
    generation,
    spare: false,
    label: `${service}.${task.Slot}.${task.ID.slice(0, SHORT_ID)}`,
    ...(image === undefined ? {} : { image: withoutDigest(image) }),
    ...(task.NodeID ? { place: { id: task.NodeID, name: nameOf(node, task.NodeID) } } : {}),
  };
  const away = (ended: string): Replica => ({ ...common, host: '', port: 0, status: 'stopped', ended });
  if (task.DesiredState !== 'running' || task.Status.State !== 'running') return away(stateInWords(task));
  const way = wayTo(task, here);
  const address = 'fault' in way ? here.known.get(task.ID) : way;
  if (address === undefined) return away(`it cannot be reached: ${(way as { fault: string }).fault}`);
  return { ...common, host: address.host, port: address.port, status: 'running' };
}

const nameOf = (node: SwarmNode | undefined, id: string): string =>
  node?.Description?.Hostname || id.slice(0, SHORT_ID);

/** Swarm adds "@sha256:..." to what people write, where it could ask a registry. */
export const withoutDigest = (image: string): string => image.replace(/@sha256:[0-9a-f]+$/, '');

function stateInWords({ Status }: SwarmTask): string {
  const why = Status.Err || (Status.Message === Status.State ? '' : Status.Message) || '';
  return `its task is ${Status.State}${why === '' ? '' : `: ${why}`}`;
}

/** By the overlay where torc is on it too, else by a port in host mode, which is the node's own. */
export function wayTo(task: SwarmTask, here: Here): Way {
  const attachments = task.NetworksAttachments ?? [];
  const node = here.nodes.get(task.NodeID ?? '');
  const addr = node?.Status.Addr ?? '';
  if (attachments.some(({ Network }) => Network.Spec?.Name === HOST_NETWORK))
    return addr === '' ? noAddress(node) : { host: addr, port: here.port, by: "its node's network" };
  if (here.reach !== 'published') {
    const near = attachments.find(({ Network }) => here.networks?.has(Network.ID) === true);
    const ip = near?.Addresses?.[0]?.split('/')[0];
    if (ip !== undefined && ip !== '')
      return { host: ip, port: here.port, by: `its address on the network ${near!.Network.Spec?.Name}` };
  }
  const published = publishedOf(task.Status.PortStatus?.Ports, here.port) ?? here.hostPort ?? undefined;
  if (published !== undefined && here.reach !== 'ip')
    return addr === '' || addr === ANYWHERE
      ? noAddress(node)
      : { host: addr, port: published, by: `its port ${here.port}, in host mode on its node` };
  const names = attachments.filter(({ Network }) => Network.Spec?.Ingress !== true).map(nameOfNetwork);
  return { fault: noWay(names, here) };
}

/** Each entry comes twice, with IPv4 and IPv6. */
const publishedOf = (ports: readonly SwarmPort[] | undefined, port: number): number | undefined =>
  ports?.find(({ TargetPort, PublishMode }) => TargetPort === port && PublishMode === 'host')?.PublishedPort;

const nameOfNetwork = ({ Network }: { Network: { ID: string; Spec?: { Name?: string } } }): string =>
  Network.Spec?.Name ?? Network.ID.slice(0, SHORT_ID);

const noAddress = (node: SwarmNode | undefined): Way => ({
  fault: `the swarm knows no address of its node ${node?.Description?.Hostname ?? ''}: join with --advertise-addr`,
});

function noWay(networks: readonly string[], { networks: own, port, reach }: Here): string {
  const publish = `publish its port in host mode (--publish-add mode=host,target=${port})`;
  if (reach === 'published') return `its port ${port} is not published in host mode: ${publish}`;
  const where =
    own === null ? 'torc is in no container of this engine' : "torc's container is on none of its networks";
  const join =
    networks.length === 0 ? '' : `run torc in a container on ${networks.join(' or ')} (attachable), or `;
  return `${where}${networks.length === 0 ? '' : ` (${networks.join(', ')})`}: ${join}${publish}`;
}

/** The same port on every node, if the service says one: it runs once on each at most. */
export const hostPortOf = ({ EndpointSpec }: SwarmServiceSpec, port: number): number | null =>
  publishedOf(EndpointSpec?.Ports, port) ?? null;

/** On which the tasks listen. */
export function portOf(spec: SwarmServiceSpec, configured: number | null): number | { fault: string } {
  if (configured !== null) return configured;
  const label = Number(spec.Labels?.[PORT_LABEL]);
  if (Number.isInteger(label) && label > 0 && label < 65_536) return label;
  const ports = new Set(
    (spec.EndpointSpec?.Ports ?? [])
      .filter(({ Protocol = 'tcp' }) => Protocol === 'tcp')
      .map(({ TargetPort }) => TargetPort),
  );
  const [first] = ports;
  if (first !== undefined && ports.size === 1) return first;
  const what = ports.size === 0 ? 'publishes no port' : `publishes several (${[...ports].join(', ')})`;
  return {
    fault: `the service ${spec.Name} ${what}: set TORC_REPLICA_PORT to the one its program listens on`,
  };
}
