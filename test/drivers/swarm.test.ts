// The swarm driver: tasks as replicas and writes as functions of a specification, then its managers in every mood, on servers
// that answer as theirs do. What real engines make of it is in test/swarm/.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Replica } from '../../src/control/driver.ts';
import { systemClock } from '../../src/core/clock.ts';
import { SwarmDriver, type SwarmDriverOptions } from '../../src/drivers/swarm/driver.ts';
import { Memory, namedBy } from '../../src/drivers/swarm/gossip.ts';
import { placedBy } from '../../src/drivers/swarm/last-list.ts';
import { Managers } from '../../src/drivers/swarm/managers.ts';
import { Nodes } from '../../src/drivers/swarm/nodes.ts';
import type { SwarmService, SwarmServiceSpec } from '../../src/drivers/swarm/objects.ts';
import { type Here, portOf, replicasOf } from '../../src/drivers/swarm/task.ts';
import {
  EVACUATED,
  evacuated,
  evacuatedNodes,
  evacuationRefusal,
  putBack,
  scaled,
  UPDATE_CONFIG,
  updated,
} from '../../src/drivers/swarm/write.ts';
import { type FakeManager, FakeSwarm, fakeManager, node, SPEC, task } from '../support/fake-swarm.ts';

const test = suite('swarm');

const NODES = new Map(['n1', 'n2', 'n3'].map(id => [id, node(id)]));
const HERE: Here = {
  networks: null,
  reach: 'auto',
  port: 8080,
  nodes: NODES,
  hostPort: null,
  known: new Map(),
};
const inWords = ({ slot, id, generation, status, host, port, ended = '' }: Replica): string =>
  `${slot} ${id} ${generation} ${status}${host === '' ? '' : ` ${host}:${port}`}${ended === '' ? '' : ` (${ended})`}`;
const listed = (tasks: ReturnType<typeof task>[], here: Partial<Here> = {}): string[] =>
  replicasOf(tasks, 'web', { ...HERE, ...here }).map(inWords);

// Tasks.

test("a slot is Swarm's number, with gaps, in order of numbers", () => {
  assert.equal(listed([task('10 t3 n1'), task('2 t1 n2'), task('4 t2 n3')]), [
    '2 t1 1 running 10.9.0.2:30000',
    '4 t2 1 running 10.9.0.3:30000',
    '10 t3 1 running 10.9.0.1:30000',
  ]);
});

test('of two in one slot the newer is of the higher generation, wherever it stands in the list', () => {
  assert.equal(
    listed([task('1 t5 n2'), task('1 t2 n1')]).map(text => text.split(' ').slice(0, 3).join(' ')),
    ['1 t2 1', '1 t5 2'],
  );
});

test('what does not run yet keeps its slot and says what it is doing', () => {
  const Status = { State: 'rejected', Message: 'preparing', Err: 'No such image: app:2' };
  assert.equal(listed([task('1 t1 n1', { DesiredState: 'ready' }), task('2 t2 n1', { Status })]), [
    '1 t1 1 stopped (its task is running)',
    '2 t2 1 stopped (its task is rejected: No such image: app:2)',
  ]);
});

test('running, and no port known yet: it waits for the next list', () => {
  const Status = { State: 'running', PortStatus: {} };
  assert.match(
    listed([task('1 t1 n1', { Status })])[0]!,
    /^1 t1 1 stopped \(it cannot be reached: .*--publish-add mode=host,target=8080/,
  );
});

test('a running task that is listed without its port, after a change of leader, is where it was', () => {
  const Status = { State: 'running', PortStatus: {} };
  const known = new Map([['t1', { host: '10.9.0.1', port: 30_000 }]]);
  assert.equal(listed([task('1 t1 n1', { Status })], { known }), ['1 t1 1 running 10.9.0.1:30000']);
  assert.equal(listed([task('1 t1 n1', { Status })], { hostPort: 80 }), ['1 t1 1 running 10.9.0.1:80']);
});

test('reached by the overlay where torc is on it too, and by nothing else where that is asked', () => {
  const networks = new Set(['ov-id']);
  assert.equal(listed([task('1 t7 n1')], { networks }), ['1 t7 1 running 10.0.1.7:8080']);
  assert.equal(listed([task('1 t7 n1')], { networks, reach: 'published' }), [
    '1 t7 1 running 10.9.0.1:30000',
  ]);
  assert.match(
    listed([task('1 t7 n1')], { networks: new Set(['other']), reach: 'ip' })[0]!,
    "torc's container is on none of its networks (ov): run torc in a container on ov (attachable), or publish",
  );
});

test('a node without an address, and one that is not known yet', () => {
  for (const nodes of [
    new Map(),
    new Map([['n1', { ...node('n1'), Status: { State: 'ready', Addr: '0.0.0.0' } }]]),
  ])
    assert.match(listed([task('1 t1 n1')], { nodes })[0]!, 'join with --advertise-addr');
});

test('the port: what a setting says, a label, the one that is published; else it is asked for', () => {
  assert.is(portOf(SPEC, 90), 90);
  assert.is(portOf({ ...SPEC, Labels: { 'torc.port': '3000' } }, null), 3000);
  assert.is(portOf(SPEC, null), 8080);
  const Ports = [{ TargetPort: 80 }, { TargetPort: 443 }, { TargetPort: 53, Protocol: 'udp' }];
  assert.match(
    (portOf({ ...SPEC, EndpointSpec: { Ports } }, null) as { fault: string }).fault,
    'publishes several (80, 443): set TORC_REPLICA_PORT',
  );
  assert.match((portOf({ ...SPEC, EndpointSpec: {} }, null) as { fault: string }).fault, 'publishes no port');
});

// Writes.

const service = (Spec: SwarmServiceSpec, State?: string): SwarmService => ({
  ID: 'service-1',
  Version: { Index: 7 },
  Spec,
  ...(State === undefined ? {} : { UpdateStatus: { State } }),
});
const USERS: SwarmServiceSpec = {
  ...SPEC,
  Labels: { team: 'a' },
  TaskTemplate: { ...SPEC.TaskTemplate, Placement: { Constraints: ['node.role==worker'], MaxReplicas: 4 } },
  UpdateConfig: { Parallelism: 2, Order: 'stop-first', FailureAction: 'pause', Monitor: 9 },
};
const AT_MS = Date.parse('2026-11-30T16:00:00Z');

test('scaling changes the number alone, an update image and ways to update alone', () => {
  assert.equal(scaled(USERS, 5), { ...USERS, Mode: { Replicated: { Replicas: 5 } } });
  const next = updated(USERS, 'app:2')!;
  assert.is(next.TaskTemplate.ContainerSpec?.Image, 'app:2');
  assert.equal(next.TaskTemplate.Placement, USERS.TaskTemplate.Placement);
  assert.equal(next.UpdateConfig, { ...USERS.UpdateConfig, Order: 'start-first', FailureAction: 'rollback' });
  const pinned = { ...USERS, TaskTemplate: { ContainerSpec: { Image: 'app:2@sha256:00ff' } } };
  assert.is(updated(pinned, 'app:2'), null, 'it runs that already');
});

test('an evacuation adds one constraint; what it took is put back word for word', () => {
  for (const before of [USERS, SPEC]) {
    const during = evacuated(before, 'n2', AT_MS)!;
    const kept = before.TaskTemplate.Placement?.Constraints ?? [];
    assert.equal(during.TaskTemplate.Placement?.Constraints, [...kept, 'node.id!=n2']);
    assert.is(during.UpdateConfig?.Order, 'start-first');
    assert.is(during.UpdateConfig?.Parallelism, 0, 'all at once');
    assert.is(during.TaskTemplate.ForceUpdate, undefined, 'nobody else is touched');
    assert.is(evacuated(during, 'n2', AT_MS), null, 'once');
    assert.is(
      putBack(service(during, 'updating'), () => true),
      null,
      'not while tasks move',
    );
    const settled = putBack(service(during, 'completed'), () => false)!;
    assert.equal(
      settled.UpdateConfig,
      before.UpdateConfig,
      "the user's way to update is back when the move is over",
    );
    assert.equal(evacuatedNodes(settled), ['n2']);
    assert.is(
      putBack(service(settled), () => false),
      null,
    );
    const after = putBack(service(settled), () => true)!;
    const { 'torc.last-evacuation': last, ...labels } = after.Labels!;
    assert.equal(labels, before.Labels);
    assert.is(last, new Date(AT_MS).toISOString(), 'when, for the next one to wait a minute');
    assert.equal(after.UpdateConfig, before.UpdateConfig);
    assert.equal(after.TaskTemplate.Placement?.Constraints, kept);
  }
});

test("the second evacuation keeps what was the user's, not what was the first's", () => {
  const twice = evacuated(evacuated(USERS, 'n1', AT_MS)!, 'n2', AT_MS + 60_000)!;
  assert.equal(JSON.parse(twice.Labels![UPDATE_CONFIG]!), USERS.UpdateConfig);
  assert.equal(putBack(service(twice), id => id === 'n1')!.TaskTemplate.Placement?.Constraints, [
    'node.role==worker',
    'node.id!=n2',
  ]);
});

test('what the user writes while a node is away stays', () => {
  const mine = { Parallelism: 3, Order: 'start-first', FailureAction: 'pause', Monitor: 5 };
  const during = { ...evacuated(USERS, 'n2', AT_MS)!, UpdateConfig: mine };
  assert.equal(putBack(service(during), () => true)!.UpdateConfig, mine);
});

test('never the last node, never two in a minute, never into an update', () => {
  const nodes = [node('n1'), node('n2'), node('n3')];
  const when = { wallMs: AT_MS, perMs: 60_000 };
  const first = evacuated(SPEC, 'n1', AT_MS - 59_000)!;
  const long = evacuated(SPEC, 'n1', AT_MS - 61_000)!;
  const refusals: [SwarmService, typeof nodes, string | null][] = [
    [service(SPEC), nodes, null],
    [service(SPEC), [node('n2'), node('n3', 'down')], 'no other node is there'],
    [service(SPEC), [node('n2'), node('n3', 'ready', 'drain')], 'no other node is there'],
    [service(long), [node('n1'), node('n2')], 'no other node is there'],
    [service(first), nodes, 'another node was evacuated within this minute'],
    [service(long), nodes, null],
    [service(SPEC), [node('n1', 'unknown'), node('n2', 'unknown')], null],
    [service(SPEC, 'updating'), nodes, 'the service is being updated'],
  ];
  for (const [now, all, why] of refusals) assert.is(evacuationRefusal(now, all, 'n2', when), why);
});

// Gossip.

test("gossip names tasks by service, slot and id; others' names mean nothing", () => {
  const named = (Name: string) => namedBy({ Name, EndpointIP: '10.0.1.4' }, 'web');
  assert.equal(named('web.7.abc'), { id: 'abc', slot: '7', host: '10.0.1.4', place: '' });
  for (const other of ['web', 'web.7', 'web.x.abc', 'web2.7.abc', 'my.web.7.abc', 'web.7.abc.d'])
    assert.is(named(other), null, other);
});

test('who is not named for a while is kept; for a minute, gone', () => {
  const memory = new Memory();
  const named = (id: string) => ({ id, slot: '1', host: 'h', place: '' });
  const ids = (names: readonly string[], nowMs: number) =>
    memory.heard(names.map(named), nowMs).map(one => one.named.id);
  assert.equal(ids(['a', 'b'], 0), ['a', 'b']);
  assert.equal(ids(['b'], 45_000), ['a', 'b'], 'longest after a partition (measured)');
  assert.equal(ids(['b', 'c'], 61_000), ['b', 'c']);
});

// Managers.

async function withManagers(
  count: number,
  use: (managers: Managers, swarm: FakeSwarm, fakes: FakeManager[]) => Promise<void>,
): Promise<void> {
  const swarm = new FakeSwarm(SPEC);
  const fakes = await Promise.all(Array.from({ length: count }, () => fakeManager(swarm)));
  try {
    await use(
      new Managers(
        fakes.map(({ engine }) => engine),
        systemClock,
      ),
      swarm,
      fakes,
    );
  } finally {
    for (const fake of fakes) fake.close();
  }
}

test('a manager that hangs, has no leader or is none: the next one is asked, and first from then on', async () => {
  for (const mood of ['hang', 'leaderless', 'worker'] as const)
    await withManagers(2, async (managers, _swarm, [first, second]) => {
      first!.mood = mood;
      assert.is((await managers.service('web'))?.ID, 'service-1', mood);
      assert.is(managers.current, second!.engine, mood);
    });
});

test('nobody answers: it says so, and the next call begins with another', async () => {
  await withManagers(2, async (managers, _swarm, fakes) => {
    for (const fake of fakes) fake.mood = 'leaderless';
    await managers.nodes().then(
      () => assert.unreachable('nobody has a leader'),
      (error: Error) =>
        assert.match(error.message, 'cannot list the nodes: rpc error: The swarm does not have a leader'),
    );
    assert.is(managers.current, fakes[1]!.engine);
  });
});

const setLabel =
  (name: string) =>
  (now: SwarmService): SwarmServiceSpec => ({
    ...now.Spec,
    Labels: { ...now.Spec.Labels, [name]: 'x' },
  });

test('somebody else writes in between: read again, and both writes are there', async () => {
  await withManagers(1, async (managers, swarm, [fake]) => {
    let others = 3;
    swarm.beforeWrite = () => {
      if (others-- > 0) swarm.write(setLabel(`other-${others}`)(swarm.service));
    };
    await managers.change('web', setLabel('mine'));
    assert.equal(Object.keys(swarm.service.Spec.Labels!).sort(), ['mine', 'other-0', 'other-1', 'other-2']);
    const writes = fake!.asked.filter(text => text.startsWith('POST'));
    assert.equal(
      writes,
      [1, 2, 3, 4].map(version => `POST /services/service-1/update?version=${version}`),
      'nothing of it is in the address',
    );
  });
});

test('a write that was not answered, and happened, is not done twice', async () => {
  await withManagers(2, async (managers, swarm, [first]) => {
    first!.mood = 'lossy';
    const driver = driverOf(managers, first!);
    assert.is(await driver.orders.scale(2), 5);
    assert.is(swarm.writeCount, 1);
    assert.is(swarm.service.Spec.Mode?.Replicated?.Replicas, 5);
  });
});

test('a write that did not happen is done with the next manager', async () => {
  await withManagers(2, async (managers, swarm, [first]) => {
    const isFirst = { value: true };
    await managers.change('web', now => {
      // It has just answered the read.
      if (isFirst.value) first!.mood = 'leaderless';
      isFirst.value = false;
      return setLabel('mine')(now);
    });
    assert.is(swarm.writeCount, 1);
    assert.ok(swarm.service.Spec.Labels?.mine);
  });
});

// The driver.

const QUIET = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function driverOf(
  managers: Managers,
  { engine }: FakeManager,
  more: Partial<SwarmDriverOptions> = {},
): SwarmDriver {
  return new SwarmDriver({
    service: 'web',
    definition: null,
    managers,
    engine,
    port: null,
    ownNetworks: async () => null,
    reach: 'auto',
    evacuates: true,
    shared: {},
    nowMs: () => performance.now(),
    wallMs: () => AT_MS,
    log: QUIET,
    ...more,
  });
}

/** A driver in a container on the tasks' network, and what its list says of each: slot, id, generation, address, machine. */
async function withOverlay(
  use: (
    driver: SwarmDriver,
    told: () => Promise<string[]>,
    swarm: FakeSwarm,
    fake: FakeManager,
  ) => Promise<void>,
  more: Partial<SwarmDriverOptions> = {},
): Promise<void> {
  await withManagers(1, async (managers, swarm, [fake]) => {
    swarm.nodes = [node('n1'), node('n2')];
    swarm.tasks = [task('1 t1 n1'), task('2 t2 n2')];
    const ownNetworks = async () => new Set(['ov-id']);
    const driver = driverOf(managers, fake!, { ownNetworks, ...more });
    const told = async () =>
      (await driver.list()).map(
        ({ slot, id, generation, host, place }) =>
          `${slot} ${id} ${generation} ${host} ${place?.name ?? '-'}`,
      );
    await use(driver, told, swarm, fake!);
  });
}

test('managers answer no more: gossip adds tasks that were made since, and takes none away', async () => {
  await withOverlay(async (driver, told, swarm, fake) => {
    swarm.gossip = ['1 t1 10.0.1.1 10.9.0.1', '2 t2 10.0.1.2 10.9.0.2'];
    await driver.open(() => {});
    const before = ['1 t1 1 10.0.1.1 host-n1', '2 t2 1 10.0.1.2 host-n2'];
    assert.equal(await told(), before);
    swarm.tasks = [task('1 t1 n1'), task('2 t3 n2')];
    const now = ['1 t1 1 10.0.1.1 host-n1', '2 t3 1 10.0.1.3 host-n2'];
    assert.equal(await told(), now);
    fake.mood = 'leaderless';
    // t2 is named for a while yet, t3 is forgotten for another while (both measured); 1 moved, and there is one more.
    swarm.gossip = ['2 t2 10.0.1.2 10.9.0.2', '1 t4 10.0.1.4 10.9.0.2', '3 t5 10.0.1.5 10.9.0.7'];
    assert.equal(await told(), [now[0], '1 t4 2 10.0.1.4 host-n2', now[1], '3 t5 1 10.0.1.5 -']);
    assert.match(driver.trouble, /does not have a leader.*gossip beside those of the last list/);
    fake.mood = 'well';
    assert.equal(await told(), now, 'managers know better');
    assert.is(driver.trouble, '');
  });
});

test('managers answer no more, and gossip names nobody: nothing is listed, and why', async () => {
  await withOverlay(async (driver, told, _swarm, fake) => {
    await driver.open(() => {});
    await told();
    fake.mood = 'leaderless';
    assert.match(String(await driver.list().catch(String)), 'does not have a leader');
  });
});

test('a torc that starts while managers know no leader begins by gossip, with TORC_REPLICA_PORT', async () => {
  const starts = async (port: number | null, gossip: string[]): Promise<string[] | string> => {
    let found: string[] | string = '';
    await withOverlay(
      async (driver, told, swarm, fake) => {
        fake.mood = 'leaderless';
        swarm.gossip = gossip;
        found = await driver.open(() => {}).then(told, (error: Error) => error.message);
        fake.mood = 'well';
        if (typeof found !== 'string') assert.is((await told()).length, 2, 'and goes on by managers');
      },
      { port },
    );
    return found;
  };
  const gossip = ['2 t2 10.0.1.2 10.9.0.2'];
  assert.equal(await starts(8080, gossip), ['2 t2 1 10.0.1.2 -']);
  assert.match(String(await starts(null, gossip)), 'does not have a leader');
  assert.match(String(await starts(8080, [])), 'does not have a leader');
});

test("gossip's machines are addresses, which a node is looked up by", () => {
  const replica = { place: { id: '10.9.0.2', name: '10.9.0.2' } } as Replica;
  assert.equal(placedBy(replica, [...NODES.values()]).place, { id: 'n2', name: 'host-n2' });
  assert.is(
    placedBy({ place: { id: '10.9.0.9', name: 'x' } } as Replica, [...NODES.values()]).place,
    undefined,
  );
});

test('at the end goes what torc made; a start that fails leaves what an earlier run made', async () => {
  const definition = { owner: 'me', image: 'app:1', replicas: 2, project: null };
  for (const [found, how, isRemoved] of [
    ['nothing', { remove: true }, true],
    ['nothing', { remove: true, hasServed: false }, true],
    ['nothing', { remove: false }, false],
    ['its own', { remove: true, hasServed: true }, true],
    ['its own', { remove: true, hasServed: false }, false],
    ["another's", { remove: true }, false],
  ] as const)
    await withManagers(1, async (managers, swarm, [fake]) => {
      swarm.isRemoved = found === 'nothing';
      if (found === 'its own')
        swarm.service = {
          ...swarm.service,
          Spec: { ...SPEC, Labels: { ...SPEC.Labels, 'torc.owner': 'me' } },
        };
      const driver = driverOf(managers, fake!, { definition, port: 8080 });
      await driver.open(() => {});
      await driver.close(how);
      assert.is(swarm.isRemoved, isRemoved, `${found}, ${JSON.stringify(how)}`);
    });
});

test('it lists the tasks; a service that is gone or a swarm that does not answer is no empty list', async () => {
  await withManagers(1, async (managers, swarm, [fake]) => {
    swarm.nodes = [...NODES.values()];
    swarm.tasks = [task('1 t1 n1'), task('2 t2 n2')];
    const driver = driverOf(managers, fake!);
    await driver.open(() => {});
    assert.equal((await driver.list()).map(inWords), [
      '1 t1 1 running 10.9.0.1:30000',
      '2 t2 1 running 10.9.0.2:30000',
    ]);
    assert.equal((await driver.list())[0]!.place, { id: 'n1', name: 'host-n1' });
    fake!.mood = 'leaderless';
    await driver.list().then(
      () => assert.unreachable('it has no list'),
      () => {},
    );
  });
});

test('it takes no service that is not there or not replicated', async () => {
  await withManagers(1, async (managers, swarm, [fake]) => {
    const refused = (driver: SwarmDriver): Promise<string> =>
      driver
        .open(() => {})
        .then(
          () => '',
          (error: Error) => error.message,
        );
    swarm.write({ ...SPEC, Mode: { Global: {} } });
    assert.match(await refused(driverOf(managers, fake!)), 'the service web is not replicated');
  });
});

test('the last task stays; a rollout waits for a move', async () => {
  await withManagers(1, async (managers, swarm, [fake]) => {
    const { orders } = driverOf(managers, fake!);
    const why = (call: Promise<unknown>): Promise<string> =>
      call.then(
        () => '',
        (error: Error) => error.message,
      );
    assert.match(await why(orders.scale(-3)), 'keeps one task at least');
    swarm.write(evacuated(SPEC, 'n1', AT_MS)!);
    assert.match(await why(orders.update('app:2')), "a lost node's tasks are being moved");
  });
});

test('of several that see a node lost one writes, and the others find it done', async () => {
  await withManagers(3, async (_managers, swarm, fakes) => {
    swarm.nodes = [...NODES.values()];
    const torcs = fakes.map(fake => driverOf(new Managers([fake.engine], systemClock), fake));
    const results = await Promise.all(
      torcs.map(({ orders }) => orders.evacuate!({ id: 'n2', name: 'host-n2' }, performance.now())),
    );
    assert.equal(results, [null, null, null]);
    assert.is(swarm.writeCount, 1);
    assert.ok(swarm.service.Spec.Labels?.[`${EVACUATED}n2`]);
    const second = await torcs[1]!.orders.evacuate!({ id: 'n3', name: 'host-n3' }, performance.now());
    assert.is(
      second,
      'the tasks of node host-n3 are not moved: another node was evacuated within this minute',
    );
  });
});

test('a silence of long ago is asked about again before its node is evacuated', async () => {
  await withManagers(1, async (managers, swarm, [fake]) => {
    // It refuses connections: somebody is there.
    swarm.nodes = [{ ...node('n1'), Status: { State: 'ready', Addr: '127.0.0.1' } }, node('n2')];
    swarm.tasks = [task('1 t1 n1'), task('2 t2 n2')];
    const driver = driverOf(managers, fake!);
    await driver.open(() => {});
    await driver.list();
    const before = swarm.writeCount;
    const place = { id: 'n1', name: 'host-n1' };
    const refusal = await driver.orders.evacuate!(place, performance.now() - 5_000);
    assert.is(refusal, 'the tasks of node host-n1 are not moved: it answers again');
    assert.is(swarm.writeCount, before);
    assert.is(await driver.orders.evacuate!(place, performance.now()), null);
    assert.ok(swarm.writeCount > before);
    await driver.close({ remove: false });
  });
});

test('a node is back when it has been ready for half a minute without a break', async () => {
  await withManagers(1, async (managers, swarm) => {
    let nowMs = 0;
    const nodes = new Nodes(managers, () => nowMs);
    const see = async (state: string, atMs: number): Promise<boolean> => {
      nowMs = atMs;
      swarm.nodes = [node('n1'), node('n2', state)];
      await nodes.read();
      return nodes.isBack('n2');
    };
    await see('ready', 0);
    nodes.watch(['n2']);
    assert.is(await see('ready', 1_000), false, 'its death may not be known yet');
    assert.is(await see('ready', 30_999), false);
    assert.is(await see('unknown', 31_500), false, 'no leader: nobody is known to be there');
    assert.is(await see('ready', 32_000), false, 'counted anew');
    assert.is(await see('ready', 62_000), true);
    swarm.nodes = [node('n1')];
    await nodes.read();
    assert.is(nodes.isBack('n2'), true, 'it has left the swarm: nothing is barred by it');
  });
});

test.run();
