// What the torcs of one service share: the decision as a table, and several drivers over one swarm's managers, which refuse
// what is out of sequence as theirs do.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Replica } from '../../src/control/driver.ts';
import { systemClock } from '../../src/core/clock.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SwarmDriver } from '../../src/drivers/swarm/driver.ts';
import { Managers } from '../../src/drivers/swarm/managers.ts';
import type { SwarmServiceSpec } from '../../src/drivers/swarm/objects.ts';
import {
  type Agreement,
  agree,
  differences,
  SHARED,
  type Shared,
  sharedIn,
  WEIGHT,
  weighed,
  weightsIn,
  withShared,
} from '../../src/drivers/swarm/store.ts';
import { type FakeManager, FakeSwarm, fakeManager, node, SPEC, task } from '../support/fake-swarm.ts';
import { waitFor } from '../support/wait.ts';

const store = suite('swarm-store');

const OWN: Shared = { TORC_KEY: 'path', TORC_RING: 'rendezvous' };
const OTHER: Shared = { ...OWN, TORC_RING: 'maglev' };
const specOf = (label: string | undefined, more: Record<string, string> = {}): SwarmServiceSpec => ({
  ...SPEC,
  Labels: { 'somebody.else': 'x', ...(label === undefined ? {} : { [SHARED]: label }), ...more },
});
const saying = (shared: Shared): SwarmServiceSpec => specOf(JSON.stringify(shared));
const RING = 'TORC_RING is rendezvous here, and maglev for the other torcs';

const CASES: readonly (readonly [string, SwarmServiceSpec, Agreement, string])[] = [
  ['nobody has said anything', specOf(undefined), { own: OWN, agreed: null }, 'write'],
  ['the same is said', saying(OWN), { own: OWN, agreed: null }, 'agree'],
  ['a start with another ring', saying(OTHER), { own: OWN, agreed: null }, RING],
  ['ours was changed while it ran', saying(OTHER), { own: OWN, agreed: OTHER }, 'write'],
  ['theirs was changed while it ran', saying(OTHER), { own: OWN, agreed: OWN }, RING],
  [
    'both were changed, to different things',
    saying(OTHER),
    { own: { ...OWN, TORC_RING: 'ring' }, agreed: OWN },
    'TORC_RING is ring here, and maglev for the other torcs',
  ],
  ['both were changed, to the same', saying(OTHER), { own: OTHER, agreed: OWN }, 'agree'],
  ['a newer torc knows a setting more', saying({ TORC_KEY: 'path' }), { own: OWN, agreed: null }, 'write'],
  ['an older torc knows one less', saying(OWN), { own: { TORC_KEY: 'path' }, agreed: null }, 'agree'],
];

for (const [what, spec, agreement, wanted] of CASES) {
  store(`agree: ${what}`, () => {
    const step = agree(spec, agreement);
    assert.is(step.kind === 'differ' ? step.faults.join('; ') : step.kind, wanted);
    if (step.kind !== 'write') return;
    const next = withShared(spec, step.shared);
    assert.equal(agree(next, agreement), { kind: 'agree' });
    assert.is(next.Labels?.['somebody.else'], 'x', 'the labels of others stay');
    assert.equal({ ...next, Labels: null }, { ...spec, Labels: null }, 'and all else');
  });
}

for (const text of ['', '{', '[]', 'null', '7', '{"TORC_RING":7}']) {
  store(`a label that no torc has written is told, never overwritten: ${text || 'empty'}`, () => {
    const step = agree(specOf(text), { own: OWN, agreed: OWN });
    assert.is(step.kind, 'differ');
    assert.match(String(sharedIn(specOf(text))), /docker service update --label-rm torc.shared/);
  });
}

store('one text for one state, and no more than 64 KiB of labels', () => {
  const turned = Object.fromEntries(Object.entries(OWN).reverse());
  assert.equal(withShared(SPEC, turned).Labels, withShared(SPEC, OWN).Labels);
  const full = specOf(undefined, { big: 'x'.repeat(64 * 1024) });
  assert.throws(() => withShared(full, OWN), /labels of web would have \d+ bytes, and 65536 are the most/);
});

store('differences are told by name, in order', () => {
  assert.equal(differences(OWN, { TORC_RING: 'ring', TORC_KEY: 'uri', TORC_ELSE: '1' }), [
    'TORC_KEY is path here, and uri for the other torcs',
    'TORC_RING is rendezvous here, and ring for the other torcs',
  ]);
});

store('weights: 0 to 256 with two decimals at most count, all else does not', () => {
  const texts = { 1: '2', 2: '256', 3: '0', 4: '256.01', 5: '1.5', 6: '-1', 7: '', 8: ' 3', 9: '0.055' };
  const labels = Object.fromEntries(Object.entries(texts).map(([slot, text]) => [`${WEIGHT}${slot}`, text]));
  assert.equal(
    [...weightsIn(specOf(undefined, labels))],
    [
      ['1', 2],
      ['2', 256],
      ['3', 0],
      ['5', 1.5],
    ],
  );
});

store('weights that together cannot be are not taken, and why is told', () => {
  const told = (slots: number, weights: Record<string, string>): [string, string] => {
    const listed = Array.from({ length: slots }, (_, index) => ({ slot: `${index + 1}` }) as Replica);
    const labels = Object.entries(weights).map(([slot, weight]) => [`${WEIGHT}${slot}`, weight]);
    const { replicas, fault } = weighed(listed, specOf(undefined, Object.fromEntries(labels)));
    return [replicas.map(({ weight }) => weight ?? '-').join(' '), fault];
  };
  assert.equal(told(3, { 2: '0', 3: '4', 9: '7' }), ['- 0 4', '']);
  assert.equal(told(2, { 1: '0', 2: '0' })[0], '- -');
  assert.match(told(2, { 1: '0', 2: '0' })[1], 'every slot would have the weight 0');
  const many = Object.fromEntries(Array.from({ length: 26 }, (_, index) => [`${index + 1}`, '256']));
  assert.match(told(26, many)[1], 'make 6656 in all, and 6500 are the most');
  assert.equal(told(0, { 1: '0' }), ['', '']);
});

// Several torcs.

interface Torc {
  readonly driver: SwarmDriver;
  readonly lines: string[];
}

async function withSwarm(
  use: (swarm: FakeSwarm, torcOf: (shared: Shared) => Torc, fakes: FakeManager[]) => Promise<void>,
): Promise<void> {
  const swarm = new FakeSwarm(SPEC);
  swarm.nodes = ['n1', 'n2'].map(id => node(id));
  swarm.tasks = [task('1 t1 n1'), task('2 t2 n2')];
  const fakes = await Promise.all([fakeManager(swarm), fakeManager(swarm), fakeManager(swarm)]);
  let count = 0;
  const torcOf = (shared: Shared): Torc => {
    const lines: string[] = [];
    const say = (_fields: object, text: string): void => void lines.push(text);
    // Each begins with another manager.
    const first = count++ % fakes.length;
    const own = [...fakes.slice(first), ...fakes.slice(0, first)];
    const driver = new SwarmDriver({
      service: 'web',
      definition: null,
      managers: new Managers(
        own.map(({ engine }) => engine),
        systemClock,
      ),
      engine: own[0]!.engine,
      port: null,
      ownNetworks: async () => null,
      reach: 'auto',
      evacuates: false,
      shared,
      nowMs: () => performance.now(),
      wallMs: () => 0,
      log: { debug: () => {}, info: say, warn: say, error: say },
    });
    return { driver, lines };
  };
  try {
    await use(swarm, torcOf, fakes);
  } finally {
    for (const fake of fakes) fake.close();
  }
}

const until = (what: string, condition: () => boolean): Promise<void> =>
  waitFor(condition, { timeoutMs: 20_000, what });
const sharedBy = (swarm: FakeSwarm): unknown => sharedIn(swarm.service.Spec);

store('the first says what it has; one that has other settings is refused, by name', async () => {
  await withSwarm(async (swarm, torcOf) => {
    const first = torcOf(OWN);
    await first.driver.open(() => {});
    await first.driver.list();
    await until('the first to have written', () => sharedBy(swarm) !== null);
    assert.equal(sharedBy(swarm), OWN);
    await torcOf(OWN).driver.open(() => {});
    const error = await torcOf(OTHER)
      .driver.open(() => {})
      .then(
        () => null,
        (each: Error) => each,
      );
    assert.match(String(error?.message), 'TORC_RING is maglev here, and rendezvous for the other torcs');
    assert.match(String(error?.message), '--label-rm torc.shared web');
  });
});

store(
  'a change while they run: the service says it, the others tell it until they are changed too',
  async () => {
    await withSwarm(async (swarm, torcOf) => {
      const [one, other] = [torcOf(OWN), torcOf(OWN)];
      for (const { driver } of [one, other]) await driver.open(() => {});
      await one.driver.list();
      await until('what they share to be written', () => sharedBy(swarm) !== null);
      await one.driver.list();
      await other.driver.list();
      one.driver.configure(OTHER);
      await one.driver.list();
      await until(
        'the change to be written',
        () => JSON.stringify(sharedBy(swarm)) === JSON.stringify(OTHER),
      );
      await one.driver.list();
      await other.driver.list();
      assert.is(one.driver.difference, '');
      assert.is(other.driver.difference, RING);
      await other.driver.list();
      assert.is(other.lines.filter(line => line.includes(RING)).length, 1, 'once');
      other.driver.configure(OTHER);
      await other.driver.list();
      assert.is(other.driver.difference, '');
      assert.equal(sharedBy(swarm), OTHER);
    });
  },
);

store(
  'three at once with other settings each: one is what the service says, and two differ; nothing is written after',
  async () => {
    const random = seededRandom(14);
    for (let round = 0; round < 5; round++) {
      await withSwarm(async (swarm, torcOf) => {
        const rings = ['rendezvous', 'ring', 'maglev'].sort(() => random() - 0.5);
        const torcs = rings.map(TORC_RING => torcOf({ ...OWN, TORC_RING }));
        await Promise.all(torcs.map(({ driver }) => driver.open(() => {})));
        await Promise.all(torcs.map(({ driver }) => driver.list()));
        await until('one to have written', () => sharedBy(swarm) !== null);
        const said = sharedBy(swarm) as Shared;
        await Promise.all(torcs.map(({ driver }) => driver.list()));
        const differing = torcs.filter(({ driver }) => driver.difference !== '').length;
        assert.is(differing, 2);
        const writes = swarm.writeCount;
        for (let look = 0; look < 3; look++) await Promise.all(torcs.map(({ driver }) => driver.list()));
        assert.is(swarm.writeCount, writes);
        assert.equal(sharedBy(swarm), said);
      });
    }
  },
);

store('somebody else writes in between: what they wrote stays, and ours follows', async () => {
  await withSwarm(async (swarm, torcOf) => {
    let others = 0;
    swarm.beforeWrite = () => {
      if (others++ >= 3) return;
      const { Spec } = swarm.service;
      swarm.write({ ...Spec, Labels: { ...Spec.Labels, [`by.another.${others}`]: 'x' } });
    };
    const { driver } = torcOf(OWN);
    await driver.open(() => {});
    await driver.list();
    await until('ours to have followed', () => sharedBy(swarm) !== null);
    assert.equal(Object.keys(swarm.service.Spec.Labels ?? {}).filter(key => key.startsWith('by.')).length, 3);
  });
});

store('weights in labels are the weights of slots', async () => {
  await withSwarm(async (swarm, torcOf) => {
    const { driver } = torcOf(OWN);
    await driver.open(() => {});
    const weights = async (): Promise<unknown> =>
      (await driver.list()).map(({ slot, weight }) => [slot, weight]);
    assert.equal(await weights(), [
      ['1', undefined],
      ['2', undefined],
    ]);
    await until('what it shares to be written', () => sharedBy(swarm) !== null);
    const { Spec } = swarm.service;
    swarm.write({ ...Spec, Labels: { ...Spec.Labels, [`${WEIGHT}2`]: '3' } });
    assert.equal(await weights(), [
      ['1', undefined],
      ['2', 3],
    ]);
  });
});

store(
  "a weight that one torc is told is every torc's; it is written once, and taken back whole",
  async () => {
    await withSwarm(async (swarm, torcOf) => {
      const [one, other] = [torcOf({}), torcOf({})];
      for (const { driver } of [one, other]) await driver.open(() => {});
      const weights = async (): Promise<unknown> =>
        (await other.driver.list()).map(({ weight }) => weight ?? 1).join(' ');
      await one.driver.orders.weigh('2', 0.25);
      assert.is(await weights(), '1 0.25');
      const writes = swarm.writeCount;
      await other.driver.orders.weigh('2', 0.25);
      assert.is(swarm.writeCount, writes, 'it is so already');
      await other.driver.orders.weigh('2', null);
      assert.is(await weights(), '1 1');
      assert.equal(Object.keys(swarm.service.Spec.Labels ?? {}), [], 'no trace');
      swarm.service = { ...swarm.service, UpdateStatus: { State: 'updating' } };
      assert.match(String(await one.driver.orders.weigh('1', 2).catch(String)), 'is being updated');
    });
  },
);

store('labels that cannot be are told once', async () => {
  await withSwarm(async (swarm, torcOf) => {
    const { driver, lines } = torcOf({});
    await driver.open(() => {});
    const { Spec } = swarm.service;
    swarm.write({ ...Spec, Labels: { [`${WEIGHT}1`]: '0', [`${WEIGHT}2`]: '0' } });
    for (let look = 0; look < 3; look++) assert.is((await driver.list())[0]?.weight, undefined);
    assert.is(lines.filter(line => line.includes('nobody would be left')).length, 1);
  });
});

store.run();
