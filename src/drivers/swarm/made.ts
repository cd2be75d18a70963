// A replica's definition, in Compose's words, as the service that torc makes where none of its name is there; pure. It reads the
// words as `docker stack deploy` does, and refuses by name those that Swarm has no task for (refused.ts). What torc adds
// where nothing is said is what was measured to heal best (docs/swarm.md): restarts after a second, updates that start
// before they stop, a short grace.

import { expandText } from '../../service/expand.ts';
import { durationNs } from '../../service/scalars.ts';
import type {
  ComposeService,
  ServiceHealthcheck,
  ServiceProject,
  ServiceResource,
  ServiceRoll,
} from '../../service/service.ts';
import { said } from '../docker/units.ts';
import { type FileIds, filesIn, mountsOf } from './mounts.ts';
import type { SwarmServiceSpec, SwarmUpdateConfig } from './objects.ts';
import { PORT_LABEL } from './task.ts';

const SECOND_NS = 1_000_000_000;
const MEMORY_BYTES = 512 * 1024 * 1024;
const PIDS = 256;
/** Whose it is: it goes with that torc. */
export const OWNER_LABEL = 'torc.owner';
/** Filled in by Swarm, for each task. */
const SLOT = '{{.Task.Slot}}';
const LOG: ComposeService['logging'] = {
  driver: 'json-file',
  options: { 'max-size': '1m', 'max-file': '1' },
};

export interface Making {
  readonly name: string;
  readonly owner: string;
  readonly image: string;
  readonly port: number;
  readonly replicas: number;
  /** Null: an image and nothing else. */
  readonly project: ServiceProject | null;
  /** Of the secrets and configs that it names. */
  readonly files: FileIds;
  /** An overlay that torc's container is on; null: torc is on a host, and tasks publish a port each. */
  readonly network: string | null;
}

export function madeSpec(making: Making): SwarmServiceSpec {
  const { name, owner, port, replicas, project, network } = making;
  const service: Partial<ComposeService> = project?.service ?? {};
  const { deploy, logging = LOG } = service;
  const Networks = networksOf(project, network);
  return {
    Name: name,
    Labels: { ...deploy?.labels, [OWNER_LABEL]: owner, [PORT_LABEL]: String(port) },
    TaskTemplate: {
      ContainerSpec: containerOf(service, making),
      Resources: { Limits: limitsOf(service), Reservations: reservedOf(deploy?.resources?.reservations) },
      RestartPolicy: restartOf(deploy?.restart_policy),
      Placement: placementOf(deploy?.placement),
      LogDriver: said({ Name: logging?.driver, Options: logging?.options }),
      ...(Networks.length === 0 ? {} : { Networks }),
    },
    Mode: { Replicated: { Replicas: replicas } },
    UpdateConfig: {
      ...rollOf(deploy?.update_config),
      FailureAction: deploy?.update_config?.failure_action ?? 'rollback',
    },
    RollbackConfig: rollOf(deploy?.rollback_config),
    EndpointSpec: {
      Mode: deploy?.endpoint_mode ?? 'dnsrr',
      Ports: network === null ? [{ Protocol: 'tcp', TargetPort: port, PublishMode: 'host' }] : [],
    },
  };
}

/** What the swarm calls the service's networks, each once. `default` is for Compose to make. */
export const networksIn = ({ service, networks }: ServiceProject): ReadonlyMap<string, string> =>
  new Map(
    Object.keys(service.networks ?? {})
      .filter(key => key !== 'default')
      .map(key => [key, networks[key]?.name ?? key]),
  );

function networksOf(project: ServiceProject | null, own: string | null): object[] {
  const found = new Map<string, object>(own === null ? [] : [[own, { Target: own }]]);
  for (const [key, Target] of project === null ? [] : networksIn(project)) {
    const words = project?.service.networks?.[key];
    found.set(Target, said({ Target, Aliases: words?.aliases, DriverOpts: words?.driver_opts }));
  }
  return [...found.values()];
}

function containerOf(service: Partial<ComposeService>, { image, port, project, files }: Making) {
  const own = { PORT: String(port), SERVER_ID: SLOT, SLOT };
  const words = { slot: SLOT, generation: 0, port };
  const environment = Object.entries({ ...own, ...service.environment }).map(([key, value]) =>
    value === null ? key : `${key}=${expandText(value, words)}`,
  );
  return said({
    Image: image,
    Command: service.entrypoint ?? undefined,
    Args: service.command ?? undefined,
    Env: environment,
    Dir: service.working_dir,
    User: service.user,
    Groups: service.group_add,
    Hostname: service.hostname && expandText(service.hostname, words),
    Hosts: service.extra_hosts?.map(host => host.replace(/^(.*?)=(.*)$/, '$2 $1')),
    DNSConfig: said({
      Nameservers: service.dns,
      Search: service.dns_search,
      Options: service.dns_opt,
    }),
    Labels: service.labels,
    TTY: service.tty,
    OpenStdin: service.stdin_open,
    ReadOnly: service.read_only,
    // A program without a handler ignores SIGTERM as process 1.
    Init: service.init ?? true,
    StopSignal: service.stop_signal,
    StopGracePeriod: service.stop_grace_period ? durationNs(service.stop_grace_period) : 2 * SECOND_NS,
    Sysctls: service.sysctls,
    Ulimits: ulimitsOf(service.ulimits),
    CapabilityAdd: service.cap_add,
    CapabilityDrop: service.cap_drop ?? ['ALL'],
    Healthcheck: healthcheckOf(service.healthcheck),
    ...(project === null ? {} : { Mounts: mountsOf(project, words), ...filesIn(project, files) }),
  });
}

const ulimitsOf = (ulimits: ComposeService['ulimits']): object[] | undefined =>
  ulimits &&
  Object.entries(ulimits).map(([Name, limit]) =>
    typeof limit === 'number'
      ? { Name, Soft: limit, Hard: limit }
      : { Name, Soft: limit.soft, Hard: limit.hard },
  );

/** The image's, asked oftener than most say: a task counts as running only after the first, and nobody else ends one that hangs. */
function healthcheckOf(check: ServiceHealthcheck = {}) {
  return said({
    Test: check.disable ? ['NONE'] : check.test,
    Interval: nsOf(check.interval) ?? 5 * SECOND_NS,
    // A check is often a program of its own, which takes its time to start on a busy machine.
    Timeout: nsOf(check.timeout) ?? 5 * SECOND_NS,
    Retries: check.retries ?? 3,
    StartPeriod: nsOf(check.start_period),
  });
}

const nsOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : durationNs(text);

function limitsOf({ deploy, mem_limit, cpus, pids_limit }: Partial<ComposeService>) {
  const { limits } = deploy?.resources ?? {};
  const memory = limits?.memory ?? mem_limit;
  const processors = limits?.cpus ?? cpus;
  return said({
    MemoryBytes: memory === undefined ? MEMORY_BYTES : Number(memory),
    NanoCPUs: processors === undefined ? undefined : Math.round(processors * 1e9),
    Pids: limits?.pids ?? pids_limit ?? PIDS,
  });
}

/** What a node must have free before a task comes to it. */
const reservedOf = ({ cpus, memory, generic_resources }: ServiceResource = {}) =>
  said({
    MemoryBytes: memory === undefined ? undefined : Number(memory),
    NanoCPUs: cpus === undefined ? undefined : Math.round(cpus * 1e9),
    GenericResources: generic_resources?.map(({ discrete_resource_spec: each }) => ({
      DiscreteResourceSpec: { Kind: each?.kind, Value: each?.value },
    })),
  });

type Deploy = NonNullable<ComposeService['deploy']>;

const restartOf = (policy: Deploy['restart_policy'] = {}) =>
  said({
    Condition: policy.condition ?? 'any',
    Delay: nsOf(policy.delay) ?? SECOND_NS,
    MaxAttempts: policy.max_attempts,
    Window: nsOf(policy.window),
  });

const placementOf = (
  placement: Deploy['placement'] = {},
): SwarmServiceSpec['TaskTemplate']['Placement'] & object =>
  said<Record<string, unknown>>({
    Constraints: placement.constraints,
    Preferences: placement.preferences?.map(({ spread }) => ({ Spread: { SpreadDescriptor: spread } })),
    MaxReplicas: placement.max_replicas_per_node,
  });

const rollOf = (roll: ServiceRoll = {}): SwarmUpdateConfig =>
  said<Record<string, unknown>>({
    Parallelism: roll.parallelism ?? 1,
    Delay: nsOf(roll.delay),
    FailureAction: roll.failure_action,
    Monitor: nsOf(roll.monitor) ?? 5 * SECOND_NS,
    MaxFailureRatio: roll.max_failure_ratio,
    Order: roll.order ?? 'start-first',
  });
