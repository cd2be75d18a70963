// What became of every request: sent = answered + left by their client + lost, and of the lost which are so by contract.
// torc promises no request that may be repeated; what had begun where somebody died cannot be (docs/healing.md). A loss is
// by contract only where such a death was going on at its time, and it is of a kind that this death may take. Pure.

export interface Tally {
  /** Since 1970, like all times here. */
  readonly atMs: number;
  readonly sent: Record<string, number>;
  readonly answered: Record<string, number>;
  readonly aborted: Record<string, number>;
  /** Asked again by the client, because a connection that was idle closed, or a stream was refused. */
  repeated: number;
  /** p50 and p99 of this second. */
  readonly latenciesMs: number[];
  /** The longest time without any answer. */
  readonly gapMs: number;
}

export interface Loss {
  readonly kind: string;
  readonly cause: string;
  readonly beganMs: number;
  readonly endedMs: number;
}

export type TroubleKind =
  | 'kill'
  | 'hang'
  | 'rollout'
  | 'scale'
  | 'reload'
  | 'worker'
  | 'replace'
  | 'primary'
  | 'engine'
  | 'live-restore';

export interface Trouble {
  readonly kind: TroubleKind;
  readonly fromMs: number;
  /** All was well again. */
  readonly untilMs: number;
  /** Of a worker or a primary: the kernel has closed what it had. */
  readonly goneMs?: number;
}

/** Clocks of two processes, and words on their way. */
const SLACK_MS = 2_000;
/** What had begun with a replica cannot be begun again: not idempotent, too large to be kept, or answered in part. */
const BEGUN = /^(?:post|upload|slow reader|tunnel|HTTP\/2 post|abort)$/;
/** How that looks. */
const ENDED =
  /^(?:50[24] |answer cut|tunnel cut|closed before the tunnel|50[24] instead|reset 2 |ECONNRESET|EPIPE)/;
/** Whoever may have killed two replicas is sent to no third one (docs/healing.md). */
const TWICE = /^502 the replica closed/;
const MOST_DEATHS = 2;
/** For a replica (hold-ms), and there was none. */
const WAITED = /^503 (?:no replica is ready|instead)/;
/** A client that has a connection learns of its end behind what it does just now, and may ask once more there. */
const NOTICED_MS = 500;
const NEW_CONNECTION = /^(?:new connection|upload|slow reader|abort|tunnel)$/;
/** The kernel closes what a worker had. */
const RESET = /^(?:ECONNRESET|EPIPE|answer cut|tunnel cut|closed before the tunnel|reset |socket hang up)/;

export function isByContract({ kind, cause, beganMs, endedMs }: Loss, all: readonly Trouble[]): boolean {
  const troubles = all.filter(
    ({ fromMs, untilMs }) => endedMs >= fromMs - SLACK_MS && beganMs <= untilMs + SLACK_MS,
  );
  const count = (...kinds: TroubleKind[]): number =>
    troubles.filter(trouble => kinds.includes(trouble.kind)).length;
  if (TWICE.test(cause) && (count('engine') > 0 || count('kill', 'hang') >= MOST_DEATHS)) return true;
  // Nobody makes replicas for a torc that drains: who waits there for the first one behind an engine's start is told so.
  if (WAITED.test(cause) && count('engine') > 0 && count('replace', 'primary') > 0) return true;
  return troubles.some(trouble => {
    switch (trouble.kind) {
      case 'kill':
      case 'hang':
      // All of them.
      case 'engine':
        return BEGUN.test(kind) && ENDED.test(cause);
      // Those that were with it when it died: who comes anew then waits for another, in a queue that outlives it.
      case 'worker': {
        // That queue is the primary's: where it is killed at the same time, it outlives nobody.
        const primary = troubles.find(other => other.kind === 'primary' && isBeside(trouble, other));
        const goneMs = Math.max(...[trouble, primary].map(goneOf));
        return RESET.test(cause) && beganMs <= goneMs + (NEW_CONNECTION.test(kind) ? 0 : NOTICED_MS);
      }
      // The grace of long ones is bounded.
      case 'rollout':
      case 'scale':
      case 'replace':
      // Its workers serve on, and another's go on with their sockets.
      case 'primary':
        return kind === 'tunnel' && /^(?:tunnel cut|ECONNRESET)/.test(cause);
      default:
        return false;
    }
  });
}

const isBeside = (one: Trouble, other: Trouble): boolean =>
  one.fromMs <= other.untilMs && other.fromMs <= one.untilMs;
const goneOf = (trouble: Trouble | undefined): number => trouble?.goneMs ?? trouble?.untilMs ?? 0;

export const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);
