// Slots that keep a version of their own (a roll-out of some slots alone), remembered for the next torc: what heals there is that
// version again, until a roll-out of all. Not what runs there decides: a slot that is empty at the start, or was given something
// else by hand, would have none.

import type { Log } from '../core/log.ts';
import type { Driver } from './driver.ts';
import { inWords } from './replace.ts';
import type { SlotStore } from './slot-file.ts';
import type { Change, Slot, Slots } from './slots.ts';

export class Canaries {
  readonly #store: SlotStore<string> | undefined;
  #versions: ReadonlyMap<string, string>;

  constructor(store: SlotStore<string> | undefined) {
    this.#store = store;
    this.#versions = store?.read() ?? new Map();
  }

  /** A slot of the start, with the version that it had alone. */
  add(slots: Slots, name: string, change: Change): Slot {
    const slot = slots.add(name, change, false);
    const version = this.#versions.get(name);
    if (version !== undefined) slot.version = { name: version };
    return slot;
  }

  /** One that cannot be had any more is told, and its slots are filled as the others. */
  async prepare(slots: Slots, driver: Driver, log: Log): Promise<void> {
    for (const slot of slots.serving().filter(({ version }) => version !== slots.version))
      await driver.prepare?.(slot.version!.name).catch((error: unknown) => {
        const cause = inWords(error);
        log.warn(
          { slot: slot.name, version: slot.version!.name, cause },
          `slot ${slot.name} kept a version of its own, which cannot be started any more: ${cause}`,
        );
        slot.version = slots.version;
      });
  }

  /** While no roll-out is under way. */
  remember(slots: Slots): void {
    const isOwn = ({ version }: Slot): boolean => version !== null && version !== slots.version;
    const now = new Map(
      slots
        .serving()
        .filter(isOwn)
        .map(({ name, version }) => [name, version!.name]),
    );
    if (now.size === 0 && this.#versions.size === 0) return;
    this.#versions = now;
    this.#store?.write(now);
  }
}
