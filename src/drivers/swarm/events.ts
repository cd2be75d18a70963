// A manager's word that the service was changed, by whichever torc or person: what they asked for is looked at at once and not
// with the next poll, so that several torcs see it together. Swarm has no such word for tasks. It is a hint beside the polls and
// never instead of them: whoever answers those is listened to, a stream that has ended is opened again with the next one, and
// one that hangs is left when they go on to another manager.

import type { Log } from '../../core/log.ts';
import type { Engine } from '../docker/engine.ts';

export interface ServiceEventsOptions {
  readonly service: string;
  readonly onChanged: () => void;
  readonly log: Log;
}

export class ServiceEvents {
  readonly #options: ServiceEventsOptions;
  /** Who is listened to; null: nobody. */
  #engine: Engine | null = null;
  #abort = new AbortController();

  constructor(options: ServiceEventsOptions) {
    this.#options = options;
  }

  /** With each list. */
  listenTo(engine: Engine): void {
    if (engine === this.#engine) return;
    this.close();
    this.#engine = engine;
    void this.#listen(engine, this.#abort.signal);
  }

  close(): void {
    this.#engine = null;
    this.#abort.abort();
    this.#abort = new AbortController();
  }

  async #listen(engine: Engine, abortSignal: AbortSignal): Promise<void> {
    const { service, onChanged, log } = this.#options;
    const ended = (): void => {
      if (!abortSignal.aborted) this.#engine = null;
    };
    try {
      const filters = { type: ['service'], service: [service] };
      const stream = await engine.stream('cannot listen to events of services', docker =>
        // Its types know the words of one machine's events alone.
        docker.getEvents({ filters: filters as object, abortSignal }),
      );
      for (const end of ['error', 'end', 'close']) stream.on(end, ended);
      // What happened stands in the list.
      stream.on('data', () => !abortSignal.aborted && onChanged());
    } catch (error) {
      log.debug({ error: (error as Error).message }, 'changes of the service are seen by polls alone');
      ended();
    }
  }
}
