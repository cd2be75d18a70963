// What a replica is, where a Compose service says it: `--compose FILE --service NAME`, or `replica:` of the settings file.
// The service is loaded and judged in service/; here it meets the other settings: it says how many replicas there are and
// where they listen where no setting does, and what is said twice and differently is a fault.

import { dirname, relative, resolve } from 'node:path';
import { driverOf } from '../service/expand.ts';
import { loadCompose, loadReplica } from '../service/load.ts';
import type { ServiceProject } from '../service/service.ts';
import type { Note, Surroundings } from '../service/sources.ts';
import { takeService } from '../service/taken.ts';
import type { Meant } from './check.ts';
import { type FieldKey, fields } from './fields.ts';
import type { SettingsFile } from './file.ts';

export interface Replica {
  /** Where it is written: "compose.yaml: web". */
  readonly title: string;
  readonly project: ServiceProject;
  readonly notes: readonly Note[];
  /** What decides for the driver. */
  readonly meant: Meant;
}

type Values = Record<string, unknown>;

/** Null where no service is named, or it has faults. Writes what the service says of other settings into `config`. */
export function readReplica(
  config: Values,
  given: ReadonlySet<FieldKey>,
  file: SettingsFile | null,
  around: Surroundings,
  faults: string[],
): Replica | null {
  const document = file?.document ?? null;
  const compose = (config.compose ?? []) as readonly string[];
  const files = file?.settings.has('compose')
    ? compose.map(name => relative(around.cwd, resolve(dirname(file.path), name)))
    : compose;
  if (files.length === 0 && given.has('composeService'))
    faults.push('TORC_COMPOSE_SERVICE: names a service of no file; allowed: --compose FILE beside it');
  if (files.length > 0 && document !== null)
    faults.push(
      `TORC_COMPOSE: ${relative(around.cwd, file!.path)} has a replica, too; allowed: one of the two`,
    );
  if (files.length === 0 && document === null) return null;
  const { project, ...found } =
    files.length > 0
      ? loadCompose(files, (config.composeService ?? null) as string | null, around)
      : loadReplica(file!.path, document!, around);
  faults.push(...found.faults);
  if (project === null) return null;
  const title =
    files.length > 0 ? `${files[0]}: ${project.serviceName}` : `${relative(around.cwd, file!.path)}: replica`;
  const taken = takeService(project, {
    title,
    composeFlags: files.length > 0 ? files.map(name => `-f ${name} `).join('') : null,
    replicas: numberIf(given.has('replicas'), config.replicas),
    port: numberIf(given.has('replicaPort'), config.replicaPort),
    isSwarm: given.has('swarmService'),
  });
  faults.push(...taken.faults);
  const driver = driverOf(taken.project.service);
  checkBeside(config, given, title, taken.project.service, faults);
  config.replicas = taken.replicas ?? config.replicas;
  if (driver === 'docker') {
    config.replicaPort = taken.port ?? config.replicaPort;
    config.image = taken.project.service.image;
  }
  const by = `the ${driver === 'docker' ? 'image' : 'command'} of ${title}`;
  return { title, project: taken.project, notes: [...found.notes, ...taken.notes], meant: { driver, by } };
}

const numberIf = (isGiven: boolean, value: unknown): number | null =>
  isGiven && typeof value === 'number' ? value : null;

/** Other settings that say what runs. */
function checkBeside(
  config: Values,
  given: ReadonlySet<FieldKey>,
  title: string,
  service: ServiceProject['service'],
  faults: string[],
): void {
  const driver = driverOf(service);
  for (const key of ['image', 'replicaCommand'] as const)
    if (given.has(key)) faults.push(`${fields[key].name}: ${title} says what runs; allowed: one of the two`);
  if (Number(config.spares) > 0 && JSON.stringify(service).match(/\{\{ ?(slot|generation) ?\}\}/) !== null)
    faults.push(
      `TORC_SPARES: a spare starts before it has a slot, and ${title} has {{slot}}; allowed: unset one of the two`,
    );
  if (config.driver === undefined || config.driver === 'auto' || config.driver === driver) return;
  if (config.driver === 'swarm' && driver === 'docker') return;
  const names = driver === 'docker' ? 'an image' : 'a command and no image';
  faults.push(`TORC_DRIVER: is ${config.driver}, and ${title} names ${names}; allowed: ${driver}, or auto`);
}
