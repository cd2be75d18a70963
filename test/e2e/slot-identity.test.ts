// A slot's death moves its own keys alone, to all the others, and its return brings exactly those back.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RingAlgorithm } from '../../src/core/types.ts';
import { createTableBuilder, tableChecksum } from '../../src/ring/build.ts';
import { keyHashFor } from '../../src/ring/hash.ts';
import { CHOICES } from '../../src/ring/table.ts';
import { slotsOf } from '../support/healing.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';
import { allReady } from '../support/zero-loss.ts';

const identity = suite('slot identity');

interface RingState {
  readonly algorithm: RingAlgorithm;
  readonly rows: number;
  readonly checksum: string;
  readonly slots: readonly { slot: string; id: number }[];
  readonly workers: readonly { pid: number; current: boolean }[];
}

const ringOf = async (torc: Torc): Promise<RingState> =>
  JSON.parse((await torc.get('/admin/ring')).text) as RingState;

const KEYS = 100_000;
/** Keys that are also asked for, to see that the workers do what the table says. */
const ASKED = 200;

/** Who serves each key now: the table that all workers have (same checksum) and the slots that are ready. */
async function ownersOf(torc: Torc): Promise<string[]> {
  const ring = await ringOf(torc);
  assert.ok(ring.workers.every(worker => worker.current));
  const table = createTableBuilder(ring.algorithm, ring.rows).update(
    ring.slots.map(({ slot, id }) => ({ name: slot, id })),
  );
  assert.is(`0x${(tableChecksum(table) >>> 0).toString(16).padStart(8, '0')}`, ring.checksum);
  const nameOf = new Map(ring.slots.map(({ slot, id }) => [id, slot]));
  const ready = new Set(
    (await slotsOf(torc)).filter(({ state }) => state === 'ready').map(each => each.name),
  );
  const hashOf = keyHashFor(ring.algorithm);
  return Array.from({ length: KEYS }, (_, index) => {
    const key = String(index);
    const row = (hashOf(key, 0, key.length) & table.mask) * CHOICES;
    const choices = [...table.choices.subarray(row, row + CHOICES)].map(id => nameOf.get(id)!);
    return choices.find(slot => ready.has(slot))!;
  });
}

async function servedBy(torc: Torc): Promise<(string | null)[]> {
  const slots: (string | null)[] = [];
  for (let key = 0; key < ASKED; key++)
    slots.push((await torc.get(`/request?request_id=${key}`)).headers.get('x-served-by'));
  return slots;
}

identity(
  '100,000 keys: a death moves its own to all the others, the return brings exactly those back',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'torc-gate-'));
    const gate = join(folder, 'closed');
    const replica = join(import.meta.dirname, '..', '..', 'docker', 'replica.ts');
    // While the gate is closed a replacement starts and does not answer: the time between death and return lasts.
    const command = `while [ -e ${gate} ]; do sleep 0.05; done; exec ${process.execPath} ${replica}`;
    const torc = await startTorc({ TORC_REPLICAS: '4', TORC_WORKERS: '2', TORC_REPLICA_COMMAND: command });
    try {
      const before = await ownersOf(torc);
      assert.equal(await servedBy(torc), before.slice(0, ASKED));
      writeFileSync(gate, '');
      const victim = (await slotsOf(torc)).find(({ name }) => name === '2')!;
      process.kill(Number(victim.replica.replace('pid ', '')), 'SIGKILL');
      const isOut = async (): Promise<boolean> =>
        (await slotsOf(torc)).some(({ name, state }) => name === '2' && state !== 'ready');
      await waitFor(isOut, { timeoutMs: 20_000, what: 'slot 2 to be out' });
      const during = await ownersOf(torc);
      assert.equal(await servedBy(torc), during.slice(0, ASKED));
      rmSync(gate);
      await allReady(torc);
      const after = await ownersOf(torc);
      assert.equal(await servedBy(torc), after.slice(0, ASKED));
      const moved = during.flatMap((slot, key) =>
        slot === before[key] ? [] : [{ from: before[key], to: slot }],
      );
      const owned = before.filter(slot => slot === '2').length;
      const gained = ['1', '3', '4'].map(slot => moved.filter(({ to }) => to === slot).length);
      process.stdout.write(
        `\n  slot 2 owned ${owned}; moved ${moved.length} to 1, 3, 4: ${gained.join(', ')}\n`,
      );
      assert.is(moved.length, owned);
      assert.ok(moved.every(({ from }) => from === '2'));
      assert.ok(Math.min(...gained) > owned / 4, 'each of the three others takes about a third');
      assert.equal(after, before);
    } finally {
      await torc.close();
      rmSync(folder, { recursive: true });
    }
  },
);

identity.run();
