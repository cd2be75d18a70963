// The user-defined network of the replicas: made if it is not there, labelled as ours, removed at the end only if torc
// made it and nobody else is on it. When torc itself runs in a container of this engine it joins the network, because
// bridges do not talk to each other.

import type Docker from 'dockerode';
import type { Reach } from './creation.ts';
import { type Engine, EngineError } from './engine.ts';
import { NETWORK_LABEL, OWNER_LABEL } from './hints.ts';
import { findOwnContainer, type OwnContainer, readText } from './self.ts';
import { Subnets } from './subnets.ts';

const NOT_FOUND = 404;
const CONFLICT = 409;
const FORBIDDEN = 403;
/** An endpoint is let go shortly after its container is removed. */
export const REMOVE_ATTEMPTS = 20;
export const REMOVE_PAUSE_MS = 100;

export class Network {
  readonly name: string;
  /** The instance that it is made for; known before the first call. */
  owner = '';
  /** Made so that nothing on it gets out: whoever asks for internal networks alone wants no way out through torc's. */
  isInternal = false;
  leadsOut = true;
  /** As the engine last had it. */
  subnets = new Subnets(null);
  /** Null when torc runs on the host or in a container of another engine. */
  own: OwnContainer | null = null;
  readonly #engine: Engine;
  /** The container that is joined for us; null where none needs to be. */
  #self: string | null = null;
  #joined = false;

  constructor(name: string, engine: Engine) {
    this.name = name;
    this.#engine = engine;
  }

  /** Makes the network and joins it, as far as needed. Called before every start: somebody may have removed it. */
  async ensure(): Promise<Docker.NetworkInspectInfo> {
    const found = (await this.#inspect()) ?? (await this.#create());
    this.subnets = new Subnets(found);
    this.leadsOut = found.Internal === false;
    const self = this.#self;
    if (self === null || found.Containers?.[self] !== undefined) return found;
    await this.#engine.ask(`cannot join the network ${this.name}`, docker =>
      docker.getNetwork(this.name).connect({ Container: self }),
    );
    this.#joined = true;
    return found;
  }

  /** Finds our own container, if this engine runs it. */
  async findSelf(): Promise<void> {
    this.own = await findOwnContainer(this.#engine);
    this.#self = this.own?.joins ?? null;
  }

  /**
   * By container address where the network's bridge is on this machine or torc is on the network itself; else by published
   * ports: Docker Desktop and rootless engines keep their bridges to themselves. The bridge is known by its name. Its
   * address would not do: a network that was made with a subnet alone has none in the engine's answer, and that of an
   * engine elsewhere may be an address of this machine, too.
   */
  async reach(): Promise<Reach> {
    const found = await this.ensure();
    if (this.#self !== null) return 'ip';
    if (isInterface(bridgeOf(found))) return 'ip';
    const podmans = await this.#podmanBridge();
    return podmans !== null && isInterface(podmans) ? 'ip' : 'published';
  }

  /** Podman tells a bridge's name by its own API alone; null where the engine is not Podman. */
  async #podmanBridge(): Promise<string | null> {
    try {
      const found = await this.#engine.ask('cannot ask Podman', docker =>
        dial(docker, `/v4.0.0/libpod/networks/${encodeURIComponent(this.name)}/json`),
      );
      const { network_interface: bridge } = found as { network_interface?: unknown };
      return typeof bridge === 'string' && bridge !== '' ? bridge : null;
    } catch (error) {
      if (error instanceof EngineError && error.status !== 0) return null;
      throw error;
    }
  }

  async release(): Promise<void> {
    if (this.#joined) {
      await this.#engine.askUnless([NOT_FOUND, FORBIDDEN], `cannot leave the network ${this.name}`, docker =>
        docker.getNetwork(this.name).disconnect({ Container: this.#self ?? '', Force: true }),
      );
      this.#joined = false;
    }
    for (let attempt = 1; attempt <= REMOVE_ATTEMPTS; attempt++) {
      const found = await this.#inspect();
      if (found === null || found.Labels?.[OWNER_LABEL] !== this.owner) return;
      if (await this.#remove()) return;
      await new Promise(resolve => setTimeout(resolve, REMOVE_PAUSE_MS));
    }
  }

  /** False while somebody is on it. */
  #remove(): Promise<boolean> {
    return this.#engine.askUnless([FORBIDDEN, CONFLICT], `cannot remove the network ${this.name}`, docker =>
      docker.getNetwork(this.name).remove(),
    );
  }

  async #inspect(): Promise<Docker.NetworkInspectInfo | null> {
    try {
      return await this.#engine.ask(`cannot look at the network ${this.name}`, docker =>
        docker.getNetwork(this.name).inspect(),
      );
    } catch (error) {
      if (error instanceof EngineError && error.status === NOT_FOUND) return null;
      throw error;
    }
  }

  async #create(): Promise<Docker.NetworkInspectInfo> {
    const options = {
      Name: this.name,
      Driver: 'bridge',
      CheckDuplicate: true,
      ...(this.isInternal ? { Internal: true } : {}),
      Labels: { [NETWORK_LABEL]: this.name, [OWNER_LABEL]: this.owner },
    };
    const what = `cannot make the network ${this.name}`;
    await this.#engine.askUnless([CONFLICT], what, docker => docker.createNetwork(options));
    const made = await this.#inspect();
    if (made === null) throw new Error(`${what}: it vanished at once`);
    return made;
  }
}

/** A call that dockerode has no words for. */
const dial = (docker: Docker, path: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const statusCodes = { 200: true, 400: 'not known here', 404: 'not known here' };
    (docker.modem as { dial(options: object, done: (error: unknown, data: unknown) => void): void }).dial(
      { path, method: 'GET', statusCodes },
      (error, data) => (error ? reject(error) : resolve(data)),
    );
  });

/** The name of a network's bridge on the engine's machine. */
export const bridgeOf = ({ Id, Options }: Pick<Docker.NetworkInspectInfo, 'Id' | 'Options'>): string =>
  Options?.['com.docker.network.bridge.name'] ?? `br-${Id.slice(0, 12)}`;

/** Also one that is down, as a bridge without containers is: os.networkInterfaces() leaves those out. */
export const isInterface = (name: string): boolean =>
  readText('/proc/self/net/dev')
    .split('\n')
    .some(line => line.trimStart().startsWith(`${name}:`));
