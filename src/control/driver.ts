// What the control plane asks of the outside world: a driver makes, lists and ends replicas. Declared here, at the
// consumer, and narrow, so that Docker, child processes, a fixed list and the simulation's fake all fit it.
// Rules for every driver:
// - events are hints: they say which replica changed and why; the supervisor re-reads with `list` where it matters;
// - `stop` and `remove` of what is already gone succeed;
// - a driver never restarts anything by itself: there is one healer, the supervisor.

import type { ReplicaAddress } from '../core/types.ts';

/** A replica as the driver sees it. Addresses are only meaningful while `running` (a dead one's may be reused). */
export interface Replica extends ReplicaAddress {
  /** Container id, `pid:starttime`, or what was given (`host:port`): names this run of this replica and no other, ever. */
  readonly id: string;
  readonly slot: string;
  readonly generation: number;
  readonly spare: boolean;
  /** `stopping`: somebody else is ending it; what it works on may finish, and it gets nothing new. */
  readonly status: 'running' | 'paused' | 'stopping' | 'stopped';
  /** Given with it, for rings that know them (ring/circle.ts): how many points it gets, and HAProxy's id. */
  readonly weight?: number;
  readonly serverId?: number;
  /** What people look for: a container's short id, a pid. */
  readonly label: string;
  /** What it runs (an image, a command line), and which of those that have had that name (an image's short id), where known. */
  readonly image?: string;
  readonly version?: string;
  /** Why it ended, in plain words, where known: "exit code 137 (killed, out of memory)". */
  readonly ended?: string;
  /** The machine that it runs on, where there are several. */
  readonly place?: Place;
  /** What its own definition gives it between the signal to end and the kill, where it says so. */
  readonly stopGraceMs?: number;
}

export interface Place {
  readonly id: string;
  /** For people: its host name. */
  readonly name: string;
}

export interface ReplicaSpec {
  readonly slot: string;
  readonly generation: number;
  readonly spare: boolean;
  /** What a roll-out named (an image, a command line); absent: what torc was configured with. */
  readonly version?: string;
  /** The driver's own: what a reload made of other settings. It says all, `version` is its name then. */
  readonly definition?: object | undefined;
}

/**
 * `going`: a terminating signal was sent, stop using it; `gone`: it ended or lost its network; `unhealthy`: its own
 * health check says so; `changed`: something to look at; `resync`: the event stream was cut or resumed, list again.
 */
export interface DriverEvent {
  readonly kind: 'going' | 'gone' | 'unhealthy' | 'changed' | 'resync';
  /** Absent for `resync`. */
  readonly replicaId?: string;
  /** Plain words with the source first: "docker die, exit code 137". */
  readonly cause: string;
}

export interface Driver {
  readonly name: 'docker' | 'process' | 'static' | 'follow' | 'swarm';
  /** False where replicas are given: the slots follow what is listed, and nothing is made or ended (given.ts). */
  readonly creates: boolean;
  /** What its replicas run now, in words: an image, a command line, "the demo program"; absent where they are given. */
  readonly program?: string;
  /** In what this torc would not route as others do that have the same replicas; '' or absent: in nothing. */
  readonly difference?: string;
  /** Why its last list is made of less than it should be, its usual source being away; '' or absent: it is not. */
  readonly trouble?: string;
  /** Given replicas: the setting that says which; absent: TORC_UPSTREAMS. */
  readonly givenBy?: string;
  /** Given replicas: how long a slot outlives its last one, so that one made anew finds it. Absent: not at all. */
  readonly lingerMs?: number;
  /** Another torc has it for now (drivers/lendable.ts): what it refuses is no outage. */
  readonly isLent?: boolean;
  /** How long after a list the next one is due, where its events do not tell of replicas; absent: 5 s. Read after each list. */
  readonly observeEveryMs?: number;
  /** Whoever makes the given replicas can be told what there shall be. */
  readonly orders?: Orders;
  /**
   * Connects, checks what it needs (engine, image, network), then subscribes. Events may arrive before it resolves.
   * Throws StartError with one clear line when torc cannot start this way.
   */
  open(onEvent: (event: DriverEvent) => void): Promise<void>;
  /** All replicas of this torc, also stopped ones. Throws when the outside cannot be asked (engine away). */
  list(): Promise<readonly Replica[]>;
  /** Makes and starts one; resolves when it has an address, not when it answers. Throws with a cause in plain words. */
  start(spec: ReplicaSpec): Promise<Replica>;
  /** Ends it: asks to terminate, waits up to `graceMs`, kills, removes every trace. Succeeds if it is gone already. */
  stop(replica: Replica, graceMs: number): Promise<void>;
  /** Makes sure that a version can be started, before a roll-out touches anything. Throws with a cause in plain words. */
  prepare?(version: string): Promise<void>;
  /** A roll-out of it has succeeded: the next torc starts with it. Never throws. */
  remember?(version: string, definition?: object): void;
  /** The end of what a replica printed, with what it asks for ("torc: ..."), '' where nothing is known. Asked before its `stop`; never throws. */
  lastWords?(replica: Replica): Promise<string>;
  /** The container's own health check; null where it has none. Throws when the engine cannot be asked. */
  health?(replica: Replica): Promise<ContainerHealth | null>;
  /** A mark of what it has printed: another one than before says that it prints. '' where nothing is known; never throws. */
  outputMark?(replica: Replica): Promise<string>;
  /** Where it listens, as far as this machine can tell. Never throws. */
  listens?(replica: Replica): Promise<Listening>;
  /** Changes what a spare is: it now fills `spec.slot`. A label that cannot change (Docker) is kept beside it. */
  assign?(replica: Replica, spec: ReplicaSpec): Promise<Replica>;
  /** Does a connection from this address come from the network that replicas are on? Answered at once, from memory. */
  isReplicaPeer?(address: string): boolean;
  /** Where a port of torc's own container is reached from outside; null where it is not, or torc is in none. After `open`. */
  publishedAt?(port: number): string | null;
  /**
   * Closes connections; with `remove`, also removes what `open` made (network, files), never another's. `hasServed`: false where
   * the start failed, which is no reason to end what others may be served by since an earlier run.
   */
  close(options: { remove: boolean; hasServed?: boolean }): Promise<void>;
}

/** What may be asked of an orchestrator, which makes and ends replicas by itself. Each rejects in plain words. */
export interface Orders {
  /** So many more, or fewer; resolves with how many there shall be now, at least one, when that is written, not when they are there. */
  scale(by: number): Promise<number>;
  /** Every slot shall run this version, one after the other. */
  update(version: string): Promise<void>;
  /** Takes the last update back. */
  undo(): Promise<void>;
  /** How far the last update is, as of the last list; null: there was none. */
  updateState(): UpdateState | null;
  /** A slot's weight, for all torcs over these replicas; null: as if nobody had said one. The list has it then. */
  weigh(slot: string, weight: number | null): Promise<void>;
  /** Does the machine itself give no answer either, within this time? */
  isSilent(place: Place, withinMs: number): Promise<boolean>;
  /**
   * Has everything that runs there made elsewhere. Null: it is done, by whomever; else why not now. Absent: not wanted.
   * `silentAtMs`: when it was known to be silent (monotonic); it is asked again where that is long ago by then.
   */
  evacuate?(place: Place, silentAtMs: number): Promise<string | null>;
}

export interface UpdateState {
  readonly state: 'running' | 'completed' | 'stopped';
  /** Names this update and no other. */
  readonly startedAt: string;
  readonly message: string;
}

export type ContainerHealth = 'starting' | 'healthy' | 'unhealthy';

/** Where a replica listens inside. */
export interface Listening {
  /** Where it should. */
  readonly port: number;
  /** null: nobody can tell. */
  readonly sockets: readonly { readonly host: string; readonly port: number }[] | null;
  /** Only what its image says of itself (EXPOSE), not what is. */
  readonly isDeclared: boolean;
}

/** What a heartbeat asks. */
export interface Question {
  /**
   * `docker`: the container's own health, which its driver knows; the others are the probe's. `http2`: what `http` asks, of a
   * replica that speaks HTTP/2 alone; `grpc`: gRPC's health check.
   */
  readonly mode: 'http' | 'http2' | 'grpc' | 'tcp' | 'docker';
  readonly method: 'GET' | 'HEAD' | 'OPTIONS';
  readonly path: string;
  /** The Host field; null: the address. */
  readonly host: string | null;
  /** null: the port of the requests. */
  readonly port: number | null;
  /** Statuses that mean alive. */
  readonly statuses: readonly { readonly from: number; readonly to: number }[];
}

/**
 * Asks once, by a whole HTTP exchange (a paused container accepts connects: a connect proves nothing) unless `tcp` is asked.
 * `isRoutine`: nobody doubts it, so a connection that was there before will do.
 */
export type Probe = (
  replica: Replica,
  question: Question,
  timeoutMs: number,
  isRoutine?: boolean,
) => Promise<ProbeResult>;

export interface ProbeResult {
  readonly alive: boolean;
  /** What came back, well or not: any answer is a sign of life; `refused` says that nobody listens. */
  readonly got: 'answer' | 'refused' | 'nothing';
  /** 0 where none came. */
  readonly status: number;
  /** "200 in 3 ms", "connection refused", "no answer within 500 ms". */
  readonly detail: string;
  /** TLS failed; then `detail` says what to do about it. */
  readonly isTlsFault?: boolean;
}
