// An operator's word on weights: what it does to the table and to who may be picked, why it is refused, and that it outlives
// the slot's deaths, a list that is read again, and torc itself, but not /rm.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type SlotStore, weightFile } from '../../src/control/slot-file.ts';
import type { Log } from '../../src/core/log.ts';
import { CHOICES } from '../../src/ring/table.ts';
import { temporaryState } from '../support/state.ts';
import { Bench } from './setup.ts';

const test = suite('control/weights');

const message = (outcome: { ok: boolean; message?: string }): string => outcome.message ?? 'ok';

class Memory implements SlotStore<number> {
  kept = new Map<string, number>();
  read = () => new Map(this.kept);
  write = (weights: ReadonlyMap<string, number>): void => {
    this.kept = new Map(weights);
  };
}

const weightsOf = (bench: Bench): string =>
  bench.torc
    .snapshot()
    .upstreams.map(({ slot, weight }) => `${slot}=${weight}`)
    .join(' ');

/** Rows of the table by their owner's id. */
function rowsOf(bench: Bench): number[] {
  const rows = [0, 0, 0];
  const choices = bench.torc.snapshot().choices!;
  for (let row = 0; row < choices.length; row += CHOICES) rows[choices[row]!]!++;
  return rows;
}

test('more rows for more weight; 0 keeps the rows, as of 1, and is published as 0', async () => {
  const bench = new Bench({ ringRows: 4096 });
  const torc = await bench.ready();
  const equal = rowsOf(bench);
  const { epoch, tableVersion } = torc.snapshot();
  assert.ok((await torc.setWeight('2', 6)).ok);
  assert.is(torc.snapshot().epoch, epoch + 1, 'published when it is answered');
  assert.is(weightsOf(bench), '1=1 2=6 3=1');
  assert.ok(rowsOf(bench)[1]! > 2900 && rowsOf(bench)[1]! < 3240, String(rowsOf(bench)));
  assert.ok((await torc.setWeight('2', 0)).ok);
  assert.equal(rowsOf(bench), equal);
  assert.is(weightsOf(bench), '1=1 2=0 3=1');
  assert.is(torc.slots()[1]!.state, 'ready', 'it is well, and heals');
  assert.ok((await torc.setWeight('2', null)).ok);
  assert.is(weightsOf(bench), '1=1 2=1 3=1');
  assert.is(torc.snapshot().tableVersion, tableVersion + 3);
  const told = torc
    .events()
    .flatMap(entry => ('topic' in entry && entry.topic === 'weight' ? entry.text : []));
  assert.equal(told, [
    'slot 2 has the weight 6 instead of 1',
    'slot 2 has the weight 0 instead of 6: it is drained, its keys go to their next choices',
    'slot 2 has the weight 1 instead of 0',
  ]);
});

test('refusals change nothing', async () => {
  const bench = new Bench();
  const torc = await bench.ready();
  const { epoch } = torc.snapshot();
  assert.match(message(await torc.setWeight('9', 1)), 'there is no slot 9');
  await torc.setWeight('1', 0);
  await torc.setWeight('2', 0);
  assert.match(message(await torc.setWeight('3', 0)), 'nobody would be left to serve');
  assert.is(torc.snapshot().epoch, epoch + 2);
  for (const [ring, weight, says] of [
    ['seed', 2, 'knows no weights'],
    ['assignment', 0.5, 'knows no weights'],
    ['nginx', 0.5, 'whole weights alone'],
  ] as const) {
    const other = new Bench({ ring });
    const run = await other.ready();
    assert.match(message(await run.setWeight('1', weight)), says);
    assert.ok((await run.setWeight('1', 0)).ok, `${ring} drains`);
    assert.is(weightsOf(other), '1=0 2=1 3=1');
  }
});

test('weights in all are bounded, as those of given upstreams are', async () => {
  const bench = new Bench({ replicas: 26 });
  const torc = await bench.ready();
  for (let slot = 1; slot <= 25; slot++) assert.ok((await torc.setWeight(`${slot}`, 256)).ok);
  assert.match(message(await torc.setWeight('26', 256)), 'over 6500 in all');
});

test("it outlives the slot's death and torc's, and ends with /rm", async () => {
  const store = new Memory();
  const bench = new Bench();
  bench.weightStore = store;
  const torc = bench.newTorc();
  await bench.ready();
  await torc.setWeight('2', 0.25);
  await torc.setWeight('3', 0);
  bench.world.kill(bench.of('2'));
  await bench.pass(5_000);
  assert.is(weightsOf(bench), '1=1 2=0.25 3=0');
  void torc.stop({ remove: false });
  await bench.pass(2_000);
  const next = bench.newTorc();
  await bench.ready();
  assert.is(weightsOf(bench), '1=1 2=0.25 3=0');
  const removed = next.remove({ count: 1, names: ['3'] });
  await bench.pass(60_000);
  assert.ok((await removed).ok);
  assert.equal([...store.kept], [['2', 0.25]]);
});

test('the file: what it cannot read is nothing, what it cannot write is told', () => {
  const lines: string[] = [];
  const log = { warn: (_: object, text: string) => lines.push(text) } as unknown as Log;
  const path = join(temporaryState(), 'weights.json');
  const file = weightFile(path, log);
  assert.is(file.read().size, 0);
  file.write(new Map([['[::1]:80', 0.5]]));
  assert.equal([...weightFile(path, log).read()], [['[::1]:80', 0.5]]);
  assert.match(readFileSync(path, 'utf8'), /^\{"weights":/);
  for (const bad of ['{', '{"weights":{"1":-1}}', '{"weights":{"1":"2"}}', '[]']) {
    writeFileSync(path, bad);
    assert.is(file.read().size, 0, bad);
  }
  weightFile(join(path, 'no'), log).write(new Map());
  assert.equal(lines, ['weights cannot be remembered for the next start (ENOTDIR)']);
});

test.run();
