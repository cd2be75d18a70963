// The swarm's nodes as last read: asked for again when a task runs on one that is not known, and regularly while one is
// evacuated. An evacuated node is back when it has been `ready` without a break for longer than Swarm needs to notice a
// death: just after one it is `ready` still, and while there is no leader everybody is `unknown`, which means neither.

import type { Managers } from './managers.ts';
import type { SwarmNode } from './objects.ts';

/** Swarm needs up to 19 s for a lost machine, unless its dispatcher heartbeat was made longer. */
const BACK_AFTER_MS = 30_000;
const READ_EVERY_MS = 1_000;

export class Nodes {
  readonly #managers: Managers;
  readonly #nowMs: () => number;
  #known: ReadonlyMap<string, SwarmNode> = new Map();
  #readAtMs = Number.NEGATIVE_INFINITY;
  /** Evacuated ones -> since when they are ready; null: they are not. */
  readonly #readySinceMs = new Map<string, number | null>();

  constructor(managers: Managers, nowMs: () => number) {
    this.#managers = managers;
    this.#nowMs = nowMs;
  }

  get known(): ReadonlyMap<string, SwarmNode> {
    return this.#known;
  }

  async read(): Promise<readonly SwarmNode[]> {
    const nodes = await this.#managers.nodes();
    this.#known = new Map(nodes.map(node => [node.ID, node]));
    this.#readAtMs = this.#nowMs();
    for (const [id, sinceMs] of this.#readySinceMs) {
      const isReady = this.#known.get(id)?.Status.State === 'ready';
      this.#readySinceMs.set(id, isReady ? (sinceMs ?? this.#readAtMs) : null);
    }
    return nodes;
  }

  /** Asked only where one of these is new, or somebody is waited for. */
  async of(ids: readonly string[]): Promise<ReadonlyMap<string, SwarmNode>> {
    const isDue = this.#readySinceMs.size > 0 && this.#nowMs() - this.#readAtMs >= READ_EVERY_MS;
    if (isDue || ids.some(id => !this.#known.has(id))) await this.read();
    return this.#known;
  }

  /** Waits for these to come back. */
  watch(ids: readonly string[]): void {
    for (const id of ids) if (!this.#readySinceMs.has(id)) this.#readySinceMs.set(id, null);
    for (const id of this.#readySinceMs.keys()) if (!ids.includes(id)) this.#readySinceMs.delete(id);
  }

  /** Also one that is no longer the swarm's: nothing is barred by its name. */
  isBack(id: string): boolean {
    if (this.#known.size > 0 && !this.#known.has(id)) return true;
    const sinceMs = this.#readySinceMs.get(id) ?? null;
    return sinceMs !== null && this.#nowMs() - sinceMs >= BACK_AFTER_MS;
  }
}
