// Every message between the primary (control plane) and its workers (data planes), as plain data for structured clone.
// Order matters and the channel keeps it: a worker that has answered `applied` N has seen all that was sent before.

import type { SnapshotMessage, SuspectHint } from './types.ts';

/** A control-plane request (/rep, /add, /admin/...) that arrived on the public port, handed to the primary whole. */
export interface AdminRequest {
  readonly method: string;
  /** Path and query, as the client sent them. */
  readonly target: string;
  readonly host: string;
  readonly authorization: string;
  readonly contentType: string;
  readonly lastEventId: string;
  readonly body: string;
}

/** The primary's answer; with `more`, chunks follow until one says `end` (server-sent events). */
export interface AdminReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly more: boolean;
}

export type ToWorker =
  | { readonly type: 'publish'; readonly snapshot: SnapshotMessage }
  | { readonly type: 'admin-reply'; readonly id: number; readonly reply: AdminReply }
  | { readonly type: 'admin-chunk'; readonly id: number; readonly chunk: string; readonly end: boolean }
  | { readonly type: 'collect'; readonly id: number }
  | { readonly type: 'alive?' }
  | { readonly type: 'drain-upstream'; readonly id: number; readonly replicaId: string }
  | { readonly type: 'shutdown'; readonly graceMs: number };

export type ToPrimary<Delta> =
  | { readonly type: 'listening' }
  | { readonly type: 'listen-failed'; readonly message: string }
  | { readonly type: 'alive' }
  | { readonly type: 'applied'; readonly epoch: number; readonly checksum: number }
  | { readonly type: 'suspect'; readonly hint: SuspectHint }
  | { readonly type: 'admin'; readonly id: number; readonly request: AdminRequest }
  | { readonly type: 'admin-cancel'; readonly id: number }
  | { readonly type: 'collected'; readonly id: number; readonly delta: Delta }
  | { readonly type: 'upstream-drained'; readonly id: number };

/** The snapshot that one worker routes by, as it said itself. */
export interface WorkerRing {
  readonly worker: number;
  readonly pid: number;
  readonly epoch: number;
  readonly checksum: number;
}

/** Where an admin answer goes: one reply, then chunks if it said `more`. */
export interface AdminChannel {
  reply(reply: AdminReply): void;
  chunk(chunk: string, end: boolean): void;
  /** Set by the handler of a stream: called when the client is gone. */
  onCancel: (() => void) | null;
}
