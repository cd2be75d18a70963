// Every key of a Compose service, and what may stand there. One row each; shape.ts says what a shape is. What torc does with a key is not said here but in taken.ts: this is Compose's
// language alone, and reads what any `docker compose config` would print.
// https://github.com/compose-spec/compose-go/blob/main/schema/compose-spec.json

import { posix } from 'node:path';
import {
  anyText,
  bytes,
  decimal,
  duration,
  fileMode,
  hostPath,
  shown,
  text,
  truth,
  whole,
} from './scalars.ts';
import { fault, isMap, list, listOrOne, named, type Shape, single, struct } from './shape.ts';
import { deviceOf, environment, hostsOf, mapping, portsOf, volumeOf } from './short-syntax.ts';

const texts = list(text);
const textsOrOne = listOrOne(texts);

/** Compose finds a seccomp profile beside the file only when it makes the container; here its path is absolute at once. */
const securityOption: Shape = single((value, at) => {
  const option = text.read(value, at);
  const path = typeof option === 'string' ? /^seccomp[=:](?!unconfined$)(.+)$/.exec(option)?.[1] : undefined;
  return path === undefined ? option : `seccomp=${at.resolve(path)}`;
});
const mixedTexts = list(anyText);

/** Text that is split into words later (load.ts), or words. What runs is replaced, never merged. */
const command: Shape = single((value, at) => {
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every(word => typeof word === 'string')) return value;
  return fault(
    at,
    `${shown(value)} is neither a command line nor a list of words; allowed: numbers in quotes`,
  );
});

/** Short text, or the long form. */
const shortOr = (
  long: Shape,
  short: (written: string, at: Parameters<Shape['read']>[1]) => unknown,
): Shape => ({
  ...long,
  read: (value, at) => (typeof value === 'string' ? short(value, at) : long.read(value, at)),
});

const required =
  (...keys: string[]) =>
  (read: Record<string, unknown>, at: Parameters<Shape['read']>[1]) => {
    const missing = keys.filter(key => read[key] === undefined);
    return missing.length === 0 ? read : fault(at, `has no ${missing.join(' and no ')}`);
  };

const envFile = listOrOne(
  list(
    shortOr(
      struct({ path: hostPath, required: truth, format: text }, (read, at) =>
        required('path')({ required: true, ...read }, at),
      ),
      (written, at) => ({ path: at.resolve(written), required: true }),
    ),
    item => String((item as { path?: unknown }).path),
  ),
);

const port = struct(
  {
    name: text,
    mode: text,
    host_ip: text,
    target: whole(1, 65535),
    published: anyText,
    protocol: text,
    app_protocol: text,
  },
  (read, at) => required('target')({ mode: 'ingress', protocol: 'tcp', ...read }, at),
);
const ports = list(
  {
    ...port,
    read: (value, at) =>
      isMap(value) ? [port.read(value, at)].filter(one => one !== undefined) : portsOf(value, at),
  },
  item => {
    const { host_ip, published, target, protocol } = item as Record<string, unknown>;
    return `${host_ip ?? '0.0.0.0'}:${published}:${target}/${protocol}`;
  },
  true,
);

const volumes = list(
  shortOr(
    struct(
      {
        type: text,
        source: text,
        target: text,
        read_only: truth,
        consistency: text,
        bind: struct({ propagation: text, create_host_path: truth, recursive: text, selinux: text }),
        volume: struct({ labels: mapping, nocopy: truth, subpath: text }),
        tmpfs: struct({ size: bytes, mode: fileMode }),
        image: struct({ subpath: text }),
      },
      (read, at) => {
        if (required('type', 'target')(read, at) === undefined) return undefined;
        if (!['bind', 'volume', 'tmpfs', 'image', 'npipe', 'cluster'].includes(read.type as string))
          return fault(at, `type ${shown(read.type)} is none; allowed: bind, volume, tmpfs, image`);
        if (read.type !== 'bind') return read;
        if (read.source === undefined)
          return fault(at, 'has no source; allowed: the path of a file or folder');
        const bind = { create_host_path: true, ...(read.bind as object | undefined) };
        return { ...read, source: at.resolve(read.source as string), bind };
      },
    ),
    volumeOf,
  ),
  item => posix.normalize(String((item as { target?: unknown }).target)),
);

const devices = list(
  shortOr(
    struct({ source: text, target: text, permissions: text }, (read, at) =>
      required('source')({ target: read.source, permissions: 'rwm', ...read }, at),
    ),
    deviceOf,
  ),
  item => String((item as { target?: unknown }).target),
);

const files = (folder: string): Shape =>
  list(
    shortOr(
      struct({ source: text, target: text, uid: text, gid: text, mode: fileMode }, required('source')),
      written => ({ source: written }),
    ),
    item => {
      const { source, target } = item as Record<string, unknown>;
      return String(target ?? `${folder}/${source}`);
    },
  );

const deviceRequest = struct(
  {
    driver: text,
    count: single((value, at) => (value === 'all' ? -1 : whole(-1).read(value, at))),
    device_ids: texts,
    capabilities: texts,
    options: mapping,
  },
  read => (read.count === undefined && read.device_ids === undefined ? { ...read, count: -1 } : read),
);
const deviceRequests = list(deviceRequest, undefined);

const resource = {
  cpus: decimal,
  memory: bytes,
};
const roll = struct({
  parallelism: whole(0),
  delay: duration,
  failure_action: text,
  monitor: duration,
  max_failure_ratio: decimal,
  order: text,
});
const deploy = struct({
  mode: text,
  endpoint_mode: text,
  replicas: whole(0),
  labels: mapping,
  update_config: roll,
  rollback_config: roll,
  resources: struct({
    limits: struct({ ...resource, pids: whole() }),
    reservations: struct({
      ...resource,
      devices: deviceRequests,
      generic_resources: list(struct({ discrete_resource_spec: struct({ kind: text, value: whole() }) })),
    }),
  }),
  restart_policy: struct({ condition: text, delay: duration, max_attempts: whole(0), window: duration }),
  placement: struct({
    constraints: texts,
    preferences: list(struct({ spread: text })),
    max_replicas_per_node: whole(0),
  }),
});

const healthcheck = struct({
  disable: truth,
  interval: duration,
  retries: whole(0),
  test: single((value, at) => {
    if (typeof value === 'string') return ['CMD-SHELL', value];
    if (Array.isArray(value) && /^(CMD|CMD-SHELL|NONE)$/.test(String(value[0]))) return texts.read(value, at);
    return fault(
      at,
      `${shown(value)} is no test; allowed: a command line, ["CMD", ...], ["CMD-SHELL", line], ["NONE"]`,
    );
  }),
  timeout: duration,
  start_period: duration,
  start_interval: duration,
});

const loggingParts = struct({ driver: text, options: named(anyText) });
/** Options of one driver mean nothing to another. */
const logging: Shape = {
  ...loggingParts,
  merge: (base, over) => {
    const before = (base as { driver?: string }).driver;
    const after = (over as { driver?: string }).driver;
    return before === undefined || after === undefined || before === after
      ? loggingParts.merge(base, over)
      : over;
  },
};

const blkioRate = (rate: Shape): Shape =>
  list(struct({ path: text, rate }, ({ path, rate: read }) => ({ Path: path, Rate: read })));
const blkioWeight = list(
  struct({ path: text, weight: whole() }, ({ path, weight }) => ({ Path: path, Weight: weight })),
);

const dependsOn = named(
  struct({ condition: text, required: truth, restart: truth }, read => ({
    condition: 'service_started',
    required: true,
    ...read,
  })),
  { listed: { condition: 'service_started', required: true } },
);

const networksOf = named(
  struct({
    aliases: texts,
    interface_name: text,
    ipv4_address: text,
    ipv6_address: text,
    link_local_ips: texts,
    mac_address: text,
    driver_opts: named(anyText),
    priority: whole(),
    gw_priority: whole(),
  }),
  { nullable: true, listed: null },
);

const ulimit: Shape = single((value, at) =>
  isMap(value)
    ? struct({ soft: whole(), hard: whole() }, required('soft', 'hard')).read(value, at)
    : whole().read(value, at),
);

const hosts: Shape = {
  read: (value, at) => (value === null || value === undefined ? undefined : hostsOf(value, at)),
  merge: (base, over) => [...new Set([...(base as string[]), ...(over as string[])])].sort(),
};

/** Only that it is there: torc says that it does not take it. */
const anything: Shape = single(() => true);

/** `extends` is done by load.ts before these are read. */
export const serviceKeys = {
  annotations: mapping,
  attach: truth,
  blkio_config: struct({
    weight: whole(),
    weight_device: blkioWeight,
    device_read_bps: blkioRate(bytes),
    device_read_iops: blkioRate(bytes),
    device_write_bps: blkioRate(bytes),
    device_write_iops: blkioRate(bytes),
  }),
  build: anything,
  cap_add: texts,
  cap_drop: texts,
  cgroup: text,
  cgroup_parent: text,
  command,
  configs: files(''),
  container_name: text,
  cpu_count: whole(0),
  cpu_percent: decimal,
  cpu_period: whole(),
  cpu_quota: whole(),
  cpu_rt_period: whole(),
  cpu_rt_runtime: whole(),
  cpu_shares: whole(),
  cpus: decimal,
  cpuset: text,
  credential_spec: anything,
  depends_on: dependsOn,
  deploy,
  develop: anything,
  device_cgroup_rules: texts,
  devices,
  dns: textsOrOne,
  dns_opt: texts,
  dns_search: textsOrOne,
  domainname: text,
  entrypoint: command,
  env_file: envFile,
  environment,
  expose: mixedTexts,
  external_links: texts,
  extra_hosts: hosts,
  gpus: shortOr(deviceRequests, (written, at) =>
    written === 'all' ? [{ count: -1 }] : fault(at, `${shown(written)} is neither all nor a list`),
  ),
  group_add: mixedTexts,
  healthcheck,
  hostname: text,
  image: text,
  init: truth,
  ipc: text,
  isolation: text,
  label_file: listOrOne(list(hostPath)),
  labels: mapping,
  links: texts,
  logging,
  mac_address: text,
  mem_limit: bytes,
  mem_reservation: bytes,
  mem_swappiness: bytes,
  memswap_limit: bytes,
  models: anything,
  network_mode: text,
  networks: networksOf,
  oom_kill_disable: truth,
  oom_score_adj: whole(-1000, 1000),
  pid: text,
  pids_limit: whole(),
  platform: text,
  ports,
  post_start: anything,
  pre_start: anything,
  pre_stop: anything,
  privileged: truth,
  profiles: texts,
  provider: anything,
  pull_policy: text,
  pull_refresh_after: text,
  read_only: truth,
  restart: text,
  runtime: text,
  scale: whole(0),
  secrets: files('/run/secrets'),
  security_opt: list(securityOption),
  shm_size: bytes,
  stdin_open: truth,
  stop_grace_period: duration,
  stop_signal: text,
  storage_opt: named(anyText),
  sysctls: mapping,
  tmpfs: listOrOne(list(text, item => String(item).split(':')[0]!)),
  tty: truth,
  ulimits: named(ulimit),
  use_api_socket: truth,
  user: text,
  userns_mode: text,
  uts: text,
  volumes,
  volumes_from: texts,
  working_dir: text,
} satisfies Readonly<Record<string, Shape>>;

/** A whole service; what load.ts has taken out before is `extends`. */
export const serviceShape = struct(serviceKeys);
