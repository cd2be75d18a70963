// Whether a worker still lives in its loop, not just as a process. A stopped or spinning one keeps its socket, and the
// kernel deals it its share of all new connections for ever. What counts is questions in a row that were not answered,
// not time since the last answer: rounds in which the primary itself came late prove nothing about anybody and are left
// out, so a machine that slept or a primary that was stopped ends no worker. Pure; workers.ts asks and acts.

/** Between two questions. */
export const ASK_EVERY_MS = 250;
/** A round that comes this much later than planned is the primary's own fault. */
const LATE_MS = 80;
/** With the rounds' own lateness an end comes within 2 s of the last sign of life. */
const MOST_UNANSWERED = 5;
/** From here on its CPU time is looked at (cpu-time.ts). */
export const DOUBTED = 2;
/** Of one that is not let run: whatever is the matter, its connections have waited for 10 s then. */
const MOST_UNANSWERED_STARVED = 40;
/** Loading the code takes a second on a busy machine; a worker that does not listen after this will never. */
const START_TIMEOUT_MS = 30_000;

export interface Life {
  readonly listening: boolean;
  /** Since it was forked. */
  readonly ageMs: number;
  /** Questions since its last answer, those of late rounds left out. */
  readonly unanswered: number;
  /** Nobody lets it run. */
  readonly isStarved: () => boolean;
}

export const isLate = (sinceLastRoundMs: number): boolean => sinceLastRoundMs > ASK_EVERY_MS + LATE_MS;

/** Why it is taken for hung, or null. */
export function hangOf(
  { listening, ageMs, unanswered, isStarved }: Life,
  sinceLastRoundMs: number,
): string | null {
  if (isLate(sinceLastRoundMs)) return null;
  if (!listening) return ageMs > START_TIMEOUT_MS ? `does not listen after ${START_TIMEOUT_MS} ms` : null;
  if (unanswered < MOST_UNANSWERED || (unanswered < MOST_UNANSWERED_STARVED && isStarved())) return null;
  return `no sign of life for ${unanswered * ASK_EVERY_MS} ms`;
}
