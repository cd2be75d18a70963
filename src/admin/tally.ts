// What the journal tells, as numbers since the start: replicas replaced, and how often which slot was taken out of routing
// by which signal. Slots that were removed are forgotten, as all other counts of theirs are.

import { isNotice, type JournalEntry } from '../control/supervisor.ts';

export class Tally {
  replacements = 0;
  /** By slot, then by the signal that won (docs/api.md: `source`). */
  readonly #ejections = new Map<string, Map<string, number>>();

  count(entry: JournalEntry): void {
    if (isNotice(entry)) return;
    const { slot, from, to, source, generation } = entry;
    if (from === 'starting' && to === 'ready' && generation > 1) this.replacements++;
    if (from !== 'ready' || entry.spare) return;
    const causes = this.#ejections.get(slot) ?? new Map<string, number>();
    causes.set(source, (causes.get(source) ?? 0) + 1);
    this.#ejections.set(slot, causes);
  }

  /** Of the slots that there are. */
  ejections(names: readonly string[]): { slot: string; cause: string; count: number }[] {
    for (const slot of this.#ejections.keys()) if (!names.includes(slot)) this.#ejections.delete(slot);
    return [...this.#ejections].flatMap(([slot, causes]) =>
      [...causes].map(([cause, count]) => ({ slot, cause, count })),
    );
  }
}
