// What a replica is, in Compose's words: one service in its canonical form, which is what `docker compose config --format
// json` prints for `services.NAME`: long syntax for ports, volumes, secrets and devices, maps for environment and labels,
// command as a list, durations as text ("1m30s"), bytes as decimal text. Loaders make it, drivers read it, and both can be
// tested against Compose itself with nothing in between. Three things differ from what Compose prints: "$" is not
// doubled, `mode` is a number in every version, and `create_host_path` is always said (true where not false).
// Compose Specification: https://github.com/compose-spec/compose-spec/blob/main/spec.md

export interface ServicePort {
  readonly mode?: string;
  readonly host_ip?: string;
  readonly target: number;
  /** A port, or a range "8000-8010"; absent: any free one. */
  readonly published?: string;
  readonly protocol?: string;
  readonly app_protocol?: string;
  readonly name?: string;
}

export interface ServiceVolume {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image' | 'npipe' | 'cluster';
  /** Absolute path (bind), key of `ServiceProject.volumes` (volume), absent for an anonymous volume and tmpfs. */
  readonly source?: string;
  readonly target: string;
  readonly read_only?: boolean;
  readonly consistency?: string;
  readonly bind?: {
    readonly propagation?: string;
    readonly create_host_path?: boolean;
    readonly selinux?: string;
    readonly recursive?: string;
  };
  readonly volume?: {
    readonly nocopy?: boolean;
    readonly subpath?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly tmpfs?: { readonly size?: string; readonly mode?: number };
  readonly image?: { readonly subpath?: string };
}

export interface ServiceNetwork {
  readonly aliases?: readonly string[];
  readonly ipv4_address?: string;
  readonly ipv6_address?: string;
  readonly link_local_ips?: readonly string[];
  readonly mac_address?: string;
  readonly driver_opts?: Readonly<Record<string, string>>;
  readonly priority?: number;
  readonly gw_priority?: number;
  readonly interface_name?: string;
}

/** One of `secrets` or `configs`: which object, and where the container sees it. */
export interface ServiceFile {
  /** Key of `ServiceProject.secrets` or `.configs`. */
  readonly source: string;
  /** Absent: /run/secrets/SOURCE, /SOURCE; a secret's relative one is below /run/secrets. */
  readonly target?: string;
  readonly uid?: string;
  readonly gid?: string;
  readonly mode?: number;
}

export interface DeviceRequest {
  readonly driver?: string;
  /** -1 is all. */
  readonly count?: number;
  readonly device_ids?: readonly string[];
  readonly capabilities?: readonly string[];
  readonly options?: Readonly<Record<string, string>>;
}

export interface ServiceResource {
  readonly cpus?: number;
  readonly memory?: string;
  readonly pids?: number;
  readonly devices?: readonly DeviceRequest[];
  readonly generic_resources?: readonly {
    readonly discrete_resource_spec?: { readonly kind?: string; readonly value?: number };
  }[];
}

/** How versions follow each other on a swarm; durations as text. */
export interface ServiceRoll {
  readonly parallelism?: number;
  readonly delay?: string;
  readonly failure_action?: string;
  readonly monitor?: string;
  readonly max_failure_ratio?: number;
  readonly order?: string;
}

export interface ServiceDeploy {
  readonly mode?: string;
  readonly replicas?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly resources?: { readonly limits?: ServiceResource; readonly reservations?: ServiceResource };
  readonly restart_policy?: {
    readonly condition?: string;
    readonly delay?: string;
    readonly max_attempts?: number;
    readonly window?: string;
  };
  readonly update_config?: ServiceRoll;
  readonly rollback_config?: ServiceRoll;
  readonly placement?: {
    readonly constraints?: readonly string[];
    readonly preferences?: readonly { readonly spread?: string }[];
    readonly max_replicas_per_node?: number;
  };
  readonly endpoint_mode?: string;
}

export interface ServiceHealthcheck {
  /** `["CMD", ...]`, `["CMD-SHELL", line]` or `["NONE"]`. */
  readonly test?: readonly string[];
  readonly interval?: string;
  readonly timeout?: string;
  readonly retries?: number;
  readonly start_period?: string;
  readonly start_interval?: string;
  readonly disable?: boolean;
}

interface ThrottleDevice {
  readonly Path: string;
  readonly Rate: string;
}

export interface ServiceBlkio {
  readonly weight?: number;
  readonly weight_device?: readonly { readonly Path: string; readonly Weight: number }[];
  readonly device_read_bps?: readonly ThrottleDevice[];
  readonly device_read_iops?: readonly ThrottleDevice[];
  readonly device_write_bps?: readonly ThrottleDevice[];
  readonly device_write_iops?: readonly ThrottleDevice[];
}

/** Canonical `services.NAME`. What is absent was not said; `null` for command and entrypoint: the image's. */
export interface ComposeService {
  readonly image?: string;
  readonly command: readonly string[] | null;
  readonly entrypoint: readonly string[] | null;
  /** `env_file` is merged in already. `null`: named without a value, and the environment of the loader has none. */
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly working_dir?: string;
  readonly user?: string;
  readonly group_add?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly platform?: string;
  readonly pull_policy?: string;
  readonly runtime?: string;
  readonly isolation?: string;

  readonly volumes?: readonly ServiceVolume[];
  readonly tmpfs?: readonly string[];
  readonly secrets?: readonly ServiceFile[];
  readonly configs?: readonly ServiceFile[];
  readonly read_only?: boolean;
  readonly shm_size?: string;
  readonly storage_opt?: Readonly<Record<string, string>>;

  /** Keys of `ServiceProject.networks`. From a Compose file never absent (`{default: null}`) but beside `network_mode`. */
  readonly networks?: Readonly<Record<string, ServiceNetwork | null>>;
  readonly network_mode?: string;
  readonly ports?: readonly ServicePort[];
  readonly expose?: readonly string[];
  readonly dns?: readonly string[];
  readonly dns_opt?: readonly string[];
  readonly dns_search?: readonly string[];
  /** "name=address" each. */
  readonly extra_hosts?: readonly string[];
  readonly mac_address?: string;

  readonly mem_limit?: string;
  readonly mem_reservation?: string;
  /** "-1": unlimited swap. */
  readonly memswap_limit?: string;
  readonly mem_swappiness?: string;
  readonly cpus?: number;
  readonly cpuset?: string;
  readonly cpu_shares?: number;
  readonly cpu_quota?: number;
  readonly cpu_period?: number;
  readonly cpu_rt_period?: number;
  readonly cpu_rt_runtime?: number;
  readonly cpu_count?: number;
  readonly cpu_percent?: number;
  readonly pids_limit?: number;
  readonly oom_kill_disable?: boolean;
  readonly oom_score_adj?: number;
  readonly ulimits?: Readonly<Record<string, number | { readonly soft: number; readonly hard: number }>>;
  readonly blkio_config?: ServiceBlkio;
  readonly deploy?: ServiceDeploy;
  readonly scale?: number;
  readonly gpus?: readonly DeviceRequest[];

  readonly cap_add?: readonly string[];
  readonly cap_drop?: readonly string[];
  /** A seccomp profile is named by its absolute path: "seccomp=/srv/profile.json". */
  readonly security_opt?: readonly string[];
  readonly privileged?: boolean;
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly devices?: readonly {
    readonly source: string;
    readonly target: string;
    readonly permissions: string;
  }[];
  readonly device_cgroup_rules?: readonly string[];
  readonly cgroup?: string;
  readonly cgroup_parent?: string;
  readonly ipc?: string;
  readonly pid?: string;
  readonly uts?: string;
  readonly userns_mode?: string;

  readonly init?: boolean;
  readonly tty?: boolean;
  readonly stdin_open?: boolean;
  readonly stop_signal?: string;
  readonly stop_grace_period?: string;
  readonly restart?: string;
  readonly healthcheck?: ServiceHealthcheck;
  readonly logging?: { readonly driver?: string; readonly options?: Readonly<Record<string, string>> };
  readonly depends_on?: Readonly<
    Record<string, { readonly condition: string; readonly required: boolean; readonly restart?: boolean }>
  >;
}

/** Top-level `networks.NAME`: `name` is what the engine calls it (PROJECT_NAME, where the file says no other). */
export interface ProjectNetwork {
  readonly name: string;
  readonly external?: boolean;
  readonly driver?: string;
  readonly driver_opts?: Readonly<Record<string, string>>;
  readonly internal?: boolean;
  readonly attachable?: boolean;
  readonly enable_ipv4?: boolean;
  readonly enable_ipv6?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ipam?: {
    readonly driver?: string;
    readonly config?: readonly {
      readonly subnet?: string;
      readonly gateway?: string;
      readonly ip_range?: string;
      readonly aux_addresses?: Readonly<Record<string, string>>;
    }[];
    readonly options?: Readonly<Record<string, string>>;
  };
}

export interface ProjectVolume {
  readonly name: string;
  readonly external?: boolean;
  readonly driver?: string;
  readonly driver_opts?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A secret or config: a file (absolute path), or its content, which is there too where `environment` names a variable; `external`: a swarm's own. */
export interface ProjectFile {
  readonly name: string;
  readonly external?: boolean;
  readonly file?: string;
  readonly environment?: string;
  readonly content?: string;
}

/** One service, and what it refers to of the rest of its file. Plain data; may hold secrets: never logged, never sent on. */
export interface ServiceProject {
  /** The Compose project's name. */
  readonly name: string;
  readonly serviceName: string;
  readonly service: ComposeService;
  readonly networks: Readonly<Record<string, ProjectNetwork>>;
  readonly volumes: Readonly<Record<string, ProjectVolume>>;
  readonly secrets: Readonly<Record<string, ProjectFile>>;
  readonly configs: Readonly<Record<string, ProjectFile>>;
}
