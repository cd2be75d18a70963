// The swarm's objects as far as torc reads and writes them, in the engine's own words (API 1.41 and later). A service's
// whole specification is written back as it was read, with what is not named here.

/** Both a task and a node carry much more. */
export interface SwarmTask {
  readonly ID: string;
  readonly CreatedAt: string;
  readonly Slot?: number;
  /** Absent until it is assigned. */
  readonly NodeID?: string;
  readonly DesiredState: string;
  readonly Spec: { readonly ContainerSpec?: { readonly Image?: string } };
  readonly Status: {
    readonly State: string;
    readonly Message?: string;
    readonly Err?: string;
    readonly PortStatus?: { readonly Ports?: readonly SwarmPort[] };
  };
  readonly NetworksAttachments?: readonly {
    readonly Network: {
      readonly ID: string;
      readonly Spec?: { readonly Name?: string; readonly Ingress?: boolean };
    };
    readonly Addresses?: readonly string[];
  }[];
}

export interface SwarmPort {
  readonly Protocol?: string;
  readonly TargetPort: number;
  readonly PublishedPort?: number;
  readonly PublishMode?: string;
}

export interface SwarmNode {
  readonly ID: string;
  readonly Description?: { readonly Hostname?: string };
  readonly Spec: { readonly Availability?: string };
  readonly Status: { readonly State: string; readonly Addr?: string };
}

/** A secret or a config. */
export interface SwarmFile {
  readonly ID: string;
  readonly Spec: { readonly Name: string };
}

export interface SwarmUpdateConfig {
  readonly Parallelism?: number;
  readonly Order?: string;
  readonly FailureAction?: string;
  /** ns */
  readonly Monitor?: number;
  readonly [key: string]: unknown;
}

export interface SwarmServiceSpec {
  readonly Name: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly TaskTemplate: {
    readonly ContainerSpec?: { readonly Image?: string; readonly [key: string]: unknown };
    readonly Placement?: { readonly Constraints?: readonly string[]; readonly [key: string]: unknown };
    readonly ForceUpdate?: number;
    readonly [key: string]: unknown;
  };
  readonly Mode?: { readonly Replicated?: { readonly Replicas?: number }; readonly [key: string]: unknown };
  readonly UpdateConfig?: SwarmUpdateConfig;
  readonly RollbackConfig?: SwarmUpdateConfig;
  readonly EndpointSpec?: { readonly Ports?: readonly SwarmPort[]; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

export interface SwarmService {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: SwarmServiceSpec;
  readonly UpdateStatus?: {
    readonly State?: string;
    readonly StartedAt?: string;
    readonly CompletedAt?: string;
    readonly Message?: string;
  };
}
