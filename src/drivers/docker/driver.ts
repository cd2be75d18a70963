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
import { signalOf } from '../../service/process.ts';
import type { ServiceProject } from '../../service/service.ts';
import { DEMO_PROGRAM } from '../demo.ts';
import { instanceId } from '../instance.ts';
import { StateDirectory } from '../state.ts';
import { Belongings, withProfiles } from './belongings.ts';
import { differenceOf, nameOf, replicaOf } from './container.ts';
import { creationOf, type Make } from './creation.ts';
import { endOf, lastWordsOf } from './ending.ts';
import { atStart, Engine, EngineError, START_TIMEOUT_MS } from './engine.ts';
import { type EngineMessage, EventStream } from './events.ts';
import { hintOf, NETWORK_LABEL, OWNER_LABEL } from './hints.ts';
import { ensureImage, hasImage, isBundled, missingImage } from './image.ts';
import { Lease } from './lease.ts';
import { limitsOf } from './limits.ts';
import { containerListening, healthOf, outputMarkOf } from './look.ts';
import { Network } from './network.ts';
import { portOf, USUAL_PORT } from './ports.ts';
import { removeReapers, startReaper } from './reaper.ts';
import { removeContainer } from './removal.ts';

const NOT_MODIFIED = 304;
const NOT_FOUND = 404;
/** Beyond the grace: the engine kills, unmounts and answers. */
const STOP_MARGIN_MS = 20_000;
/** Foreign containers that are named in the log. */
const MOST_NAMED = 100;

export interface DockerDriverOptions {
  readonly network: string;
  readonly image: string;
  /** On which the image listens; null: the one that the service or the image names (ports.ts). */
  readonly port: number | null;
  readonly reach: 'auto' | 'ip' | 'published';
  /** What the replicas are in Compose's words; null: the image and nothing else. */
  readonly service?: ServiceProject | null;
  /** Capabilities beyond the service's. */
  readonly capAdd?: readonly string[];
  /** What torc made goes with torc's own container, if it is in one. */
  readonly reaps?: boolean;
  /** drivers/state.ts. */
  readonly stateRoot: string;
  readonly log: Log;
  /** Told what a roll-out has succeeded with. */
  readonly remember?: (version: string) => void;
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
  /** Containers with the network's label that are not ours, once they were named in the log. */
  readonly #named = new Set<string>();
  #isAdopted = false;
  /** Names of containers between create and start: a list taken now must not show them as stopped. */
  readonly #starting = new Set<string>();
  #make: Make;
  /** What the service's containers need besides themselves. */
  #belongings: Belongings;
  /** Of images that were looked at. */
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
    this.#belongings = new Belongings(this.#engine, service, '');
    this.#network = new Network(network, this.#engine);
    this.#lease = new Lease({ engine: this.#engine, network, log });
    this.#state = new StateDirectory(
      stateRoot,
      `docker-${network}`,
      `the replicas of the Docker network ${network}`,
    );
  }

  async open(onEvent: (event: DriverEvent) => void): Promise<void> {
    const { reach, image, log, progress } = this.#options;
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
      await this.#takeService(owner);
      await this.#network.findSelf();
      const found = await this.#network.reach();
      this.#make = { ...this.#make, reach: reach === 'auto' ? found : reach };
      this.#checkInternal();
      await this.#ensureImage(image, progress);
      this.#make = { ...this.#make, port: this.#ports.get(image) ?? this.#make.port };
      const { own } = this.#network;
      if (this.#options.reaps && own !== null) this.#reaper = startReaper(this.#engine, own, this.#make, log);
    } catch (error) {
      throw error instanceof EngineError ? new StartError(atStart(error), { cause: error }) : error;
    }
  }

  /** Says what of the service cannot be had here, and makes the networks it is on. */
  async #takeService(owner: string): Promise<void> {
    const { service = null, log } = this.#options;
    const { ApiVersion: apiVersion } = await this.#engine.ask('cannot ask for the version', docker =>
      docker.version(),
    );
    this.#make = { ...this.#make, apiVersion };
    if (service === null) return;
    const { faults, notes } = limitsOf(service, apiVersion);
    if (faults.length > 0) throw new StartError(faults.join('\n'));
    for (const note of notes) log.warn({ service: service.serviceName }, note);
    const project = withProfiles(service);
    this.#make = { ...this.#make, project };
    const { stop_signal: stopSignal } = service.service;
    if (stopSignal !== undefined) this.#stopSignals.add(signalOf(stopSignal) ?? stopSignal);
    this.#belongings = new Belongings(this.#engine, project, owner);
    await this.#belongings.check();
    this.#network.isInternal = await this.#belongings.ensureNetworks();
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
        this.#nameForeign(info);
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

  #nameForeign(info: Docker.ContainerInfo): void {
    if (this.#named.has(info.Id) || this.#named.size >= MOST_NAMED) return;
    this.#named.add(info.Id);
    const name = info.Names[0]?.slice(1) ?? info.Id.slice(0, 12);
    const owner = info.Labels[OWNER_LABEL] ?? 'nobody';
    this.#options.log.warn(
      { container: name, image: info.Image, owner },
      `container ${name} has the label ${NETWORK_LABEL}=${this.#make.network} but was not made by this torc: it is left alone; if nobody needs it: docker rm -f -v ${name}`,
    );
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
      await this.#belongings.ensureNetworks();
      await this.#network.ensure();
      await this.#create(name, spec);
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
    await this.#ensureImage(version, this.#options.progress);
  }

  async #ensureImage(image: string, progress: (text: string) => void): Promise<void> {
    const { stopSignal, exposed } = await ensureImage(this.#engine, image, progress);
    if (stopSignal !== null) this.#stopSignals.add(signalOf(stopSignal) ?? stopSignal);
    const { port, service = null, log } = this.#options;
    const found = portOf(port, service?.service ?? null, { name: image, exposed });
    if (found.port === null) throw new StartError(found.fault);
    this.#ports.set(image, found.port);
    if (port === null && found.port !== USUAL_PORT)
      log.info({ image, port: found.port }, `replicas are asked on port ${found.port}, from ${found.source}`);
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
    return this.#network.subnets.holdsReplica(address) || this.#belongings.holdsReplica(address);
  }

  publishedAt(port: number): string | null {
    return this.#network.own?.publishedAt(port) ?? null;
  }

  remember(version: string): void {
    this.program = programOf(version);
    this.#options.remember?.(version);
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
        await this.#belongings.release();
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

  async #create(name: string, spec: ReplicaSpec): Promise<void> {
    const image = spec.version ?? this.#make.image;
    const make = { ...this.#make, image, port: this.#ports.get(image) ?? this.#make.port };
    try {
      await this.#belongings.make(`cannot make a container of ${image}`, name, creationOf(name, spec, make));
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
