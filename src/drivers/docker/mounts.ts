// A service's volumes, secrets and configs as the engine's mounts, and what has to happen around them: named volumes that must
// be there first, and contents that no file of the host has, which are copied in before the start (a bind would need a file
// that the engine's machine can see, and inspect would show where).
//   Binds   paths of the host that the engine makes where they are missing (its Mounts cannot on every version)
//   Mounts  all else; the last of two with one target counts, as in Compose

import type Docker from 'dockerode';
import type {
  ProjectFile,
  ProjectVolume,
  ServiceFile,
  ServiceProject,
  ServiceVolume,
} from '../../service/service.ts';
import { said } from './units.ts';

export interface CopiedFile {
  readonly path: string;
  readonly content: string;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly hasOwner: boolean;
}

const ANYBODY_READS = 0o444;

export function mountsOf({ service, volumes, secrets, configs }: ServiceProject) {
  const binds = new Map<string, string>();
  const mounts = new Map<string, object>();
  const needed: { key: string; volume: ProjectVolume }[] = [];
  for (const volume of service.volumes ?? []) {
    const target = cleanPath(volume.target);
    binds.delete(target);
    mounts.delete(target);
    if (isMadeOnTheWay(volume)) {
      binds.set(target, bindOf(volume, target));
      continue;
    }
    const named = volume.type === 'volume' ? volumes[volume.source ?? ''] : undefined;
    if (named !== undefined) needed.push({ key: volume.source!, volume: named });
    mounts.set(target, mountOf(volume, target, named?.name ?? volume.source));
  }
  const copied: CopiedFile[] = [];
  const files = [
    ...(service.secrets ?? []).map(file => placeOf(file, '/run/secrets', secrets)),
    ...(service.configs ?? []).map(file => placeOf(file, '', configs)),
  ];
  for (const { path, file, object } of files) {
    if (binds.has(path) || mounts.has(path)) continue;
    if (object?.file !== undefined)
      mounts.set(path, { Type: 'bind', Source: object.file, Target: path, ReadOnly: true });
    else if (object?.content !== undefined) copied.push(copiedOf(path, file, object.content));
  }
  return {
    host: said({
      Binds: binds.size === 0 ? undefined : [...binds.values()],
      // Of what the engine takes, the types know the older half.
      Mounts: mounts.size === 0 ? undefined : ([...mounts.values()] as Docker.MountConfig),
    }),
    volumes: needed,
    files: copied,
  };
}

const cleanPath = (path: string): string => path.replace(/\/+/g, '/').replace(/(.)\/$/, '$1');

/** A path with a colon cannot be told from the next part of a bind; neither has a bind a word for `recursive`. */
const isMadeOnTheWay = ({ type, source = '', target, bind }: ServiceVolume): boolean =>
  type === 'bind' &&
  bind?.create_host_path !== false &&
  bind?.recursive === undefined &&
  !`${source}${target}`.includes(':');

function bindOf({ source, read_only, bind, consistency }: ServiceVolume, target: string): string {
  const words = [read_only ? 'ro' : 'rw', bind?.selinux, bind?.propagation, consistency];
  return `${source}:${target}:${words.filter(word => word !== undefined).join(',')}`;
}

function mountOf(volume: ServiceVolume, target: string, source: string | undefined): object {
  const { type, read_only, consistency, bind, tmpfs, image, volume: options } = volume;
  return said({
    Type: type,
    Source: source,
    Target: target,
    ReadOnly: read_only,
    Consistency: consistency,
    BindOptions:
      type === 'bind' && bind !== undefined
        ? said({
            Propagation: bind.propagation,
            CreateMountpoint: bind.create_host_path === false ? undefined : true,
            NonRecursive: bind.recursive === 'disabled' ? true : undefined,
            ReadOnlyNonRecursive: bind.recursive === 'writable' ? true : undefined,
            ReadOnlyForceRecursive: bind.recursive === 'readonly' ? true : undefined,
          })
        : undefined,
    VolumeOptions:
      type === 'volume' && options !== undefined
        ? said({ NoCopy: options.nocopy, Subpath: options.subpath, Labels: options.labels })
        : undefined,
    TmpfsOptions:
      type === 'tmpfs' && tmpfs !== undefined
        ? said({ SizeBytes: tmpfs.size === undefined ? undefined : Number(tmpfs.size), Mode: tmpfs.mode })
        : undefined,
    ImageOptions: type === 'image' && image !== undefined ? said({ Subpath: image.subpath }) : undefined,
  });
}

function placeOf(file: ServiceFile, folder: string, objects: Readonly<Record<string, ProjectFile>>) {
  const target = file.target ?? file.source;
  return {
    path: target.startsWith('/') ? target : `${folder}/${target}`,
    file,
    object: objects[file.source],
  };
}

const copiedOf = (path: string, { uid, gid, mode }: ServiceFile, content: string): CopiedFile => ({
  path,
  content,
  uid: Number(uid ?? 0),
  gid: Number(gid ?? 0),
  mode: mode ?? ANYBODY_READS,
  hasOwner: uid !== undefined || gid !== undefined,
});
