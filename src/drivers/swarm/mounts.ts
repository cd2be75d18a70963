// What of a service's files goes into a task: volumes, folders of its node, memory, secrets and configs, in the engine's words,
// as `docker stack deploy` writes them; pure. Volumes are each node's own and made there when a task comes; folders have to
// be there, for Swarm makes none; secrets and configs are the swarm's own objects, which a task names by id. Those whose
// content stands beside the service are not made by torc: who ends it would have to know whether others use them.
// https://docs.docker.com/reference/compose-file/services/#volumes

import { expandText } from '../../service/expand.ts';
import type {
  ComposeService,
  ProjectFile,
  ServiceFile,
  ServiceProject,
  ServiceVolume,
} from '../../service/service.ts';
import { said } from '../docker/units.ts';

const ANYBODY_READS = 0o444;
const SECRETS = /^\/run\/secrets\//;
/** "size=64m", "mode=1770": what a task's memory can be told. */
const TMPFS_SIZE = /^size=(\d+)([kmg]?)$/i;
const TMPFS_MODE = /^mode=([0-7]{3,5})$/;
const UNITS = ['', 'k', 'm', 'g'];

/** Two kinds of objects that are asked for and named alike. */
export type FileKind = 'secrets' | 'configs';
export const FILE_KINDS: readonly FileKind[] = ['secrets', 'configs'];
/** Names of such objects -> their ids. */
export type FileIds = Readonly<Record<FileKind, ReadonlyMap<string, string>>>;
export const NO_FILES: FileIds = { secrets: new Map(), configs: new Map() };

/** `fill`: what Swarm fills in for each task. */
export function mountsOf(project: ServiceProject, fill: Parameters<typeof expandText>[1]): object[] {
  const { service } = project;
  const mounts = (service.volumes ?? []).map(volume => mountOf(volume, project));
  const all = [...mounts, ...(service.tmpfs ?? []).map(tmpfsOf)];
  // The last of two with one target counts, as in Compose.
  const byTarget = new Map(all.map(mount => [mount.Target, mount]));
  const filled = JSON.parse(expandText(JSON.stringify([...byTarget.values()]), fill)) as Mount[];
  return filled.sort((a, b) => compare(a.Source ?? '', b.Source ?? '') || compare(a.Target, b.Target));
}

/**
 * `docker service update` sorts mounts so, whatever it was asked to change: in another order its user's next label would
 * be another task, and all tasks replaced (seen).
 */
const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

interface Mount {
  readonly Target: string;
  readonly Source?: string | undefined;
  readonly [key: string]: unknown;
}

function mountOf(volume: ServiceVolume, { name, volumes }: ServiceProject): Mount {
  const { type, source, target, read_only, consistency, bind, tmpfs, volume: options } = volume;
  const named = type === 'volume' ? volumes[source ?? ''] : undefined;
  const labels = { 'com.docker.compose.project': name, 'com.docker.compose.volume': source ?? '' };
  const own =
    named === undefined || named.external === true
      ? {}
      : {
          Labels: { ...named.labels, ...labels },
          DriverConfig:
            named.driver === undefined && named.driver_opts === undefined
              ? undefined
              : said({ Name: named.driver, Options: named.driver_opts }),
        };
  return said({
    Type: type,
    Source: named?.name ?? source,
    Target: target,
    ReadOnly: read_only,
    Consistency: consistency,
    BindOptions:
      type === 'bind' && bind?.propagation !== undefined ? { Propagation: bind.propagation } : undefined,
    VolumeOptions: type === 'volume' ? said({ NoCopy: options?.nocopy, ...own }) : undefined,
    TmpfsOptions:
      type === 'tmpfs' && tmpfs !== undefined
        ? said({ SizeBytes: tmpfs.size === undefined ? undefined : Number(tmpfs.size), Mode: tmpfs.mode })
        : undefined,
  });
}

/** "/run", "/run:size=64m,mode=1770,ro". */
function tmpfsOf(written: string): Mount {
  const [target = '', words = ''] = written.split(':');
  const options: { SizeBytes?: number; Mode?: number } = {};
  for (const word of words.split(',')) {
    const [, size, unit = ''] = TMPFS_SIZE.exec(word) ?? [];
    const mode = TMPFS_MODE.exec(word)?.[1];
    if (size !== undefined) options.SizeBytes = Number(size) * 1024 ** UNITS.indexOf(unit.toLowerCase());
    if (mode !== undefined) options.Mode = Number.parseInt(mode, 8);
  }
  const isReadOnly = words.split(',').includes('ro');
  return { Type: 'tmpfs', Target: target, ...(isReadOnly ? { ReadOnly: true } : {}), TmpfsOptions: options };
}

/** Each of `secrets` or `configs`: by which name the swarm has it, and where the task sees it. */
function filesOf(kind: FileKind, { service, ...project }: ServiceProject) {
  const objects: Readonly<Record<string, ProjectFile>> = project[kind];
  return (service[kind] ?? []).map(file => ({ file, name: objects[file.source]?.name ?? file.source }));
}

/** What is to be looked up before the service is made. */
export const namesOf = (kind: FileKind, project: ServiceProject): string[] => [
  ...new Set(filesOf(kind, project).map(({ name }) => name)),
];

export function filesIn(project: ServiceProject, ids: FileIds) {
  const idOf = (kind: FileKind, name: string): string => ids[kind].get(name) ?? '';
  return {
    Secrets: filesOf('secrets', project).map(({ file, name }) => ({
      File: placeOf(file, file.target?.replace(SECRETS, '') ?? file.source),
      SecretID: idOf('secrets', name),
      SecretName: name,
    })),
    Configs: filesOf('configs', project).map(({ file, name }) => ({
      File: placeOf(file, file.target ?? file.source),
      ConfigID: idOf('configs', name),
      ConfigName: name,
    })),
  };
}

const placeOf = ({ uid = '0', gid = '0', mode = ANYBODY_READS }: ServiceFile, path: string) => ({
  Name: path,
  UID: uid,
  GID: gid,
  Mode: mode,
});

/** What of these no task can have, each with what to do. */
export function mountFaults(project: ServiceProject): string[] {
  return [
    ...(project.service.volumes ?? []).flatMap(volumeFaults),
    ...(project.service.tmpfs ?? []).flatMap(tmpfsFaults),
    ...FILE_KINDS.flatMap(kind => fileFaults(kind, project)),
  ];
}

function volumeFaults({ type, target, bind, volume }: ServiceVolume): string[] {
  const faults: string[] = [];
  const fault = (what: string): unknown => faults.push(`volumes, ${target}: ${what}`);
  if (!['bind', 'volume', 'tmpfs'].includes(type))
    fault(`torc gives a task no ${type}; allowed: bind, volume, tmpfs`);
  if (bind?.selinux !== undefined) fault('Swarm relabels nothing (z, Z); take it out, and label the folder');
  if (bind?.recursive !== undefined) fault('bind.recursive is for containers; take it out');
  if (volume?.subpath !== undefined) fault('subpath is for containers; mount the whole volume');
  return faults;
}

function tmpfsFaults(written: string): string[] {
  const [target = '', words = ''] = written.split(':');
  const isTaken = (word: string): boolean =>
    ['', 'rw', 'ro'].includes(word) || TMPFS_SIZE.test(word) || TMPFS_MODE.test(word);
  return words
    .split(',')
    .filter(word => !isTaken(word))
    .map(word => `tmpfs, ${target}: Swarm takes no ${word}; allowed: size=64m, mode=1770, ro`);
}

function fileFaults(kind: FileKind, project: ServiceProject): string[] {
  const one = kind.slice(0, -1);
  return namesOf(kind, project).flatMap(name => {
    const [key, object] =
      Object.entries<ProjectFile>(project[kind]).find(([, each]) => each.name === name) ?? [];
    if (object === undefined || object.external === true) return [];
    const from = object.file ?? '-';
    return [
      `${kind}.${key}: torc makes no ${one} of a swarm; docker ${one} create ${key} ${from}, and external: true in its place`,
    ];
  });
}

/** What an operator has to see to. */
export const mountNotes = ({ volumes = [] }: Partial<ComposeService>): string[] =>
  volumes.flatMap(({ type, source, target }) =>
    type === 'bind'
      ? [
          `volumes, ${target}: ${source} has to be there on every node that runs a task: Swarm makes no folder`,
        ]
      : [],
  );
