// Hot: runs per request; no closure, no promise.
// A replica's HTTP/2 connections: as few as its SETTINGS_MAX_CONCURRENT_STREAMS allow, usually one. A request goes to the
// first that has room; where none has, another one is opened, and where enough are at work, it waits. What bounds the
// work at a replica is the number of requests, as for HTTP/1.1, and not of connections.

import type { Clock } from '../core/clock.ts';
import type { Attempt } from './attempt.ts';
import { type ConnectionOwner, Http2Connection } from './http2-connection.ts';
import type { Target } from './replica-socket.ts';
import type { Transport, UpstreamSettings } from './transport.ts';

/** Connections that were idle for so long are closed: who ends idle ones without a GOAWAY would take a request with them. */
const MAX_IDLE_MS = 4000;
/** A request that met a stale connection goes to one that is no older. */
const FRESH_MS = 1000;

export class Http2Pool implements Transport, ConnectionOwner {
  readonly #target: Target;
  readonly #clock: Clock;
  readonly #most: number;
  readonly #longestQueue: number;
  readonly connectTimeoutMs: number;
  readonly #connections: Http2Connection[] = [];
  /** Given up ones too; they are few (`#shorten`). */
  #queue: Attempt[] = [];
  /** Bytes of connections that are over. */
  #bytesBefore = 0;
  /** Nothing new comes. */
  #isClosing = false;
  #isDestroyed = false;
  #isLooking = false;

  constructor(target: Target, settings: UpstreamSettings, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
    this.#most = settings.maxConnectionsPerReplica;
    this.#longestQueue = settings.maxQueue;
    this.connectTimeoutMs = settings.connectTimeoutMs;
  }

  get reads(): number {
    let bytes = this.#bytesBefore;
    for (const connection of this.#connections) bytes += connection.bytesRead;
    return bytes;
  }

  dispatch(attempt: Attempt): void {
    if (this.#isDestroyed) {
      attempt.onFault('REFUSED', 'the replica is gone', false, false);
      return;
    }
    const connection = this.#queue.length === 0 ? this.#next(attempt.freshOnly) : null;
    if (connection !== null) {
      connection.take(attempt);
      return;
    }
    if (this.#queue.length >= this.#longestQueue * 2)
      this.#queue = this.#queue.filter(other => !other.cancelled);
    this.#queue.push(attempt);
  }

  /** One with room, or a new one; null where there are enough. */
  #next(freshOnly: boolean): Http2Connection | null {
    const nowMs = this.#clock.nowMs();
    let atWork = 0;
    let found: Http2Connection | null = null;
    let mayOpen = true;
    for (const connection of this.#connections) {
      atWork += connection.streamCount;
      mayOpen &&= !connection.isShut;
      const isStale = connection.isIdle && nowMs - connection.idleSinceMs >= MAX_IDLE_MS;
      const isFresh = connection.isOpening || nowMs - connection.openedAtMs < FRESH_MS;
      if (found === null && connection.hasRoom && !isStale && (isFresh || !freshOnly)) found = connection;
    }
    if (atWork >= this.#most) return null;
    return found ?? (mayOpen ? this.#open() : null);
  }

  #open(): Http2Connection {
    const connection = new Http2Connection(this.#target, this.#clock, this);
    this.#connections.push(connection);
    if (!this.#isLooking) this.#lookLater();
    return connection;
  }

  #lookLater(): void {
    this.#isLooking = true;
    this.#clock.after(MAX_IDLE_MS / 2, () => this.#look());
  }

  /** Idle ones end. */
  #look(): void {
    const nowMs = this.#clock.nowMs();
    for (const connection of [...this.#connections])
      if (connection.isIdle && nowMs - connection.idleSinceMs >= MAX_IDLE_MS) connection.close();
    this.#isLooking = false;
    if (this.#connections.length > 0) this.#lookLater();
  }

  changed(): void {
    while (this.#queue.length > 0) {
      const attempt = this.#queue[0]!;
      const connection = attempt.cancelled ? null : this.#next(attempt.freshOnly);
      if (connection === null && !attempt.cancelled) return;
      this.#queue.shift();
      connection?.take(attempt);
    }
    if (this.#isClosing) this.#leaveAll();
  }

  closed(connection: Http2Connection): void {
    this.#connections.splice(this.#connections.indexOf(connection), 1);
    this.#bytesBefore += connection.bytesRead;
    // What waits goes on when those that were on it have moved.
    if (this.#queue.length > 0) setImmediate(() => this.changed());
  }

  took(): void {}

  close(): void {
    this.#isClosing = true;
    if (this.#queue.length === 0) this.#leaveAll();
  }

  #leaveAll(): void {
    for (const connection of [...this.#connections]) connection.leave();
  }

  destroy(): void {
    this.#isDestroyed = true;
    const queue = this.#queue;
    this.#queue = [];
    for (const connection of [...this.#connections]) connection.lose();
    for (const attempt of queue)
      if (!attempt.cancelled) attempt.onFault('REFUSED', 'the replica is gone', false, false);
  }

  endIfSilent(): number {
    let left = 0;
    for (const connection of [...this.#connections]) left += connection.endIfSilent();
    return left;
  }
}
