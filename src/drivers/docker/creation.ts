// What the engine is asked to make a replica of: a pure function of the service, the seat and what torc itself needs. Least
// privilege is what a container has where its service says nothing; what it says wins, key by key:
//
//   plain                 no capability, no new privileges, 512 MiB, 256 processes, an init, 1 MB of log
//   + the service's words as Compose itself translates them (pkg/compose/create.go), compared with it field by field in
//                         test/docker/compose-differential.test.ts
//   + torc's labels, its network beside the service's, a published port where bridges cannot be reached, no restarts
//
// One network goes with the creation on engines before API 1.44, the others are connected before the start.

import { createHash } from 'node:crypto';
import type Docker from 'dockerode';
import type { ReplicaSpec } from '../../control/driver.ts';
import { expand } from '../../service/expand.ts';
import { durationNs } from '../../service/scalars.ts';
import type { ComposeService, ServiceHealthcheck, ServiceProject } from '../../service/service.ts';
import { type Endpoint, endpointsOf } from './endpoints.ts';
import { NETWORK_LABEL, OWNER_LABEL } from './hints.ts';
import { type CopiedFile, mountsOf } from './mounts.ts';
import { portsIn } from './ports.ts';
import { resourcesOf } from './resources.ts';
import { isAtLeast, said } from './units.ts';

/** Limits of a replica that says none; docs/operations.md names them. */
const MEMORY_BYTES = 512 * 1024 * 1024;
const PIDS = 256;
/** Its output, of which the engine keeps the end. */
const LOG_SIZE = '1m';

const NO_NEW_PRIVILEGES = 'no-new-privileges';
const DIGEST_LENGTH = 12;
export const MADE_OF_LABEL = 'torc.made-of';
export const PORT_LABEL = 'torc.port';
/** From this on an engine takes all networks with the creation. */
const SEVERAL_NETWORKS = '1.44';

export type Reach = 'ip' | 'published';

export interface Make {
  /** The instance whose replicas these are. */
  readonly owner: string;
  readonly image: string;
  readonly network: string;
  readonly port: number;
  readonly reach: Reach;
  /** Beyond the service's own. */
  readonly capAdd: readonly string[];
  /** What the replicas are in Compose's words; null: an image and nothing else. */
  readonly project: ServiceProject | null;
  /** The engine's. */
  readonly apiVersion: string;
}

export interface Creation {
  readonly options: Docker.ContainerCreateOptions;
  /** Named volumes that must be there first. */
  readonly volumes: ReturnType<typeof mountsOf>['volumes'];
  /** Networks that the new container is connected to before its start. */
  readonly connect: readonly Endpoint[];
  /** Copied into it before its start. */
  readonly files: readonly CopiedFile[];
}

export function creationOf(name: string, spec: ReplicaSpec, make: Make): Creation {
  const plain = plainOf(make);
  const labels = labelsOf(spec, make);
  const own = { PORT: String(make.port), SERVER_ID: spec.slot };
  if (make.project === null) {
    const options = { ...plain, name, Env: environmentOf(own), Labels: labels };
    return { options, volumes: [], connect: [], files: [] };
  }
  const project = expand(make.project, { ...spec, port: make.port });
  const { service } = project;
  const { host, volumes, files } = mountsOf(project);
  const endpoints = endpointsOf(project, make);
  const first = endpoints[0]!;
  const atOnce = isAtLeast(make.apiVersion, SEVERAL_NETWORKS) ? endpoints : [first];
  const options = {
    ...plain,
    ...configOf(service, make),
    name,
    Env: environmentOf({ ...own, ...service.environment }),
    ExposedPorts: { ...plain.ExposedPorts, ...exposedOf(service) },
    Labels: { ...service.labels, ...labels },
    HostConfig: {
      ...plain.HostConfig,
      ...privilegesOf(service, make),
      ...hostConfigOf(service),
      ...memoryOf(service),
      ...resourcesOf(service),
      ...host,
      NetworkMode: first.network,
    },
    NetworkingConfig: {
      EndpointsConfig: Object.fromEntries(atOnce.map(({ network, settings }) => [network, settings])),
    },
  };
  return { options, volumes, connect: endpoints.slice(atOnce.length), files };
}

/** What every replica has in common where no service says otherwise: least privilege, bounds, one healer. */
function plainOf(make: Make) {
  const port = `${make.port}/tcp`;
  return {
    Image: make.image,
    Env: [`PORT=${make.port}`],
    ExposedPorts: { [port]: {} },
    HostConfig: {
      NetworkMode: make.network,
      PortBindings: make.reach === 'published' ? { [port]: [{ HostIp: '127.0.0.1', HostPort: '' }] } : {},
      CapDrop: ['ALL'],
      ...(make.capAdd.length === 0 ? {} : { CapAdd: [...make.capAdd] }),
      SecurityOpt: [`${NO_NEW_PRIVILEGES}:true`],
      PidsLimit: PIDS,
      Memory: MEMORY_BYTES,
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': LOG_SIZE, 'max-file': '1' } },
      // A program without a handler ignores SIGTERM as process 1; as a child of the engine's init it ends at once.
      Init: true,
    },
  };
}

/** What a container was made of, placeholders unfilled: replicas of one make have the same. */
export function digestOf(make: Make): string {
  const plain = JSON.stringify(plainOf(make));
  return createHash('sha256')
    .update(make.project === null ? plain : `${plain}\n${JSON.stringify(make.project)}`)
    .digest('hex')
    .slice(0, DIGEST_LENGTH);
}

const labelsOf = (spec: ReplicaSpec, make: Make): Record<string, string> => ({
  [NETWORK_LABEL]: make.network,
  [OWNER_LABEL]: make.owner,
  [MADE_OF_LABEL]: digestOf(make),
  [PORT_LABEL]: String(make.port),
  'torc.slot': spec.slot,
  'torc.generation': String(spec.generation),
  'torc.spare': String(spec.spare),
});

/** A name without a value takes the image's variable away, as in Compose. */
const environmentOf = (environment: Readonly<Record<string, string | null>>): string[] =>
  Object.entries(environment).map(([name, value]) => (value === null ? name : `${name}=${value}`));

function configOf(service: ComposeService, make: Make) {
  const { stop_grace_period: grace } = service;
  const isBefore = !isAtLeast(make.apiVersion, SEVERAL_NETWORKS);
  return said({
    platform: service.platform,
    Cmd: service.command === null ? undefined : [...service.command],
    Entrypoint: service.entrypoint === null ? undefined : [...service.entrypoint],
    WorkingDir: service.working_dir,
    User: service.user,
    Hostname: service.hostname,
    Domainname: service.domainname,
    Tty: service.tty,
    OpenStdin: service.stdin_open,
    StopSignal: service.stop_signal,
    StopTimeout: grace === undefined ? undefined : Math.ceil(durationNs(grace) / 1e9),
    Healthcheck: service.healthcheck && healthcheckOf(service.healthcheck, make.apiVersion),
    // Later engines have it with the network that it is for (endpoints.ts).
    MacAddress: isBefore ? macAddressOf(service) : undefined,
  });
}

const macAddressOf = ({ mac_address, networks = {} }: ComposeService): string | undefined =>
  mac_address ?? Object.values(networks).find(network => network?.mac_address)?.mac_address;

/** Engines before API 1.44 would take `start_interval` and pass over it. */
function healthcheckOf(check: ServiceHealthcheck, apiVersion: string) {
  const time = (text: string | undefined): number | undefined =>
    text === undefined ? undefined : durationNs(text);
  return said({
    Test: check.disable ? ['NONE'] : check.test && [...check.test],
    Interval: time(check.interval),
    Timeout: time(check.timeout),
    Retries: check.retries,
    StartPeriod: time(check.start_period),
    StartInterval: isAtLeast(apiVersion, SEVERAL_NETWORKS) ? time(check.start_interval) : undefined,
  });
}

function exposedOf({ expose = [], ports = [] }: ComposeService): Record<string, object> {
  const names = [...expose, ...ports.map(({ target, protocol = 'tcp' }) => `${target}/${protocol}`)];
  return Object.fromEntries(names.flatMap(portsIn).map(port => [port, {}]));
}

/** `cap_add` goes on top of what is dropped. Whoever says `privileged` wants none of torc's own limits on privileges. */
function privilegesOf(service: ComposeService, make: Make) {
  const { privileged = false, cap_add = [], cap_drop, security_opt = [] } = service;
  const capAdd = [...new Set([...cap_add, ...make.capAdd])];
  const options = security_opt.filter(option => option !== 'systempaths=unconfined');
  const isSettled = privileged || options.some(option => option.startsWith(NO_NEW_PRIVILEGES));
  const unconfined = options.length < security_opt.length ? [] : undefined;
  return said({
    Privileged: service.privileged,
    CapAdd: capAdd.length === 0 ? undefined : capAdd,
    CapDrop: cap_drop === undefined ? (privileged ? [] : undefined) : [...cap_drop],
    SecurityOpt: isSettled ? options : [`${NO_NEW_PRIVILEGES}:true`, ...options],
    MaskedPaths: unconfined,
    ReadonlyPaths: unconfined,
  });
}

/** A reservation beyond the usual limit needs a limit that is no less. */
const memoryOf = (service: ComposeService) => ({
  Memory: Math.max(MEMORY_BYTES, resourcesOf(service).MemoryReservation ?? 0),
});

function hostConfigOf(service: ComposeService) {
  const { logging, tmpfs, extra_hosts } = service;
  return said({
    Annotations: service.annotations,
    CgroupnsMode: service.cgroup,
    Dns: service.dns && [...service.dns],
    DnsOptions: service.dns_opt && [...service.dns_opt],
    DnsSearch: service.dns_search && [...service.dns_search],
    // "name=address"; the engine parts them by the first colon, so an IPv6 address may follow.
    ExtraHosts: extra_hosts?.map(host => host.replace('=', ':')),
    GroupAdd: service.group_add && [...service.group_add],
    Init: service.init,
    IpcMode: service.ipc,
    Isolation: service.isolation,
    LogConfig: logging && { Type: logging.driver ?? '', Config: logging.options ?? {} },
    PidMode: service.pid,
    ReadonlyRootfs: service.read_only,
    Runtime: service.runtime,
    ShmSize: service.shm_size === undefined ? undefined : Number(service.shm_size),
    StorageOpt: service.storage_opt,
    Sysctls: service.sysctls,
    Tmpfs:
      tmpfs &&
      Object.fromEntries(tmpfs.map(text => [text.split(':')[0]!, text.split(':').slice(1).join(':')])),
    UTSMode: service.uts,
    UsernsMode: service.userns_mode,
  });
}
