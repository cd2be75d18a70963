// What the page is told: merge patches that make one document of the one before, who has the keys of a slot that is out, and
// a stream that measures once for all its readers, starts with whole truth and says a change at once.

import { isDeepStrictEqual } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ownershipOf } from '../../src/admin/lent.ts';
import { type JsonObject, mergePatch } from '../../src/admin/merge-patch.ts';
// The page's own reader of patches, so that both sides are tried together.
import { applyPatch } from '../../src/admin/page/model.js';
import { hotKeys as hotKeysSchema, stats as statsSchema } from '../../src/admin/schemas.ts';
import type { SnapshotMessage } from '../../src/core/types.ts';
import { createTableBuilder } from '../../src/ring/build.ts';
import { slotsOf } from '../support/healing.ts';
import { followStats, type StatsStream } from '../support/stats.ts';
import { sendMany, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('admin/stats');

const pairs: readonly (readonly [JsonObject, JsonObject])[] = [
  [{ a: 1 }, { a: 1 }],
  [{ a: 1, b: 2 }, { a: 2 }],
  [{ a: { b: 1, c: 2 } }, { a: { b: 1, d: 3 } }],
  [{ a: [1, 2] }, { a: [1, 2, 3] }],
  [{ a: 1 }, { a: { b: 1 } }],
  [{ a: { b: 1 } }, { a: 'text' }],
  [{ a: [] }, { a: { b: {} } }],
  [{}, { constructor: { share: 1 }, toString: 'x' }],
  [{ constructor: { share: 1 }, valueOf: 2 }, {}],
];

for (const [before, after] of pairs) {
  test(`${JSON.stringify(before)} becomes ${JSON.stringify(after)} by its patch`, () => {
    const patch = mergePatch(before, after);
    const target = structuredClone(before) as Record<string, unknown>;
    applyPatch(target, patch);
    assert.ok(isDeepStrictEqual(target, after), JSON.stringify(target));
    assert.is(Object.keys(mergePatch(after, after)).length, 0, 'nothing where nothing changed');
  });
}

test('what is out lends each of its rows to the next choice that is ready', () => {
  const slots = ['1', '2', '3', '4'].map((name, id) => ({ id, name }));
  const rows = 1024;
  const { choices } = createTableBuilder('rendezvous', rows).update(slots);
  const upstreams = slots.map(({ id, name }) => ({
    slotId: id,
    slot: name,
    generation: 1,
    replicaId: name,
    host: '',
    port: 1,
    state: name === '3' ? ('suspect' as const) : ('ready' as const),
  }));
  const expected = new Map<string, number>();
  for (let row = 0; row < rows; row++) {
    const [first, second, third] = choices.subarray(row * 3, row * 3 + 3);
    // Slot 2 has no upstream at all, slot 3 one that is not ready.
    if (first !== 1) continue;
    const to = second === 2 ? third! : second!;
    expected.set(slots[to]!.name, (expected.get(slots[to]!.name) ?? 0) + 1);
  }
  const snapshot = {
    algorithm: 'rendezvous',
    rows,
    choices,
    upstreams: upstreams.filter(({ slot }) => slot !== '2'),
  };
  const ownership = ownershipOf(snapshot as unknown as SnapshotMessage, slots);
  const lent = ownership.get('2')!.lent;
  assert.equal(
    Object.fromEntries(lent.map(({ to, share }) => [to, Math.round(share * rows)])),
    Object.fromEntries(expected),
  );
  assert.ok(Math.abs(lent.reduce((sum, { share }) => sum + share, 0) - ownership.get('2')!.share) < 1e-4);
  assert.is(ownership.get('3')!.lent.length, 2);
  assert.equal(ownership.get('1')!.lent, []);
});

let torc: Torc;
test.before(async () => {
  torc = await startTorc({ TORC_REPLICAS: '3', TORC_WORKERS: '2' });
});
test.after(async () => {
  await torc.close();
});

test('once, as JSON: by its schema, with rates that were measured', async () => {
  const load = sendMany(index => `${torc.url}/request?request_id=${index}`, 600, 4);
  const { status, text } = await torc.get('/admin/stats');
  await load;
  assert.is(status, 200);
  const stats = statsSchema.parse(JSON.parse(text));
  assert.is(stats.replicas.ready, 3);
  assert.is(typeof stats.total.requestsPerSecond, 'number');
  const shares = Object.values(stats.slots).reduce((sum, { share }) => sum + share, 0);
  assert.ok(Math.abs(shares - 1) < 1e-4, `shares add up to ${shares}`);
});

test('as a stream: rates come with the load, a death and its heal at once, and the patches keep the document true', async () => {
  const stream = await followStats(torc);
  try {
    assert.is(stream.document.replicas.ready, 3);
    await sendMany(index => `${torc.url}/request?request_id=${index}`, 500, 4);
    await waitFor(() => (stream.document.total.p99Us ?? 0) > 0, { timeoutMs: 20_000, what: 'a latency' });
    const victim = (await slotsOf(torc)).find(({ name }) => name === '2')!;
    process.kill(Number(victim.replica.split(' ').at(-1)), 'SIGKILL');
    const { generation } = stream.document.slots['2']!;
    await waitFor(() => stream.entries.some(entry => entry.slot === '2' && entry.to === 'dead'), {
      timeoutMs: 20_000,
      what: 'the death in the stream',
    });
    await waitFor(
      () =>
        stream.document.slots['2']!.state === 'ready' && stream.document.slots['2']!.generation > generation,
      { timeoutMs: 30_000, what: 'the heal in the document' },
    );
    assert.ok(stream.seenOut.has('2'), 'the document said that it was out');
    assert.ok(stream.seenLent.get('2')! > 0.2, 'and to whom its keys were lent');
    assert.is(stream.document.slots['2']!.lent, undefined, 'not any more');
    statsSchema.parse(stream.document);
  } finally {
    stream.close();
  }
});

test('the hot keys come with the stream, and to who joins it at once', async () => {
  const first = await followStats(torc);
  try {
    await sendMany(index => `${torc.url}/request?request_id=${index % 2 ? 7 : index}`, 200, 4);
    await waitFor(() => first.hotKeys?.keys[0]?.key === '7', { timeoutMs: 20_000, what: 'the busiest key' });
    hotKeysSchema.parse(first.hotKeys);
    const second = await followStats(torc);
    await waitFor(() => second.hotKeys !== null, { timeoutMs: 20_000, what: 'the keys of the moment' });
    second.close();
  } finally {
    first.close();
  }
});

test('a reader that comes back is told what it missed, by the number of the last event', async () => {
  const first = await followStats(torc);
  await waitFor(() => first.entries.length > 0, { timeoutMs: 10_000, what: 'the past' });
  first.close();
  const last = first.entries.at(-1)!.seq;
  const second = await followStats(torc, { 'last-event-id': String(last - 1) });
  await waitFor(() => second.entries.length > 0, { timeoutMs: 10_000, what: 'what was missed' });
  assert.equal(
    second.entries.map(({ seq }) => seq),
    [last],
  );
  second.close();
});

test('a hundred readers, and one more is told to come back', async () => {
  const streams: StatsStream[] = [];
  // Those of earlier tests may not have left yet.
  await waitFor(
    async () => {
      const stream = await followStats(torc).catch(() => null);
      if (stream !== null) streams.push(stream);
      return streams.length === 100;
    },
    { timeoutMs: 30_000, what: 'a hundred readers' },
  );
  try {
    const { status, text } = await torc.get('/admin/stats', { accept: 'text/event-stream' });
    assert.is(status, 503);
    assert.match(text, '100 readers');
    const documents = streams.map(({ document }) => document);
    assert.ok(documents.every(({ replicas }) => replicas.of === 3));
  } finally {
    for (const stream of streams) stream.close();
  }
  await waitFor(
    async () => {
      const stream = await followStats(torc).catch(() => null);
      stream?.close();
      return stream !== null;
    },
    { timeoutMs: 20_000, what: 'a place when they are gone' },
  );
});

test('replace: a slot gets another replica and keeps its keys; what cannot be is refused', async () => {
  const before = (await slotsOf(torc)).find(({ name }) => name === '1')!;
  const { status, text } = await torc.send('POST', '/admin/slots/1/replace', {});
  assert.is(status, 200, text);
  const after = (await slotsOf(torc)).find(({ name }) => name === '1')!;
  assert.is(after.state, 'ready');
  assert.is.not(after.replica, before.replica);
  assert.is((await torc.send('POST', '/admin/slots/9/replace', {})).status, 404);
  assert.is((await torc.get('/admin/slots/1/replace')).status, 405);
});

test('what one slot less would mean, whichever it is', async () => {
  const { text } = await torc.get('/admin/whatif?remove=1');
  const { slotsThen, removed, moved, pairs } = JSON.parse(text);
  assert.equal([slotsThen, removed], [2, ['1']]);
  assert.ok(moved > 0.3 && moved < 0.37, `${moved}`);
  assert.ok(pairs.every(({ from }: { from: string }) => from === '1'));
  assert.is((await torc.get('/admin/whatif?remove=nobody')).status, 400);
});

test.run();
