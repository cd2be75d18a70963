// The Docker driver: replicas as containers on a network of their own. Labels say which network's they are (torcs with
// different TORC_NETWORK share an engine in peace) and which instance made them (torc.owner), so that the next torc finds
// what a killed one left and touches nothing that only looks like it. One torc at a time has a network (lease.ts). Nothing is restarted by the engine: there is one healer. Every method asks the engine anew;
// what is remembered is only what is on its way. How it all looks on an engine is in container.ts.

import type Docker from 'dockerode';
import type {
  ContainerHealth,
  Driver,
  DriverEvent,
  Listening,
  Replica,
  ReplicaSpec,
} from '../../control/driver.ts';
import { StartError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { ServiceProject } from '../../service/service.ts';
import { DEMO_PROGRAM } from '../demo.ts';
import { instanceId } from '../instance.ts';
import { StateDirectory } from '../state.ts';
import { Belongings } from './belongings.ts';
import { differenceOf, nameOf, replicaOf } from './container.ts';
import { creationOf, type Make } from './creation.ts';
import { type Definition, define, lookAtImage, type ReplicaWords } from './definition.ts';
import { endOf, lastWordsOf } from './ending.ts';
import { atStart, Engine, EngineError, START_TIMEOUT_MS } from './engine.ts';
import { type EngineMessage, EventStream } from './events.ts';
import { hintOf, NETWORK_LABEL, OWNER_LABEL } from './hints.ts';
import { hasImage, isBundled, missingImage } from './image.ts';
import { Lease } from './lease.ts';
import { containerListening, healthOf, outputMarkOf } from './look.ts';
import { Network } from './network.ts';
import { USUAL_PORT } from './ports.ts';
import { removeReapers, startReaper } from './reaper.ts';
import { removeContainer } from './removal.ts';
import { Strangers } from './strangers.ts';

const NOT_MODIFIED = 304;
const NOT_FOUND = 404;
/** Beyond the grace: the engine kills, unmounts and answers. */
const STOP_MARGIN_MS = 20_000;

export interface DockerDriverOptions {
  readonly network: string;
  readonly image: string;
  readonly port: number | null;
  readonly reach: 'auto' | 'ip' | 'published';
  readonly service?: ServiceProject | null;
  readonly capAdd?: readonly string[];
  /** What torc made goes with torc's own container, if it is in one. */
  readonly reaps?: boolean;
  /** drivers/state.ts. */
  readonly stateRoot: string;
  readonly log: Log;
  /** Told what a roll-out has succeeded with; `isSetting`: it is what the settings say by now. */
  readonly remember?: (version: string, isSetting: boolean) => void;
  /** Told what takes long at start. */
  readonly progress: (text: string) => void;
}

export class DockerDriver implements Driver {
  readonly name = 'docker';
  readonly creates = true;
  program: string;
  readonly #options: DockerDriverOptions;
  readonly #engine = new Engine();
  readonly #network: Network;
  readonly #state: StateDirectory;
  readonly #lease: Lease;
  readonly #strangers: Strangers;
  #isAdopted = false;
  /** Names of containers between create and start: a list taken now must not show them as stopped. */
  readonly #starting = new Set<string>();
  #make: Make;
  /** What replicas are made of where nothing else is said. */
  #definition: Definition;
  /** What a reload made last; perhaps it is rolled out, perhaps it failed. */
  #defined: Definition;
  /** Of images that were looked at for a roll-out. */
  readonly #ports = new Map<string, number>();
  /** The images' and the service's own, besides the usual ones. */
  readonly #stopSignals = new Set<string>();
  #events: EventStream | null = null;
  #locked = false;
  /** Its start; torc does not wait for it. */
  #reaper: Promise<void> | null = null;

  constructor(options: DockerDriverOptions) {
    this.#options = options;
    const { network, image, port, stateRoot, log, capAdd = [], service = null } = options;
    this.program = programOf(image);
    const usual = { owner: '', reach: 'ip', port: port ?? USUAL_PORT, apiVersion: '' } as const;
    this.#make = { ...usual, network, image, capAdd, project: service };
    const belongings = new Belongings(this.#engine, service, '');
    this.#definition = {
      ...{ image, service, capAdd, project: service, belongings, stopSignals: [] },
      ...{ port: usual.port, configuredPort: port },
    };
    this.#defined = this.#definition;
    this.#network = new Network(network, this.#engine);
    this.#strangers = new Strangers(network, log);
    this.#lease = new Lease({ engine: this.#engine, network, log });
    this.#state = new StateDirectory(
      stateRoot,
      `docker-${network}`,
      `the replicas of the Docker network ${network}`,
    );
  }

  async open(onEvent: (event: DriverEvent) => void): Promise<void> {
    const { reach, log } = this.#options;
    try {
      await this.#engine.ping();
      await this.#state.open();
      this.#locked = true;
      const owner = instanceId(this.#options.stateRoot);
      this.#make = { ...this.#make, owner };
      this.#network.owner = owner;
      this.#events = new EventStream({
        engine: this.#engine,
        log,
        onMessage: message => this.#onMessage(message, onEvent),
        onResync: cause => onEvent({ kind: 'resync', cause }),
      });
      await this.#events.open();
      await this.#lease.take();
      await this.#takeDefinition();
      await this.#network.findSelf();
      const found = await this.#network.reach();
      this.#make = { ...this.#make, reach: reach === 'auto' ? found : reach };
      this.#checkInternal();
      const { own } = this.#network;
      if (this.#options.reaps && own !== null) this.#reaper = startReaper(this.#engine, own, this.#make, log);
    } catch (error) {
      throw error instanceof EngineError ? new StartError(atStart(error), { cause: error }) : error;
    }
  }

  async #takeDefinition(): Promise<void> {
    const { image, port, service = null, capAdd = [] } = this.#options;
    const { ApiVersion: apiVersion } = await this.#engine.ask('cannot ask for the version', docker =>
      docker.version(),
    );
    this.#make = { ...this.#make, apiVersion };
    this.#definition = await this.define({ image, port, service, capAdd });
    this.#make = this.#makeOf(this.#definition);
    this.#network.isInternal = await this.#definition.belongings.ensureNetworks();
  }

  #makeOf({ image, capAdd, project, port }: Definition): Make {
    return { ...this.#make, image, capAdd, project, port };
  }

  /** A service that is on internal networks alone must not get out through torc's. */
  #checkInternal(): void {
    const { isInternal, leadsOut, name } = this.#network;
    if (!isInternal) return;
    if (this.#make.reach === 'published')
      throw new StartError(
        'all networks of the service are internal, which have no published ports, and by these alone torc reaches replicas of this engine: name a network that is not internal',
      );
    if (leadsOut)
      this.#options.log.warn(
        { network: name },
        `all networks of the service are internal, but ${name}, on which torc reaches the replicas, is not: stop torc, docker network rm ${name}, and it is made anew`,
      );
  }

  async list(): Promise<readonly Replica[]> {
    await this.#lease.keep();
    this.#lease.check();
    const containers = await this.#engine.ask('cannot list the containers', docker =>
      docker.listContainers({ all: true, filters: { label: [`${NETWORK_LABEL}=${this.#make.network}`] } }),
    );
    const replicas: Replica[] = [];
    for (const info of containers) {
      if (info.Labels[OWNER_LABEL] !== this.#make.owner) {
        this.#strangers.name(info);
        continue;
      }
      if (info.Names.some(name => this.#starting.has(name.slice(1)))) continue;
      const replica = replicaOf(info, this.#make);
      if (replica === null) continue;
      replicas.push(
        replica.status === 'stopped' && info.State === 'exited' ? await this.#withEnd(replica) : replica,
      );
      if (!this.#isAdopted) this.#nameAdopted(info);
    }
    this.#isAdopted = true;
    return replicas;
  }

  #nameAdopted(info: Docker.ContainerInfo): void {
    const difference = differenceOf(info, this.#make);
    if (difference === '' || info.State !== 'running') return;
    this.#options.log.warn(
      { container: info.Names[0]?.slice(1), image: info.Image, difference },
      `a replica of an earlier run is taken over as it is: ${difference}`,
    );
  }

  async start(spec: ReplicaSpec): Promise<Replica> {
    this.#lease.check();
    const name = nameOf(this.#make.network, spec);
    this.#starting.add(name);
    try {
      const definition = (spec.definition ?? this.#definition) as Definition;
      await definition.belongings.ensureNetworks();
      await this.#network.ensure();
      await this.#create(name, spec, definition);
      await this.#engine.ask(
        `cannot start a container of ${spec.version ?? this.#make.image}`,
        docker => docker.getContainer(name).start(),
        START_TIMEOUT_MS,
      );
      await this.#learnReach();
      return await this.#find(name);
    } catch (error) {
      await removeContainer(this.#engine, name).catch(() => {}); // what cannot be removed now is a stray of the next list
      throw error;
    } finally {
      this.#starting.delete(name);
    }
  }

  async stop(replica: Replica, graceMs: number): Promise<void> {
    this.#lease.check();
    const { id, label } = replica;
    if (graceMs > 0 && replica.status !== 'stopped') {
      const t = Math.ceil(graceMs / 1000);
      await this.#engine
        .askUnless(
          [NOT_MODIFIED, NOT_FOUND],
          `cannot stop container ${label}`,
          docker => docker.getContainer(id).stop({ t }),
          t * 1000 + STOP_MARGIN_MS,
        )
        // Podman refuses it for a paused one (500). Whatever the reason, the removal below is by force, and says if it fails.
        .catch(error => this.#options.log.debug({ error: String(error) }, 'a stop failed: removed by force'));
    }
    await removeContainer(this.#engine, id);
  }

  async prepare(version: string): Promise<void> {
    const found = await lookAtImage(version, this.#definition, { engine: this.#engine, ...this.#options });
    this.#ports.set(version, found.port);
    for (const signal of found.stopSignals) this.#stopSignals.add(signal);
  }

  /** What other settings say a replica is, to be rolled out. Throws with every fault. */
  async define(words: ReplicaWords): Promise<Definition> {
    const { log, progress } = this.#options;
    const { owner, apiVersion } = this.#make;
    this.#defined = await define(words, { engine: this.#engine, owner, apiVersion, log, progress });
    for (const signal of this.#defined.stopSignals) this.#stopSignals.add(signal);
    return this.#defined;
  }

  async lastWords({ id }: Replica): Promise<string> {
    const { output, advice } = await lastWordsOf(this.#engine, id);
    return advice === null ? output : `${output}\ntorc: ${advice}`;
  }

  health(replica: Replica): Promise<ContainerHealth | null> {
    return healthOf(this.#engine, replica);
  }

  outputMark(replica: Replica): Promise<string> {
    return outputMarkOf(this.#engine, replica);
  }

  listens(replica: Replica): Promise<Listening> {
    const port = this.#ports.get(replica.image ?? '') ?? this.#make.port;
    return containerListening(this.#engine, replica, port);
  }

  async assign(replica: Replica, spec: ReplicaSpec): Promise<Replica> {
    const name = nameOf(this.#make.network, spec);
    await this.#engine.ask(`cannot rename container ${replica.label}`, docker =>
      docker.getContainer(replica.id).rename({ name }),
    );
    const { slot, generation, spare } = spec;
    return { ...replica, slot, generation, spare };
  }

  isReplicaPeer(address: string): boolean {
    return (
      this.#network.subnets.holdsReplica(address) ||
      this.#definition.belongings.holdsReplica(address) ||
      this.#defined.belongings.holdsReplica(address)
    );
  }

  publishedAt(port: number): string | null {
    return this.#network.own?.publishedAt(port) ?? null;
  }

  remember(version: string, definition?: object): void {
    this.program = programOf(version);
    this.#options.remember?.(version, definition !== undefined);
    if (definition === undefined) return;
    const { belongings } = this.#definition;
    this.#definition = definition as Definition;
    this.#make = this.#makeOf(this.#definition);
    this.#ports.clear();
    belongings
      .release()
      .catch(error => this.#options.log.debug({ error: String(error) }, 'networks of before'));
  }

  async close({ remove }: { remove: boolean }): Promise<void> {
    this.#events?.close();
    this.#events = null;
    // Without the lock nothing here was made by us: another torc may be at work on this network.
    if (!this.#locked) return;
    this.#locked = false;
    try {
      await this.#reaper;
      if (this.#reaper !== null && this.#lease.isHeld) await removeReapers(this.#engine, this.#make.network);
      if (remove && this.#lease.isHeld) {
        await this.#network.release();
        await this.#definition.belongings.release();
        await this.#defined.belongings.release();
      }
      await this.#lease.release();
    } finally {
      this.#state.close();
    }
  }

  #onMessage(message: EngineMessage, onEvent: (event: DriverEvent) => void): void {
    if (message.Type === 'volume') {
      if (message.Action === 'create') this.#lease.onVolume(message.Actor.ID);
      return;
    }
    const { network, owner } = this.#make;
    const hint = hintOf(message, network, owner, this.#stopSignals);
    if (hint === null) return;
    if (message.Type === 'network') void this.#tellDisconnected(hint, onEvent);
    else onEvent(hint);
  }

  /**
   * Engine 26 tells of the network before it tells of the death that took it away ("network disconnect" where "exit code 1"
   * would help). While a container ends the engine answers nothing about it, so what it says then is how it ended.
   */
  async #tellDisconnected(hint: DriverEvent, onEvent: (event: DriverEvent) => void): Promise<void> {
    const id = hint.replicaId!;
    const ended = await endOf(this.#engine, id);
    onEvent(ended === null ? hint : { ...hint, cause: `docker die, ${ended}` });
  }

  async #create(name: string, spec: ReplicaSpec, definition: Definition): Promise<void> {
    const image = spec.definition === undefined ? (spec.version ?? definition.image) : definition.image;
    const make = { ...this.#makeOf(definition), image };
    if (image !== definition.image) make.port = this.#ports.get(image) ?? make.port;
    try {
      await definition.belongings.make(
        `cannot make a container of ${image}`,
        name,
        creationOf(name, spec, make),
      );
    } catch (error) {
      if (
        error instanceof EngineError &&
        error.status === NOT_FOUND &&
        !(await hasImage(this.#engine, image))
      )
        throw new Error(missingImage(image), { cause: error });
      throw error;
    }
  }

  /** Podman makes a network's bridge with its first container: only then is it seen that addresses can be reached. */
  async #learnReach(): Promise<void> {
    if (this.#options.reach !== 'auto' || this.#make.reach === 'ip') return;
    this.#make = { ...this.#make, reach: await this.#network.reach() };
  }

  /** The one just started, as the list shows it: the one place where addresses are read. Podman's names have no slash. */
  async #find(name: string): Promise<Replica> {
    const found = await this.#engine.ask(`cannot list container ${name}`, docker =>
      docker.listContainers({ all: true, filters: { name: [`^/?${name}$`] } }),
    );
    const replica = found[0] === undefined ? null : replicaOf(found[0], this.#make);
    if (replica === null) throw new Error(`container ${name} vanished while it started`);
    if (replica.status !== 'stopped') return replica;
    const { output, advice } = await lastWordsOf(this.#engine, replica.id);
    const words = [output.split('\n').at(-1), advice].filter(Boolean).join(': ');
    throw new Error(`it ended at once: ${(await this.#withEnd(replica)).ended}${words ? `: ${words}` : ''}`);
  }

  /** Why a stopped one ended; where it vanished meanwhile, what the list said. */
  async #withEnd(replica: Replica): Promise<Replica> {
    const ended = await endOf(this.#engine, replica.id);
    return ended === null ? replica : { ...replica, ended };
  }
}

const programOf = (image: string): string => (isBundled(image) ? `${DEMO_PROGRAM} (image ${image})` : image);
