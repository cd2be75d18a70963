// How torc gets to a container that it did not make, as pure functions of what the engine says of the container and of what
// is known of torc's own place. In this order, and the log says which it was: a network that torc's container shares; the
// bridge of a network on this machine; the host's own network; a published port. The port is the one that was set, the
// container's label, or the only one that its image EXPOSEs or somebody published: of several none is guessed.

import type Docker from 'dockerode';
import { tcpPortsOf } from '../docker/ports.ts';

export type Port = { readonly port: number } | { readonly fault: string };
export type Way =
  | { readonly host: string; readonly port: number; readonly by: string }
  | { readonly fault: string };

export interface Here {
  /** The networks of torc's own container, by id; null: it is in no container of this engine. */
  readonly networks: ReadonlySet<string> | null;
  /** torc's own container, for advice; '' where there is none. */
  readonly self: string;
  /** Whether the network's bridge is an interface of this machine. */
  readonly isBridgeHere: (networkId: string) => boolean;
  /** Where ports are that the engine's machine has on all its addresses. */
  readonly engineHost: string;
  readonly reach: 'auto' | 'ip' | 'published';
}

export const PORT_LABEL = 'torc.port';

/** The one port of the container; `setting` is TORC_REPLICA_PORT. */
export function portOf(info: Docker.ContainerInspectInfo, setting: number | null): Port {
  if (setting !== null) return { port: setting };
  const label = info.Config.Labels?.[PORT_LABEL];
  if (label !== undefined) {
    if (/^\d{1,5}$/.test(label) && Number(label) >= 1 && Number(label) <= 65535)
      return { port: Number(label) };
    return { fault: `its label ${PORT_LABEL}="${label.slice(0, 80)}" is no port` };
  }
  const published = tcpPortsOf(info.HostConfig.PortBindings);
  const all = new Set([...tcpPortsOf(info.Config.ExposedPorts), ...published]);
  for (const ports of [[...all], published]) if (ports.length === 1) return { port: ports[0]! };
  const choose = `say which with TORC_REPLICA_PORT, or with the label ${PORT_LABEL}=PORT on the container`;
  if (all.size === 0)
    return { fault: `no port is known: neither its image EXPOSEs one nor its service; ${choose}` };
  return { fault: `it has several ports (${[...all].sort((a, b) => a - b).join(', ')}): ${choose}` };
}

/** `owner`: whose network it is, another container's where it borrows that one's (`network_mode: service:...`). */
export function wayTo(owner: Docker.ContainerInspectInfo, port: number, here: Here): Way {
  if (owner.HostConfig.NetworkMode === 'host') return ofHost(port, here);
  const networks = Object.entries(owner.NetworkSettings.Networks ?? {})
    .map(([name, { NetworkID, IPAddress, GlobalIPv6Address }]) => ({
      name,
      id: NetworkID,
      ip: IPAddress || GlobalIPv6Address,
    }))
    .filter(({ ip }) => ip)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (here.reach !== 'published') {
    const isNear = here.networks === null ? here.isBridgeHere : (id: string) => here.networks!.has(id);
    const near = networks.find(({ id }) => isNear(id));
    if (near !== undefined) return { host: near.ip!, port, by: `its address on the network ${near.name}` };
  }
  const published = here.networks === null && here.reach !== 'ip' ? publishedAt(owner, port, here) : null;
  return (
    published ?? {
      fault: noWay(
        networks.map(({ name }) => name),
        port,
        here,
      ),
    }
  );
}

function ofHost(port: number, { networks, engineHost, self }: Here): Way {
  if (networks === null) return { host: engineHost, port, by: "the host's network" };
  return {
    fault: `it is on the host's network and torc's container ${self} is not: run torc with network_mode: host, or on the host`,
  };
}

function publishedAt(owner: Docker.ContainerInspectInfo, port: number, { engineHost }: Here): Way | null {
  const bindings = (owner.NetworkSettings.Ports?.[`${port}/tcp`] ?? []) as {
    HostIp: string;
    HostPort: string;
  }[];
  const found = bindings.find(({ HostIp }) => !HostIp.includes(':')) ?? bindings[0];
  if (found === undefined) return null;
  const isAny = found.HostIp === '' || found.HostIp === '0.0.0.0' || found.HostIp === '::';
  const host = isAny ? engineHost : found.HostIp;
  return { host, port: Number(found.HostPort), by: `its port ${port}, published on ${host}` };
}

function noWay(networks: readonly string[], port: number, here: Here): string {
  const first = networks[0];
  if (first === undefined) return 'it is on no network';
  const all = networks.join(', ');
  if (here.networks !== null)
    return `torc's container ${here.self} is on none of its networks (${all}): docker network connect ${first} ${here.self}`;
  if (here.reach === 'ip')
    return `none of its networks (${all}) is on this machine, and TORC_DOCKER_REACH=ip asks for its address there`;
  const publish = `publish its port (ports: ["${port}"])`;
  if (here.reach === 'published') return `its port ${port} is not published: ${publish}`;
  return `none of its networks (${all}) is on this machine: ${publish}, or run torc in a container on ${first}`;
}
