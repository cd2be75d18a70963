// The pure decisions: what to do for given slots, what a list says against what is believed, how long to back off.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Replica } from '../../src/control/driver.ts';
import {
  adoptable,
  BACKOFF_MAX_MS,
  backoffMs,
  compare,
  nextDueMs,
  reconcile,
} from '../../src/control/reconcile.ts';
import { moveTo, newMember, type Slot, Slots } from '../../src/control/slots.ts';
import type { ReplicaState } from '../../src/core/types.ts';

const test = suite('reconcile');

const replica = (over: Partial<Replica> = {}): Replica => ({
  id: 'r1',
  slot: '1',
  generation: 1,
  spare: false,
  status: 'running',
  host: 'h',
  port: 1,
  label: 'r1',
  ...over,
});

/** "1", "2", ... and "s" for spares: `-` empty, `+` a start under way, `w` waits until 1000, else the member's state. */
function slotsOf(text: string): Slot[] {
  const slots = new Slots();
  const change = { atMs: 0, cause: '', source: 'supervisor' as const };
  const made: Slot[] = [];
  for (const word of text.split(' ')) {
    const [name, state = ''] = word.split(':') as [string, string?];
    const slot = name === 's' ? slots.addSpare(change) : slots.add(name, change, false);
    made.push(slot);
    if (state === '+') slot.starting = { slot: slot.name, generation: 1, spare: slot.spare };
    else if (state === 'w') slot.retryAtMs = 1000;
    else if (state !== '-') slot.member = memberIn(state as ReplicaState, word);
  }
  return made;
}

function memberIn(state: ReplicaState, id: string): Slot['member'] {
  const member = newMember(replica({ id }), 0, 0);
  if (state === 'suspect') moveTo(member, 'ready', 0);
  if (state !== 'starting') moveTo(member, state, 0);
  return member;
}

const actionsOf = (text: string, startsAtOnce?: number): string =>
  reconcile(slotsOf(text), 500, startsAtOnce)
    .map(
      action =>
        `${action.kind} ${action.slot.name}${action.kind === 'promote' ? ` ${action.spare.name}` : ''}`,
    )
    .join(', ');

const table: [string, string, string][] = [
  ['all is well', '1:ready 2:ready s:ready', ''],
  ['an empty slot is filled', '1:- 2:ready', 'start 1'],
  ['a suspect is not replaced before it is judged', '1:suspect', ''],
  ['one under way is not started twice', '1:+', ''],
  ['two starts at once', '1:- 2:- 3:-', 'start 1, start 2'],
  ['those under way count', '1:+ 2:- 3:-', 'start 2'],
  ['no place left', '1:+ 2:+ 3:-', ''],
  ['backing off', '1:w 2:-', 'start 2'],
  ['serving slots before spares', '1:- 2:- s:-', 'start 1, start 2'],
  ['spares too, when there is room', '1:ready s:- s:-', 'start spare-1, start spare-2'],
  ['a ready spare is promoted', '1:- 2:ready s:ready', 'promote 1 spare-1'],
  ['each spare once', '1:- 2:- s:ready', 'promote 1 spare-1, start 2'],
  ['a spare that is not proven is none', '1:- s:starting', 'start 1'],
  ['promotion needs no place', '1:- 2:+ 3:+ s:ready', 'promote 1 spare-1'],
  ['promotion backs off too', '1:w s:ready', ''],
];
for (const [what, slots, expected] of table) test(what, () => assert.is(actionsOf(slots), expected));

test('while nothing can be started, spares are still promoted', () => {
  assert.is(actionsOf('1:- 2:- s:ready', 0), 'promote 1 spare-1');
});

test('the next time something is due', () => {
  assert.is(nextDueMs(slotsOf('1:ready 2:-'), 500), Number.POSITIVE_INFINITY);
  assert.is(nextDueMs(slotsOf('1:ready 2:w'), 500), 1000);
  const slots = slotsOf('1:suspect 2:w');
  slots[0]!.member!.ejectedUntilMs = 700;
  assert.is(nextDueMs(slots, 500), 700);
});

test('backoff: the first at once, then full jitter below a doubling cap', () => {
  assert.is(
    backoffMs(1, () => 0.999),
    0,
  );
  assert.is(
    backoffMs(2, () => 0),
    0,
  );
  assert.equal(
    [2, 3, 4, 5].map(failures => backoffMs(failures, () => 0.5)),
    [100, 200, 400, 800],
  );
  for (const failures of [10, 40, 2000])
    assert.is(
      backoffMs(failures, () => 1),
      BACKOFF_MAX_MS,
    );
});

const believed = replica();
const differences: [string, Replica[], string][] = [
  ['as believed', [believed], ''],
  ['not there', [], 'gone: it is no longer there'],
  ['stopped, with its end', [replica({ status: 'stopped', ended: 'exit code 1' })], 'gone: exit code 1'],
  ['paused', [replica({ status: 'paused' })], 'suspect: it is paused'],
  ['another address', [replica({ port: 2 })], 'going: its address became h:2'],
  ['another slot (a spare whose label cannot change)', [replica({ slot: 'x' })], ''],
];
for (const [what, listed, expected] of differences) {
  test(`list: ${what}`, () => {
    const { signals } = compare([believed], listed, () => true, 0);
    assert.is(signals.map(signal => `${signal.kind}: ${signal.cause}`).join(), expected);
  });
}

test('list: those that nobody knows are strays', () => {
  const { strays } = compare([], [replica({ id: 'a' }), replica({ id: 'b' })], each => each.id === 'a', 0);
  assert.equal(
    strays.map(stray => stray.id),
    ['b'],
  );
});

test('adoptable: of each slot the newest that runs, in a natural order', () => {
  const listed = [
    replica({ id: 'a', slot: '10' }),
    replica({ id: 'b', slot: 'web' }),
    replica({ id: 'c', slot: '2', generation: 1 }),
    replica({ id: 'd', slot: '2', generation: 3 }),
    replica({ id: 'e', slot: '2', generation: 4, status: 'stopped' }),
    replica({ id: 'f', slot: '3', status: 'paused' }),
    replica({ id: 'g', slot: 'no name' }),
    replica({ id: 'h', slot: 'spare-1', spare: true }),
  ];
  assert.equal(
    adoptable(listed).map(each => each.id),
    ['d', 'a', 'h', 'b'],
  );
});

test.run();
