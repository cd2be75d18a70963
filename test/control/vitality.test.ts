// What the signs of life of a replica mean, as tables.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ProbeResult, Replica } from '../../src/control/driver.ts';
import { newMember } from '../../src/control/slots.ts';
import {
  illnessOf,
  judgeBeat,
  moreTime,
  noteReads,
  noteVoid,
  type Verdict,
} from '../../src/control/vitality.ts';
import type { ReplicaState } from '../../src/core/types.ts';

const test = suite('vitality');

const replica: Replica = {
  id: 'a',
  slot: '1',
  generation: 1,
  spare: false,
  status: 'running',
  host: 'h',
  port: 1,
  label: 'a',
};

const beats: Record<string, Pick<ProbeResult, 'alive' | 'got'>> = {
  '+': { alive: true, got: 'answer' },
  '-': { alive: false, got: 'nothing' },
  '5': { alive: false, got: 'answer' },
  x: { alive: false, got: 'refused' },
};

/** state, confirming, beats ("+" well, "-" missed, "5" answered 503, "x" refused), fall, rise -> verdict of the last */
const table: [ReplicaState, boolean, string, number, number, Verdict][] = [
  ['starting', false, '+', 2, 1, 'prove'],
  ['starting', false, '+', 2, 2, 'none'],
  ['starting', false, '++', 2, 2, 'prove'],
  ['starting', false, '+-+', 2, 2, 'none'],
  ['starting', false, 'x-5-x', 2, 1, 'none'],
  ['ready', false, '+', 2, 1, 'none'],
  ['ready', false, '-', 2, 1, 'none'],
  ['ready', false, '--', 2, 1, 'leave'],
  ['ready', false, '-+-', 2, 1, 'none'],
  ['ready', false, '-', 1, 1, 'leave'],
  ['ready', true, '-', 5, 1, 'leave'],
  ['ready', false, '5', 3, 1, 'leave'],
  ['ready', false, 'x', 2, 1, 'none'],
  ['ready', false, 'xx', 2, 1, 'refused'],
  ['ready', false, 'x-x', 2, 1, 'leave'],
  ['ready', true, 'x', 5, 1, 'refused'],
  ['suspect', true, '+', 2, 3, 'readmit'],
  ['suspect', true, '-----', 5, 1, 'none'],
  ['suspect', true, 'x', 5, 1, 'refused'],
  ['suspect', false, '+', 2, 2, 'none'],
  ['suspect', false, '++', 2, 2, 'readmit'],
  ['suspect', false, '--------', 2, 1, 'none'],
  ['suspect', false, '-x', 2, 1, 'none'],
  ['suspect', false, '-xx', 2, 1, 'refused'],
  ['suspect', false, '5555', 2, 1, 'none'],
  ['draining', false, '---', 1, 1, 'none'],
];
for (const [state, confirming, series, fall, rise, expected] of table) {
  test(`${state}${confirming ? ' (confirming)' : ''} ${series} with fall ${fall}, rise ${rise}: ${expected}`, () => {
    const member = { ...newMember(replica, 0, 30_000), state, confirming };
    let verdict: Verdict = 'none';
    for (const beat of series) verdict = judgeBeat(member, beats[beat]!, 100, { fall, rise });
    assert.is(verdict, expected);
  });
}

test('a first answer that is overdue; an ejection is not ended by answers', () => {
  const late = newMember(replica, 0, 1_000);
  assert.is(judgeBeat(late, beats['-']!, 999, { fall: 2, rise: 1 }), 'none');
  assert.is(judgeBeat(late, beats['-']!, 1_000, { fall: 2, rise: 1 }), 'overdue');
  const ejected = { ...newMember(replica, 0, 0), state: 'suspect' as const, ejectedUntilMs: 500 };
  assert.is(judgeBeat(ejected, beats['+']!, 499, { fall: 2, rise: 1 }), 'none');
  assert.is(judgeBeat(ejected, beats['+']!, 500, { fall: 2, rise: 1 }), 'readmit');
});

/** Beats half a second apart ("v" is void), with what workers had read at each; how ill it is after each. */
function illnesses(series: string, reads: (beat: number) => number = () => 0): (string | null)[] {
  const member = { ...newMember(replica, 0, 0), state: 'suspect' as const };
  return [...series].map((beat, index) => {
    const nowMs = 100_000 + index * 500;
    if (beat === 'v') noteVoid(member, nowMs);
    if (beat === 'v') return null;
    const result = beats[beat]!;
    judgeBeat(member, result, nowMs, { fall: 2, rise: 1 });
    if (result.alive) return null;
    noteReads(member, reads(index), nowMs);
    return illnessOf(member, result.got, nowMs, 2, 2_000);
  });
}

test('silence counts from the first miss, and a sign of life ends it', () => {
  assert.equal(illnesses('-----'), [null, null, null, null, 'silent']);
  assert.equal(illnesses('----+----'), new Array(9).fill(null), 'an answer');
  assert.equal(illnesses('----5----'), new Array(9).fill(null), 'whatever its status');
  assert.equal(
    illnesses('---------', beat => beat),
    new Array(9).fill(null),
    'bytes that workers read',
  );
  assert.equal(
    illnesses('-------', beat => Math.min(1, beat)),
    [null, null, null, null, null, null, 'silent'],
    'bytes that came once',
  );
  assert.equal(
    illnesses('-----', beat => (beat < 2 ? 9 : 0)),
    [null, null, null, null, 'silent'],
    'a worker that counts anew is none',
  );
});

test('what torc could not listen to is not silence, and does not end it', () => {
  assert.equal(illnesses('--v---'), [null, null, null, null, null, 'silent']);
  assert.equal(illnesses('--v--v-'), [null, null, null, null, null, null, 'silent']);
  assert.equal(illnesses('-vvvvvvvvvv---'), new Array(14).fill(null));
  assert.equal(illnesses('vvvv-----'), [...new Array(8).fill(null), 'silent']);
  assert.equal(illnesses('---v+----'), new Array(9).fill(null), 'an answer ends it');
});

test('one that answers, but never well', () => {
  assert.equal(illnesses('55555'), [null, null, null, null, 'unwell']);
  assert.equal(illnesses('555+55555'), [...new Array(8).fill(null), 'unwell']);
  assert.equal(illnesses('5555-5'), [null, null, null, null, null, 'unwell'], 'only with such an answer');
});

test('a start that prints gets more time, as often as it prints, up to three times the whole', () => {
  const member = newMember(replica, 1_000, 60_000);
  assert.is(moreTime(member, '', 61_000), null, 'silent');
  assert.is(moreTime(member, 'a', 61_000), 76_000);
  member.outputMark = 'a';
  assert.is(moreTime(member, 'a', 76_000), null, 'it has stopped to print');
  assert.is(moreTime(member, 'b', 176_000), 181_000, 'the bound');
  assert.is(moreTime(member, 'b', 181_000), null);
});

test.run();
