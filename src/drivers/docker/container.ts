// A replica as a container: its name, and how the engine's list of containers reads as replicas.
// Labels say whose it is and never change; slot and generation also stand in the name, and the name wins, because a
// promoted spare gets a new slot and a container can be renamed but not labelled anew.
//
//   torc-4-g2-1f0c9a        slot 4, second generation       (the end is random: a fresh name never meets a 409)
//   torc-spare-1-g1-s77e2b0 a spare

import { randomBytes } from 'node:crypto';
import type Docker from 'dockerode';
import type { Replica, ReplicaSpec } from '../../control/driver.ts';
import { durationMs } from '../../service/scalars.ts';
import { digestOf, MADE_OF_LABEL, type Make, PORT_LABEL } from './creation.ts';

const VERSION_LENGTH = 12;

export function nameOf(network: string, { slot, generation, spare }: ReplicaSpec): string {
  return `${network}-${slot}-g${generation}-${spare ? 's' : ''}${randomBytes(3).toString('hex')}`;
}

/** How a container differs from what would be made now, in words; '' where it does not. */
export function differenceOf(info: Docker.ContainerInfo, make: Make): string {
  if (imageName(info.Image) !== imageName(make.image))
    return `it runs the image ${info.Image}, not ${make.image}`;
  if (info.Labels[MADE_OF_LABEL] === digestOf(make)) return '';
  return make.project === null
    ? 'it was made with other settings'
    : `the definition of the service ${make.project.serviceName} has changed since, or torc's settings have`;
}

/** Podman lists in full what was asked for in short: localhost/app:latest and docker.io/library/app:latest are app. */
const imageName = (image: string): string =>
  image.replace(/^(localhost|docker\.io\/library)\//, '').replace(/:latest$/, '');

/** The container as the list has it; null while the engine is removing it. */
export function replicaOf(info: Docker.ContainerInfo, make: Make): Replica | null {
  if (info.State === 'removing') return null;
  const spec = specOf(info, make.network);
  const alive = info.State === 'running' || info.State === 'paused';
  const address = alive ? addressOf(info, make) : null;
  const grace = make.project?.service.stop_grace_period;
  const common = {
    id: info.Id,
    ...spec,
    host: address?.host ?? '',
    port: address?.port ?? 0,
    label: info.Id.slice(0, 12),
    image: info.Image,
    version: info.ImageID.replace(/^sha256:/, '').slice(0, VERSION_LENGTH),
    ...(grace === undefined ? {} : { stopGraceMs: durationMs(grace) }),
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
  { network, port: usual, reach }: Make,
): { host: string; port: number } | null {
  const port = Number(info.Labels[PORT_LABEL]) || usual;
  const ip = info.NetworkSettings.Networks?.[network]?.IPAddress ?? '';
  if (ip === '') return null;
  if (reach === 'ip') return { host: ip, port };
  const published = info.Ports.find(entry => entry.PrivatePort === port && entry.PublicPort > 0);
  return published === undefined ? null : { host: '127.0.0.1', port: published.PublicPort };
}

const FRAME_HEAD_BYTES = 8;

/**
 * The engine's log of a container: frames of 1 byte stream (0 to 2), 3 of nothing, 4 of length, then text; of one with a
 * terminal (`tty`) the text alone.
 */
export function plainOutput(log: Buffer): string {
  if (log.length < FRAME_HEAD_BYTES || log[0]! > 2 || log.readUIntBE(1, 3) !== 0) return log.toString('utf8');
  const texts: Buffer[] = [];
  for (let at = 0; at + FRAME_HEAD_BYTES <= log.length; ) {
    const end = at + FRAME_HEAD_BYTES + log.readUInt32BE(at + 4);
    texts.push(log.subarray(at + FRAME_HEAD_BYTES, end));
    at = end;
  }
  return Buffer.concat(texts).toString('utf8');
}
