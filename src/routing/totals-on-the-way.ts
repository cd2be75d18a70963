// The primary's sums on their way to a torc that takes over: as plain data, and exactly, because a counter that falls by one
// looks like a new start to whoever reads it. A histogram goes as its cells.

import { type Int32Histogram, newHistogram, type SlotTotals, type Totals } from './counters.ts';

interface PlainSlot extends Omit<SlotTotals, 'latencies'> {
  readonly slot: string;
  /** [latency, count] of each cell that is not empty. */
  readonly cells: readonly (readonly [number, number])[];
}

interface PlainTotals extends Omit<Totals, 'slots'> {
  readonly slots: readonly PlainSlot[];
}

export const toPlain = ({ slots, ...sums }: Totals): object =>
  ({
    ...sums,
    slots: [...slots].map(([slot, { latencies, ...rest }]) => ({ slot, ...rest, cells: cellsOf(latencies) })),
  }) satisfies PlainTotals;

/** Into totals that are still empty. */
export function fromPlain(into: Totals, plain: object): void {
  const { slots, ...sums } = plain as PlainTotals;
  Object.assign(into, sums);
  for (const { slot, cells, ...rest } of slots) {
    const latencies = newHistogram();
    for (const [us, count] of cells) latencies.recordValueWithCount(us, count);
    into.slots.set(slot, { ...rest, latencies });
  }
}

function cellsOf(histogram: Int32Histogram): [number, number][] {
  const cells: [number, number][] = [];
  for (let index = 0; index < histogram.countsArrayLength; index++) {
    const count = histogram.getCountAtIndex(index);
    if (count > 0) cells.push([histogram.valueFromIndex(index), count]);
  }
  return cells;
}
