// What the figures of `bench scale` are made of: CPU of processes, and waiting until so many slots are ready.

import { setTimeout as pause } from 'node:timers/promises';
import { cpuUs } from '../harness/cpu.ts';

const POLL_MS = 20;
const LONGEST_WAIT_MS = 60_000;

export type Figures = Record<string, number>;

/** CPU seconds per second; `each` is done at the begin of each second. */
export async function cpuShare(
  pids: readonly number[],
  seconds: number,
  each: (second: number) => Promise<void> = async () => {},
): Promise<number> {
  const startMs = performance.now();
  const before = cpuUs(pids);
  for (let second = 0; second < seconds; second++) {
    await each(second);
    await pause(1_000);
  }
  return (cpuUs(pids) - before) / 1_000 / (performance.now() - startMs);
}

export async function untilReady(url: string, count: number): Promise<void> {
  const untilMs = performance.now() + LONGEST_WAIT_MS;
  for (;;) {
    const { ready } = (await (await fetch(`${url}/admin/ready`)).json()) as { ready: number };
    if (ready === count) return;
    if (performance.now() > untilMs) throw new Error(`${ready} slots are ready, not ${count}`);
    await pause(POLL_MS);
  }
}

export const rounded = (value: number): number => Number(value.toPrecision(3));
export const percent = (share: number): number => rounded(share * 100);
