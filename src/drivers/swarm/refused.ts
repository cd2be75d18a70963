// Words of a Compose service that no task of a swarm can have, each refused by name with what to do instead; pure. Nothing is
// passed over in silence: a replica that lacks what its file says would fail later and elsewhere. What no N replicas
// can have is refused with the file already (service/taken.ts); a key that nobody thought of is refused, too.

import type { ComposeService, ServiceProject } from '../../service/service.ts';
import { mountFaults } from './mounts.ts';

const TAKEN: readonly (keyof ComposeService)[] = [
  ...(['image', 'command', 'entrypoint', 'environment', 'working_dir', 'user', 'group_add'] as const),
  ...(['hostname', 'extra_hosts', 'dns', 'dns_opt', 'dns_search', 'ports', 'expose', 'networks'] as const),
  ...(['labels', 'healthcheck', 'stop_signal', 'stop_grace_period', 'init', 'read_only'] as const),
  ...(['tty', 'stdin_open', 'sysctls', 'ulimits', 'cap_add', 'cap_drop', 'logging'] as const),
  ...(['mem_limit', 'cpus', 'pids_limit', 'deploy', 'scale', 'depends_on'] as const),
  ...(['volumes', 'tmpfs', 'secrets', 'configs'] as const),
];
/** Swarm fills in words of a task's nowhere else. */
const FILLED: readonly (keyof ComposeService)[] = ['environment', 'hostname', 'volumes'];

const INSTEAD: Readonly<Partial<Record<keyof ComposeService, string>>> = {
  mem_reservation: 'say deploy.resources.reservations.memory',
  cpuset: 'say deploy.resources.limits.cpus',
  cpu_shares: 'say deploy.resources.reservations.cpus',
  cpu_quota: 'say deploy.resources.limits.cpus',
  cpu_period: 'say deploy.resources.limits.cpus',
  shm_size: 'say tmpfs: /dev/shm:size=...',
  platform: 'say deploy.placement.constraints: node.platform.arch==...',
  pull_policy: 'each node pulls what it lacks; take it out',
  runtime: "set it as the nodes' default runtime",
  devices: 'say deploy.resources.reservations.generic_resources',
  gpus: 'say deploy.resources.reservations.generic_resources',
};
const OTHERWISE = 'take it out, or let a driver make the replicas that has it: TORC_DRIVER=docker';

const OF_NETWORKS = ['priority', 'gw_priority', 'interface_name'] as const;

export function madeFaults(project: ServiceProject): string[] {
  const { service, serviceName } = project;
  return [
    ...Object.entries(service).flatMap(([key, value]) => faultsOf(key as keyof ComposeService, value)),
    ...mountFaults(project),
    ...deployFaults(service),
    ...Object.entries(service.networks ?? {}).flatMap(([network, words]) =>
      OF_NETWORKS.filter(word => words?.[word] !== undefined).map(
        word => `networks.${network}.${word}: Swarm has no such word; take it out`,
      ),
    ),
  ].map(fault => `service ${serviceName}: ${fault}`);
}

function faultsOf(key: keyof ComposeService, value: unknown): string[] {
  if (value === undefined || value === null) return [];
  if (!TAKEN.includes(key))
    return [`${key}: Swarm gives a task nothing of the kind; ${INSTEAD[key] ?? OTHERWISE}`];
  const text = JSON.stringify(value);
  if (/\{\{ ?generation ?\}\}/.test(text)) return [`${key}: Swarm counts no {{generation}}; take it out`];
  if (!FILLED.includes(key) && /\{\{ ?(slot|port) ?\}\}/.test(text))
    return [`${key}: Swarm fills in {{slot}} in environment, hostname and volumes only`];
  return [];
}

function deployFaults({ deploy }: ComposeService): string[] {
  const { mode = 'replicated', endpoint_mode: endpoints = 'dnsrr', resources } = deploy ?? {};
  return [
    ...(mode === 'replicated' ? [] : [`deploy.mode: ${mode}: such tasks have no slots; allowed: replicated`]),
    ...(['vip', 'dnsrr'].includes(endpoints)
      ? []
      : [`deploy.endpoint_mode: ${endpoints}; allowed: dnsrr, vip`]),
    ...(resources?.reservations?.devices === undefined
      ? []
      : ['deploy.resources.reservations.devices: Swarm knows generic_resources; say these']),
  ];
}
