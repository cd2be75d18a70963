// A replica's definition, in Compose's words, as the service that torc makes where none of its name is there; pure. It
// takes the words that say what a program is; what ties a replica to one machine, or is the swarm's own kind of object,
// is refused by name, because `docker stack deploy` makes such a service and torc takes it as it is. What torc adds is what
// was measured to heal best (docs/swarm.md): restarts after a second, updates that start before they stop, a short grace.

import { expandText } from '../../service/expand.ts';
import { durationNs } from '../../service/scalars.ts';
import type { ComposeService, ServiceHealthcheck, ServiceProject } from '../../service/service.ts';
import type { SwarmServiceSpec } from './objects.ts';
import { PORT_LABEL } from './task.ts';

const SECOND_NS = 1_000_000_000;
const MEMORY_BYTES = 512 * 1024 * 1024;
const PIDS = 256;
/** Whose it is: it goes with that torc. */
export const OWNER_LABEL = 'torc.owner';
/** Filled in by Swarm, for each task. */
const SLOT = '{{.Task.Slot}}';

const TAKEN: readonly (keyof ComposeService)[] = [
  ...(['image', 'command', 'entrypoint', 'environment', 'working_dir', 'user', 'hostname'] as const),
  ...(['labels', 'healthcheck', 'stop_signal', 'stop_grace_period', 'init', 'read_only', 'tty'] as const),
  ...(['cap_add', 'cap_drop', 'mem_limit', 'cpus', 'pids_limit', 'deploy', 'scale'] as const),
  ...(['ports', 'expose', 'depends_on', 'networks'] as const),
];
/** Swarm fills in words of a task's nowhere else. */
const FILLED: readonly (keyof ComposeService)[] = ['environment', 'hostname'];

/** What of a service no task can have; each a line. */
export function madeFaults({ service, serviceName }: ServiceProject): string[] {
  const faults: string[] = [];
  for (const [key, value] of Object.entries(service)) {
    const name = key as keyof ComposeService;
    if (value === undefined || value === null) continue;
    if (!TAKEN.includes(name))
      faults.push(
        `${key}: torc makes no Swarm service with it; docker stack deploy does, and torc takes that one`,
      );
    else if (!FILLED.includes(name) && /\{\{ ?(slot|generation|port) ?\}\}/.test(JSON.stringify(value)))
      faults.push(`${key}: Swarm fills in {{slot}} in environment and hostname only`);
    else if (/\{\{ ?generation ?\}\}/.test(JSON.stringify(value)))
      faults.push(`${key}: Swarm counts no {{generation}}; take it out`);
  }
  return faults.map(fault => `service ${serviceName}: ${fault}`);
}

export interface Making {
  readonly name: string;
  readonly owner: string;
  readonly image: string;
  readonly port: number;
  readonly replicas: number;
  /** Null: an image and nothing else. */
  readonly project: ServiceProject | null;
  /** An overlay that torc's container is on; null: torc is on a host, and tasks publish a port each. */
  readonly network: string | null;
}

export function madeSpec(making: Making): SwarmServiceSpec {
  const { name, owner, image, port, replicas, project, network } = making;
  const service: Partial<ComposeService> = project?.service ?? {};
  const networks = Object.keys(service.networks ?? {}).flatMap(key =>
    key === 'default' ? [] : (project!.networks[key]?.name ?? key),
  );
  const Networks = [...new Set([...(network === null ? [] : [network]), ...networks])];
  const update = { Parallelism: 1, Order: 'start-first', Monitor: 5 * SECOND_NS };
  return {
    Name: name,
    Labels: { ...service.deploy?.labels, [OWNER_LABEL]: owner, [PORT_LABEL]: String(port) },
    TaskTemplate: {
      ContainerSpec: containerOf(service, image, port),
      Resources: { Limits: limitsOf(service) },
      RestartPolicy: { Condition: 'any', Delay: SECOND_NS },
      Placement: {},
      LogDriver: { Name: 'json-file', Options: { 'max-size': '1m', 'max-file': '1' } },
      ...(Networks.length === 0 ? {} : { Networks: Networks.map(Target => ({ Target })) }),
    },
    Mode: { Replicated: { Replicas: replicas } },
    UpdateConfig: { ...update, FailureAction: 'rollback' },
    RollbackConfig: update,
    EndpointSpec: {
      Mode: 'dnsrr',
      Ports: network === null ? [{ Protocol: 'tcp', TargetPort: port, PublishMode: 'host' }] : [],
    },
  };
}

function containerOf(service: Partial<ComposeService>, image: string, port: number) {
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
    Hostname: service.hostname && expandText(service.hostname, words),
    Labels: service.labels,
    TTY: service.tty,
    ReadOnly: service.read_only,
    // A program without a handler ignores SIGTERM as process 1.
    Init: service.init ?? true,
    StopSignal: service.stop_signal,
    StopGracePeriod: service.stop_grace_period ? durationNs(service.stop_grace_period) : 2 * SECOND_NS,
    CapabilityAdd: service.cap_add,
    CapabilityDrop: service.cap_drop ?? ['ALL'],
    Healthcheck: healthcheckOf(service.healthcheck),
  });
}

/** The image's, asked oftener than most say: a task counts as running only after the first, and nobody else ends one that hangs. */
function healthcheckOf(check: ServiceHealthcheck = {}) {
  const ns = (text: string | undefined, usual?: number): number | undefined =>
    text === undefined ? usual : durationNs(text);
  return said({
    Test: check.disable ? ['NONE'] : check.test,
    Interval: ns(check.interval, 5 * SECOND_NS),
    // A check is often a program of its own, which takes its time to start on a busy machine.
    Timeout: ns(check.timeout, 5 * SECOND_NS),
    Retries: check.retries ?? 3,
    StartPeriod: ns(check.start_period),
  });
}

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

/** Without what was not said: the engine takes null for a value. */
const said = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
