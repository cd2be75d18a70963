// Events on disk: they outlive the file's owner, numbers go on, the size is bounded, and a disk that fails or half a line
// of a crash costs no more than what was on it.

import { appendFileSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EventFile } from '../../src/control/event-file.ts';
import type { JournalEntry } from '../../src/control/journal.ts';
import { silentLog } from '../../src/core/log.ts';
import { temporaryState } from '../support/state.ts';

const file = suite('event file');

const entry = (seq: number): JournalEntry => ({
  seq,
  atMs: seq * 1000,
  topic: 'scale',
  text: 'x'.repeat(50),
});
const all = (): boolean => true;
const seqsOf = async (
  events: EventFile,
  isWanted: (seq: number, atMs: number) => boolean = all,
  most = 1e6,
) => (await events.read(isWanted, most)).map(({ seq }) => seq);

file('what was appended is there for the next one, and numbers go on', async () => {
  const path = join(temporaryState(), 'events.jsonl');
  const first = new EventFile(path, silentLog);
  assert.is(first.lastSeq, 0);
  for (const seq of [1, 2, 3]) first.append(entry(seq));
  await first.close();
  const second = new EventFile(path, silentLog);
  assert.is(second.lastSeq, 3);
  assert.equal(await seqsOf(second), [1, 2, 3]);
  assert.equal(await seqsOf(second, seq => seq > 1), [2, 3]);
  assert.equal(await seqsOf(second, (_, atMs) => atMs >= 3000), [3]);
  assert.equal(await seqsOf(second, all, 2), [2, 3], 'the last ones');
  assert.is(statSync(path).mode & 0o777, 0o600);
  await second.close();
});

file('half a line of a crash is passed over, and the next one is whole', async () => {
  const path = join(temporaryState(), 'events.jsonl');
  const first = new EventFile(path, silentLog);
  first.append(entry(1));
  await first.close();
  appendFileSync(path, '{"seq":2,"atMs":2000,"top');
  const second = new EventFile(path, silentLog);
  assert.is(second.lastSeq, 1);
  second.append(entry(2));
  await second.close();
  const third = new EventFile(path, silentLog);
  assert.is(third.lastSeq, 2);
  assert.equal(await seqsOf(third), [1, 2]);
  await third.close();
});

file('two files of a bounded size: the oldest go', async () => {
  const path = join(temporaryState(), 'events.jsonl');
  const events = new EventFile(path, silentLog, 10_000);
  for (let seq = 1; seq <= 1_000; seq++) events.append(entry(seq));
  await events.close();
  const again = new EventFile(path, silentLog, 10_000);
  const kept = await seqsOf(again);
  assert.is(kept.at(-1), 1_000);
  assert.ok(kept.length > 80 && kept.length < 250, `${kept.length} kept`);
  assert.equal(
    kept,
    kept.map((_, index) => kept[0]! + index),
    'without a gap',
  );
  assert.ok(statSync(path).size <= 10_100 && statSync(`${path}.1`).size <= 10_100);
  await again.close();
});

file('a disk that cannot be written is told once, and nothing fails', async () => {
  const path = join(temporaryState(), 'events.jsonl');
  mkdirSync(path);
  const told: string[] = [];
  const events = new EventFile(path, { ...silentLog, warn: (_, message) => told.push(message) });
  for (const seq of [1, 2]) events.append(entry(seq));
  assert.equal(told.length, 1);
  assert.equal(await seqsOf(events), []);
  await events.close();
});

file.run();
