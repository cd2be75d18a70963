// Snapshots on their way to a worker: few under way, the newest of those that wait, nothing lost with those left out.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Feed } from '../../src/cluster/feed.ts';
import type { Config } from '../../src/config/fields.ts';
import type { Publish } from '../../src/core/messages.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { SnapshotMessage } from '../../src/core/types.ts';

const feed = suite('cluster/feed');

const CONFIG = { name: 'first' } as unknown as Config;
const snapshot = (epoch: number, more: Partial<SnapshotMessage> = {}): SnapshotMessage => ({
  epoch,
  checksum: 0,
  algorithm: 'rendezvous',
  tableVersion: 1,
  rows: 1,
  choices: new Uint16Array(3),
  points: null,
  upstreams: [],
  lost: [],
  gone: [],
  failing: [],
  ...more,
});

function setUp(): { sent: Publish[]; subject: Feed; epochs: () => number[] } {
  const sent: Publish[] = [];
  const subject = new Feed(CONFIG, message => void sent.push(message));
  return { sent, subject, epochs: () => sent.map(message => message.snapshot.epoch) };
}

feed('four are under way; what comes meanwhile is one, the newest', () => {
  const { subject, epochs } = setUp();
  for (let epoch = 1; epoch <= 1_000; epoch++) subject.publish(snapshot(epoch), CONFIG);
  assert.equal(epochs(), [1, 2, 3, 4]);
  subject.applied();
  assert.equal(epochs(), [1, 2, 3, 4, 1_000]);
  for (let answer = 0; answer < 4; answer++) subject.applied();
  assert.equal(epochs(), [1, 2, 3, 4, 1_000], 'nothing waits any more');
  subject.publish(snapshot(1_001), CONFIG);
  assert.is(epochs().at(-1), 1_001, 'at once');
});

feed('a question has what waits sent before it', () => {
  const { subject, epochs } = setUp();
  for (let epoch = 1; epoch <= 9; epoch++) subject.publish(snapshot(epoch), CONFIG);
  subject.flush();
  assert.equal(epochs(), [1, 2, 3, 4, 9]);
  subject.flush();
  assert.equal(epochs(), [1, 2, 3, 4, 9]);
});

feed(
  'table and settings go with the first snapshot that has them, also where the one that brought them was left out',
  () => {
    const { subject, sent } = setUp();
    for (let epoch = 1; epoch <= 4; epoch++) subject.publish(snapshot(epoch), CONFIG);
    const other = { name: 'second' } as unknown as Config;
    subject.publish(snapshot(5, { tableVersion: 2 }), other);
    subject.publish(snapshot(6, { tableVersion: 2 }), other);
    subject.applied();
    assert.equal(
      sent.map(({ snapshot: { choices } }) => choices !== null),
      [true, false, false, false, true],
    );
    assert.equal(
      sent.map(({ settings }) => settings),
      [null, null, null, null, other],
    );
  },
);

feed(
  'whatever comes in whatever order: the worker ends with the newest, and heard of all who were lost',
  () => {
    const random = seededRandom(7);
    for (let run = 0; run < 500; run++) {
      const { subject, sent } = setUp();
      const told = new Set<string>();
      let [epoch, answered] = [0, 0];
      for (let step = 0; step < 60; step++) {
        const roll = random();
        if (roll < 0.6) {
          const lost = random() < 0.3 ? [`r${epoch}`] : [];
          for (const id of lost) told.add(id);
          subject.publish(snapshot(++epoch, { lost, gone: lost, failing: lost }), CONFIG);
        } else if (roll < 0.9 && answered < sent.length) {
          answered++;
          subject.applied();
        } else subject.flush();
      }
      for (; answered < sent.length; answered++) subject.applied();
      const epochs = sent.map(message => message.snapshot.epoch);
      assert.is(epochs.at(-1), epoch || undefined);
      assert.equal(
        epochs,
        [...new Set(epochs)].sort((a, b) => a - b),
      );
      for (const what of ['lost', 'gone', 'failing'] as const)
        assert.equal(new Set(sent.flatMap(message => message.snapshot[what])), told);
    }
  },
);

feed.run();
