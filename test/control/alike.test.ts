// Two torcs that see the same list route alike, always: whatever slots each had before, in which order they came, with which
// weights in between, whether one was started again. 1,000 pairs of random histories for every ring, from one seed: the whole
// tables are compared by name, and the keys 0 to 99,999 are picked, some slots being out.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { pickableOf } from '../../src/admin/explain.ts';
import { Publisher } from '../../src/control/publish.ts';
import { newMember, type Slot, Slots } from '../../src/control/slots.ts';
import { seededRandom } from '../../src/core/random.ts';
import {
  isCircle,
  knowsWeights,
  RINGS,
  type RingAlgorithm,
  type SnapshotMessage,
} from '../../src/core/types.ts';
import { circleOf } from '../../src/ring/circle.ts';
import { placementDigest } from '../../src/ring/digest.ts';
import { keyHashFor } from '../../src/ring/hash.ts';
import { NONE } from '../../src/ring/table.ts';
import { pick } from '../../src/routing/pick.ts';

const alike = suite('control/alike');
const HISTORIES = 1_000;
const KEYS_EACH = 100;
const ROWS = 512;
const MOST_STEPS = 6;
const CHANGE = { atMs: 0, cause: 'listed', source: 'listing' } as const;

/** Numbers with gaps, addresses, pods: of all sorts that a list may have. */
const NAMES = Array.from({ length: 24 }, (_, index) =>
  index % 3 === 0 ? `${index + 1}` : index % 3 === 1 ? `10.0.0.${index}:80` : `web-${index}.app:8080`,
);

interface Listed {
  readonly name: string;
  readonly weight: number;
  readonly serverId: number | null;
}

/** One torc: its own slots, ids and tables. */
class Torc {
  readonly #algorithm: RingAlgorithm;
  #slots = new Slots();
  #publisher: Publisher;

  constructor(algorithm: RingAlgorithm) {
    this.#algorithm = algorithm;
    this.#publisher = new Publisher(algorithm, ROWS);
  }

  list(listed: readonly Listed[]): void {
    for (const slot of this.#slots.serving())
      if (!listed.some(({ name }) => name === slot.name)) this.#slots.remove(slot);
    for (const { name, weight, serverId } of listed) {
      const slot = this.#slots.get(name) ?? this.#added(name);
      Object.assign(slot, { weight, serverId });
    }
  }

  #added(name: string): Slot {
    const slot = this.#slots.add(name, CHANGE, false);
    const replica = { id: `r-${name}`, slot: name, generation: 1, spare: false, status: 'running' } as const;
    slot.member = newMember({ ...replica, host: '10.0.0.1', port: 80, label: name }, 0, 0);
    slot.member.state = 'ready';
    return slot;
  }

  restart(listed: readonly Listed[]): void {
    this.#slots = new Slots();
    this.#publisher = new Publisher(this.#algorithm, ROWS);
    this.list(listed);
  }

  published(): SnapshotMessage {
    this.#publisher.update(this.#slots.listed());
    return this.#publisher.snapshot;
  }

  digest(): string {
    const { algorithm, rows } = this.published();
    return placementDigest({ algorithm, rows, key: 'path', slots: this.#slots.listed() });
  }
}

class Pair {
  readonly #random: () => number;
  readonly #algorithm: RingAlgorithm;

  constructor(algorithm: RingAlgorithm, random: () => number) {
    this.#algorithm = algorithm;
    this.#random = random;
  }

  #upTo(most: number): number {
    return Math.floor(this.#random() * most);
  }

  #shuffled<T>(items: readonly T[]): T[] {
    return items
      .map(item => ({ item, at: this.#random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
  }

  list(): Listed[] {
    const most = this.#algorithm === 'seed' ? 10 : 14;
    return this.#shuffled(NAMES)
      .slice(0, 1 + this.#upTo(most))
      .map((name, place) => ({
        name,
        weight: knowsWeights(this.#algorithm) && this.#upTo(2) === 0 ? 1 + this.#upTo(3) : 1,
        // Lists of a file know their places; a swarm's do not.
        serverId: isCircle(this.#algorithm) && this.#upTo(2) === 0 ? 100 + place : null,
      }));
  }

  /** Whatever comes before the list that both see. */
  torcAt(listed: readonly Listed[]): Torc {
    const torc = new Torc(this.#algorithm);
    for (let steps = this.#upTo(MOST_STEPS); steps > 0; steps--) {
      const other = this.list();
      if (this.#upTo(4) === 0) torc.restart(other);
      else torc.list(other);
      if (this.#upTo(3) === 0) torc.published();
    }
    if (this.#upTo(4) === 0) torc.restart(this.#shuffled(listed));
    else torc.list(this.#shuffled(listed));
    return torc;
  }
}

/** The table with names in place of ids. */
function namesOf({ choices }: SnapshotMessage, upstreams: SnapshotMessage['upstreams']): string {
  const rankOf = new Map(upstreams.map(({ slotId }, rank) => [slotId, rank]));
  return choices!.map(id => (id === NONE ? NONE : rankOf.get(id)!)).join();
}

for (const algorithm of RINGS) {
  alike(`${algorithm}: ${HISTORIES} pairs of histories that end with one list`, () => {
    const random = seededRandom(20_261_130);
    const pair = new Pair(algorithm, random);
    const keyHash = keyHashFor(algorithm);
    let otherIds = 0;
    for (let history = 0; history < HISTORIES; history++) {
      const listed = pair.list();
      const [one, other] = [pair.torcAt(listed), pair.torcAt(listed)];
      const [a, b] = [one.published(), other.published()];
      const where = `history ${history}`;
      assert.equal(
        a.upstreams.map(({ slot }) => slot),
        b.upstreams.map(({ slot }) => slot),
        where,
      );
      assert.is(namesOf(a, a.upstreams), namesOf(b, b.upstreams), where);
      assert.equal(a.points, b.points, where);
      assert.is(one.digest(), other.digest(), where);
      if (a.checksum !== b.checksum) otherIds++;
      const out = new Set(listed.filter(() => random() < 0.5).map(({ name }) => name));
      const [left, right] = [a, b].map(({ upstreams, ...rest }) =>
        pickableOf({
          ...rest,
          upstreams: upstreams.map(each => (out.has(each.slot) ? { ...each, state: 'suspect' } : each)),
        }),
      ) as [ReturnType<typeof pickableOf>, ReturnType<typeof pickableOf>];
      const nameOf = ({ upstreams }: SnapshotMessage, id: number): string =>
        upstreams.find(({ slotId }) => slotId === id)?.slot ?? 'nobody';
      for (let at = 0; at < KEYS_EACH; at++) {
        const key = String(history * KEYS_EACH + at);
        const hash = keyHash(key, 0, key.length);
        const [mine, yours] = [pick(left, hash, [], 0, 0), pick(right, hash, [], 0, 0)];
        assert.is(nameOf(a, mine), nameOf(b, yours), `${where}: key ${key}`);
      }
    }
    assert.ok(otherIds > HISTORIES / 4, `only ${otherIds} pairs had other ids: the histories say nothing`);
  });
}

alike('equal points of a circle: the order of a list, else of names; never that of ids', () => {
  const one = { name: 'b', serverId: null };
  const two = { name: 'a', serverId: null };
  const ownerOf = (slots: Parameters<typeof circleOf>[0]): string => {
    const id = circleOf(slots, () => [7], 'first of equals').choices[0];
    return slots.find(slot => slot.id === id)!.name;
  };
  for (const [id, other] of [
    [0, 1],
    [1, 0],
  ] as const) {
    assert.is(
      ownerOf([
        { ...one, id },
        { ...two, id: other },
      ]),
      'a',
    );
    assert.is(
      ownerOf([
        { ...one, id, serverId: 1 },
        { ...two, id: other, serverId: 2 },
      ]),
      'b',
    );
    assert.is(
      ownerOf([
        { ...one, id, serverId: 1 },
        { ...two, id: other },
      ]),
      'b',
    );
  }
});

alike.run();
