// Every message between the primary (control plane) and its workers (data planes), as plain data for structured clone.
// Order matters and the channel keeps it: a worker that has answered `applied` N has seen all that was sent before.

import type { Address } from './address.ts';
import type { TlsMaterial } from './tls-material.ts';
import type { SnapshotMessage, SuspectHint, VitalSigns } from './types.ts';

/** The variable that makes a process a worker: what it is born with (WorkerBirth), as JSON. */
export const WORKER_BIRTH = 'TORC_WORKER';

export interface WorkerBirth {
  /** 1, 2, 3, ...: no two of one torc have the same. */
  readonly id: number;
  /** Settings, checked. */
  readonly config: object;
}

/** The head of a control request (/rep, /add, /admin/...), whichever listener it came through. Its body is asked for. */
export interface AdminRequest {
  readonly method: string;
  /** Path and query, as the client sent them. */
  readonly target: string;
  /** [name, value, ...], as the client sent them. */
  readonly rawHeaders: readonly string[];
  /** The peer's address; '' on a unix socket. */
  readonly peer: string;
  /** A proxy of TCP is between, and `peer` is whom that told, if anybody (PROXY protocol). */
  readonly isTold: boolean;
  /** The host of the listener that it came to, as the settings have it; a path where it is a unix socket. */
  readonly listener: string;
  readonly hasBody: boolean;
  /** False for HTTP/1.0. */
  readonly isHttp11: boolean;
}

/** The primary's answer. A body of pieces is made while it is read; with `more`, chunks follow as they come (events). */
export interface AdminReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Iterable<string>;
  readonly more: boolean;
}

/** The same on its way: the first piece, or all of it. */
export interface AdminReplyHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly piece: string;
  readonly more: boolean;
}

/** What a worker (or the listener of the control endpoints alone) is told about a control request. */
export type ToRelay =
  | { readonly type: 'admin-ask-body'; readonly id: number }
  | { readonly type: 'admin-reply'; readonly id: number; readonly reply: AdminReplyHead }
  | { readonly type: 'admin-chunk'; readonly id: number; readonly chunk: string; readonly end: boolean };

export type FromRelay =
  | { readonly type: 'admin'; readonly id: number; readonly request: AdminRequest }
  | { readonly type: 'admin-body'; readonly id: number; readonly body: string }
  /** The reader has taken all there was. */
  | { readonly type: 'admin-pull'; readonly id: number }
  | { readonly type: 'admin-cancel'; readonly id: number };

/** `settings`: null where the worker has them already. Both hold from one moment on. */
export interface Publish {
  readonly type: 'publish';
  readonly snapshot: SnapshotMessage;
  readonly settings: object | null;
}

export type ToWorker =
  | Publish
  /** For the handshakes from now on; before the first snapshot, where torc serves HTTPS. */
  | { readonly type: 'tls'; readonly material: TlsMaterial }
  /** Of session tickets, newest first. */
  | { readonly type: 'ticket-keys'; readonly keys: readonly Uint8Array[] }
  /** Accept from this socket, which comes with the message; and from it no more. */
  | { readonly type: 'listen'; readonly socket: number; readonly address: Address }
  | { readonly type: 'leave'; readonly socket: number }
  | ToRelay
  | { readonly type: 'collect'; readonly id: number; readonly with: 'counts' | 'keys' | 'hot keys' }
  | { readonly type: 'alive?' }
  /** From now on this worker serves on where its primary dies, and offers its sockets there (cluster/sockets-on-the-way.ts). */
  | { readonly type: 'outlive'; readonly offerAt: string }
  | { readonly type: 'drain-upstream'; readonly id: number; readonly replicaId: string }
  | { readonly type: 'signs?'; readonly id: number; readonly replicaId: string }
  /** `isReplaced`: another torc serves where this worker did. */
  | { readonly type: 'shutdown'; readonly graceMs: number; readonly isReplaced: boolean };

export type ToPrimary<Delta> =
  | { readonly type: 'listening'; readonly socket: number }
  | { readonly type: 'listen-failed'; readonly message: string }
  | { readonly type: 'alive' }
  | { readonly type: 'applied'; readonly epoch: number; readonly checksum: number }
  | { readonly type: 'suspect'; readonly hint: SuspectHint }
  | FromRelay
  | { readonly type: 'collected'; readonly id: number; readonly delta: Delta }
  | { readonly type: 'upstream-drained'; readonly id: number }
  | { readonly type: 'signs'; readonly id: number; readonly signs: VitalSigns };

/** The snapshot that one worker routes by, as it said itself. */
export interface WorkerRing {
  readonly worker: number;
  readonly pid: number;
  readonly epoch: number;
  readonly checksum: number;
}

/** One control request as the primary serves it: its body on demand, one reply, then chunks if it said `more`. */
export interface AdminChannel {
  /** The whole body; null when it did not come whole (too long, too slow, the client gone): then nothing is replied. */
  readBody(): Promise<string | null>;
  reply(reply: AdminReply): void;
  chunk(chunk: string, end: boolean): void;
  /** Set by the handler of a stream: called when the client is gone. */
  onCancel: (() => void) | null;
}
