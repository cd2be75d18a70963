// The data plane's handle on one replica: an undici Pool of Connections, and how many requests it has now. The pool makes
// connections, bounds them, queues for them and closes them; which free one is next is decided here, the one that was used
// last, because the pool would look for it through its list with every request. So to the pool a connection is busy
// unless somebody waits in its queue. It outlives
// its place in the snapshot: a replica that left routing keeps its upstream until its last request ended (`retire`).
// Bounds: `maxConnections` at work, `maxQueue` waiting in the pool; what is beyond is refused at once, because a queue
// that grows faster than it drains only turns one slow replica into slow everything.

import type { Socket } from 'node:net';
import Pool from 'undici/lib/dispatcher/pool.js';
import type { Clock } from '../core/clock.ts';
import type { ProxyErrorCode } from '../core/errors.ts';
import { hostPort, isSocketPath } from '../core/host-port.ts';
import type { SuspectHint, UpstreamSpec, VitalSigns } from '../core/types.ts';
import type { Attempt } from './attempt.ts';
import { Connection } from './connection.ts';
import { Pipelining } from './pipelining.ts';
import type { Target } from './replica-socket.ts';
import { TlsClient } from './tls-client.ts';

/** Long enough for what a replica sent before its end, and for a machine that is busy with replacing it. */
const LAST_BYTES_MS = 100;

const SUSPECT_INTERVAL_MS = 1000;
/** Of a failure: a slow page says less of its replica than a refused connection. */
const SLOW_WEIGHT = 0.5;

export interface UpstreamSettings {
  readonly maxConnectionsPerReplica: number;
  readonly maxQueue: number;
  readonly pipelining: 'auto' | 'off';
}

export class Upstream implements Target {
  readonly slotId: number;
  readonly slot: string;
  readonly replicaId: string;
  readonly host: string;
  readonly port: number;
  readonly tls: TlsClient | null;
  /** Requests and tunnels it has now, of this worker. */
  inFlight = 0;
  /** Failures since the last whole answer, slow ones at their weight. */
  #failuresInRow = 0;
  /** When the control plane was last told that it misbehaves. */
  #suspectedAtMs = Number.NEGATIVE_INFINITY;
  readonly #clock: Clock;
  readonly #pool: Pool;
  /** The pool's, which does not show them. */
  readonly #connections: Connection[] = [];
  /** Those without an attempt; the last one was used last. */
  readonly #free: Connection[] = [];
  /** null where it is off. */
  readonly #pipelining: Pipelining | null;
  /** What this turn's requests leave on together. */
  #batch: Connection | null = null;
  #isLooking = false;
  /** Answers so far, now and at the last look. */
  #answers = 0;
  #answersSeen = 0;
  /** Attempts in the pool's queue, given up ones too. */
  #queued = 0;
  /** The replica's ends of tunnels, and how much came when they were last looked at. */
  readonly #tunnels = new Map<Socket, number>();
  /** Of tunnels that are over. */
  #tunnelBytes = 0;
  readonly #limit: number;
  #retiring = false;
  #isCut = false;
  #waiting: (() => void)[] = [];

  constructor(spec: UpstreamSpec, settings: UpstreamSettings, clock: Clock) {
    this.slotId = spec.slotId;
    this.slot = spec.slot;
    this.replicaId = spec.replicaId;
    this.host = spec.host;
    this.port = spec.port;
    this.tls = spec.tls ? new TlsClient(spec.tls, clock) : null;
    this.#limit = settings.maxConnectionsPerReplica + settings.maxQueue;
    this.#clock = clock;
    this.#pipelining = settings.pipelining === 'auto' ? new Pipelining(clock) : null;
    this.#pool = new Pool(originOf(spec.host, spec.port), {
      connections: settings.maxConnectionsPerReplica,
      factory: origin => this.#connection(origin),
    });
  }

  #connection(origin: URL): Connection {
    const connection = new Connection(origin, this, this.#clock, this);
    this.#connections.push(connection);
    return connection;
  }

  get full(): boolean {
    return this.inFlight >= this.#limit;
  }

  /** The attempt counts as in flight until `end`. */
  dispatch(attempt: Attempt): void {
    this.inFlight++;
    const shares = this.#pipelining?.mayShare(this.inFlight) === true && attempt.mayPipeline;
    if (shares && this.#batch?.append(attempt) === true) {
      if (!this.#isLooking) this.#lookLater(this.#pipelining!);
      return;
    }
    const connection = this.#free.pop();
    if (connection !== undefined) {
      if (!shares) connection.take(attempt);
      else if (connection.takeFirst(attempt)) this.#batch = connection;
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

  /** An answer was complete at `nowMs`, so long after its request came. */
  took(ms: number, nowMs: number): void {
    this.#answers++;
    this.#failuresInRow = 0;
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
    const hasAnswered = this.#answers !== this.#answersSeen;
    this.#answersSeen = this.#answers;
    for (const connection of this.#connections) {
      if (connection.isLate() && hasAnswered) pipelining.overtaken();
      isShared ||= connection.isShared;
    }
    if (isShared) this.#lookLater(pipelining);
  }

  /** A request failed. A hint for the control plane; null where one was given within the second, which is as good as a thousand. */
  suspect(code: ProxyErrorCode, detail: string, nowMs: number): SuspectHint | null {
    const cause = causeOf(code);
    this.#failuresInRow += cause === 'timeout' ? SLOW_WEIGHT : 1;
    if (nowMs - this.#suspectedAtMs < SUSPECT_INTERVAL_MS) return null;
    this.#suspectedAtMs = nowMs;
    return { slot: this.slot, replicaId: this.replicaId, cause, detail, inRow: this.#failuresInRow };
  }

  /** The attempt became a tunnel. */
  carry(socket: Socket): void {
    this.#tunnels.set(socket, -1);
    socket.once('close', () => {
      this.#tunnelBytes += socket.bytesRead;
      this.#tunnels.delete(socket);
    });
  }

  /** What came from the replica so far. Bytes of tunnels count as reads: only more or not is of interest. */
  signs(): VitalSigns {
    let reads = this.#tunnelBytes;
    for (const connection of this.#connections) reads += connection.reads;
    for (const socket of this.#tunnels.keys()) reads += socket.bytesRead;
    return { reads, answers: this.#answers };
  }

  /** An attempt or its tunnel is over; each `dispatch` has exactly one. */
  end(): void {
    this.inFlight--;
    if (this.inFlight > 0) return;
    if (this.#retiring) this.#closePool();
    this.#tellDrained();
  }

  /** Out of routing: lives on until the last request ended. */
  retire(): void {
    if (this.#retiring) return;
    this.#retiring = true;
    if (this.inFlight === 0) this.#closePool();
  }

  /** The replica is dead or hangs: what waits for its answer goes to its next choice now, if it may be sent again. */
  destroy(): void {
    this.#retiring = true;
    this.#free.length = 0;
    if (!this.#pool.destroyed) void this.#pool.destroy();
  }

  /**
   * The replica has ended for certain, but its connections need not have: nobody closes those of a container that lost its
   * network. What it sent before its end is still read; then whoever waits there waits in vain.
   */
  cut(): void {
    this.destroy();
    if (this.#isCut) return;
    this.#isCut = true;
    this.#endSilent();
  }

  /** Again until none is left. The poll between timer and immediate reads what was there already when we were late. */
  #endSilent(): void {
    let left = 0;
    for (const connection of this.#connections) if (connection.endIfSilent()) left++;
    for (const [socket, bytesRead] of this.#tunnels) {
      if (socket.bytesRead === bytesRead && !socket.isPaused()) socket.destroy();
      else left++;
      this.#tunnels.set(socket, socket.bytesRead);
    }
    if (left > 0) this.#clock.after(LAST_BYTES_MS, () => setImmediate(() => this.#endSilent()));
  }

  /** Calls back once when nothing is in flight; at once where nothing is. */
  whenDrained(callback: () => void): void {
    if (this.inFlight === 0) callback();
    else this.#waiting.push(callback);
  }

  #closePool(): void {
    this.#free.length = 0;
    if (!this.#pool.closed && !this.#pool.destroyed) void this.#pool.close();
  }

  #tellDrained(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const callback of waiting) callback();
  }
}

/** What the pool calls it; it connects nowhere. */
const originOf = (host: string, port: number): string =>
  `http://${isSocketPath(host) ? 'unix' : hostPort(host, port)}`;

function causeOf(code: ProxyErrorCode): SuspectHint['cause'] {
  if (code === 'REFUSED' || code === 'TLS_FAILED') return 'refused';
  if (code === 'RESET') return 'reset';
  return code === 'BAD_RESPONSE' ? 'error' : 'timeout';
}
