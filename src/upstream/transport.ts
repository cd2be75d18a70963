// How attempts get to one replica and back: what an Upstream asks of a protocol. It knows attempts, their answers and their
// ends; connections, streams and queues are the transport's own, because HTTP/1.1 has one request on a connection where
// HTTP/2 has many, and neither is a case of the other.

import type { Attempt } from './attempt.ts';

export interface UpstreamSettings {
  readonly maxConnectionsPerReplica: number;
  readonly maxQueue: number;
  readonly pipelining: 'auto' | 'off';
  readonly replicaProtocol: 'http1' | 'h2c';
  readonly connectTimeoutMs: number;
}

/** Whether what was made by one can go on by the other. */
export const isSameTransport = (one: UpstreamSettings, other: UpstreamSettings): boolean =>
  one.maxConnectionsPerReplica === other.maxConnectionsPerReplica &&
  one.pipelining === other.pipelining &&
  one.connectTimeoutMs === other.connectTimeoutMs &&
  one.replicaProtocol === other.replicaProtocol;

export interface Transport {
  /** Reads, or bytes, that came from the replica: only more or not is of interest. */
  readonly reads: number;
  /** `inFlight` counts this one. */
  dispatch(attempt: Attempt, inFlight: number): void;
  /** An answer was complete at `nowMs`, so long after its request came. */
  took(ms: number, nowMs: number): void;
  /** Nothing more comes; what is in flight goes on to its end. */
  close(): void;
  /** What waits for an answer and may be sent again fails now; what may not, and an answer that has begun, goes on. */
  destroy(): void;
  /** Ends what nothing came for since the last call; how many go on. */
  endIfSilent(): number;
}
