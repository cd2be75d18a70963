// The digest that operators compare: as documented, to be computed by anybody, and another one for all that moves a key.

import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Placement, placementDigest, placementText } from '../../src/ring/digest.ts';

const digest = suite('ring/digest');

const PLACEMENT: Placement = {
  algorithm: 'rendezvous',
  rows: 65_536,
  key: 'query:request_id,path',
  slots: [{ name: '10' }, { name: '2', weight: 3 }, { name: 'web-0.app:80', serverId: 1 }],
};

digest('is of a text that anybody can write, by sha256sum and sort', () => {
  const text = 'torc ring 1\nrendezvous 65536\nquery:request_id,path\n10 1\n2 3\nweb-0.app:80 1\n';
  assert.is(placementText(PLACEMENT), text);
  assert.is(placementDigest(PLACEMENT), '03ca0efd862a97be');
  const sorted = execFileSync('sort', {
    input: '2 3\nweb-0.app:80 1\n10 1\n',
    env: { LC_ALL: 'C' },
  }).toString();
  assert.ok(text.endsWith(sorted));
  const sum = execFileSync('sha256sum', { input: text }).toString();
  assert.is(sum.slice(0, 16), placementDigest(PLACEMENT));
});

digest('does not know in what order slots came, nor how the key is spaced', () => {
  const same = { ...PLACEMENT, slots: [...PLACEMENT.slots].reverse(), key: 'query:request_id, path' };
  assert.is(placementDigest(same), placementDigest(PLACEMENT));
});

digest('another ring, number of rows, key, name or weight is another digest', () => {
  const others: Partial<Placement>[] = [
    { algorithm: 'maglev' },
    { rows: 512 },
    { key: 'path' },
    { slots: PLACEMENT.slots.slice(1) },
    { slots: [...PLACEMENT.slots, { name: '1' }] },
    { slots: [{ name: '10', weight: 2 }, ...PLACEMENT.slots.slice(1)] },
  ];
  const all = [PLACEMENT, ...others.map(other => ({ ...PLACEMENT, ...other }))].map(placementDigest);
  assert.is(new Set(all).size, all.length);
});

digest('an exact circle has ids or places, and no rows of its own number; the others know neither', () => {
  const nginx: Placement = { ...PLACEMENT, algorithm: 'nginx' };
  const text = 'torc ring 1\nnginx\nquery:request_id,path\n10 1 -\n2 3 -\nweb-0.app:80 1 1\n';
  assert.is(placementText(nginx), text);
  assert.is(placementDigest({ ...nginx, rows: 7 }), placementDigest(nginx));
  const placed = PLACEMENT.slots.map((slot, index) => ({ ...slot, serverId: index }));
  assert.is.not(placementDigest({ ...nginx, slots: placed }), placementDigest(nginx));
  assert.is(placementDigest({ ...PLACEMENT, slots: placed }), placementDigest(PLACEMENT));
});

digest.run();
