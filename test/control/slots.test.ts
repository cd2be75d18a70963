// The table of transitions, ids, names, and what a snapshot shows of them.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Replica } from '../../src/control/driver.ts';
import { Publisher } from '../../src/control/publish.ts';
import { lowestFree, type Member, moveTo, newMember, Slots, stateOf } from '../../src/control/slots.ts';
import { slotView } from '../../src/control/view.ts';
import type { ReplicaState } from '../../src/core/types.ts';

const test = suite('slots');

const change = { atMs: 0, cause: 'test', source: 'supervisor' as const };
const memberOf = (id: string): Member => {
  const replica: Replica = {
    id,
    slot: '1',
    generation: 1,
    spare: false,
    status: 'running',
    host: 'h',
    port: 1,
    label: id,
  };
  return newMember(replica, 0, 0);
};

const states: ReplicaState[] = ['starting', 'ready', 'suspect', 'draining', 'dead'];
/** From each state: those it may go to. */
const allowed: Record<ReplicaState, string> = {
  starting: 'ready draining dead',
  ready: 'suspect draining dead',
  suspect: 'ready draining dead',
  draining: 'dead',
  dead: '',
};
for (const from of states) {
  for (const to of states) {
    const may = allowed[from].split(' ').includes(to);
    test(`${from} ${may ? 'may become' : 'never becomes'} ${to}`, () => {
      const member = memberOf('a');
      member.state = from;
      if (may) moveTo(member, to, 0);
      else assert.throws(() => moveTo(member, to, 0), /invariant broken/);
    });
  }
}

test('ready since the first time, also after a doubt', () => {
  const member = memberOf('a');
  moveTo(member, 'ready', 10);
  moveTo(member, 'suspect', 20);
  moveTo(member, 'ready', 30);
  assert.is(member.readySinceMs, 10);
});

test('ids are the lowest free, names keep the order in which they came', () => {
  const slots = new Slots();
  for (const name of ['a', 'b', 'c']) slots.add(name, change, false);
  slots.remove(slots.get('b')!);
  slots.add('d', change, false);
  slots.add('e', change, false);
  assert.equal(
    slots.listed().map(slot => `${slot.id} ${slot.name}`),
    ['0 a', '2 c', '1 d', '3 e'],
  );
});

test('a name twice is a programmer error', () => {
  const slots = new Slots();
  slots.add('a', change, false);
  assert.throws(() => slots.add('a', change, false), /invariant broken/);
});

test('joining slots and spares are not listed', () => {
  const slots = new Slots();
  slots.add('a', change, true);
  slots.addSpare(change);
  assert.is(slots.listed().length, 0);
  assert.equal(
    slots.all().map(slot => slot.name),
    ['a', 'spare-1'],
  );
});

test('the lowest free number', () => {
  assert.is(lowestFree(new Set(['1', '3'])), '2');
  assert.is(lowestFree(new Set()), '1');
});

test('a slot without a replica is starting while a start is under way, else dead', () => {
  const slot = new Slots().add('a', change, false);
  assert.is(stateOf(slot), 'dead');
  slot.starting = { slot: 'a', generation: 1, spare: false };
  assert.is(stateOf(slot), 'starting');
  assert.is(slotView(slot, 0).replicaId, '');
});

test('a snapshot has the ready and the suspect, and grows its epoch only when something changed', () => {
  const slots = new Slots();
  const publisher = new Publisher('rendezvous', 16);
  const first = publisher.snapshot.epoch;
  assert.ok(first >= 1);
  for (const state of states) {
    const slot = slots.add(state, change, false);
    slot.member = memberOf(state);
    slot.member.state = state;
  }
  assert.ok(publisher.update(slots.listed()));
  assert.equal(
    publisher.snapshot.upstreams.map(each => `${each.slotId} ${each.slot} ${each.state}`),
    ['1 ready ready', '2 suspect suspect'],
  );
  const { tableVersion, epoch, choices } = publisher.snapshot;
  assert.not(publisher.update(slots.listed()));
  slots.get('ready')!.member = null;
  assert.ok(publisher.update(slots.listed()));
  assert.is(publisher.snapshot.epoch, epoch + 1);
  assert.is(publisher.snapshot.tableVersion, tableVersion, 'a death does not rebuild the table');
  slots.remove(slots.get('ready')!);
  assert.ok(publisher.update(slots.listed()));
  assert.is(publisher.snapshot.tableVersion, tableVersion + 1);
  assert.is.not(publisher.snapshot.choices, choices);
});

test.run();
