// The follow driver: replicas that somebody else makes on a Docker engine (Compose, Watchtower, a CI job, a person), chosen
// by their labels. It creates, stops and changes nothing: it lists, inspects and listens, so that a socket which lets just
// that through is enough. The engine is asked anew at every list; what is remembered is who sits on which seat
// (drivers/seats.ts), which run of a container was told to stop, and what the log has said of each. Every event of a
// followed container is also a reason to list: who sits where depends on all of them.

import type Docker from 'dockerode';
import ipaddr from 'ipaddr.js';
import type { Follow } from '../../config/follow.ts';
import type { ContainerHealth, Driver, DriverEvent, Listening, Replica } from '../../control/driver.ts';
import { StartError } from '../../core/errors.ts';
import { hostPort } from '../../core/host-port.ts';
import type { Log } from '../../core/log.ts';
import { atStart, Engine, EngineError } from '../docker/engine.ts';
import { type EngineMessage, EventStream } from '../docker/events.ts';
import { meaningOf } from '../docker/hints.ts';
import { containerListening, healthOf } from '../docker/look.ts';
import { bridgeOf, isInterface } from '../docker/network.ts';
import { findOwnContainer, inspectOwnContainer, type OwnContainer, ownContainer } from '../docker/self.ts';
import { byMoment } from '../docker/units.ts';
import type { Seat } from '../static/seats.ts';
import { SeatsFile } from '../static/seats-file.ts';
import { type Followed, followed } from './container.ts';
import { type Here, portOf, type Way, wayTo } from './reach.ts';
import { seat } from './seats.ts';

const NOT_FOUND = 404;
const FORBIDDEN = 403;
/** What the engine gives a container between asking and killing, unless it says otherwise. */
const DEFAULT_STOP_TIMEOUT_S = 10;
/** Beyond that time one that was told to end, and runs on, is taken back. */
const STOP_MARGIN_MS = 5_000;
/** Of the network `bridge`, unless somebody gave it another. */
const DEFAULT_BRIDGE = 'docker0';
const INSPECTS_AT_ONCE = 8;
/** Services that are named where the one that was asked for has no container. */
const MOST_NAMED = 20;

export interface FollowDriverOptions {
  readonly follow: Follow;
  /** On which they listen; null: the one port that each has. */
  readonly port: number | null;
  readonly reach: 'auto' | 'ip' | 'published';
  /** Where it is kept who sits where, for the next torc. */
  readonly seatsPath: string;
  readonly log: Log;
}

interface Stopping {
  readonly runId: string;
  readonly cause: string;
  readonly untilMs: number;
}

export class FollowDriver implements Driver {
  readonly name = 'follow';
  readonly creates = false;
  readonly givenBy = 'TORC_FOLLOW';
  readonly #options: FollowDriverOptions;
  readonly #engine = new Engine();
  readonly #seatsFile: SeatsFile;
  #events: EventStream | null = null;
  #own: OwnContainer | null = null;
  #onEvent: (event: DriverEvent) => void = () => {};
  #seats: ReadonlyMap<string, string>;
  /** As last listed, by container. */
  #known: ReadonlyMap<string, Followed> = new Map();
  readonly #stopping = new Map<string, Stopping>();
  /** Container or seat -> what the log last said of it. */
  #said: ReadonlyMap<string, string> = new Map();
  readonly #bridges = new Map<string, string>();
  #addresses: ReadonlySet<string> = new Set();
  #hasSeenAny = false;

  constructor(options: FollowDriverOptions) {
    this.#options = options;
    this.#seatsFile = new SeatsFile(options.seatsPath, options.log);
    this.#seats = new Map(this.#seatsFile.read().map(({ number, address }) => [`${number}`, address]));
  }

  get program(): string {
    return this.#options.follow.text;
  }

  async open(onEvent: (event: DriverEvent) => void): Promise<void> {
    this.#onEvent = onEvent;
    try {
      await this.#engine.ping();
      this.#events = new EventStream({
        engine: this.#engine,
        log: this.#options.log,
        onMessage: message => this.#onMessage(message),
        onResync: cause => onEvent({ kind: 'resync', cause }),
      });
      await this.#events.open();
      this.#own = await findOwnContainer(this.#engine);
    } catch (error) {
      throw error instanceof EngineError ? new StartError(atStart(error), { cause: error }) : error;
    }
  }

  async list(): Promise<readonly Replica[]> {
    const own = await inspectOwnContainer(this.#engine);
    const found = await this.#containers(own?.Id);
    this.#known = new Map(found.map(container => [container.id, container]));
    for (const [id, { runId, untilMs }] of this.#stopping)
      if (this.#known.get(id)?.runId !== runId || performance.now() > untilMs) this.#stopping.delete(id);
    const claims = found.map(({ id, seat, presence }) => ({ id, seat, presence }));
    this.#seats = seat(this.#seats, claims);
    this.#seatsFile.write(numbersOf(this.#seats));
    const replicas: Replica[] = [];
    const said = new Map<string, string>();
    const here = await this.#here(found, own);
    for (const [name, id] of this.#seats) {
      const container = this.#known.get(id)!;
      const way = await this.#wayTo(container, here);
      replicas.push(this.#replica(name, container, way));
      if (container.presence === 'here') said.set(id, wayInWords(name, container, way));
    }
    const seated = new Set(this.#seats.values());
    for (const container of found) {
      if (seated.has(container.id) || container.presence !== 'here') continue;
      said.set(container.id, `container ${container.name} waits: another one has slot ${container.seat}`);
    }
    this.#say(said);
    this.#addresses = new Set(found.flatMap(addressesOf));
    if (found.length === 0 && !this.#hasSeenAny) await this.#sayNone();
    this.#hasSeenAny = true;
    return replicas;
  }

  async start(): Promise<never> {
    throw new Error(`the replicas are those of TORC_FOLLOW=${this.#options.follow.text}, torc starts none`);
  }

  async stop(): Promise<void> {}

  health(replica: Replica): Promise<ContainerHealth | null> {
    return healthOf(this.#engine, containerOf(replica));
  }

  listens(replica: Replica): Promise<Listening> {
    return containerListening(this.#engine, containerOf(replica), replica.port);
  }

  publishedAt(port: number): string | null {
    return this.#own?.publishedAt(port) ?? null;
  }

  isReplicaPeer(address: string): boolean {
    return ipaddr.isValid(address) && this.#addresses.has(ipaddr.process(address).toNormalizedString());
  }

  async close(): Promise<void> {
    this.#events?.close();
    this.#events = null;
  }

  /** All that are followed, oldest first. */
  async #containers(ownId: string | undefined): Promise<Followed[]> {
    const { labels, numbered } = this.#options.follow;
    const label = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    const infos = await this.#engine.ask('cannot list the containers', docker =>
      docker.listContainers({ all: true, filters: { label } }),
    );
    const inspected = await inTurns(infos, INSPECTS_AT_ONCE, ({ Id }) => this.#inspect(Id));
    const there = inspected.filter(info => info !== null);
    there.sort((a, b) => byMoment(a.Created, b.Created) || (a.Id < b.Id ? -1 : 1));
    return there.flatMap(info => {
      if (info.Id === ownId) return [];
      const stopping = this.#stopping.get(info.Id);
      const isThisRun = stopping?.runId === `${info.Id}@${info.State.StartedAt}`;
      return followed(info, numbered, isThisRun ? stopping!.cause : null) ?? [];
    });
  }

  /** Null: it has just gone. */
  async #inspect(id: string): Promise<Docker.ContainerInspectInfo | null> {
    try {
      return await this.#engine.inspect(id);
    } catch (error) {
      if (error instanceof EngineError && error.status === NOT_FOUND) return null;
      throw error;
    }
  }

  async #here(found: readonly Followed[], own: Docker.ContainerInspectInfo | null): Promise<Here> {
    // On the host's network torc is where the bridges are; on another container's, that one's networks are its own.
    const joined = own === null ? null : ownContainer(own.Id, own).joins;
    const place = joined === null || joined === own?.Id ? own : await this.#inspect(joined);
    const isApart = joined !== null;
    const networks = new Map(
      found.flatMap(({ info }) =>
        Object.entries(info.NetworkSettings.Networks ?? {}).map(
          ([name, { NetworkID }]) => [NetworkID, name] as const,
        ),
      ),
    );
    if (!isApart) for (const [id, name] of networks) await this.#learnBridge(id, name);
    for (const id of this.#bridges.keys()) if (!networks.has(id)) this.#bridges.delete(id);
    return {
      networks: isApart
        ? new Set(Object.values(place?.NetworkSettings.Networks ?? {}).map(({ NetworkID }) => NetworkID))
        : null,
      self: place?.Name.replace(/^\//, '') ?? '',
      isBridgeHere: id => isInterface(this.#bridges.get(id) ?? ''),
      engineHost: this.#engine.host,
      reach: this.#options.reach,
    };
  }

  /** Asked once for each network: a bridge is never renamed. A socket that does not answer this is no hindrance. */
  async #learnBridge(id: string, name: string): Promise<void> {
    if (id === '' || this.#bridges.has(id)) return;
    try {
      const network = await this.#engine.ask('cannot look at a network', docker =>
        docker.getNetwork(id).inspect(),
      );
      this.#bridges.set(id, bridgeOf(network));
    } catch (error) {
      if (!(error instanceof EngineError) || (error.status !== NOT_FOUND && error.status !== FORBIDDEN))
        throw error;
      this.#bridges.set(id, name === 'bridge' ? DEFAULT_BRIDGE : bridgeOf({ Id: id }));
    }
  }

  async #wayTo({ info, presence }: Followed, here: Here): Promise<Way> {
    const port = portOf(info, this.#options.port);
    if ('fault' in port) return port;
    if (presence !== 'here' && presence !== 'going') return { fault: '' };
    const borrowed = /^container:(.+)$/.exec(info.HostConfig.NetworkMode ?? '')?.[1];
    const owner = borrowed === undefined ? info : await this.#inspect(borrowed);
    return owner === null
      ? { fault: 'the container whose network it uses is gone' }
      : wayTo(owner, port.port, here);
  }

  #replica(slot: string, container: Followed, way: Way): Replica {
    const isUp = container.presence === 'here' || container.presence === 'going';
    const common = {
      id: container.runId,
      slot,
      generation: 1,
      spare: false,
      label: container.id.slice(0, 12),
      image: container.image,
      version: container.version,
    };
    if (!isUp) return { ...common, host: '', port: 0, status: 'stopped', ended: container.ended };
    if ('fault' in way)
      return { ...common, host: '', port: 0, status: 'stopped', ended: unreachable(way.fault) };
    const { host, port } = way;
    if (container.presence === 'going')
      return { ...common, host, port, status: 'stopping', ended: container.ended };
    return { ...common, host, port, status: container.paused ? 'paused' : 'running' };
  }

  /** What was said already is not said again. */
  #say(said: ReadonlyMap<string, string>): void {
    const { log } = this.#options;
    for (const [id, text] of said) {
      if (this.#said.get(id) === text) continue;
      const container = this.#known.get(id);
      if (text.includes(UNREACHABLE)) log.warn({ container: container?.name }, text);
      else log.info({ container: container?.name }, text);
    }
    this.#said = said;
  }

  /** A name that is nearly right is the likeliest reason. */
  async #sayNone(): Promise<void> {
    const { follow, log } = this.#options;
    let others = '';
    if (follow.numbered) {
      const infos = await this.#engine.ask('cannot list the containers', docker =>
        docker.listContainers({ all: true, filters: { label: ['com.docker.compose.service'] } }),
      );
      const services = new Set(
        infos.map(
          ({ Labels }) => `${Labels['com.docker.compose.project']}/${Labels['com.docker.compose.service']}`,
        ),
      );
      const names = [...services].sort().slice(0, MOST_NAMED).join(', ');
      others = names === '' ? '; this engine has no container of Compose' : `; this engine has ${names}`;
    }
    log.warn(
      { follow: follow.text },
      `no container is ${follow.text} yet: torc waits for the first${others}`,
    );
  }

  #onMessage(message: EngineMessage): void {
    if (message.Type === 'volume') return;
    const isOurs =
      message.Type === 'network'
        ? this.#known.has(message.Actor.Attributes.container ?? '')
        : this.#follows(message);
    if (!isOurs) return;
    const cause = `docker ${message.Type === 'network' ? 'network ' : ''}${message.Action}`;
    if (message.Type === 'container') this.#hint(message);
    this.#onEvent({ kind: 'changed', cause });
  }

  #follows({ Actor: { Attributes } }: EngineMessage): boolean {
    return Object.entries(this.#options.follow.labels).every(([key, value]) => Attributes[key] === value);
  }

  #hint(message: EngineMessage): void {
    const container = this.#known.get(message.Actor.ID);
    // An event of a run that is over already says nothing of the next.
    const { atMs = 0 } = message;
    if (container === undefined || (atMs > 0 && atMs < container.startedMs)) return;
    const { runId, info } = container;
    const { StopSignal = '', StopTimeout } = info.Config as {
      StopSignal?: string;
      StopTimeout?: number | null;
    };
    const meaning = meaningOf(message, new Set([StopSignal]));
    if (meaning === null || meaning.kind === 'changed') return;
    if (meaning.kind === 'going') {
      const graceMs = (StopTimeout ?? DEFAULT_STOP_TIMEOUT_S) * 1000 + STOP_MARGIN_MS;
      this.#stopping.set(container.id, { runId, cause: meaning.cause, untilMs: performance.now() + graceMs });
    }
    this.#onEvent({ ...meaning, replicaId: runId });
  }
}

/** The same, named by its container instead of the run. */
const containerOf = (replica: Replica): Replica => ({ ...replica, id: replica.id.split('@')[0]! });

/** What the next torc cannot know by the names that are asked for. */
const numbersOf = (seats: ReadonlyMap<string, string>): Seat[] =>
  [...seats]
    .filter(([name]) => /^\d{1,9}$/.test(name))
    .map(([name, address]) => ({ group: '', number: Number(name), address, leftMs: null }));

const UNREACHABLE = 'is not reachable';
const unreachable = (fault: string): string => `it ${UNREACHABLE}: ${fault}`;

function wayInWords(slot: string, { name }: Followed, way: Way): string {
  if ('fault' in way) return `slot ${slot}: container ${name} ${UNREACHABLE}: ${way.fault}`;
  const { host, port, by } = way;
  return `slot ${slot}: container ${name} is reached at ${hostPort(host, port)}, ${by}`;
}

const addressesOf = ({ info }: Followed): string[] =>
  Object.values(info.NetworkSettings.Networks ?? {})
    .flatMap(({ IPAddress, GlobalIPv6Address }) => [IPAddress, GlobalIPv6Address ?? ''])
    .filter(address => ipaddr.isValid(address))
    .map(address => ipaddr.process(address).toNormalizedString());

/** `work` on all of them, so many at a time; results in their order. */
async function inTurns<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  return results;
}
