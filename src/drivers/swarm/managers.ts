// The swarm's managers, asked one after the other: any of them answers for all. A manager that has lost its leader hangs
// for 20 s before it says so, and goes on hanging when there is a new one, while a new call is answered in milliseconds; so
// each call has 2 s, the next manager is asked beside one that has not answered for half a second, and so on, round and round,
// for as long; whoever answered last is asked first. A read goes on to the next manager; a write does not, because one that failed may have
// happened all the same: it is followed by reading anew, never by the same write. Writes carry the version of what was read,
// so of several torcs one writes, and the others are refused as out of sequence and read what it wrote.

import type Docker from 'dockerode';
import type { Clock, Timer } from '../../core/clock.ts';
import { type Engine, EngineError } from '../docker/engine.ts';
import type { FileKind } from './mounts.ts';
import type { SwarmFile, SwarmNode, SwarmService, SwarmServiceSpec, SwarmTask } from './objects.ts';

const CALL_TIMEOUT_MS = 2_000;
const NEXT_AFTER_MS = 500;
/** The same one is asked anew. */
const AGAIN_AFTER_MS = 1_000;
const NOT_FOUND = 404;
const CONFLICT = 409;
const SERVER_ERROR = 500;
/** Several write at once only where several torcs do; each try reads anew. */
const MOST_TRIES = 12;
/** Said with a 500, as it is said that there is no leader: only the text tells these apart (20.10 and 26.1). */
const OUT_OF_SEQUENCE = /update out of sequence/;

/**
 * Gets a service's newest state, each time anew, and answers what it shall be; null: nothing is left to do, another torc has
 * done it. `unsure`: what was written before, without an answer: it may have happened.
 */
export type Change = (service: SwarmService, unsure: SwarmServiceSpec | null) => SwarmServiceSpec | null;

export class Managers {
  readonly #engines: readonly Engine[];
  readonly #clock: Pick<Clock, 'after'>;
  /** Which answered last. */
  #first = 0;

  constructor(engines: readonly Engine[], clock: Pick<Clock, 'after'>) {
    this.#engines = engines;
    this.#clock = clock;
  }

  /** Who answered last. */
  get current(): Engine {
    return this.#engines[this.#first]!;
  }

  /** Null: there is no such service. By name or id. */
  async service(name: string): Promise<SwarmService | null> {
    try {
      return (await this.#ask(`cannot look at the service ${name}`, docker =>
        docker.getService(name).inspect(),
      )) as SwarmService;
    } catch (error) {
      if (error instanceof EngineError && error.status === NOT_FOUND) return null;
      throw error;
    }
  }

  /** Those of a service that are wanted or about to be: not its history. */
  async tasks(serviceId: string): Promise<readonly SwarmTask[]> {
    const filters = { service: [serviceId], 'desired-state': ['running', 'ready'] };
    return this.#ask('cannot list the tasks', docker => docker.listTasks({ filters }));
  }

  async nodes(): Promise<readonly SwarmNode[]> {
    return this.#ask('cannot list the nodes', docker => docker.listNodes());
  }

  /** Null: no network of this name, or none that a manager knows. */
  async network(name: string): Promise<Docker.NetworkInspectInfo | null> {
    try {
      return await this.#ask(`cannot look at the network ${name}`, docker =>
        docker.getNetwork(name).inspect(),
      );
    } catch (error) {
      if (error instanceof EngineError && error.status === NOT_FOUND) return null;
      throw error;
    }
  }

  /** Ids of the swarm's secrets or configs of these names, and of those whose names begin so: the engine answers these, too. */
  async files(kind: FileKind, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const filters = { name: [...names] };
    const found = await this.#ask<readonly SwarmFile[]>(
      `cannot list the ${kind}`,
      docker =>
        (kind === 'secrets'
          ? docker.listSecrets({ filters })
          : docker.listConfigs({ filters })) as Promise<unknown> as Promise<SwarmFile[]>,
    );
    return new Map(found.map(({ ID, Spec }) => [Spec.Name, ID]));
  }

  /** The service as it was when nothing was left to do, or as it was written. */
  async change(
    name: string,
    change: Change,
    query: Readonly<Record<string, string>> = {},
  ): Promise<SwarmService> {
    let last: unknown;
    let unsure: SwarmServiceSpec | null = null;
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const service = await this.service(name);
      if (service === null) throw new EngineError(`there is no service ${name}`, NOT_FOUND, undefined);
      const spec = change(service, unsure);
      if (spec === null) return service;
      try {
        await this.#write(service, spec, query);
        return { ...service, Spec: spec };
      } catch (error) {
        if (!isForNext(error) && !isConflict(error)) throw error;
        // Also where it is refused then: the one before may have come through in between.
        if (!isConflict(error)) unsure = spec;
        last = error;
      }
    }
    throw last;
  }

  /** Spec in the body alone: dockerode would put it into the address too, where logs keep it, and 1 MiB is too long. */
  async #write(
    { ID, Version }: SwarmService,
    spec: SwarmServiceSpec,
    query: Readonly<Record<string, string>>,
  ): Promise<void> {
    const options = { _query: { version: Version.Index, ...query }, _body: spec };
    try {
      await this.current.ask(
        'cannot change the service',
        docker => docker.getService(ID).update(options),
        CALL_TIMEOUT_MS,
      );
    } catch (error) {
      if (isForNext(error)) this.#skip();
      throw error;
    }
  }

  /** It is there then, made now or by somebody else. */
  async create(spec: SwarmServiceSpec): Promise<void> {
    const options = { _query: {}, _body: spec } as unknown as Docker.CreateServiceOptions;
    try {
      await this.#ask(`cannot make the service ${spec.Name}`, docker => docker.createService(options));
    } catch (error) {
      if (!(error instanceof EngineError) || error.status !== CONFLICT) throw error;
    }
  }

  async createNetwork(options: Docker.NetworkCreateOptions): Promise<void> {
    try {
      await this.#ask(`cannot make the network ${options.Name}`, docker => docker.createNetwork(options));
    } catch (error) {
      if (!(error instanceof EngineError) || error.status !== CONFLICT) throw error;
    }
  }

  async remove(name: string): Promise<void> {
    try {
      await this.#ask(`cannot remove the service ${name}`, docker => docker.getService(name).remove());
    } catch (error) {
      if (!(error instanceof EngineError) || error.status !== NOT_FOUND) throw error;
    }
  }

  /** The first answer counts, also one that says no; of failures that of the one asked first. */
  async #ask<T>(what: string, call: (docker: Docker) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const count = this.#engines.length;
    const from = this.#first;
    const everyMs = Math.max(NEXT_AFTER_MS, AGAIN_AFTER_MS / count);
    const most = Math.max(count, CALL_TIMEOUT_MS / everyMs);
    const failures: unknown[] = [];
    let [asked, failed] = [0, 0];
    let isOver = false;
    let timer: Timer | undefined;
    const next = (): void => {
      timer?.cancel();
      if (isOver || asked === most) return;
      const turn = asked++;
      const index = (from + turn) % count;
      timer = this.#clock.after(everyMs, next);
      this.#engines[index]!.ask(what, call, CALL_TIMEOUT_MS).then(
        answer => {
          if (!isOver) this.#first = index;
          resolve(answer);
        },
        (error: unknown) => {
          failures[turn] = error;
          if (!isForNext(error)) reject(error);
          else if (++failed === asked && asked >= count) reject(failures[0]);
          else if (asked < count) next();
        },
      );
    };
    next();
    try {
      return await promise;
    } catch (error) {
      if (isForNext(error)) this.#skip();
      throw error;
    } finally {
      isOver = true;
      timer?.cancel();
    }
  }

  #skip(): void {
    this.#first = (this.#first + 1) % this.#engines.length;
  }
}

/** It did not answer, knows no leader, or is no manager (503): the next one may know better; of the last one: nobody does. */
export const isForNext = (error: unknown): boolean =>
  error instanceof EngineError && (error.status === 0 || error.status >= SERVER_ERROR) && !isConflict(error);

/** Somebody else has written since it was read. */
const isConflict = (error: unknown): boolean =>
  error instanceof EngineError && OUT_OF_SEQUENCE.test(error.message);
