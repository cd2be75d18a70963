// The swarm driver: one replicated service is the set of slots. Swarm makes, restarts and moves the tasks, because it offers
// no way to start or end one; torc routes, decides who is out, and proves who is in. So the list is what is wanted (given.ts),
// read every half second and oftener, for Swarm tells of services and nodes but never of tasks. What torc asks of Swarm is written into
// the service, with the version of what was read: among several torcs that version decides, and no leader is needed.
// On a node that is no manager, and knows none, the engine's gossip is what there is (gossip.ts); where managers answer no
// more, it adds to what they said last.

import type { Driver, DriverEvent, Orders, Place, Replica, UpdateState } from '../../control/driver.ts';
import { StartError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { ReplicaAddress } from '../../core/types.ts';
import { atStart, type Engine, EngineError } from '../docker/engine.ts';
import { Agreement } from './agreement.ts';
import { ServiceEvents } from './events.ts';
import { Gossip } from './gossip.ts';
import { LastList } from './last-list.ts';
import { answersAt, GOSSIP_PORT } from './machine.ts';
import { OWNER_LABEL } from './made.ts';
import { makeService, type ServiceDefinition } from './make.ts';
import { type Change, isForNext, type Managers } from './managers.ts';
import { Nodes } from './nodes.ts';
import type { SwarmService, SwarmServiceSpec } from './objects.ts';
import { Polling } from './polling.ts';
import { type Shared, weighed, withWeight } from './store.ts';
import { type Here, hostPortOf, portOf, replicasOf, withoutDigest } from './task.ts';
import {
  evacuated,
  evacuatedNodes,
  evacuationRefusal,
  isUpdating,
  putBack,
  replicasIn,
  scaled,
  UPDATE_CONFIG,
  updated,
} from './write.ts';

const NOT_A_MANAGER = 503;
const EVACUATION_EVERY_MS = 60_000;
/** That a machine was silent, before a write. */
const SILENCE_HOLDS_MS = 1_000;
const SILENT_WITHIN_MS = 500;
/** After a write failed: the next one is another torc's, or a minute's. */
const PUT_BACK_RETRY_MS = 5_000;

export interface SwarmDriverOptions {
  readonly service: string;
  /** Null: it has to be there. */
  readonly definition: ServiceDefinition | null;
  readonly managers: Managers;
  /** The one on this machine, which knows torc's own container, and gossip. */
  readonly engine: Engine;
  /** Ids of those that torc's container is on; null: torc is on a host. */
  readonly ownNetworks: () => Promise<ReadonlySet<string> | null>;
  /** On which the tasks listen; null: the one that the service publishes. */
  readonly port: number | null;
  readonly reach: 'auto' | 'ip' | 'published';
  /** Whether tasks of a lost machine are moved. */
  readonly evacuates: boolean;
  /** Settings in which the torcs of one service have to agree. */
  readonly shared: Shared;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly log: Log;
}

export class SwarmDriver implements Driver {
  readonly name = 'swarm';
  readonly creates = false;
  readonly givenBy = 'TORC_SERVICE';
  readonly orders: Orders;
  readonly #options: SwarmDriverOptions;
  readonly #agreement: Agreement;
  readonly #nodes: Nodes;
  readonly #gossip: Gossip;
  readonly #polling = new Polling();
  readonly #events: ServiceEvents;
  #onEvent: (event: DriverEvent) => void = () => {};
  /** Of torc's container; null on a host. */
  #networks: ReadonlySet<string> | null = null;
  #service: SwarmService | null = null;
  /** Slot -> what the log last said of it. */
  #said: ReadonlyMap<string, string> = new Map();
  #known: ReadonlyMap<string, ReplicaAddress> = new Map();
  /** No manager is known here. */
  #isByGossip = false;
  readonly #last = new LastList();
  #trouble = '';
  /** Of the service's labels, as the log said it last. */
  #weightFault = '';
  /** The service was made by this run. */
  #isMadeNow = false;
  #putBackAtMs = 0;

  constructor(options: SwarmDriverOptions) {
    this.#options = options;
    this.#agreement = new Agreement(options.shared, options);
    this.#nodes = new Nodes(options.managers, options.nowMs);
    this.#gossip = new Gossip(options.engine, options.service, options.nowMs);
    this.#events = new ServiceEvents({
      ...options,
      onChanged: () => this.#changed('the service was changed'),
    });
    this.orders = {
      scale: by => this.#scale(by),
      update: version => this.#update(version),
      undo: () => this.#undo(),
      updateState: () => updateStateOf(this.#service),
      weigh: (slot, weight) => this.#weigh(slot, weight),
      isSilent: (place, withinMs) => this.#isSilent(place, withinMs),
      ...(options.evacuates ? { evacuate: (place, silentAtMs) => this.#evacuate(place, silentAtMs) } : {}),
    };
  }

  get program(): string {
    const { service } = this.#options;
    return this.image === '' ? `service ${service}` : `service ${service} (${this.image})`;
  }

  /** What its tasks are made of, as last read. */
  get image(): string {
    return withoutDigest(this.#service?.Spec.TaskTemplate.ContainerSpec?.Image ?? '');
  }

  /** This torc, or an earlier run of it, made the service. */
  get isOwn(): boolean {
    const owner = this.#service?.Spec.Labels?.[OWNER_LABEL];
    return owner !== undefined && owner === this.#options.definition?.owner;
  }

  get observeEveryMs(): number {
    return this.#polling.everyMs;
  }

  get trouble(): string {
    return this.#trouble;
  }

  get difference(): string {
    return this.#agreement.difference;
  }

  /** Other settings are in force. */
  configure(shared: Shared): void {
    this.#agreement.configure(shared);
  }

  async open(onEvent: (event: DriverEvent) => void): Promise<void> {
    this.#onEvent = onEvent;
    const { service: name, managers, engine, port, log } = this.#options;
    try {
      this.#networks = await this.#options.ownNetworks();
      const service = (await managers.service(name)) ?? (await this.#make());
      if (replicasIn(service.Spec) === null)
        throw new StartError(
          `the service ${name} is not replicated, so its tasks have no slots: use --mode replicated`,
        );
      const found = portOf(service.Spec, port);
      if (typeof found !== 'number') throw new StartError(found.fault);
      const refusal = this.#agreement.refusal(service);
      if (refusal !== null) throw new StartError(refusal, { exitCode: 2 });
      this.#service = service;
    } catch (error) {
      if (isNoManager(error)) return this.#openByGossip(engine);
      if (isForNext(error) && (await this.#listBeside()) !== null) {
        const why = (error as Error).message;
        log.warn({ service: name }, `${why}: until a manager answers, tasks are found by this node's gossip`);
        return;
      }
      throw error instanceof EngineError ? new StartError(atStart(error), { cause: error }) : error;
    }
  }

  async list(): Promise<readonly Replica[]> {
    if (this.#isByGossip) return this.#gossip.list(this.#networks, this.#options.port!);
    try {
      const listed = await this.#listByManagers();
      this.#last.take(listed);
      this.#trouble = '';
      return listed;
    } catch (error) {
      const beside = isForNext(error) ? await this.#listBeside() : null;
      if (beside === null) throw error;
      this.#trouble = `${(error as Error).message}; tasks are found by this node's gossip beside those of the last list`;
      return beside;
    }
  }

  /** No manager answers: null where gossip says nothing either, or what it says is of no use here. */
  async #listBeside(): Promise<readonly Replica[] | null> {
    const { reach } = this.#options;
    const spec = this.#service?.Spec;
    if (this.#networks === null || reach === 'published') return null;
    const port = spec === undefined ? this.#options.port : portOf(spec, this.#options.port);
    if (typeof port !== 'number') return null;
    const named = await this.#gossip.list(this.#networks, port).catch(() => []);
    if (named.length === 0) return null;
    const nodes = [...this.#nodes.known.values()];
    const replicas = this.#weighed(this.#last.with(named, nodes), spec);
    this.#say(replicas);
    return replicas;
  }

  async #listByManagers(): Promise<readonly Replica[]> {
    const { managers, service: name, nowMs } = this.#options;
    const startedMs = nowMs();
    const service = await managers.service(name);
    if (service === null) throw new Error(`there is no service ${name} any more`);
    const tasks = await managers.tasks(service.ID);
    this.#events.listenTo(managers.current);
    this.#service = service;
    const nodes = await this.#nodes.of(tasks.flatMap(({ NodeID }) => NodeID || []));
    const port = portOf(service.Spec, this.#options.port);
    if (typeof port !== 'number') throw new Error(port.fault);
    const here: Here = {
      networks: this.#networks,
      reach: this.#options.reach,
      port,
      nodes,
      hostPort: hostPortOf(service.Spec, port),
      known: this.#known,
    };
    const replicas = this.#weighed(replicasOf(tasks, name, here), service.Spec);
    this.#known = new Map(
      replicas.flatMap(({ id, host, port, status }) => (status === 'running' ? [[id, { host, port }]] : [])),
    );
    const isUnderWay = isUpdating(service) || replicas.some(({ status }) => status !== 'running');
    this.#polling.listed(isUnderWay, nowMs(), nowMs() - startedMs);
    this.#say(replicas);
    this.#putBack(service);
    this.#agreement.look(service);
    return replicas;
  }

  #weighed(listed: readonly Replica[], spec: SwarmServiceSpec | undefined): readonly Replica[] {
    const { service, log } = this.#options;
    const { replicas, fault } = weighed(listed, spec);
    if (fault !== '' && fault !== this.#weightFault) log.warn({ service }, fault);
    this.#weightFault = fault;
    return replicas;
  }

  async start(): Promise<never> {
    throw new Error('Swarm makes the tasks, torc starts none');
  }

  async stop(): Promise<void> {}

  /** What an earlier run made stays where this one did not come to serve: other torcs may. */
  async close({ remove, hasServed = true }: { remove: boolean; hasServed?: boolean }): Promise<void> {
    const { managers, service, log } = this.#options;
    this.#events.close();
    if (!remove || !this.isOwn || (!hasServed && !this.#isMadeNow)) return;
    await managers.remove(service);
    log.info({ service }, `the service ${service}, which torc made, is removed`);
  }

  async #make(): Promise<SwarmService> {
    const { service: name } = this.#options;
    const made = await makeService({ ...this.#options, name, networks: this.#networks });
    this.#isMadeNow = true;
    return made;
  }

  async #openByGossip(engine: Engine): Promise<void> {
    const { service, port, log } = this.#options;
    if (this.#networks === null || port === null)
      throw new StartError(
        'this engine is no manager of a swarm: set TORC_SWARM_MANAGERS, or run torc in a container on a network of the service, with TORC_REPLICA_PORT',
      );
    this.#isByGossip = true;
    await engine.ping();
    log.warn(
      { service },
      `no manager can be asked: the tasks of ${service} are found by this node's gossip, and torc scales, updates and moves nothing`,
    );
  }

  // What torc asks of Swarm.

  async #scale(by: number): Promise<number> {
    const service = await this.#change(({ Spec }, unsure) => {
      if (unsure !== null && replicasIn(Spec) === replicasIn(unsure)) return null;
      const count = (replicasIn(Spec) ?? 1) + by;
      if (count < 1) throw new Error(`the service ${Spec.Name} keeps one task at least`);
      return scaled(Spec, count);
    });
    return replicasIn(service.Spec)!;
  }

  async #weigh(slot: string, weight: number | null): Promise<void> {
    await this.#change(service => {
      if (isUpdating(service))
        throw new Error(`the service ${service.Spec.Name} is being updated: weights are written after it`);
      return withWeight(service.Spec, slot, weight);
    });
  }

  async #update(version: string): Promise<void> {
    await this.#change(service => {
      if (service.Spec.Labels?.[UPDATE_CONFIG] !== undefined)
        throw new Error("a lost node's tasks are being moved: try again in some seconds");
      return updated(service.Spec, version);
    });
  }

  async #undo(): Promise<void> {
    await this.#change(
      ({ Spec, UpdateStatus }, unsure) =>
        unsure !== null && UpdateStatus?.State?.startsWith('rollback') ? null : Spec,
      { rollback: 'previous' },
    );
  }

  async #change(change: Change, query?: Readonly<Record<string, string>>): Promise<SwarmService> {
    if (this.#isByGossip) throw new Error('no manager of the swarm can be asked: set TORC_SWARM_MANAGERS');
    const service = await this.#options.managers.change(this.#options.service, change, query);
    this.#changed('torc changed the service');
    return service;
  }

  #changed(cause: string): void {
    this.#polling.changed(this.#options.nowMs());
    this.#onEvent({ kind: 'changed', cause });
  }

  // A lost node.

  async #isSilent({ id }: Place, withinMs: number): Promise<boolean> {
    const addr = this.#nodes.known.get(id)?.Status.Addr;
    return addr === undefined || !(await answersAt(addr, GOSSIP_PORT, withinMs));
  }

  async #evacuate(place: Place, silentAtMs: number): Promise<string | null> {
    const { id, name } = place;
    const { wallMs, nowMs } = this.#options;
    const nodes = await this.#nodes.read();
    // Managers were not to be had for long: perhaps it was this torc that was cut off, and is no longer.
    const isOld = nowMs() - silentAtMs > SILENCE_HOLDS_MS;
    if (isOld && !(await this.orders.isSilent(place, SILENT_WITHIN_MS)))
      return `the tasks of node ${name} are not moved: it answers again`;
    let refusal: string | null = null;
    await this.#change(service => {
      const when = { wallMs: wallMs(), perMs: EVACUATION_EVERY_MS };
      const next = evacuated(service.Spec, id, when.wallMs);
      refusal = next === null ? null : evacuationRefusal(service, nodes, id, when);
      return refusal === null ? next : null;
    });
    return refusal === null ? null : `the tasks of node ${name} are not moved: ${refusal}`;
  }

  /** Beside the list, which waits for no write. Any torc does it; the others find it done. */
  #putBack(service: SwarmService): void {
    const { nowMs, log } = this.#options;
    const away = evacuatedNodes(service.Spec);
    this.#nodes.watch(away);
    const isBack = (nodeId: string): boolean => this.#nodes.isBack(nodeId);
    if (isUpdating(service) || nowMs() < this.#putBackAtMs || putBack(service, isBack) === null) return;
    this.#putBackAtMs = nowMs() + PUT_BACK_RETRY_MS;
    const back = away.filter(isBack).map(id => this.#nodes.known.get(id)?.Description?.Hostname ?? id);
    void this.#change(now => putBack(now, isBack)).then(
      () => {
        if (back.length > 0) log.info({ nodes: back }, `tasks may be placed on ${back.join(', ')} again`);
      },
      (error: Error) => log.debug({ error: error.message }, 'what an evacuation changed is put back later'),
    );
  }

  /** What was said already is not said again. */
  #say(replicas: readonly Replica[]): void {
    const { log } = this.#options;
    const said = new Map<string, string>();
    for (const { id, slot, label, place, status, ended = '' } of replicas)
      if (status === 'running') said.set(id, `slot ${slot}: task ${label} runs on ${place?.name}`);
      else if (ended.includes('reached')) said.set(id, `slot ${slot}: task ${label}: ${ended}`);
    for (const [id, text] of said) {
      if (this.#said.get(id) === text) continue;
      if (text.includes('reached')) log.warn({}, text);
      else log.info({}, text);
    }
    this.#said = said;
  }
}

const isNoManager = (error: unknown): boolean =>
  error instanceof EngineError && error.status === NOT_A_MANAGER;

function updateStateOf(service: SwarmService | null): UpdateState | null {
  const { State = '', Message: message = '', StartedAt: startedAt = '' } = service?.UpdateStatus ?? {};
  if (State === '') return null;
  const state = State === 'updating' ? 'running' : State === 'completed' ? 'completed' : 'stopped';
  return { state, startedAt, message };
}
