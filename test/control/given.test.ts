// Slots that follow a list of replicas which somebody else makes: first the pure decision, then the whole supervisor on
// lists that change, with a data plane that keeps requests in flight until the test ends them.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Driver, DriverEvent, Replica } from '../../src/control/driver.ts';
import { type Given, givenChanges } from '../../src/control/given.ts';
import { newMember, type Slot, Slots } from '../../src/control/slots.ts';
import { isNotice, Supervisor } from '../../src/control/supervisor.ts';
import { type SnapshotMessage, UNKNOWN_EPOCH } from '../../src/core/types.ts';
import { Bench, SETTINGS } from './setup.ts';

const test = suite('given');

const CHANGE = { atMs: 0, cause: '', source: 'supervisor' } as const;

/** "web a 2 stopped": slot, id, generation, status. */
function replica(text: string): Replica {
  const [slot = '', id = '', generation = '1', status = 'running'] = text.split(' ');
  return {
    id,
    slot,
    generation: Number(generation),
    spare: false,
    status: status as Replica['status'],
    host: id,
    port: 80,
    label: id,
  };
}

/** Slots as "web a": slot web, filled by a. Seats as "web>b". */
function given(now: readonly string[], listed: readonly string[], rest: Partial<Given> = {}): string[] {
  const slots = new Slots();
  for (const text of now) {
    const [name = '', id = ''] = text.split(/[ >]/);
    const slot = text.includes('>')
      ? slots.addSeat(slots.get(name)!, null, CHANGE)
      : slots.add(name, CHANGE, false);
    if (id !== '') slot.member = newMember(replica(`${name} ${id}`), 0, 0);
  }
  const changes = givenChanges({
    listed: listed.map(replica),
    slots: slots.serving(),
    seats: slots.spares(),
    isBarred: () => false,
    isDismissed: () => false,
    emptySinceMs: () => 0,
    lingerMs: 0,
    nowMs: 0,
    ...rest,
  });
  const nameOf = (slot: Slot | undefined): string => (slot ? ` from ${slot.name}` : '');
  return changes.map(change => {
    switch (change.kind) {
      case 'add':
        return `add ${change.replica.slot} ${change.replica.id}${nameOf(change.from)}`;
      case 'fill':
        return `fill ${change.slot.name} ${change.replica.id}${nameOf(change.from)}`;
      case 'seat':
        return `seat ${change.slot.name} ${change.replica.id}`;
      case 'unseat':
        return `unseat ${change.seat.name}`;
      case 'open':
        return `open ${change.name}: ${change.cause}`;
      case 'leave':
        return `leave ${change.slot.name} ${change.how}`;
      default:
        return `${change.kind} ${change.slot.name}`;
    }
  });
}

const LINGER = { lingerMs: 60_000 };
const table: [string, string[], string[], Partial<Given>, string[]][] = [
  ['what is as it should be stays, in whatever order', ['x a', 'y b'], ['y b', 'x a'], {}, []],
  ['a new name is a new slot', ['x a'], ['y b', 'x a'], {}, ['add y b']],
  ['a name that is no longer listed goes', ['x a', 'y b'], ['x a'], {}, ['remove y']],
  ['another replica is proven in a seat', ['x a'], ['x b'], {}, ['seat x b']],
  ['one that is being proven goes on', ['x a', 'x>b'], ['x b'], {}, []],
  ['and is dropped where another is listed', ['x a', 'x>b'], ['x c'], {}, ['unseat next-x', 'seat x c']],
  ['or the old one again', ['x a', 'x>b'], ['x a'], {}, ['unseat next-x']],
  ['an empty slot is filled', ['x'], ['x b'], {}, ['fill x b']],
  ['the higher generation wins', ['x a'], ['x b 2', 'x a 1'], {}, ['seat x b']],
  ['the running one wins', ['x a'], ['x b 2 stopped', 'x a 1'], {}, []],
  ['of equals the one that fills the slot', ['x a'], ['x b', 'x a', 'x c'], {}, []],
  [
    'a stopped one leaves, its slot stays',
    ['x a', 'y b'],
    ['x a 1 stopped', 'y b'],
    LINGER,
    ['leave x gone'],
  ],
  ['a paused one is doubted', ['x a', 'y b'], ['x a 1 paused', 'y b'], LINGER, ['doubt x']],
  ['one that is not listed leaves, its slot stays', ['x a', 'y b'], ['y b'], LINGER, ['leave x drain']],
  ['an empty slot lingers', ['x', 'y b'], ['y b'], { ...LINGER, nowMs: 59_999 }, []],
  ['for its time', ['x', 'y b'], ['y b'], { ...LINGER, nowMs: 60_000 }, ['remove x']],
  [
    'but not while one is listed for it, which tells why it is empty',
    ['x', 'y b'],
    ['x a 1 stopped', 'y b'],
    { ...LINGER, nowMs: 60_000 },
    ['tell x'],
  ],
  [
    'a new name with nothing that runs is an empty slot, which tells why',
    ['x a'],
    ['x a', 'y b 1 stopped', 'z c 1 stopping'],
    {},
    ['open y: it is stopped', 'open z: it is being stopped'],
  ],
  ['one that is being stopped is drained', ['x a'], ['x a 1 stopping'], {}, ['leave x drain']],
  ['and its successor waits for it no longer', ['x a'], ['x a 1 stopping', 'x b'], {}, ['seat x b']],
  ['no list empties the table', ['x a', 'y'], ['z c 1 stopped'], {}, ['open z: it is stopped']],
  ['one that may not be taken is not', ['x'], ['x a'], { isBarred: () => true }, []],
  [
    'nor is it its successor’s hindrance',
    ['x'],
    ['x a 9', 'x b'],
    { isBarred: ({ id }) => id === 'a' },
    ['fill x b'],
  ],
  ['what an operator took out stays out', ['y b'], ['x a', 'y b'], { isDismissed: name => name === 'x' }, []],
  ['a new name for a replica: it moves', ['x a', 'y b'], ['z a', 'y b'], {}, ['add z a from x', 'remove x']],
  [
    'two that change their names: drained first',
    ['x a', 'y b'],
    ['x b', 'y a'],
    {},
    ['leave y drain', 'leave x drain'],
  ],
  ['one replica is in one slot', [], ['x a', 'y a'], {}, ['add x a']],
];
for (const [name, now, listed, rest, changes] of table)
  test(`${name}: ${now.join(', ')} | ${listed.join(', ')}`, () => {
    assert.equal(given(now, listed, rest), changes);
  });

// The supervisor.

class Fleet {
  readonly bench = new Bench();
  readonly down = new Set<string>();
  /** Replicas with requests in flight. */
  readonly busy = new Set<string>();
  readonly published: SnapshotMessage[] = [];
  readonly causes: string[] = [];
  readonly torc: Supervisor;
  list: string[] | Error = [];
  listMs = 0;
  #tell: (event: DriverEvent) => void = () => {};

  constructor(list: string[], { lingerMs = 0, heartbeatPath = '/heartbeat' } = {}) {
    this.list = list;
    const { clock } = this.bench;
    const driver: Driver = {
      name: 'static',
      creates: false,
      lingerMs,
      open: async onEvent => {
        this.#tell = onEvent;
      },
      list: async () => {
        const { list } = this;
        if (this.listMs > 0) await new Promise<void>(resolve => clock.after(this.listMs, resolve));
        if (list instanceof Error) throw list;
        return list.map(replica);
      },
      start: () => Promise.reject(new Error('nothing is made')),
      stop: async () => {},
      close: async () => {},
    };
    this.torc = new Supervisor({
      driver,
      probe: async ({ host }) =>
        this.down.has(host)
          ? { alive: false, got: 'refused', status: 0, detail: 'connection refused' }
          : { alive: true, got: 'answer', status: 200, detail: '200' },
      clock,
      random: this.bench.world.random,
      log: {
        debug: () => {},
        info: () => {},
        warn: () => {},
        error: message => assert.unreachable(String(message)),
      },
      dataPlane: {
        signs: async () => ({ reads: 0, answers: 0 }),
        publish: snapshot => this.published.push(snapshot),
        drained: (id, timeoutMs) =>
          new Promise(resolve => {
            const untilMs = clock.nowMs() + timeoutMs;
            const look = (): void => {
              if (!this.busy.has(id)) resolve(true);
              else if (clock.nowMs() >= untilMs) resolve(false);
              else clock.after(10, look);
            };
            look();
          }),
      },
      settings: () => ({ ...SETTINGS, heartbeatPath }),
    });
    this.torc.subscribe(event => {
      if (!isNotice(event)) this.causes.push(`${event.slot} ${event.to}: ${event.cause}`);
    });
  }

  static async of(
    list: string[],
    options: { lingerMs?: number; heartbeatPath?: string } = {},
  ): Promise<Fleet> {
    const fleet = new Fleet(list, options);
    void fleet.torc.start();
    await fleet.pass(2_000);
    return fleet;
  }

  pass(ms: number): Promise<void> {
    return this.bench.pass(ms);
  }

  async becomes(...list: string[]): Promise<void> {
    this.list = list;
    this.tell('changed');
    await this.pass(100);
  }

  tell(kind: DriverEvent['kind'], replicaId?: string): void {
    this.#tell({ kind, ...(replicaId === undefined ? {} : { replicaId }), cause: `it is ${kind}` });
  }

  /** "web a": what is in routing, ready. */
  routed(): string[] {
    const { upstreams } = this.torc.snapshot();
    return upstreams.filter(each => each.state === 'ready').map(each => `${each.slot} ${each.replicaId}`);
  }
}

test('a slot comes with its name and goes with it, and the others keep their rows', async () => {
  const fleet = await Fleet.of(['x a', 'y b']);
  const owners = (): Map<string, number> => {
    const { rows, choices, upstreams } = fleet.torc.snapshot();
    const names = new Map(upstreams.map(each => [each.slotId, each.slot]));
    const counts = new Map<string, number>();
    for (let row = 0; row < rows; row++) {
      const name = `${row} ${names.get(choices![row * 3]!)}`;
      counts.set(name, 1);
    }
    return counts;
  };
  const before = owners();
  await fleet.becomes('z c', 'y b', 'x a');
  assert.equal(fleet.routed().sort(), ['x a', 'y b', 'z c']);
  const during = owners();
  for (const row of during.keys()) assert.ok(row.endsWith(' z') || before.has(row), `row ${row} moved`);
  await fleet.becomes('x a', 'y b');
  assert.equal(fleet.torc.names(), ['x', 'y']);
  assert.equal(owners(), before);
});

test('a new one routes after its first heartbeat was answered, not before', async () => {
  const fleet = await Fleet.of(['x a']);
  fleet.down.add('b');
  await fleet.becomes('x a', 'y b');
  assert.equal(fleet.torc.names(), ['x', 'y'], 'it is in the table');
  assert.equal(fleet.routed(), ['x a']);
  fleet.down.delete('b');
  await fleet.pass(100);
  assert.equal(fleet.routed(), ['x a', 'y b']);
});

test('without probes it routes at once', async () => {
  const fleet = await Fleet.of(['x a'], { heartbeatPath: '' });
  await fleet.becomes('x b', 'y c');
  assert.equal(fleet.routed(), ['x b', 'y c']);
});

test('that nobody is listed is published, once: until then it was not known', async () => {
  const fleet = await Fleet.of([]);
  const { epoch } = fleet.torc.snapshot();
  assert.ok(epoch > UNKNOWN_EPOCH);
  await fleet.pass(20_000);
  assert.is(fleet.torc.snapshot().epoch, epoch);
});

test('a list is one publish, however many it names', async () => {
  const names = Array.from({ length: 100 }, (_, index) => `n${index} a${index}`);
  const fleet = await Fleet.of(names, { heartbeatPath: '' });
  assert.is(fleet.routed().length, 100);
  const { length } = fleet.published;
  assert.ok(length <= 2, `${length} publishes for 100 new ones`);
  await fleet.becomes(...names.slice(50), ...names.slice(0, 50).map(name => `${name}-2`));
  assert.is(fleet.routed().filter(name => name.endsWith('-2')).length, 50);
  assert.ok(fleet.published.length - length <= 3, `${fleet.published.length - length} for 50 others`);
});

test('a replaced one serves until the new one answers, then finishes what it has, bounded; the table stays', async () => {
  const fleet = await Fleet.of(['x a']);
  const { tableVersion } = fleet.torc.snapshot();
  const before = fleet.published.length;
  fleet.busy.add('a');
  fleet.down.add('b');
  await fleet.becomes('x b');
  await fleet.pass(20_000);
  assert.equal(fleet.routed(), ['x a'], 'nothing answers yet at the new one');
  fleet.down.delete('b');
  await fleet.pass(1_000);
  assert.equal(fleet.routed(), ['x b']);
  assert.is(fleet.torc.leavingCount(), 1);
  assert.equal(fleet.torc.snapshot().lost, [], 'its requests may end');
  await fleet.pass(8_000);
  assert.is(fleet.torc.leavingCount(), 1);
  await fleet.pass(2_500);
  assert.is(fleet.torc.leavingCount(), 0);
  assert.ok(
    fleet.published.some(({ gone }) => gone.includes('a')),
    'what is left at the bound is cut',
  );
  assert.is(fleet.torc.snapshot().tableVersion, tableVersion);
  assert.ok(
    fleet.published.slice(before).every(({ upstreams }) => upstreams.some(each => each.state === 'ready')),
  );
});

test('an old one that fails meanwhile makes room at once', async () => {
  const fleet = await Fleet.of(['x a']);
  fleet.down.add('b');
  await fleet.becomes('x b');
  fleet.tell('gone', 'a');
  assert.equal(
    fleet.torc.slots().map(slot => slot.replicaId),
    ['b'],
  );
  fleet.down.delete('b');
  await fleet.pass(100);
  assert.equal(fleet.routed(), ['x b']);
});

test('one that is going leaves at once, is not taken back while it still answers, and its slot waits for the next', async () => {
  const fleet = await Fleet.of(['x a', 'y b'], { lingerMs: 60_000 });
  const { tableVersion } = fleet.torc.snapshot();
  fleet.busy.add('a');
  fleet.tell('going', 'a');
  assert.equal(fleet.routed(), ['y b']);
  await fleet.pass(30_000);
  assert.equal(fleet.routed(), ['y b'], 'it is listed as running, and answers, and yet');
  fleet.tell('gone', 'a');
  await fleet.becomes('y b');
  assert.equal(fleet.torc.names(), ['x', 'y']);
  await fleet.becomes('y b', 'x c');
  assert.equal(fleet.routed(), ['x c', 'y b']);
  assert.is(fleet.torc.snapshot().tableVersion, tableVersion);
});

test('the same replica started again is taken back', async () => {
  const fleet = await Fleet.of(['x a', 'y b'], { lingerMs: 60_000 });
  fleet.tell('going', 'a');
  fleet.tell('gone', 'a');
  await fleet.becomes('x a 1 stopped', 'y b');
  assert.equal(fleet.routed(), ['y b']);
  await fleet.becomes('x a', 'y b');
  assert.equal(fleet.routed(), ['x a', 'y b']);
});

test('a list that was asked for before its end does not bring it back', async () => {
  const fleet = await Fleet.of(['x a', 'y b'], { lingerMs: 60_000 });
  fleet.listMs = 500;
  fleet.tell('changed');
  await fleet.pass(100);
  fleet.tell('gone', 'a');
  fleet.list = ['x a 1 stopped', 'y b'];
  const before = fleet.published.length;
  await fleet.pass(3_000);
  assert.ok(
    fleet.published.slice(before).every(({ upstreams }) => upstreams.every(each => each.slot === 'y')),
  );
  assert.equal(fleet.routed(), ['y b']);
});

test('a slot whose replica is gone stays for its time, then goes', async () => {
  const fleet = await Fleet.of(['x a', 'y b'], { lingerMs: 60_000 });
  fleet.tell('gone', 'a');
  await fleet.becomes('y b');
  await fleet.pass(50_000);
  assert.equal(fleet.torc.names(), ['x', 'y']);
  await fleet.pass(16_000);
  assert.equal(fleet.torc.names(), ['y']);
  await fleet.becomes('y b', 'x a');
  assert.equal(fleet.routed().sort(), ['x a', 'y b']);
});

for (const lingerMs of [0, 60_000])
  test(`an empty list and one that fails change nothing, lingering for ${lingerMs} ms`, async () => {
    const fleet = await Fleet.of(['x a', 'y b'], { lingerMs });
    const before = fleet.torc.snapshot();
    await fleet.becomes();
    await fleet.pass(120_000);
    fleet.list = new Error('nobody answers');
    await fleet.pass(120_000);
    assert.is(fleet.torc.snapshot(), before);
  });

test('a paused one is out until it answers again', async () => {
  const fleet = await Fleet.of(['x a', 'y b'], { lingerMs: 60_000 });
  fleet.down.add('a');
  await fleet.becomes('x a 1 paused', 'y b');
  assert.equal(fleet.routed(), ['y b']);
  await fleet.pass(120_000);
  assert.equal(fleet.torc.names(), ['x', 'y']);
  fleet.down.delete('a');
  await fleet.becomes('x a', 'y b');
  await fleet.pass(1_500);
  assert.equal(fleet.routed(), ['x a', 'y b']);
});

test('a replica that gets another name is never out', async () => {
  const fleet = await Fleet.of(['x a']);
  const before = fleet.published.length;
  await fleet.becomes('z a');
  assert.equal(fleet.routed(), ['z a']);
  assert.equal(fleet.torc.names(), ['z']);
  assert.ok(fleet.published.slice(before).every(({ upstreams }) => upstreams.length === 1));
});

test('what /rm took out stays out as long as it is listed', async () => {
  const fleet = await Fleet.of(['x a', 'y b']);
  const removed = fleet.torc.remove({ count: 1, names: ['x'] });
  await fleet.pass(20_000);
  assert.equal(await removed, { ok: true });
  assert.equal(fleet.torc.names(), ['y']);
  await fleet.becomes('y b');
  await fleet.becomes('x a', 'y b');
  assert.equal(fleet.torc.names(), ['y', 'x']);
});

test('more than the ring holds: the first ones, and a line', async () => {
  const list = Array.from({ length: 1001 }, (_, index) => `s${index} r${index}`);
  const fleet = await Fleet.of(list);
  assert.is(fleet.torc.names().length, 1000);
});

/** Whatever comes and goes: in the end the slots are the last list's, and every step of the way somebody was ready. */
test('whatever the lists were, the slots end as the last one says', async () => {
  const names = ['x', 'y', 'z'];
  const aList = fc.uniqueArray(
    fc.record({
      slot: fc.constantFrom(...names),
      id: fc.constantFrom('a', 'b', 'c', 'd'),
      generation: fc.nat(2),
    }),
    { minLength: 1, maxLength: 4, selector: each => each.id },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(aList, { minLength: 1, maxLength: 6 }), async lists => {
      const toText = (list: (typeof lists)[number]): string[] =>
        list.map(each => `${each.slot} ${each.id} ${each.generation}`);
      const fleet = await Fleet.of(toText(lists[0]!));
      for (const list of lists) await fleet.becomes(...toText(list));
      await fleet.pass(30_000);
      const last = lists.at(-1)!;
      const wanted = new Map<string, string[]>();
      for (const slot of new Set(last.map(each => each.slot))) {
        const own = last.filter(each => each.slot === slot);
        const newest = Math.max(...own.map(each => each.generation));
        wanted.set(
          slot,
          own.flatMap(each => (each.generation === newest ? each.id : [])),
        );
      }
      const routed = fleet.routed().map(text => text.split(' '));
      assert.equal(routed.map(([slot]) => slot).sort(), [...wanted.keys()].sort());
      for (const [slot = '', id = ''] of routed)
        assert.ok(wanted.get(slot)?.includes(id), `${slot} has ${id}`);
      assert.is(fleet.torc.spares().length, 0);
      assert.is(fleet.torc.leavingCount(), 0);
    }),
    { numRuns: 150 },
  );
});

test.run();
