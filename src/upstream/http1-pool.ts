// Hot: runs per request; no closure, no promise.
// A replica's HTTP/1.1 connections: an undici Pool of Connections. The pool makes
// connections, bounds them, queues for them and closes them; which free one is next is decided here, the one that was used
// last, because the pool would look for it through its list with every request. So to the pool a connection is busy
// unless somebody waits in its queue.

import Pool from 'undici/lib/dispatcher/pool.js';
import type { Clock } from '../core/clock.ts';
import { hostPort, isSocketPath } from '../core/host-port.ts';
import type { Attempt } from './attempt.ts';
import { Connection, type Owner } from './connection.ts';
import { Pipelining } from './pipelining.ts';
import type { Target } from './replica-socket.ts';
import type { Transport, UpstreamSettings } from './transport.ts';

export class Http1Pool implements Transport, Owner {
  readonly #target: Target;
  readonly #clock: Clock;
  readonly #pool: Pool;
  /** The pool's, which does not show them. */
  readonly #connections: Connection[] = [];
  /** Those without an attempt; the last one was used last. */
  readonly #free: Connection[] = [];
  /** null where it is off. */
  #pipelining: Pipelining | null;
  /** What this turn's requests leave on together. */
  #batch: Connection | null = null;
  #isLooking = false;
  /** Since the last look. */
  #hasAnswered = false;
  /** Attempts in the pool's queue, given up ones too. */
  #queued = 0;

  constructor(target: Target, settings: UpstreamSettings, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
    this.#pipelining = settings.pipelining === 'auto' ? new Pipelining(clock) : null;
    this.#pool = new Pool(originOf(target), {
      connections: settings.maxConnectionsPerReplica,
      factory: origin => this.#connection(origin),
    });
  }

  #connection(origin: URL): Connection {
    const connection = new Connection(origin, this.#target, this.#clock, this);
    this.#connections.push(connection);
    return connection;
  }

  get reads(): number {
    let reads = 0;
    for (const connection of this.#connections) reads += connection.reads;
    return reads;
  }

  dispatch(attempt: Attempt, inFlight: number): void {
    const shares = this.#pipelining?.mayShare(inFlight) === true && attempt.mayPipeline;
    if (shares && this.#batch?.append(attempt) === true) {
      if (!this.#isLooking) this.#lookLater(this.#pipelining!);
      return;
    }
    const connection = this.#free.pop();
    if (connection !== undefined) {
      if (connection.take(attempt) && shares) this.#batch = connection;
      return;
    }
    this.#queued++;
    this.#pool.dispatch(attempt, attempt);
  }

  /** The pool has found a connection for an attempt. */
  unqueued(): void {
    this.#queued--;
  }

  /** A connection has none any more. */
  freed(connection: Connection): void {
    if (this.#queued > 0) connection.tellPool();
    else this.#free.push(connection);
  }

  distrust(): void {
    this.#pipelining?.distrust();
  }

  /** Answers are told apart by their order alone: of who says too much or too little once, the next may be somebody else's. */
  broken(): void {
    this.#pipelining = null;
  }

  took(ms: number, nowMs: number): void {
    this.#hasAnswered = true;
    this.#pipelining?.took(ms, nowMs);
  }

  /**
   * At intervals while requests wait behind others: where the first of a connection is late, they are moved. The poll
   * between timer and immediate reads what was there already when it was torc that was late.
   */
  #lookLater(pipelining: Pipelining): void {
    this.#isLooking = true;
    this.#clock.after(pipelining.lateMs / 2, () => setImmediate(() => this.#look(pipelining)));
  }

  #look(pipelining: Pipelining): void {
    this.#isLooking = false;
    let isShared = false;
    const hasAnswered = this.#hasAnswered;
    this.#hasAnswered = false;
    for (const connection of this.#connections) {
      if (connection.isLate() && hasAnswered) pipelining.overtaken();
      isShared ||= connection.isShared;
    }
    if (isShared) this.#lookLater(pipelining);
  }

  close(): void {
    this.#free.length = 0;
    if (!this.#pool.closed && !this.#pool.destroyed) void this.#pool.close();
  }

  destroy(): void {
    this.#free.length = 0;
    if (!this.#pool.destroyed) void this.#pool.destroy();
  }

  endIfSilent(): number {
    let left = 0;
    for (const connection of this.#connections) if (connection.endIfSilent()) left++;
    return left;
  }
}

const originOf = ({ host, port }: Target): string =>
  `http://${isSocketPath(host) ? 'unix' : hostPort(host, port)}`;
