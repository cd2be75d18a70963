// How much CPU a process has had and whether it wants more: what tells a worker that hangs from one that is not let run. On a
// machine with far more to do than cores a healthy worker gets none for a second, and to end it loses what it serves. A watchdog by wall
// clock cannot tell (HAProxy's goes by the CPU time of its threads). Read from /proc, of a worker in doubt only; where there
// is none, nothing is known.

import { readFileSync } from 'node:fs';

export interface CpuTime {
  readonly usedMs: number;
  /** It runs, or waits for its turn. */
  readonly isRunnable: boolean;
}

/** Of what /proc tells: USER_HZ, 100 on all that Node runs on. */
const TICK_MS = 10;
/** Who had so much and did not answer had its chance. */
const ENOUGH_MS = 250;

export function cpuTimeOf(pid: number): CpuTime | null {
  try {
    // Behind the name, which may have spaces and brackets (proc_pid_stat(5)): the state is its third field.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ');
    return { usedMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS, isRunnable: fields[0] === 'R' };
  } catch {
    return null;
  }
}

/** It wants to run since `before`, and hardly could. */
export const isStarved = (before: CpuTime | null, now: CpuTime | null): boolean =>
  before !== null && now?.isRunnable === true && now.usedMs - before.usedMs < ENOUGH_MS;
