// Hot: runs once per turn of the event loop.
// What is done when a turn is over: what was put meanwhile leaves, to clients and to replicas, and connections are free again. One
// callback for all of them, and one look at the clock. Why not each at once: a write wakes who waits for it, on another
// core as a rule, and to wake one that sleeps costs as much as the write; while it is awake, what follows wakes nobody. And a
// turn that first reads, then thinks, then writes finds the kernel's code for each still near. A tenth of a
// GET on a busy worker (docs/benchmarks.md); on an idle one there is one event in a turn, and nothing waits for another.

import type { Clock } from './clock.ts';

/** Has something that was put and has not left. */
export interface Sender {
  sendNow(): void;
}

export interface Cooling {
  readonly clock: Clock;
  cooled(nowMs: number): void;
}

/** No turn is so long that its first answer waits for more of the others than these. */
const MOST_SENDERS = 64;

let sending: Sender[] = [];
let sent: Sender[] = [];
let isSendingLater = false;
let cooling: Cooling[] = [];
let cooled: Cooling[] = [];

/** Its `sendNow` comes when this turn is over, or within the call; who has sent meanwhile has nothing to do then. */
export function sendLater(sender: Sender): void {
  if (sending.push(sender) === MOST_SENDERS) sendAll();
  else if (!isSendingLater) {
    isSendingLater = true;
    setImmediate(onTurnOver);
  }
}

function onTurnOver(): void {
  isSendingLater = false;
  sendAll();
}

function sendAll(): void {
  const batch = sending;
  sending = sent;
  sent = batch;
  for (let index = 0; index < batch.length; index++) batch[index]!.sendNow();
  batch.length = 0;
}

export function coolLater(member: Cooling): void {
  if (cooling.push(member) === 1) setImmediate(coolAll);
}

function coolAll(): void {
  const batch = cooling;
  cooling = cooled;
  cooled = batch;
  const nowMs = batch[0]!.clock.nowMs();
  for (let index = 0; index < batch.length; index++) batch[index]!.cooled(nowMs);
  batch.length = 0;
}
