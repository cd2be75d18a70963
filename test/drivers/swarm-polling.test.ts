// How soon the swarm driver knows: how often it lists, what a manager's events say, and whom it asks beside one that hangs.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/core/clock.ts';
import { type Engine, EngineError } from '../../src/drivers/docker/engine.ts';
import { SwarmDriver } from '../../src/drivers/swarm/driver.ts';
import { Managers } from '../../src/drivers/swarm/managers.ts';
import { Polling } from '../../src/drivers/swarm/polling.ts';
import { advance, FakeClock, flush } from '../sim/clock.ts';
import { FakeSwarm, fakeManager, node, SPEC, task } from '../support/fake-swarm.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('swarm-polling');

// How often.

test('half a second at rest; while tasks are under way soon, and then ever more rarely', () => {
  const polling = new Polling();
  polling.listed(false, 1_000, 5);
  assert.is(polling.everyMs, 500);
  const everyAt = (ms: number): number => {
    polling.listed(true, ms, 5);
    return Math.round(polling.everyMs);
  };
  assert.equal(
    [2_000, 2_100, 2_800, 3_600, 5_200, 8_000, 15_000].map(everyAt),
    [100, 100, 100, 200, 400, 500, 500],
  );
});

test('a crash loop is not read all the time: what was under way a moment ago is nothing new', () => {
  const polling = new Polling();
  let lists = 0;
  for (let ms = 0; ms < 60_000; ms += polling.everyMs) {
    polling.listed(ms % 1_000 < 700, ms, 5);
    lists++;
  }
  assert.ok(lists < 150, `${lists} lists in a minute`);
  polling.listed(false, 75_000, 5);
  polling.listed(true, 75_500, 5);
  assert.is(polling.everyMs, 100, 'after a rest it is new');
});

test('who was told something is looked at soon, although nothing shows yet; long lists leave managers time', () => {
  const polling = new Polling();
  polling.changed(5_000);
  polling.listed(false, 5_010, 5);
  assert.is(polling.everyMs, 100);
  polling.listed(false, 6_100, 5);
  assert.is(polling.everyMs, 500);
  polling.listed(true, 50_000, 80);
  assert.is(polling.everyMs, 320);
});

// Whom.

/** Answers with its name, says it has no leader, or hangs. */
function engineOf(name: string, mood: 'well' | 'leaderless' | 'hang', asked: string[]): Engine {
  const ask = async (): Promise<unknown> => {
    asked.push(name);
    if (mood === 'leaderless') throw new EngineError(`${name}: no leader`, 500, undefined);
    return mood === 'hang' ? new Promise(() => {}) : [{ ID: name }];
  };
  return { ask } as unknown as Engine;
}

test('beside one that hangs the next is asked after half a second, and is first from then on', async () => {
  const clock = new FakeClock();
  const asked: string[] = [];
  const engines = [engineOf('a', 'hang', asked), engineOf('b', 'hang', asked), engineOf('c', 'well', asked)];
  const managers = new Managers(engines, clock);
  const nodes = managers.nodes();
  await advance(clock, 499);
  assert.equal(asked, ['a']);
  await advance(clock, 1);
  assert.equal(asked, ['a', 'b']);
  await advance(clock, 500);
  assert.equal(await nodes, [{ ID: 'c' }]);
  assert.is(managers.current, engines[2]);
  assert.equal(await managers.nodes(), [{ ID: 'c' }]);
  await advance(clock, 5_000);
  assert.equal(asked, ['a', 'b', 'c', 'c'], 'nobody is asked when it is over');
});

test('while all hang they are asked anew, in turns: what hangs does not notice that there is a leader again', async () => {
  const clock = new FakeClock();
  const asked: string[] = [];
  let isOver = false;
  const hanging = (name: string): Engine =>
    ({
      ask: (_what: string, _call: unknown, timeoutMs: number) => {
        asked.push(`${name} ${clock.nowMs()}`);
        return new Promise((_, reject) =>
          clock.after(timeoutMs, () => reject(new EngineError(`${name}: no answer`, 0, undefined))),
        );
      },
    }) as unknown as Engine;
  const failure = new Managers([hanging('a'), hanging('b')], clock).nodes().catch(error => {
    isOver = true;
    return error as Error;
  });
  await advance(clock, 3_400);
  assert.equal(asked, ['a 0', 'b 500', 'a 1000', 'b 1500']);
  assert.not(isOver);
  await advance(clock, 100);
  assert.is(((await failure) as Error).message, 'a: no answer');
  asked.length = 0;
  void new Managers([hanging('a')], clock).nodes().catch(() => {});
  await advance(clock, 5_000);
  assert.equal(asked, ['a 3500', 'a 4500'], 'an only one seldom: it may be slow with work');
});

test('one that says that it knows nothing is passed over at once; of failures the first is told', async () => {
  const clock = new FakeClock();
  const asked: string[] = [];
  const engines = [engineOf('a', 'leaderless', asked), engineOf('b', 'leaderless', asked)];
  const managers = new Managers(engines, clock);
  const failure = managers.nodes().catch(error => error as Error);
  await flush();
  assert.equal(asked, ['a', 'b']);
  assert.is(((await failure) as Error).message, 'a: no leader');
  assert.is(managers.current, engines[1], 'the next call begins with another');
});

// What they say.

test("somebody else's write is looked at at once, also with the next manager", async () => {
  const swarm = new FakeSwarm(SPEC);
  swarm.nodes = [node('n1')];
  swarm.tasks = [task('1 t1 n1')];
  const [first, second] = [await fakeManager(swarm), await fakeManager(swarm)];
  const driver = new SwarmDriver({
    service: 'web',
    definition: null,
    managers: new Managers([first.engine, second.engine], systemClock),
    engine: first.engine,
    port: null,
    ownNetworks: async () => null,
    reach: 'auto',
    evacuates: true,
    shared: {},
    // Lists take no time.
    nowMs: () => 1_000,
    wallMs: () => Date.now(),
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  });
  let heard = 0;
  await driver.open(({ kind }) => {
    if (kind === 'changed') heard++;
  });
  const listens = async (): Promise<boolean> => {
    await driver.list();
    return swarm.listeners.size === 1;
  };
  const isHeard = async (): Promise<void> => {
    const before = heard;
    swarm.write(swarm.service.Spec);
    await waitFor(() => heard > before, { timeoutMs: 10_000, what: 'a word of it' });
  };
  try {
    await waitFor(listens, { timeoutMs: 10_000, what: 'a listener' });
    await isHeard();
    assert.is(driver.observeEveryMs, 500);
    await driver.list();
    assert.is(driver.observeEveryMs, 100);
    // A stream that ends, and then a manager that says nothing any more.
    for (const listener of swarm.listeners) listener.destroy();
    await waitFor(() => swarm.listeners.size === 0, { timeoutMs: 10_000, what: 'its end' });
    await waitFor(listens, { timeoutMs: 10_000, what: 'a listener again' });
    await isHeard();
    first.mood = 'hang';
    await waitFor(async () => (await listens()) && second.asked.some(text => text.includes('/events')), {
      timeoutMs: 10_000,
      what: 'a listener at the other',
    });
    await isHeard();
  } finally {
    await driver.close({ remove: false });
    first.close();
    second.close();
  }
});

test.run();
