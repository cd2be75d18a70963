// undici's Pool's view of one connection: a Dispatcher that can be asked to close, now or when it is idle, and that says
// when it can take what waits in the pool's queue. What is sent and read is its subclass's (connection.ts).

import { EventEmitter } from 'node:events';
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';

export abstract class PoolMember extends Dispatcher {
  /** Reads that brought bytes, over all sockets that it had: signs of the replica's life. */
  reads = 0;
  closed = false;
  destroyed = false;
  readonly #origin: URL;
  #onClosed: (() => void) | null = null;

  constructor(origin: URL) {
    super();
    this.#origin = origin;
  }

  protected abstract readonly isIdle: boolean;
  /** Ends what can be sent again, and closes; what cannot goes on to its end. */
  protected abstract leave(): void;
  protected abstract dropSocket(): void;

  override close(): Promise<void>;
  override close(callback: () => void): void;
  override close(callback?: () => void): Promise<void> | undefined {
    this.closed = true;
    const closed = new Promise<void>(resolve => {
      this.#onClosed = resolve;
    });
    if (this.isIdle) this.finishClose();
    if (callback === undefined) return closed;
    void closed.then(callback);
    return undefined;
  }

  override destroy(): Promise<void>;
  override destroy(error: Error | null): Promise<void>;
  override destroy(callback: () => void): void;
  override destroy(error: Error | null, callback: () => void): void;
  override destroy(first?: Error | null | (() => void), second?: () => void): Promise<void> | undefined {
    const callback = typeof first === 'function' ? first : second;
    this.closed = true;
    this.destroyed = true;
    this.leave();
    if (callback === undefined) return Promise.resolve();
    queueMicrotask(callback);
    return undefined;
  }

  /** Somebody waits in the pool's queue. */
  tellPool(): void {
    // The types of undici leave out the list of dispatchers that its pool reads.
    EventEmitter.prototype.emit.call(this, 'drain', this.#origin, [this]);
  }

  protected finishClose(): void {
    this.dropSocket();
    this.#onClosed?.();
    this.#onClosed = null;
  }
}
