// What the signs of life of one replica mean, as pure functions. Two questions, as Kubernetes asks them apart: may it get
// requests (readiness), and is it dead (liveness)? One that is busy, a single thread with a long computation say, answers
// no heartbeat meanwhile, and to kill it loses what it works on and hands the same work to the next one. So missed heartbeats
// only take a replica out of routing; it keeps what it has, and its next answer brings it back. It is dead when nothing
// came from it for a long time: no heartbeat of any status, and not a byte of an answer that a worker waits for.
// Who refuses connections is no longer there to be asked, and who goes on to answer that he is not well is replaced too;
// both may still finish what they have.

import type { ProbeResult } from './driver.ts';
import type { Member } from './slots.ts';

/**
 * `prove`, `readmit`: may get requests; `leave`: gets none, keeps what it has; `refused`: nobody listens there any more;
 * `overdue`: its first answer did not come in time.
 */
export type Verdict = 'none' | 'prove' | 'readmit' | 'leave' | 'refused' | 'overdue';

export interface BeatRules {
  readonly fall: number;
  readonly rise: number;
}

/** Counts one beat on the member and says what follows. Changes only its counters and times. */
export function judgeBeat(
  member: Member,
  { alive, got }: Pick<ProbeResult, 'alive' | 'got'>,
  nowMs: number,
  rules: BeatRules,
): Verdict {
  member.answersInRow = alive ? member.answersInRow + 1 : 0;
  member.missesInRow = alive ? 0 : member.missesInRow + 1;
  member.refusalsInRow = got === 'refused' ? member.refusalsInRow + 1 : 0;
  if (got === 'answer') noteLife(member, nowMs);
  else member.silentSinceMs ??= nowMs;
  member.beatMs = nowMs;
  if (alive) member.unwellSinceMs = null;
  else if (got === 'answer') member.unwellSinceMs ??= nowMs;
  switch (member.state) {
    case 'starting':
      if (alive) return member.answersInRow >= rules.rise ? 'prove' : 'none';
      return nowMs >= member.answerByMs ? 'overdue' : 'none';
    case 'ready':
      if (alive) return 'none';
      if (isRefused(member, rules)) return 'refused';
      // An answer that says no is no chance: there is nothing to wait for.
      return got === 'answer' || member.confirming || member.missesInRow >= rules.fall ? 'leave' : 'none';
    case 'suspect':
      if (!alive) return isRefused(member, rules) ? 'refused' : 'none';
      if (nowMs < member.ejectedUntilMs) return 'none';
      return member.confirming || member.answersInRow >= rules.rise ? 'readmit' : 'none';
    default:
      return 'none';
  }
}

/** As often as misses count, or once where a worker was refused before. */
const isRefused = ({ refusalsInRow, confirming }: Member, { fall }: BeatRules): boolean =>
  refusalsInRow >= fall || (refusalsInRow > 0 && confirming);

/** `silent`: not a sign of life for too long; `unwell`: it answers, but never that it is well. */
export type Illness = 'silent' | 'unwell';

/** Whether one that has just missed a heartbeat is to be ended. */
export function illnessOf(
  member: Member,
  got: ProbeResult['got'],
  nowMs: number,
  fall: number,
  deadAfterMs: number,
): Illness | null {
  const { state, missesInRow, silentSinceMs, unwellSinceMs } = member;
  if (missesInRow < fall || (state !== 'ready' && state !== 'suspect')) return null;
  if (silentSinceMs !== null && nowMs - silentSinceMs >= deadAfterMs) return 'silent';
  return got === 'answer' && unwellSinceMs !== null && nowMs - unwellSinceMs >= deadAfterMs ? 'unwell' : null;
}

function noteLife(member: Member, nowMs: number): void {
  member.aliveMs = nowMs;
  member.silentSinceMs = null;
}

/**
 * torc itself could not listen since the last beat. That time is nobody's silence, but what was heard before it stays
 * so: on a machine that is short of CPU every few beats are void, and a silence that began anew each time would never be long.
 */
export function noteVoid(member: Member, nowMs: number): void {
  if (member.silentSinceMs !== null) member.silentSinceMs += nowMs - member.beatMs;
  member.beatMs = nowMs;
}

/** Workers tell how much they have read from it; more than before is a sign of life. */
export function noteReads(member: Member, reads: number, nowMs: number): void {
  if (member.readsSeen !== null && reads > member.readsSeen) noteLife(member, nowMs);
  // Less than before: a worker was replaced, and counts anew.
  member.readsSeen = reads;
}

/** A start that prints may take so many times as long as a silent one. */
const LONGEST_START = 3;
/** Of the time for a start: what it gets more each time, if it has printed since the last. */
const MORE_SHARE = 1 / 4;

/** Until when an overdue start may go on; null: it may not. */
export function moreTime(member: Member, outputMark: string, nowMs: number): number | null {
  const { bornMs, answerWithinMs } = member;
  const lastMs = bornMs + LONGEST_START * answerWithinMs;
  if (outputMark === member.outputMark || nowMs >= lastMs) return null;
  return Math.min(lastMs, nowMs + answerWithinMs * MORE_SHARE);
}
