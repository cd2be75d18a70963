// What managers listed last, kept for when none of them answers: then tasks that the engine's gossip names are added, if they
// were in no list before: they were made since, and are newer than those of their slots. A task that has left a list is named
// for a while yet (measured), so it is not taken for new. Nothing is taken away: heartbeats decide who is out.

import type { Replica } from '../../control/driver.ts';
import type { SwarmNode } from './objects.ts';

/** Ids that are remembered, the newest. */
const MOST_KNOWN = 20_000;

export class LastList {
  #replicas: readonly Replica[] = [];
  /** In the order in which they were listed first. */
  readonly #known = new Set<string>();

  /** Managers have answered. */
  take(replicas: readonly Replica[]): void {
    this.#replicas = replicas;
    for (const { id } of replicas) this.#known.add(id);
    for (const id of this.#known) {
      if (this.#known.size <= MOST_KNOWN) break;
      this.#known.delete(id);
    }
  }

  /** With whom gossip names beside. */
  with(named: readonly Replica[], nodes: readonly SwarmNode[]): Replica[] {
    const ids = new Set(this.#replicas.map(({ id }) => id));
    const newest = new Map<string, number>();
    for (const { slot, generation } of this.#replicas)
      newest.set(slot, Math.max(generation, newest.get(slot) ?? 0));
    const added = named
      .filter(({ id }) => !ids.has(id) && !this.#known.has(id))
      .map(replica => {
        const generation = (newest.get(replica.slot) ?? 0) + 1;
        newest.set(replica.slot, generation);
        return { ...placedBy(replica, nodes), generation };
      });
    return [...this.#replicas, ...added].sort(
      (a, b) => Number(a.slot) - Number(b.slot) || a.generation - b.generation,
    );
  }
}

/** A machine is evacuated by its node's id, and gossip knows addresses: one that is no node's is left out. */
export function placedBy(replica: Replica, nodes: readonly SwarmNode[]): Replica {
  const { place, ...rest } = replica;
  if (place === undefined) return replica;
  for (const { ID, Description, Status } of nodes)
    if (Status.Addr === place.id) return { ...rest, place: { id: ID, name: Description?.Hostname || ID } };
  return rest;
}
