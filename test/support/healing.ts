// What healing must look like from outside, for any driver: break the replica of slot 2 in some way while clients keep
// asking, wait until N are ready again with a new generation, and read from torc's own events how long each step took.

import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Torc } from './torc.ts';
import { waitFor } from './wait.ts';

interface SlotLine {
  readonly name: string;
  readonly state: string;
  readonly generation: number;
  readonly replica: string;
}

export async function slotsOf(torc: Torc): Promise<SlotLine[]> {
  const { slots } = JSON.parse((await torc.get('/admin/slots')).text) as { slots: SlotLine[] };
  return slots.map(({ name, state, generation, replica }) => ({ name, state, generation, replica }));
}

/** Breaks what `label` names (a pid, a container's short id). */
export type Fault = (label: string) => Promise<void>;

/** Faults by name; each must end with all slots ready, the same names, and a new replica in slot 2 alone. */
export function healingTests(healing: Test, start: () => Promise<Torc>, faults: Record<string, Fault>): void {
  let torc: Torc;
  healing.before(async () => {
    torc = await start();
  });
  healing.after(async () => {
    await torc.close();
  });
  for (const [fault, strike] of Object.entries(faults)) {
    healing(fault, async () => {
      const before = await slotsOf(torc);
      const victim = before.find(slot => slot.name === '2')!;
      const load = keepAsking(torc);
      await strike(victim.replica.replace(/^pid /, ''));
      await waitFor(
        async () => {
          const slots = await slotsOf(torc);
          const healed = slots.find(slot => slot.name === '2')!;
          return healed.generation > victim.generation && slots.every(slot => slot.state === 'ready');
        },
        { timeoutMs: 30_000, what: `a new replica after ${fault}` },
      );
      const statuses = await load.stop();
      const after = await slotsOf(torc);
      assert.equal(
        after.map(slot => slot.name),
        before.map(slot => slot.name),
      );
      const untouched = (slots: SlotLine[]): SlotLine[] => slots.filter(slot => slot.name !== '2');
      assert.equal(untouched(after), untouched(before));
      assert.equal(Object.keys(statuses), ['200'], JSON.stringify(statuses));
      const timings = torc
        .lines()
        .filter(line => line.slot === '2' && ('ejectedMs' in line || 'readyMs' in line))
        .slice(-2);
      process.stdout.write(`\n  ${fault}: ${JSON.stringify(statuses)} ${timings.map(inBrief).join('; ')}\n`);
    });
  }
}

const inBrief = (line: Record<string, unknown>): string =>
  'ejectedMs' in line
    ? `out by ${line.source} (${line.cause}), detected ${line.detectedMs} ms, ejected ${line.ejectedMs} ms`
    : `ready ${line.readyMs} ms`;

/** GETs one after the other in four lanes until stopped; gives how often each status came. */
function keepAsking(torc: Torc): { stop(): Promise<Record<string, number>> } {
  const statuses: Record<string, number> = {};
  let stopped = false;
  let next = 0;
  const lane = async (): Promise<void> => {
    while (!stopped) {
      const status = await torc.get(`/request?request_id=${next++}`).then(
        answer => String(answer.status),
        error => String((error as { cause?: { code?: string } }).cause?.code ?? error),
      );
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  };
  const lanes = [lane(), lane(), lane(), lane()];
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(lanes);
      return statuses;
    },
  };
}
