// torc's own container, where it runs in one of this engine: whose network it is on, and where its ports are published for
// people outside. Who we are is read from what the engine mounts into every container: a hostname can be anything, and
// with a private cgroup namespace (cgroup v2) the cgroup's path says nothing.

import { readFileSync } from 'node:fs';
import type Docker from 'dockerode';
import { engineAddress } from './address.ts';
import { type Engine, EngineError } from './engine.ts';

const NOT_FOUND = 404;
const EVERYWHERE = ['', '0.0.0.0', '::'];

export interface OwnContainer {
  readonly id: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Where the engine's socket, as we have it, is on its machine; null where it is not mounted. */
  readonly socket: string | null;
  /** The container that is joined to a network for us; null on the host's network, where nothing can be joined. */
  readonly joins: string | null;
  /** Where a port of ours is reached from outside, as people write it: "http://127.0.0.1:5000"; null where it is not. */
  readonly publishedAt: (port: number) => string | null;
}

/** Null on a host, and in a container of another engine. */
export async function findOwnContainer(engine: Engine): Promise<OwnContainer | null> {
  const found = await inspectOwnContainer(engine);
  return found === null ? null : ownContainer(found.Id, found, engineAddress().options.socketPath);
}

/** The same, as the engine describes it. */
export async function inspectOwnContainer(engine: Engine): Promise<Docker.ContainerInspectInfo | null> {
  const id = ownContainerId(readText('/proc/self/mountinfo'));
  if (id === null) return null;
  try {
    return await engine.ask('cannot look at our own container', docker => docker.getContainer(id).inspect());
  } catch (error) {
    if (error instanceof EngineError && error.status === NOT_FOUND) return null;
    throw error;
  }
}

/** Ids of the networks that torc's container is on; null where it is in none, or has none of its own. */
export async function ownNetworks(engine: Engine): Promise<ReadonlySet<string> | null> {
  const own = await inspectOwnContainer(engine);
  if (own === null) return null;
  const { joins } = ownContainer(own.Id, own);
  if (joins === null) return null;
  const place = joins === own.Id ? own : await engine.inspect(joins);
  const networks = Object.values(place.NetworkSettings.Networks ?? {});
  return new Set(networks.map(({ NetworkID }) => NetworkID));
}

type Found = Pick<
  Docker.ContainerInspectInfo,
  'Image' | 'Config' | 'Mounts' | 'HostConfig' | 'NetworkSettings'
>;

export function ownContainer(id: string, found: Found, socketPath = ''): OwnContainer {
  const { Image, Config, Mounts, HostConfig, NetworkSettings } = found;
  const mode = HostConfig.NetworkMode ?? '';
  const ports: Readonly<Record<string, { HostIp: string; HostPort: string }[] | null>> =
    NetworkSettings.Ports ?? {};
  return {
    id,
    image: Image,
    labels: Config.Labels ?? {},
    socket: Mounts.find(({ Destination }) => Destination === socketPath)?.Source ?? null,
    // On another container's network we have none of our own: that one is joined in our place.
    joins: mode === 'host' ? null : mode.startsWith('container:') ? mode.slice('container:'.length) : id,
    publishedAt(port) {
      const [binding] = ports[`${port}/tcp`] ?? [];
      if (binding === undefined) return null;
      const { HostIp: ip, HostPort } = binding;
      const host = EVERYWHERE.includes(ip) ? '127.0.0.1' : ip.includes(':') ? `[${ip}]` : ip;
      return `http://${host}:${HostPort}`;
    },
  };
}

/** Of the container whose /etc/hosts (hostname, resolv.conf) is mounted here; on a host these are plain files. */
export function ownContainerId(mountinfo: string): string | null {
  // Podman: /overlay-containers/ID/userdata/hosts
  return (
    /[/-]containers\/([0-9a-f]{64})\/(?:userdata\/)?(?:hosts|hostname|resolv\.conf) \/etc\//.exec(
      mountinfo,
    )?.[1] ?? null
  );
}

/** '' where there is no such file: not every system has /proc. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
