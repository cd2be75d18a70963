// What of a service cannot be had here, said before anything is made: from torc (several replicas share no address, and torc
// must reach them) and from engines that would pass over a word without a word of their own. Faults stop the start, all at
// once and by the service's own words; notes are warned of. A person reads them beside the file, so they name its keys and
// never show a value.

import type { ServiceProject, ServiceVolume } from '../../service/service.ts';
import { mountsOf } from './mounts.ts';
import { hasVolumesPerSlot } from './placeholders.ts';
import { isAtLeast } from './units.ts';

export interface Surroundings {
  readonly apiVersion: string;
  /** The largest number of replicas that there may be by the settings. */
  readonly most: number;
  readonly spares: number;
}

export interface Limits {
  readonly faults: readonly string[];
  readonly notes: readonly string[];
}

export function limitsOf(project: ServiceProject, surroundings: Surroundings): Limits {
  const faults = [
    ...networkFaults(project, surroundings),
    ...volumeFaults(project, surroundings),
    ...joinFaults(project),
  ];
  return {
    faults: faults.map(fault => `service ${project.serviceName}: ${fault}`),
    notes: notesOf(project, surroundings).map(note => `service ${project.serviceName}: ${note}`),
  };
}

function networkFaults({ service, networks }: ServiceProject, { most, apiVersion }: Surroundings): string[] {
  const { network_mode: mode = '', mac_address } = service;
  const faults: string[] = [];
  if (mode !== '' && mode !== 'bridge' && mode !== 'default')
    faults.push(
      `network_mode: ${mode} leaves no address of its own to reach a replica by; leave it out, or name networks`,
    );
  const fixed = Object.entries(service.networks ?? {}).flatMap(([key, network]) =>
    (['ipv4_address', 'ipv6_address', 'link_local_ips', 'mac_address'] as const)
      .filter(word => network?.[word] !== undefined)
      .map(word => `networks.${key}.${word}`),
  );
  if (mac_address !== undefined) fixed.push('mac_address');
  for (const word of most > 1 ? fixed : [])
    faults.push(`${word}: ${most} replicas cannot share one; leave it out, or set TORC_REPLICAS=1`);
  for (const [key, network] of Object.entries(service.networks ?? {})) {
    if (networks[key] === undefined) faults.push(`networks.${key}: the file defines no such network`);
    if (network?.interface_name !== undefined)
      faults.push(`networks.${key}.interface_name: torc does not take it; leave it out`);
    if (network?.gw_priority !== undefined && !isAtLeast(apiVersion, '1.48'))
      faults.push(`networks.${key}.gw_priority needs Docker Engine 28; leave it out`);
  }
  return faults;
}

function volumeFaults(project: ServiceProject, { apiVersion, spares }: Surroundings): string[] {
  const { service } = project;
  const faults: string[] = [];
  const needs = (what: (volume: ServiceVolume) => unknown, version: string, text: string): void => {
    if (isAtLeast(apiVersion, version)) return;
    for (const volume of service.volumes ?? [])
      if (what(volume)) faults.push(`volumes, ${volume.target}: ${text}`);
  };
  needs(
    ({ volume }) => volume?.subpath,
    '1.45',
    'subpath needs Docker Engine 26; leave it out, or mount the whole volume',
  );
  needs(
    ({ type }) => type === 'image',
    '1.48',
    'type image needs Docker Engine 28; copy the files into the image',
  );
  needs(
    ({ bind }) => bind?.recursive === 'writable' || bind?.recursive === 'readonly',
    '1.44',
    'bind.recursive needs Docker Engine 25; leave it out',
  );
  if (spares > 0 && hasVolumesPerSlot(project))
    faults.push(
      'volumes: {{slot}} cannot be had with TORC_SPARES, because a spare that is promoted keeps the folder it was made with; set TORC_SPARES=0',
    );
  if (service.read_only === true)
    for (const { path } of mountsOf(project).files)
      faults.push(
        `${path}: a read-only container takes secrets and configs from files only; use file: instead of environment: or content:`,
      );
  return faults;
}

/** Namespaces of another service's container, which only Compose knows. */
const joinFaults = ({ service }: ServiceProject): string[] =>
  (['ipc', 'pid', 'uts'] as const)
    .filter(word => service[word]?.startsWith('service:'))
    .map(word => `${word}: ${service[word]} is another service's container; name it as container:NAME`);

function notesOf({ service, secrets, configs }: ServiceProject, { apiVersion }: Surroundings): string[] {
  const notes: string[] = [];
  if (service.privileged === true)
    notes.push('privileged: each replica may do everything that root may do on the machine of the engine');
  if (service.healthcheck?.start_interval !== undefined && !isAtLeast(apiVersion, '1.44'))
    notes.push('healthcheck.start_interval needs Docker Engine 25 and is passed over');
  if (service.annotations !== undefined && !isAtLeast(apiVersion, '1.43'))
    notes.push('annotations need Docker Engine 24 and are passed over');
  const files = [
    ...(service.secrets ?? []).map(file => ({ ...file, object: secrets[file.source], word: 'secrets' })),
    ...(service.configs ?? []).map(file => ({ ...file, object: configs[file.source], word: 'configs' })),
  ];
  for (const { word, source, uid, gid, mode, object } of files)
    if (object?.file !== undefined && (uid ?? gid ?? mode) !== undefined)
      notes.push(
        `${word}.${source}: uid, gid and mode are those of the file; what the service says is passed over`,
      );
  return notes;
}
