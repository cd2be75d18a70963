// Makes the service where none of its name is there: looks up what it names of the swarm (networks, secrets, configs), all of
// which has to be there before, tells every fault at once, and writes it. Nothing else is made: what a service of a swarm
// uses is used by others, too, so it is an operator's to make and to end.

import { StartError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { ServiceProject } from '../../service/service.ts';
import { portOf } from '../docker/ports.ts';
import { madeSpec, networksIn } from './made.ts';
import type { Managers } from './managers.ts';
import { type FileIds, type FileKind, mountNotes, NO_FILES, namesOf } from './mounts.ts';
import type { SwarmService } from './objects.ts';
import { madeFaults } from './refused.ts';

/** What to make where the service is not there. */
export interface ServiceDefinition {
  readonly owner: string;
  readonly image: string;
  readonly replicas: number;
  readonly project: ServiceProject | null;
}

export interface MakeOptions {
  readonly name: string;
  readonly managers: Managers;
  /** Null: it has to be there. */
  readonly definition: ServiceDefinition | null;
  /** TORC_REPLICA_PORT. */
  readonly port: number | null;
  /** Ids of those that torc's container is on; null: torc is on a host. */
  readonly networks: ReadonlySet<string> | null;
  readonly log: Log;
}

/** Throws StartError, with every fault. */
export async function makeService(options: MakeOptions): Promise<SwarmService> {
  const { name, managers, definition, log } = options;
  if (definition === null)
    throw new StartError(
      `there is no service ${name} in this swarm (see docker service ls), and nothing says what to make: set TORC_IMAGE, or name a Compose service`,
    );
  const { project, image, replicas, owner } = definition;
  const faults = project === null ? [] : madeFaults(project);
  if (faults.length > 0) throw new StartError(faults.join('\n'));
  const found = portOf(options.port, project?.service ?? null, { name: image, exposed: [] });
  if (found.port === null) throw new StartError(found.fault);
  const files = project === null ? NO_FILES : await lookUp(project, managers);
  const network = await ownOverlay(options);
  for (const note of mountNotes(project?.service ?? {}))
    log.warn({ service: name }, `service ${project?.serviceName}: ${note}`);
  await managers.create(
    madeSpec({ name, owner, image, port: found.port, replicas, project, files, network }),
  );
  const made = await managers.service(name);
  if (made === null) throw new StartError(`the service ${name} was made, and is gone again`);
  log.info({ service: name, image, replicas }, `made the service ${name}: ${replicas} tasks of ${image}`);
  return made;
}

/** Ids of secrets and configs; all that the swarm lacks is told at once. */
async function lookUp(project: ServiceProject, managers: Managers): Promise<FileIds> {
  const missing: string[] = [];
  const idsOf = async (kind: FileKind): Promise<ReadonlyMap<string, string>> => {
    const names = namesOf(kind, project);
    const ids = names.length === 0 ? new Map<string, string>() : await managers.files(kind, names);
    const one = kind.slice(0, -1);
    for (const name of names)
      if (!ids.has(name))
        missing.push(`${kind}: the swarm has no ${one} ${name}: docker ${one} create ${name} FILE`);
    return ids;
  };
  const [secrets, configs] = [await idsOf('secrets'), await idsOf('configs')];
  for (const [key, name] of networksIn(project))
    if ((await managers.network(name)) === null)
      missing.push(
        `networks.${key}: the swarm has no network ${name}: docker network create -d overlay --attachable ${name}`,
      );
  if (missing.length > 0)
    throw new StartError(missing.map(each => `service ${project.serviceName}: ${each}`).join('\n'));
  return { secrets, configs };
}

/** Of torc's container: the one that other machines' tasks can be on. */
async function ownOverlay({ networks, managers }: MakeOptions): Promise<string | null> {
  for (const id of networks ?? []) {
    const network = await managers.network(id);
    if (network?.Driver === 'overlay' && network.Attachable) return network.Name;
  }
  return null;
}
