// When the driver's list is read: never two at once, again after one that may be too old, with backoff while it fails.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Driver, Replica } from '../../src/control/driver.ts';
import { Observer } from '../../src/control/observe.ts';
import { silentLog } from '../../src/core/log.ts';
import { FakeClock, flush } from '../sim/clock.ts';

const test = suite('observe');

function setup(trouble: () => string = () => '') {
  const clock = new FakeClock();
  const waiting: { answer: (list: readonly Replica[]) => void; fail: (error: Error) => void }[] = [];
  const lines: string[] = [];
  let listedCount = 0;
  let returnCount = 0;
  const driver: Driver & { isLent: boolean } = {
    name: 'docker',
    isLent: false,
    creates: true,
    open: async () => {},
    get trouble() {
      return trouble();
    },
    list: () => new Promise((answer, fail) => waiting.push({ answer, fail })),
    start: () => Promise.reject(new Error('not here')),
    stop: async () => {},
    close: async () => {},
  };
  const say = (_fields: object, message: string): void => {
    lines.push(message);
  };
  const observer = new Observer({
    driver,
    clock,
    log: { ...silentLog, info: say, warn: say },
    believed: () => [],
    onListed: (_believed, _listed, isReturn) => {
      listedCount++;
      if (isReturn) returnCount++;
    },
    onDone: () => {},
  });
  return { observer, driver, waiting, lines, counts: () => ({ listedCount, returnCount }) };
}

test('what is asked for during a list follows it, once, and waits for it', async () => {
  const { observer, waiting, counts } = setup();
  void observer.observe();
  let isDone = false;
  for (let i = 0; i < 5; i++) {
    void observer.observe().then(() => {
      isDone = true;
    });
  }
  assert.is(waiting.length, 1);
  waiting[0]?.answer([]);
  await flush();
  assert.not(isDone);
  assert.is(waiting.length, 2);
  waiting[1]?.answer([]);
  await flush();
  assert.ok(isDone);
  assert.is(waiting.length, 2);
  assert.is(counts().listedCount, 2);
  assert.is(observer.dueMs, 5_000);
});

test('failures back off up to the usual interval, and are told once', async () => {
  const { observer, waiting, lines, counts } = setup();
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) {
    void observer.observe();
    waiting.at(-1)?.fail(new Error('no engine'));
    await flush();
    waits.push(observer.dueMs);
  }
  assert.equal(waits, [250, 500, 1000, 2000, 4000, 5000, 5000]);
  assert.ok(observer.isAway);
  assert.is(lines.length, 1);
  void observer.observe();
  waiting.at(-1)?.answer([]);
  await flush();
  assert.not(observer.isAway);
  assert.is(counts().returnCount, 1);
  assert.is(lines.length, 2);
});

test('what another torc has for a while is no outage, and one that follows it is told', async () => {
  const { observer, driver, waiting, lines } = setup();
  const refuse = async (why: string): Promise<void> => {
    void observer.observe();
    waiting.at(-1)?.fail(new Error(why));
    await flush();
  };
  driver.isLent = true;
  await refuse('lent');
  assert.ok(observer.isAway);
  driver.isLent = false;
  void observer.observe();
  waiting.at(-1)?.answer([]);
  await flush();
  assert.equal(lines, []);
  driver.isLent = true;
  await refuse('lent');
  driver.isLent = false;
  await refuse('no engine');
  assert.is(lines.length, 1);
});

test('a list that ends after the close changes nothing', async () => {
  const { observer, waiting, counts } = setup();
  void observer.observe();
  observer.close();
  waiting[0]?.answer([]);
  await flush();
  assert.is(counts().listedCount, 0);
});

test('a list made of less than it should be is taken, and the driver counts as away', async () => {
  let trouble = 'no leader';
  const { observer, waiting, lines, counts } = setup(() => trouble);
  const list = async (): Promise<void> => {
    const done = observer.observe();
    waiting.at(-1)?.answer([]);
    await done;
  };
  await list();
  await list();
  assert.equal(
    [counts(), observer.state.reachable, observer.state.cause],
    [{ listedCount: 2, returnCount: 0 }, false, 'no leader'],
  );
  assert.is(lines.length, 1, 'told once');
  trouble = '';
  await list();
  assert.equal(
    [counts(), observer.state.reachable, observer.isAway],
    [{ listedCount: 3, returnCount: 1 }, true, false],
  );
});

test.run();
