// The swap: what is carried over, what is refused, and who is drained.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLog } from '../../src/core/log.ts';
import { SnapshotHolder } from '../../src/routing/snapshot.ts';
import { snapshotOf } from '../support/proxy.ts';

const snapshot = suite('snapshot');
const settings = {
  maxConnectionsPerReplica: 4,
  maxQueue: 4,
  pipelining: 'off' as const,
  replicaProtocol: 'http1' as const,
  connectTimeoutMs: 1000 as const,
};
const holder = (): SnapshotHolder => new SnapshotHolder(settings, silentLog);

snapshot('upstreams of replicas that go on are the same objects; new generations are not', () => {
  const snapshots = holder();
  snapshots.apply(snapshotOf(1, [1, 2]));
  const [first, second] = snapshots.current.upstreams;
  snapshots.apply(snapshotOf(2, [1, 2], { states: ['suspect', 'ready'] }));
  assert.is(snapshots.current.upstreams[0], first);
  assert.is(snapshots.current.upstreams[1], second);
  assert.equal([...snapshots.current.usable], [0, 1]);
  assert.is(snapshots.current.usableCount, 1);
  snapshots.apply(snapshotOf(3, [1, 2], { generation: 1 }));
  assert.is.not(snapshots.current.upstreams[0], first);
});

snapshot(
  'without choices the table of that version is kept; of another version it is a broken invariant',
  () => {
    const snapshots = holder();
    const first = snapshotOf(1, [1, 2]);
    snapshots.apply(first);
    const { table } = snapshots.current;
    snapshots.apply({ ...first, epoch: 2, choices: null });
    assert.is(snapshots.current.table, table);
    assert.throws(
      () => snapshots.apply({ ...first, epoch: 3, choices: null, tableVersion: 9 }),
      /no table of version 9/,
    );
  },
);

snapshot('a table with another checksum, or an epoch that goes back, is a broken invariant', () => {
  const snapshots = holder();
  const first = snapshotOf(5, [1, 2]);
  assert.throws(() => snapshots.apply({ ...first, checksum: first.checksum ^ 1 }), /checksum/);
  snapshots.apply(first);
  assert.throws(() => snapshots.apply(snapshotOf(5, [1, 2])), /epoch/);
});

snapshot('only ready slots are usable', () => {
  const snapshots = holder();
  snapshots.apply(snapshotOf(1, [1, 2, 3], { states: ['draining', 'suspect', 'starting'] }));
  assert.is(snapshots.current.usableCount, 0);
});

snapshot(
  'a replica that nobody knows is drained at once, one that is idle when it leaves routing, not before',
  () => {
    const snapshots = holder();
    snapshots.apply(snapshotOf(1, [1, 2]));
    const drained: string[] = [];
    for (const id of ['nobody', 'replica-1-0', 'replica-2-0'])
      snapshots.drained(id, () => void drained.push(id));
    assert.equal(drained, ['nobody']);
    snapshots.apply(snapshotOf(2, [1]));
    assert.equal(drained, ['nobody', 'replica-2-0']);
    snapshots.apply({ ...snapshotOf(3, []), lost: ['replica-1-0'] });
    assert.equal(drained, ['nobody', 'replica-2-0', 'replica-1-0']);
  },
);

snapshot.run();
