// What an operator's word on a slot's weight means (PUT /admin/slots/NAME/weight), or why it cannot be; pure. The word stands
// above the one that came with a given replica (;weight=) until it is taken back: a list that is read again every few
// seconds would undo it otherwise. 0 drains: the slot stays in the table and gets nothing, so its keys go to their next
// choices and no other key moves, and they are all back with the weight.

import { isCircle, knowsWeights, MOST_WEIGHT_IN_ALL, type RingAlgorithm } from '../core/types.ts';
import { type Refusal, refuse } from './membership.ts';
import { type Slot, weightOf } from './slots.ts';

/** `weight`: null takes an earlier word back. */
export function weightRefusal(
  slot: Slot,
  weight: number | null,
  slots: readonly Slot[],
  ring: RingAlgorithm,
): Refusal | null {
  const then = slots.map(each => (each === slot ? (weight ?? each.weight) : weightOf(each)));
  if (weight !== null && weight !== 0 && weight !== 1 && !knowsWeights(ring))
    return refuse(409, `TORC_RING=${ring} knows no weights: 1, or 0 to drain the slot`);
  if (weight !== null && !Number.isInteger(weight) && isCircle(ring))
    return refuse(400, `TORC_RING=${ring} knows whole weights alone`);
  if (then.every(each => each === 0))
    return refuse(409, `slot ${slot.name} is the last one with a weight: nobody would be left to serve`);
  if (then.reduce((sum, each) => sum + each, 0) > MOST_WEIGHT_IN_ALL)
    return refuse(400, `the weights would be over ${MOST_WEIGHT_IN_ALL} in all: only their ratios matter`);
  return null;
}

export function weightInWords(slot: Slot, before: number): string {
  const weight = weightOf(slot);
  const what = weight === 0 ? ': it is drained, its keys go to their next choices' : '';
  return `slot ${slot.name} has the weight ${weight} instead of ${before}${what}`;
}
