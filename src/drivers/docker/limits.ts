// What of a service cannot be had from this engine, said before anything is made: from engines that would pass over a word
// without a word of their own, and from containers that never were one of several. (What no N replicas can have is refused
// with the file: service/taken.ts.) Faults stop the start, all at once and by the service's own words; notes are warned of.
// A person reads them beside the file, so they name its keys and never show a value.

import type { ServiceProject, ServiceVolume } from '../../service/service.ts';
import { mountsOf } from './mounts.ts';
import { isAtLeast } from './units.ts';

export interface Limits {
  readonly faults: readonly string[];
  readonly notes: readonly string[];
}

export function limitsOf(project: ServiceProject, apiVersion: string): Limits {
  const named = (text: string): string => `service ${project.serviceName}: ${text}`;
  return {
    faults: [...networkFaults(project, apiVersion), ...volumeFaults(project, apiVersion)].map(named),
    notes: notesOf(project, apiVersion).map(named),
  };
}

function networkFaults({ service, networks }: ServiceProject, apiVersion: string): string[] {
  const faults: string[] = [];
  for (const [key, network] of Object.entries(service.networks ?? {})) {
    if (networks[key] === undefined) faults.push(`networks.${key}: the file defines no such network`);
    else if (networks[key].name.includes('{{'))
      faults.push(`networks.${key}.name: replicas share their networks; take the {{word}} out`);
    if (network?.interface_name !== undefined)
      faults.push(`networks.${key}.interface_name: torc does not take it; take it out`);
    if (network?.gw_priority !== undefined && !isAtLeast(apiVersion, '1.48'))
      faults.push(`networks.${key}.gw_priority needs Docker Engine 28; take it out`);
  }
  return faults;
}

function volumeFaults(project: ServiceProject, apiVersion: string): string[] {
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
    'subpath needs Docker Engine 26; take it out, or mount the whole volume',
  );
  needs(
    ({ type }) => type === 'image',
    '1.48',
    'type image needs Docker Engine 28; copy the files into the image',
  );
  needs(
    ({ bind }) => bind?.recursive === 'writable' || bind?.recursive === 'readonly',
    '1.44',
    'bind.recursive needs Docker Engine 25; take it out',
  );
  for (const kind of ['secrets', 'configs'] as const)
    for (const [key, { external }] of Object.entries(project[kind]))
      if (external)
        faults.push(
          `${kind}.${key}: external ones are a swarm's; allowed: file, environment, or TORC_SERVICE`,
        );
  if (service.read_only === true)
    for (const { path } of mountsOf(project).files)
      faults.push(
        `${path}: a read-only container takes secrets and configs from files only; use file: instead of environment: or content:`,
      );
  return faults;
}

function notesOf({ service, secrets, configs }: ServiceProject, apiVersion: string): string[] {
  const notes: string[] = [];
  if (service.privileged === true)
    notes.push('privileged: each replica may do everything that root may do on the machine of the engine');
  const { pull_policy: pull = 'missing' } = service;
  if (!['missing', 'if_not_present', 'never'].includes(pull))
    notes.push(`pull_policy: ${pull}: torc pulls nothing; before it: docker pull ${service.image}`);
  const { cpus, generic_resources } = service.deploy?.resources?.reservations ?? {};
  if ((cpus ?? generic_resources) !== undefined)
    notes.push('deploy.resources.reservations: cpus and generic_resources are for Swarm; not used');
  for (const { target, bind } of service.volumes ?? [])
    if (bind?.selinux !== undefined && bind.create_host_path === false)
      notes.push(`volumes, ${target}: bind.selinux needs create_host_path and is passed over`);
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
