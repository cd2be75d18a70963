// What torc makes of a service that Compose would take: keys that are torc's own job are honoured in its way and noted, keys
// that cannot mean anything for N replicas that are replaced one by one are refused by name with what to do instead, and
// all the others are the driver's. Nothing is passed over in silence. The reasons are in docs/decisions/0013-compose.md.

import { nearest } from '../core/nearest.ts';
import { driverOf } from './expand.ts';
import type { Loaded, RawService } from './load.ts';
import { signalOf } from './process.ts';
import type { ServiceProject } from './service.ts';
import type { Note } from './sources.ts';

export interface Taken {
  readonly project: ServiceProject;
  /** What the service says of them; null: nothing. */
  readonly replicas: number | null;
  readonly port: number | null;
  readonly faults: readonly string[];
  readonly notes: readonly Note[];
}

export interface TakenSettings {
  /** How faults and notes call the service: "compose.yaml: web". */
  readonly title: string;
  /** As a person names them behind docker compose: "-f a.yaml -f b.yaml "; null: the service is in no Compose file. */
  readonly composeFlags: string | null;
  /** What is said beside the service, where it is said. */
  readonly replicas: number | null;
  readonly port: number | null;
  /** Swarm makes the replicas: words that are for it are taken by the driver. */
  readonly isSwarm?: boolean;
}

type Rule = readonly [key: string, what: string];

/** Each with what to do. */
const REFUSED: readonly Rule[] = [
  [
    'container_name',
    'replicas cannot share a name; take it out, or beside this file one with `container_name: !reset null`',
  ],
  [
    'network_mode',
    'replicas need an address each; take it out: they get a network that torc reaches them on',
  ],
  ['external_links', 'is from before networks; name the network under networks, with external: true'],
  ['volumes_from', "another service's volumes; name them under volumes"],
  ['mac_address', 'replicas cannot share an address; take it out'],
  ['credential_spec', 'is for Windows, and torc is not'],
  ['provider', 'a service that no container runs'],
  ['models', 'language models are made by docker compose only; pass their address under environment'],
  [
    'use_api_socket',
    'replicas get no way to the engine from torc; mount the socket under volumes, if it must be',
  ],
  ['pre_start', 'torc runs nothing beside a replica; put it before the program in command or entrypoint'],
  ['post_start', 'torc runs nothing beside a replica; put it into command or entrypoint'],
  ['pre_stop', 'torc runs nothing beside a replica; let the program do it when stop_signal comes'],
];

/** Torc's own job, or nobody's here. */
const NOTED: readonly Rule[] = [
  ['restart', 'is not used; whatever ends is replaced'],
  ['develop', 'is for docker compose watch; not used'],
  ['attach', 'is for docker compose up; not used'],
  ['pull_refresh_after', 'is not used; an image is pulled when it is missing'],
];

const DEPLOY_NOTED: readonly Rule[] = [
  ['mode', 'is for Swarm; not used'],
  ['endpoint_mode', 'is for Swarm; not used'],
  ['labels', 'are for Swarm services; not used (labels are)'],
  ['placement', 'is for Swarm; not used'],
  ['restart_policy', 'is left to torc, which replaces what ends'],
  ['update_config', 'is for Swarm; torc rolls out one slot at a time'],
  ['rollback_config', 'is for Swarm; torc rolls back by itself'],
];

/** What means something without a container. The rest describes one. */
const OF_PROCESSES = [
  'command',
  'entrypoint',
  'environment',
  'working_dir',
  'user',
  'stop_signal',
  'stop_grace_period',
  'depends_on',
  'deploy',
  'scale',
  'ports',
  'expose',
  'profiles',
  ...NOTED.map(([key]) => key),
];

export function takeService(loaded: NonNullable<Loaded['project']>, settings: TakenSettings): Taken {
  const { name, serviceName } = loaded;
  const { build, ...rest } = loaded.service;
  const faults: string[] = [];
  const notes: Note[] = [];
  const fault = (key: string, what: string): unknown => faults.push(`${settings.title}: ${key}: ${what}`);
  const note = (key: string, text: string, level: Note['level'] = 'info'): unknown =>
    notes.push({ level, text: `${settings.title}: ${key} ${text}` });
  const compose = settings.composeFlags === null ? null : `docker compose ${settings.composeFlags}`;

  if (build !== undefined)
    note(
      'build',
      `is not done by torc${compose === null ? '' : `; after a change: ${compose}build ${serviceName}`}`,
    );
  // What docker compose build calls the image of a service that names none.
  const image =
    rest.image ?? (build === undefined || compose === null ? undefined : `${name}-${serviceName}`);
  if (build !== undefined && image === undefined)
    fault('image', 'is missing, and torc does not build; allowed: image: NAME, after docker build -t NAME');
  const service: RawService = image === undefined ? rest : { ...rest, image };
  const driver = driverOf(service);
  const has = (key: string): boolean => service[key] !== undefined;

  for (const [key, what] of REFUSED) if (has(key)) fault(key, what);
  for (const [key, what] of NOTED) if (has(key)) note(key, what);
  for (const [key, what] of settings.isSwarm ? [] : DEPLOY_NOTED)
    if (service.deploy !== undefined && Object.hasOwn(service.deploy, key)) note(`deploy.${key}`, what);
  if (driver === 'process' && build === undefined) checkProcess(service, fault);
  checkShared(service, fault);
  checkPlaceholders(service, fault);
  checkLinks(service, fault, note, compose);
  return {
    project: {
      ...loaded,
      service: without(service, [...NOTED.map(([key]) => key), 'restart', 'profiles', 'links']),
    },
    replicas: replicasOf(service, settings.replicas, fault),
    port: driver === 'process' ? null : portOf(service, settings.port, fault, note),
    faults,
    notes,
  };
}

type Say = (key: string, what: string) => unknown;
type SayNote = (key: string, text: string, level?: Note['level']) => unknown;

function checkProcess(service: RawService, fault: Say): void {
  if (service.command === null && service.entrypoint === null)
    fault(
      'image',
      'is missing, and so is command; allowed: image (containers), or command (child processes)',
    );
  for (const [key, value] of Object.entries(service))
    if (value !== null && value !== undefined && !OF_PROCESSES.includes(key))
      fault(
        key,
        'is for containers, and without image the replicas are child processes; take it out, or name an image',
      );
  for (const key of ['ports', 'expose'] as const)
    if (service[key] !== undefined)
      fault(
        key,
        'child processes share this machine, so only one could have a port of its own; take it out: torc gives each its port in PORT, or as {{port}} in command',
      );
  const port = service.environment?.PORT;
  if (typeof port === 'string' && !/^\{\{ ?port ?\}\}$/.test(port))
    fault(
      'environment.PORT',
      `${port}: child processes cannot share a port; take it out, torc gives each its own`,
    );
  if (service.stop_signal !== undefined && signalOf(service.stop_signal) === null)
    fault('stop_signal', `${service.stop_signal}: no signal here; allowed: SIGTERM, SIGINT, SIGQUIT, ...`);
  if (service.deploy?.resources !== undefined)
    fault(
      'deploy.resources',
      'is for containers, and without image the replicas are child processes; take it out',
    );
}

/** What only one replica can have. */
function checkShared(service: RawService, fault: Say): void {
  for (const [network, parts] of Object.entries(service.networks ?? {}))
    for (const key of ['ipv4_address', 'ipv6_address', 'link_local_ips', 'mac_address'] as const)
      if (parts?.[key] !== undefined)
        fault(`networks.${network}.${key}`, 'replicas cannot share an address; take it out');
  for (const key of ['ipc', 'pid', 'uts', 'cgroup'])
    if (
      String(service[key] ?? '').startsWith('service:') ||
      String(service[key] ?? '').startsWith('container:')
    )
      fault(key, `${service[key]}: torc's replicas live and end apart from other containers; take it out`);
}

/** A misspelt one would reach the program as it stands; Docker's own templates are spelt otherwise ({{.Name}}). */
function checkPlaceholders(service: RawService, fault: Say): void {
  const known = ['slot', 'generation', 'port'];
  const words = [...JSON.stringify(service).matchAll(/\{\{ *(\w+) *\}\}/gi)].map(match => match[1]!);
  for (const word of new Set(words)) {
    const candidate = known.includes(word) ? null : nearest(word.toLowerCase(), known);
    if (candidate !== null) fault(`{{${word}}}`, `is no placeholder; did you mean {{${candidate}}}?`);
  }
}

/** What must be there and is not torc's to start. */
function checkLinks(service: RawService, fault: Say, note: SayNote, compose: string | null): void {
  const needed = new Set(Object.keys(service.depends_on ?? {}));
  for (const link of (service.links as readonly string[] | undefined) ?? []) {
    const [target, alias = target] = link.split(':');
    needed.add(target!);
    if (alias !== target)
      fault(
        'links',
        `${link}: is from before networks; give ${target} the alias ${alias} under its networks`,
      );
  }
  if (needed.size === 0) return;
  const names = [...needed].join(' ');
  note(
    'depends_on',
    `${names}: torc starts only its replicas and waits for nothing else; ${compose === null ? `start ${names} before it` : `before it: ${compose}up -d ${names}`}`,
    'warn',
  );
}

function replicasOf(service: RawService, set: number | null, fault: Say): number | null {
  const { scale, deploy } = service;
  const said = scale ?? deploy?.replicas ?? null;
  const key = scale === undefined ? 'deploy.replicas' : 'scale';
  if (scale !== undefined && deploy?.replicas !== undefined && scale !== deploy.replicas)
    fault('scale', `${scale}, and deploy.replicas: ${deploy.replicas}; allowed: one of the two`);
  if (said !== null && set !== null && said !== set)
    fault(key, `${said}, and TORC_REPLICAS=${set}; allowed: unset one of the two`);
  if (said !== null && (said < 1 || said > 1000)) fault(key, `${said}; allowed: a whole number, 1 to 1000`);
  return said;
}

/** The container's side of `ports` says where the program listens; the host's side is torc's own listener now. */
function portOf(service: RawService, set: number | null, fault: Say, note: SayNote): number | null {
  const ports = (service.ports ?? []).filter(({ protocol }) => protocol !== 'udp' && protocol !== 'sctp');
  const published = (service.ports ?? []).filter(port => port.published !== undefined);
  if (published.length > 0)
    note(
      'ports',
      `${published.map(port => `${port.published}:${port.target}`).join(', ')}: no replica is published; clients come to torc's own PORT`,
    );
  const named = ports.length > 0 ? ports.map(port => port.target) : exposed(service);
  const targets = [...new Set(named)];
  const key = ports.length > 0 ? 'ports' : 'expose';
  if (set !== null) {
    if (targets.length > 0 && !targets.includes(set))
      note(key, `${targets.join(', ')}: TORC_REPLICA_PORT=${set} is another, and wins`, 'warn');
    return null;
  }
  if (targets.length > 1)
    fault(key, `${targets.slice(0, 5).join(', ')}: which is for HTTP? allowed: TORC_REPLICA_PORT beside it`);
  return targets[0] ?? null;
}

const exposed = (service: RawService): number[] =>
  (service.expose ?? []).filter(port => /^\d+(\/tcp)?$/.test(port)).map(port => Number.parseInt(port, 10));

const without = (service: RawService, keys: readonly string[]): ServiceProject['service'] =>
  Object.fromEntries(
    Object.entries(service).filter(([key]) => !keys.includes(key)),
  ) as unknown as ServiceProject['service'];
