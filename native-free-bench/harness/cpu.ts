// CPU time (user + system) of processes from the operating system's accounting, and pinning to cores. It is the
// steadiest figure on a shared machine: what a request costs, not how long it waited.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** `pid` and all that descend from it. */
export function familyOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statOf(Number(name));
    if (fields === null) continue;
    const parent = Number(fields[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const family = [pid];
  for (let i = 0; i < family.length; i++) family.push(...(children.get(family[i]!) ?? []));
  return family;
}

/**
 * Microseconds of CPU that the threads of the processes have had so far, by the scheduler's own nanoseconds: the ticks of
 * /proc/PID/stat are 10 ms, 2 % of a short round. Linux only; a thread that ended is not in it, so none may end in between.
 */
export function cpuUs(pids: readonly number[]): number {
  let ns = 0;
  for (const pid of pids) {
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`))
        ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ', 1)[0]);
    } catch {
      // It ended.
    }
  }
  return ns / 1000;
}

/** Microseconds of CPU that this process takes for `run`, its garbage collector's helpers included. */
export function ownCpuUs(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** Resident KiB of the processes. */
export function residentKiB(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    try {
      sum += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
    } catch {
      // It ended; it holds nothing.
    }
  }
  return sum;
}

export function pin(pids: readonly number[], core: number): void {
  for (const pid of pids)
    execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)], { stdio: 'ignore' });
}

/** The fields of /proc/PID/stat after the command, which may contain anything: state, ppid, ... */
function statOf(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};
