// What a roll-out must look like from outside, for any driver: every slot gets the new version and keeps its keys, no
// request is lost, and one that does not work leaves the rest as it was. Versions are told apart by what a replica calls
// itself: the second one says "v2-1" where the first says "1".

import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { slotsOf } from './healing.ts';
import type { Torc } from './torc.ts';
import { waitFor } from './wait.ts';

interface RolloutLine {
  readonly state: string;
  readonly done: string[];
  readonly now: string | null;
  readonly why: string | null;
}

export interface Versions {
  /** "v2-SLOT". */
  readonly good: object;
  /** Prints "no database" and exits with 1. */
  readonly ends: object;
  /** Answers no heartbeat. */
  readonly mute: object;
  /** Cannot even be begun; null where any version can. */
  readonly missing: object | null;
}

const KEYS = 300;

export async function rolloutOf(torc: Torc): Promise<RolloutLine> {
  return JSON.parse((await torc.get('/admin/rollout')).text) as RolloutLine;
}

/** Slot -> what its replica calls itself, over many keys; and key -> slot. */
async function census(torc: Torc): Promise<{ names: Record<string, string>; owners: string[] }> {
  const names: Record<string, string> = {};
  const owners: string[] = [];
  for (let key = 0; key < KEYS; key++) {
    const answer = await torc.get(`/request?request_id=${key}`);
    const slot = answer.headers.get('x-served-by') ?? '';
    names[slot] = (JSON.parse(answer.text) as { server_id: string }).server_id;
    owners.push(slot);
  }
  return { names, owners };
}

/** GETs in four lanes until stopped; how often each status came. */
export function keepAsking(torc: Torc): () => Promise<Record<string, number>> {
  const statuses: Record<string, number> = {};
  let isOver = false;
  const lane = async (_: unknown, index: number): Promise<void> => {
    for (let key = index; !isOver; key += 4) {
      const status = await torc.get(`/request?request_id=${key}`).then(({ status }) => `${status}`, String);
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  };
  const lanes = Array.from({ length: 4 }, lane);
  return async () => {
    isOver = true;
    await Promise.all(lanes);
    return statuses;
  };
}

export function rolloutTests(
  test: Test,
  start: () => Promise<Torc>,
  versions: Versions,
  kill: (label: string) => Promise<unknown>,
): void {
  let torc: Torc;
  const post = (version: object) => torc.send('POST', '/admin/rollout', version);
  test.before(async () => {
    torc = await start();
  });
  test.after(() => torc.close());

  test('one that does not work stops by itself, says why, and changes nothing', async () => {
    const before = await slotsOf(torc);
    const answer = await post(versions.ends);
    assert.is(answer.status, 503, answer.text);
    assert.match(answer.text, /slot 1 did not become ready: .*(exit code 1|no database)/);
    assert.equal(await slotsOf(torc), before);
    const { state, done, why } = await rolloutOf(torc);
    assert.equal([state, done], ['stopped', []]);
    assert.match(why ?? '', /did not become ready/);
  });

  test('DELETE stops it, a second one is refused meanwhile, and the first is told', async () => {
    const before = await slotsOf(torc);
    const first = post(versions.mute);
    await waitFor(async () => (await rolloutOf(torc)).now === '1', {
      timeoutMs: 20_000,
      what: 'a beginning',
    });
    const second = await post(versions.good);
    assert.equal([second.status, /is under way/.test(second.text)], [409, true], second.text);
    assert.is((await torc.send('DELETE', '/admin/rollout', '')).status, 200);
    assert.is((await first).status, 503);
    assert.match((await first).text, /somebody asked for it/);
    assert.is((await torc.send('DELETE', '/admin/rollout', '')).status, 409);
    assert.equal(await slotsOf(torc), before);
  });

  test('every slot gets the new version and keeps its keys, and no request is lost', async () => {
    const before = await census(torc);
    assert.equal(before.names, { 1: '1', 2: '2', 3: '3' });
    const stop = keepAsking(torc);
    const answer = await post(versions.good);
    const statuses = await stop();
    assert.is(answer.status, 200, answer.text);
    assert.equal(Object.keys(statuses), ['200'], JSON.stringify(statuses));
    const after = await census(torc);
    assert.equal(after.names, { 1: 'v2-1', 2: 'v2-2', 3: 'v2-3' });
    assert.equal(after.owners, before.owners);
    assert.equal((await rolloutOf(torc)).done, ['1', '2', '3']);
    process.stdout.write(`\n  asked during the roll-out: ${JSON.stringify(statuses)}\n`);
  });

  test('after it, /add and healing use the new version', async () => {
    assert.is((await torc.send('POST', '/add', { n: 1 })).status, 200);
    const victim = (await slotsOf(torc)).find(slot => slot.name === '2')!;
    await kill(victim.replica.replace(/^pid /, ''));
    const isBack = async (): Promise<boolean> => {
      const slot = (await slotsOf(torc)).find(each => each.name === '2');
      return slot?.state === 'ready' && slot.generation > victim.generation;
    };
    await waitFor(isBack, { timeoutMs: 30_000, what: 'a new replica' });
    assert.equal((await census(torc)).names, { 1: 'v2-1', 2: 'v2-2', 3: 'v2-3', 4: 'v2-4' });
  });

  test('what makes no sense is refused before anything is touched', async () => {
    const before = await slotsOf(torc);
    const bodies = [{}, { image: '' }, { command: ' ' }, { ...versions.good, more: 1 }, [], 'not json'];
    for (const body of versions.missing === null ? bodies : [...bodies, versions.missing]) {
      const answer = await torc.send('POST', '/admin/rollout', body);
      assert.is(answer.status, 400, `${JSON.stringify(body)}: ${answer.text}`);
    }
    assert.equal(await slotsOf(torc), before);
  });
}
