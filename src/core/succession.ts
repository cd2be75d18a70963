// What two torcs say to each other while one takes over from the other: the old one (the predecessor) has started the new one
// (the successor) as its child. Plain data, like messages.ts.

import type { ServerCertificate } from './tls-material.ts';

/** The variable that makes a start a succession. */
export const SUCCESSOR = 'TORC_SUCCESSOR';
/** Where a successor finds what ties it to the process that somebody started (cluster/launcher.ts). */
export const LIFELINE_FD = 4;

/** Who keeps a listening socket that no torc made, and where it listens as the kernel says (cluster/kept-sockets.ts). */
export interface Keeper {
  /** What the service manager calls it. */
  readonly name: string;
  /** The path of a unix socket, and port 0. */
  readonly host: string;
  readonly port: number;
}

/** What clients of HTTPS have seen, and go on with. */
export interface TlsPast {
  /** Of session tickets, newest first. */
  readonly ticketKeys: readonly Uint8Array[];
  /** Since 1970: when the newest was made. */
  readonly rotatedMs: number;
  /** Null where certificates are files. */
  readonly selfSigned: ServerCertificate | null;
}

/** What the successor goes on with. */
export interface Past {
  /** All that was counted (routing/totals-on-the-way.ts). */
  readonly totals: object;
  /** The slots, and the number that TORC_REPLICAS said; spares are found by themselves. */
  readonly slots: readonly string[];
  readonly replicas: number;
  /** Slots that are ready. */
  readonly ready: number;
}

export type ToSuccessor =
  /** A listening socket of `place` comes with it; `isAdmin`: that of the control endpoints alone. `keeper`: null where torc made it. */
  | {
      readonly type: 'socket';
      readonly place: string;
      readonly isAdmin: boolean;
      readonly keeper: Keeper | null;
    }
  /** Behind the last socket. */
  | { readonly type: 'settings may be read'; readonly tls: TlsPast | null }
  | { readonly type: 'given'; readonly past: Past }
  /** From now on the successor is torc. */
  | { readonly type: 'yours' }
  /** What workers that drain have counted since. */
  | { readonly type: 'delta'; readonly delta: object };

export type ToPredecessor =
  /** Its settings are proven: it wants the replicas. */
  | { readonly type: 'take' }
  /** It serves. */
  | { readonly type: 'ready'; readonly version: string; readonly node: string }
  /** Whoever started torc has been told that it is torc now: the other may end. */
  | { readonly type: 'known' }
  /** It does not start. */
  | { readonly type: 'failed'; readonly faults: readonly string[] };
