// What a node knows of a service without a manager: the names and addresses that engines tell each other for their DNS. It
// is as quick as DNS and needs no leader, but for up to 45 s after a partition healed it names fewer tasks than there are,
// or dead ones (measured). So it is evidence to add, never to remove: who was named once stays until it has been missing for
// longer than that, and heartbeats decide meanwhile. Where managers answered before and do not now, last-list.ts adds those
// that it names to what they listed last.

import type { Replica } from '../../control/driver.ts';
import type { Engine } from '../docker/engine.ts';

const KEPT_MS = 60_000;

/** An entry of a network's `Services`, asked for with verbose=true. */
interface GossipedTask {
  /** "web.7.<task id>" */
  readonly Name: string;
  readonly EndpointIP: string;
  readonly Info?: Readonly<Record<string, string>> | null;
}

interface GossipingNetwork {
  readonly Services?: Readonly<Record<string, { readonly Tasks?: readonly GossipedTask[] }>> | null;
}

export interface Named {
  readonly id: string;
  readonly slot: string;
  readonly host: string;
  /** The machine's address. */
  readonly place: string;
}

/** Null for what is no task of it. */
export function namedBy({ Name, EndpointIP, Info }: GossipedTask, service: string): Named | null {
  if (!Name.startsWith(`${service}.`) || EndpointIP === '') return null;
  const [slot = '', id = '', ...rest] = Name.slice(service.length + 1).split('.');
  if (!/^\d+$/.test(slot) || id === '' || rest.length > 0) return null;
  return { id, slot, host: EndpointIP, place: Info?.['Host IP'] ?? '' };
}

/** Who is named now, or was within the last minute; first seen first. */
export class Memory {
  readonly #seen = new Map<string, { named: Named; number: number; lastMs: number }>();
  #number = 0;

  heard(names: readonly Named[], nowMs: number): readonly { named: Named; number: number }[] {
    for (const named of names) {
      const known = this.#seen.get(named.id);
      this.#seen.set(named.id, { named, number: known?.number ?? ++this.#number, lastMs: nowMs });
    }
    for (const [id, { lastMs }] of this.#seen) if (nowMs - lastMs > KEPT_MS) this.#seen.delete(id);
    return [...this.#seen.values()].sort((a, b) => a.number - b.number);
  }
}

export class Gossip {
  readonly #engine: Engine;
  readonly #service: string;
  readonly #nowMs: () => number;
  readonly #memory = new Memory();

  constructor(engine: Engine, service: string, nowMs: () => number) {
    this.#engine = engine;
    this.#service = service;
    this.#nowMs = nowMs;
  }

  /** `networks`: ids of those that torc is on. */
  async list(networks: ReadonlySet<string> | null, port: number): Promise<Replica[]> {
    const names: Named[] = [];
    for (const id of networks ?? []) names.push(...(await this.#namedOn(id)));
    const heard = [...this.#memory.heard(names, this.#nowMs())];
    heard.sort((a, b) => Number(a.named.slot) - Number(b.named.slot) || a.number - b.number);
    return heard.map(({ named: { id, slot, host, place }, number }) => ({
      id,
      slot,
      generation: number,
      spare: false,
      status: 'running',
      label: `${this.#service}.${slot}.${id.slice(0, 12)}`,
      host,
      port,
      ...(place === '' ? {} : { place: { id: place, name: place } }),
    }));
  }

  async #namedOn(networkId: string): Promise<Named[]> {
    const { Services }: GossipingNetwork = await this.#engine.ask(
      'cannot look at a network',
      docker =>
        docker
          .getNetwork(networkId)
          .inspect({ verbose: true } as never) as unknown as Promise<GossipingNetwork>,
    );
    const tasks = Services?.[this.#service]?.Tasks ?? [];
    return tasks.flatMap(task => namedBy(task, this.#service) ?? []);
  }
}
