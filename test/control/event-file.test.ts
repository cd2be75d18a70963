// Events on disk: they outlive the file's owner, numbers go on, the size is bounded, and a disk that fails or half a line
// of a crash costs no more than what was on it.

import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EventFile } from '../../src/control/event-file.ts';
import type { JournalEntry } from '../../src/control/journal.ts';
import { silentLog } from '../../src/core/log.ts';
import { temporaryState } from '../support/state.ts';
import { waitFor } from '../support/wait.ts';

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
  assert.equal(await seqsOf(second, all, 2), [1, 2], 'the first ones');
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

file('readers take turns, and their reading leaves the loop to others in between', async () => {
  const path = join(temporaryState(), 'events.jsonl');
  const lines = Array.from({ length: 20_000 }, (_, index) => `${JSON.stringify(entry(index + 1))}\n`);
  writeFileSync(path, lines.join(''));
  const again = new EventFile(path, silentLog);
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  turn();
  const done: number[] = [];
  const readers = [0, 1, 2].map(async reader => {
    const seqs = await seqsOf(again, all, 20_000);
    done.push(reader);
    return seqs.length;
  });
  const counts = await Promise.all(readers).finally(() => {
    isOver = true;
  });
  assert.equal(counts, [20_000, 20_000, 20_000]);
  assert.equal(done, [0, 1, 2]);
  assert.ok(turns > 50, `${turns} turns of the loop during three times 2 MB`);
  assert.equal(await again.read(all, 1e6, () => true), [], 'a reader that has gone reads nothing');
  await again.close();
});

file('a disk that takes nothing costs events, not memory, and both ends of that are told', async () => {
  const path = join(temporaryState(), 'events.jsonl');
  execFileSync('mkfifo', [path]);
  // Somebody has it open and reads nothing: after 64 KiB a write waits, as on a disk that hangs.
  const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const told: { left?: number; message: string }[] = [];
  const events = new EventFile(path, {
    ...silentLog,
    warn: (fields, message) => told.push({ ...fields, message }),
  });
  const before = process.memoryUsage().heapUsed;
  for (let seq = 1; seq <= 200_000; seq++) events.append(entry(seq));
  const grownMb = (process.memoryUsage().heapUsed - before) / 2 ** 20;
  assert.ok(grownMb < 40, `${grownMb} MB for 20 MB of events`);
  assert.equal(
    told.map(({ message }) => message),
    ['events are not kept on disk for now: it takes none'],
  );
  let isClosed = false;
  const drain = setInterval(() => {
    const piece = Buffer.alloc(65_536);
    try {
      while (readSync(reader, piece) > 0);
    } catch {
      // empty for now
    }
  }, 1);
  try {
    await waitFor(
      () => {
        events.append(entry(200_001));
        return told.length > 1;
      },
      { timeoutMs: 20_000, what: 'the second line' },
    );
    assert.is(told[1]!.message, 'events are kept on disk again');
    assert.ok(told[1]!.left! > 150_000, String(told[1]!.left));
    void events.close().then(() => {
      isClosed = true;
    });
    await waitFor(() => isClosed, { timeoutMs: 20_000, what: 'the end of the file' });
  } finally {
    clearInterval(drain);
    closeSync(reader);
  }
});

file.run();
