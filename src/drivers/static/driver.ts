// The static driver: replicas that somebody else runs, given as TORC_UPSTREAMS. They are the slots "1", "2", ... in the
// order given and always count as running: whether they are alive is the heartbeat's to say. Nothing is made or ended
// here, so nothing can fail; host names are resolved when a connection is made, because their addresses may change.

import type { Address } from '../../config/fields.ts';
import type { Driver, Replica } from '../../control/driver.ts';
import { StartError } from '../../core/errors.ts';

export class StaticDriver implements Driver {
  readonly name = 'static';
  readonly creates = false;
  readonly #replicas: readonly Replica[];

  constructor(upstreams: readonly Address[]) {
    this.#replicas = upstreams.map(({ host, port }, index) => {
      const id = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
      return {
        id,
        slot: String(index + 1),
        generation: 1,
        spare: false,
        status: 'running',
        host,
        port,
        label: id,
      };
    });
  }

  async open(): Promise<void> {
    const ids = this.#replicas.map(replica => replica.id);
    const twice = ids.find((id, index) => ids.indexOf(id) !== index);
    if (twice !== undefined)
      throw new StartError(`TORC_UPSTREAMS names ${twice} twice: one slot each is enough`);
  }

  async list(): Promise<readonly Replica[]> {
    return this.#replicas;
  }

  async start(): Promise<never> {
    throw new Error('the replicas of the static driver are given by TORC_UPSTREAMS, torc starts none');
  }

  async stop(): Promise<void> {}

  async close(): Promise<void> {}
}
