// A replica as a container: its name, what it is made with, and how the engine's list of containers reads as replicas.
// Labels say whose it is and never change; slot and generation also stand in the name, and the name wins, because a
// promoted spare gets a new slot and a container can be renamed but not labelled anew.
//
//   torc-4-g2-1f0c9a        slot 4, second generation       (the end is random: a fresh name never meets a 409)
//   torc-spare-1-g1-s77e2b0 a spare

import { createHash, randomBytes } from 'node:crypto';
import type Docker from 'dockerode';
import type { Replica, ReplicaSpec } from '../../control/driver.ts';
import { NETWORK_LABEL, OWNER_LABEL } from './hints.ts';

/** Limits of one replica; docs/operations.md names them. */
const MEMORY_BYTES = 512 * 1024 * 1024;
const PIDS = 256;
/** Its output, of which the engine keeps the end. */
const LOG_SIZE = '1m';

export type Reach = 'ip' | 'published';

const MADE_OF_LABEL = 'torc.made-of';
const DIGEST_LENGTH = 12;

export interface Make {
  /** The instance whose replicas these are. */
  readonly owner: string;
  readonly image: string;
  readonly network: string;
  readonly port: number;
  readonly reach: Reach;
}

export function nameOf(network: string, { slot, generation, spare }: ReplicaSpec): string {
  return `${network}-${slot}-g${generation}-${spare ? 's' : ''}${randomBytes(3).toString('hex')}`;
}

/** Least privilege: no capability, nothing gained by setuid, bounded memory, processes and log; one healer: torc. */
export function creationOf(name: string, spec: ReplicaSpec, make: Make): Docker.ContainerCreateOptions {
  const what = madeOf(make);
  return {
    ...what,
    name,
    Env: [...what.Env, `SERVER_ID=${spec.slot}`],
    Labels: {
      [NETWORK_LABEL]: make.network,
      [OWNER_LABEL]: make.owner,
      [MADE_OF_LABEL]: digestOf(make),
      'torc.slot': spec.slot,
      'torc.generation': String(spec.generation),
      'torc.spare': String(spec.spare),
    },
  };
}

/** What all replicas of one make have in common. */
function madeOf(make: Make) {
  const port = `${make.port}/tcp`;
  return {
    Image: make.image,
    Env: [`PORT=${make.port}`],
    ExposedPorts: { [port]: {} },
    HostConfig: {
      NetworkMode: make.network,
      PortBindings: make.reach === 'published' ? { [port]: [{ HostIp: '127.0.0.1', HostPort: '' }] } : {},
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges:true'],
      PidsLimit: PIDS,
      Memory: MEMORY_BYTES,
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': LOG_SIZE, 'max-file': '1' } },
      // A program without a handler ignores SIGTERM as process 1; as a child of the engine's init it ends at once.
      Init: true,
    },
  };
}

const digestOf = (make: Make): string =>
  createHash('sha256')
    .update(JSON.stringify(madeOf(make)))
    .digest('hex')
    .slice(0, DIGEST_LENGTH);

/** How a container differs from what would be made now, in words; '' where it does not. */
export function differenceOf(info: Docker.ContainerInfo, make: Make): string {
  if (info.Image !== make.image) return `it runs the image ${info.Image}, not ${make.image}`;
  return info.Labels[MADE_OF_LABEL] === digestOf(make) ? '' : 'it was made with other settings';
}

/** The container as the list has it; null while the engine is removing it. */
export function replicaOf(info: Docker.ContainerInfo, make: Make): Replica | null {
  if (info.State === 'removing') return null;
  const spec = specOf(info, make.network);
  const alive = info.State === 'running' || info.State === 'paused';
  const address = alive ? addressOf(info, make) : null;
  const common = {
    id: info.Id,
    ...spec,
    host: address?.host ?? '',
    port: address?.port ?? 0,
    label: info.Id.slice(0, 12),
    image: info.Image,
    version: info.ImageID.replace(/^sha256:/, '').slice(0, DIGEST_LENGTH),
  };
  if (address !== null) return { ...common, status: info.State === 'paused' ? 'paused' : 'running' };
  return {
    ...common,
    status: 'stopped',
    ended: alive ? `it lost the network ${make.network}` : `it is ${info.State}`,
  };
}

function specOf(info: Docker.ContainerInfo, network: string): ReplicaSpec {
  for (const name of info.Names) {
    const match = /^(.+)-g(\d{1,9})-(s?)[0-9a-f]{6}$/.exec(
      name.startsWith(`/${network}-`) ? name.slice(network.length + 2) : '',
    );
    if (match !== null) return { slot: match[1]!, generation: Number(match[2]), spare: match[3] === 's' };
  }
  const { 'torc.slot': slot = '', 'torc.generation': generation, 'torc.spare': spare } = info.Labels;
  return { slot, generation: Number(generation) || 1, spare: spare === 'true' };
}

/** Only of living containers: a dead one's address is the next one's. */
function addressOf(
  info: Docker.ContainerInfo,
  { network, port, reach }: Make,
): { host: string; port: number } | null {
  const ip = info.NetworkSettings.Networks[network]?.IPAddress ?? '';
  if (ip === '') return null;
  if (reach === 'ip') return { host: ip, port };
  const published = info.Ports.find(entry => entry.PrivatePort === port && entry.PublicPort > 0);
  return published === undefined ? null : { host: '127.0.0.1', port: published.PublicPort };
}

const FRAME_HEAD_BYTES = 8;

/** The engine's log of a container without a terminal: frames of 1 byte stream, 3 of nothing, 4 of length, then text. */
export function plainOutput(log: Buffer): string {
  const texts: Buffer[] = [];
  for (let at = 0; at + FRAME_HEAD_BYTES <= log.length; ) {
    const end = at + FRAME_HEAD_BYTES + log.readUInt32BE(at + 4);
    texts.push(log.subarray(at + FRAME_HEAD_BYTES, end));
    at = end;
  }
  return Buffer.concat(texts).toString('utf8');
}
