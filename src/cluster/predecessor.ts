// The new torc's side of a succession: what it gets from the one that started it, and when. Without one this is an ordinary
// start, and nothing here happens. A predecessor that dies in the middle of it has given nothing up yet, and then this torc
// does not start; or it has, and then this one goes on alone.

import { writeSync } from 'node:fs';
import { StartError } from '../core/errors.ts';
import {
  LIFELINE_FD,
  type Past,
  SUCCESSOR,
  type TlsPast,
  type ToPredecessor,
  type ToSuccessor,
} from '../core/succession.ts';
import type { KeptSocket } from './kept-sockets.ts';
import type { Inherited } from './sockets.ts';

export class Predecessor {
  /** Its process; the names that it holds are ours (claim.ts). */
  readonly pid = process.ppid;
  /** By place; nobody accepts from them in this process. */
  readonly sockets = new Map<string, Inherited[]>();
  adminSocket: (Inherited & { readonly place: string }) | null = null;
  /** A service manager's: their places are by the settings of now. */
  readonly kept: KeptSocket[] = [];
  /** Null where it served no HTTPS. */
  tls: TlsPast | null = null;
  /** Counts of workers that drain there. */
  onDelta: (delta: object) => void = () => {};
  /** It has ended without handing over to the end. */
  isGone = false;
  readonly #gotSockets = Promise.withResolvers<void>();
  readonly #given = Promise.withResolvers<Past>();
  readonly #yours = Promise.withResolvers<void>();
  /** It has let go. */
  #isOver = false;

  private constructor() {
    process.on('message', (message: ToSuccessor, handle: unknown) => this.#hear(message, handle as object));
    process.on('disconnect', () => {
      this.isGone = !this.#isOver;
      const gone = new StartError('the torc that this one was to take over from has ended');
      this.#gotSockets.reject(gone);
      this.#given.reject(gone);
      this.#yours.resolve();
    });
    for (const { promise } of [this.#gotSockets, this.#given]) promise.catch(() => {});
  }

  /** Null where torc is started by somebody else. */
  static find(env: NodeJS.ProcessEnv): Predecessor | null {
    const isOne = env[SUCCESSOR] !== undefined && process.send !== undefined;
    delete env[SUCCESSOR];
    return isOne ? new Predecessor() : null;
  }

  /** All that is there before its successor's settings are proven. */
  gotSockets(): Promise<void> {
    return this.#gotSockets.promise;
  }

  /** The replicas are ours. */
  take(): Promise<Past> {
    this.#tell({ type: 'take' });
    return this.#given.promise;
  }

  /** Resolves when this process is torc. */
  async ready(version: string): Promise<void> {
    this.#tell({ type: 'ready', version, node: process.versions.node });
    await this.#yours.promise;
    tellLifeline(`pid ${process.pid}`);
    process.on('exit', code => tellLifeline(`code ${code} ${process.pid}`));
  }

  known(): void {
    this.#tell({ type: 'known' });
  }

  failed(faults: readonly string[]): void {
    this.#tell({ type: 'failed', faults });
  }

  #tell(message: ToPredecessor): void {
    if (process.connected) process.send?.(message);
  }

  #hear(message: ToSuccessor, handle: object): void {
    switch (message.type) {
      case 'socket': {
        const { place, isAdmin, keeper } = message;
        if (keeper !== null) this.kept.push({ handle, keeper });
        else if (isAdmin) this.adminSocket = { place, handle, keeper };
        else this.sockets.set(place, [...(this.sockets.get(place) ?? []), { handle, keeper }]);
        return;
      }
      case 'settings may be read':
        this.tls = message.tls;
        this.#gotSockets.resolve();
        return;
      case 'given':
        this.#given.resolve(message.past);
        return;
      case 'yours':
        this.#isOver = true;
        this.#yours.resolve();
        return;
      case 'delta':
        this.onDelta(message.delta);
    }
  }
}

/** launcher.ts reads it, where there is one. */
function tellLifeline(line: string): void {
  try {
    writeSync(LIFELINE_FD, `${line}\n`);
  } catch {
    // It was ended.
  }
}
