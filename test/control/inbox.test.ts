// Signals collapse: the first cause, the strongest kind; unknown replicas wait, within a bound.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Inbox, type Signal, type SignalKind } from '../../src/control/inbox.ts';

const test = suite('inbox');

const signal = (replicaId: string, kind: SignalKind, cause = '', atMs = 0): Signal => ({
  replicaId,
  kind,
  source: 'event',
  cause,
  atMs,
});
const everyone = (): boolean => true;

const kinds: [SignalKind[], SignalKind][] = [
  [['suspect'], 'suspect'],
  [['suspect', 'gone'], 'gone'],
  [['gone', 'suspect'], 'gone'],
  [['going', 'gone', 'gone'], 'gone'],
  [['gone', 'going'], 'gone'],
  [['hung', 'going'], 'hung'],
];
for (const [arrived, expected] of kinds) {
  test(`${arrived.join(', ')} is ${expected}, with the first cause and time`, () => {
    const inbox = new Inbox();
    for (const [index, kind] of arrived.entries()) inbox.add(signal('a', kind, `cause ${index}`, index));
    const [dirty, more] = inbox.take(everyone);
    assert.is(more, undefined);
    assert.is(dirty?.kind, expected);
    assert.is(dirty?.first.cause, 'cause 0');
    assert.is(dirty?.first.atMs, 0);
    assert.is(inbox.size, 0);
  });
}

test('an unknown replica waits until it is known', () => {
  const inbox = new Inbox();
  inbox.add(signal('early', 'gone'));
  inbox.add(signal('known', 'gone'));
  assert.equal(
    inbox.take(id => id === 'known').map(dirty => dirty.first.replicaId),
    ['known'],
  );
  assert.is(inbox.take(everyone).length, 1);
});

test('it is bounded, the oldest go first', () => {
  const inbox = new Inbox();
  for (let i = 0; i < 5_000; i++) inbox.add(signal(`r${i}`, 'gone'));
  assert.is(inbox.size, 1024);
  assert.is(inbox.take(everyone).at(-1)?.first.replicaId, 'r4999');
});

test.run();
