// Requests that wait for their key's own slot (TORC_BALANCE_WAIT_MS): it is above its bound, and what another one would serve
// cold may be served warm in a moment. First come, first served, slot by slot: whoever leaves a slot has the first of its
// queue look whether there is room. How many wait in all is bounded with those that wait for a replica (TORC_MAX_QUEUE), how
// long by their deadlines, and a client that leaves takes its request along.

export interface Waiter {
  /** True: there was room, or its slot is not its own any more, and it went. */
  goes(): boolean;
}

interface Queue {
  /** In the order in which they came; each can leave at any place. */
  readonly waiters: Set<Waiter>;
  /** Who goes may end at once, and call again; the loop that is under way goes on with the next. */
  isMoving: boolean;
}

export class OwnSlotQueues {
  readonly #queues = new Map<number, Queue>();
  size = 0;

  join(slotId: number, waiter: Waiter): void {
    let queue = this.#queues.get(slotId);
    if (queue === undefined) {
      queue = { waiters: new Set(), isMoving: false };
      this.#queues.set(slotId, queue);
    }
    queue.waiters.add(waiter);
    this.size++;
  }

  leave(slotId: number, waiter: Waiter): void {
    const queue = this.#queues.get(slotId);
    if (queue?.waiters.delete(waiter) !== true) return;
    this.size--;
    if (queue.waiters.size === 0) this.#queues.delete(slotId);
  }

  /** There may be room in the slot. */
  freed(slotId: number): void {
    const queue = this.#queues.get(slotId);
    if (queue === undefined || queue.isMoving) return;
    queue.isMoving = true;
    for (const waiter of queue.waiters) if (!waiter.goes()) break;
    queue.isMoving = false;
  }
}
