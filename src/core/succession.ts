// What two torcs say to each other while one takes over from the other: the old one (the predecessor) has started the new one
// (the successor) as its child. Plain data, like messages.ts.

/** The variable that makes a start a succession. */
export const SUCCESSOR = 'TORC_SUCCESSOR';
/** Where a successor finds what ties it to the process that somebody started (cluster/launcher.ts). */
export const LIFELINE_FD = 4;

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
  /** A listening socket of `place` comes with it; `isAdmin`: that of the control endpoints alone. */
  | { readonly type: 'socket'; readonly place: string; readonly isAdmin: boolean }
  | { readonly type: 'all sockets' }
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
  /** It does not start. */
  | { readonly type: 'failed'; readonly faults: readonly string[] };
