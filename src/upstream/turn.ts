// Hot: runs once per turn of the event loop.
// What connections do when a turn is over: send what came together, and be free again. One callback for all of them,
// and one look at the clock.

import type { Clock } from '../core/clock.ts';

export interface TurnMember {
  readonly clock: Clock;
  sendBatch(): void;
  cooled(nowMs: number): void;
}

let sending: TurnMember[] = [];
let sent: TurnMember[] = [];
let cooling: TurnMember[] = [];
let cooled: TurnMember[] = [];

export function sendLater(member: TurnMember): void {
  if (sending.push(member) === 1) setImmediate(sendAll);
}

export function coolLater(member: TurnMember): void {
  if (cooling.push(member) === 1) setImmediate(coolAll);
}

function sendAll(): void {
  const batch = sending;
  sending = sent;
  sent = batch;
  for (let index = 0; index < batch.length; index++) batch[index]!.sendBatch();
  batch.length = 0;
}

function coolAll(): void {
  const batch = cooling;
  cooling = cooled;
  cooled = batch;
  const nowMs = batch[0]!.clock.nowMs();
  for (let index = 0; index < batch.length; index++) batch[index]!.cooled(nowMs);
  batch.length = 0;
}
