// /admin/hot-keys of a real torc: two workers as one, keys shown by the rule of /requests/ID, and who serves them.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sendMany, startTorc, type Torc } from '../support/torc.ts';

interface HotKeys {
  readonly mode: string;
  readonly keysAre: string;
  readonly requestsPerS: number;
  readonly keylessShare: number;
  readonly keys: readonly {
    readonly key: string;
    readonly cut?: boolean;
    readonly share: number;
    readonly shareNow: number;
    readonly requestsPerS: number;
    readonly slot: string | null;
  }[];
}

const hot = suite('admin/hot-keys');

async function withTorc(settings: Record<string, string>, run: (torc: Torc) => Promise<void>): Promise<void> {
  const torc = await startTorc({ TORC_WORKERS: '2', TORC_REPLICAS: '3', ...settings });
  try {
    await run(torc);
  } finally {
    await torc.close();
  }
}

async function hotKeysOf(torc: Torc, question = ''): Promise<HotKeys> {
  const { status, text } = await torc.get(`/admin/hot-keys${question}`);
  assert.is(status, 200, text);
  return JSON.parse(text) as HotKeys;
}

hot('the busiest of all workers, with share, rate and slot', async () => {
  await withTorc({}, async torc => {
    const { slots } = await sendMany(
      index => `${torc.url}/request?request_id=${index % 4 === 0 ? 7 : 1000 + index}`,
      400,
      16,
    );
    assert.ok(Object.keys(slots).length > 1);
    const { keys, keysAre, requestsPerS, keylessShare } = await hotKeysOf(torc, '?n=3');
    assert.is(keysAre, 'plain');
    assert.is(keys.length, 3);
    assert.is(keys[0]!.key, '7');
    // Exact, whichever worker saw it: the decay is the same for all.
    assert.ok(Math.abs(keys[0]!.share - 0.25) < 0.05, `${keys[0]!.share}`);
    assert.ok(keys[0]!.requestsPerS > requestsPerS / 5);
    assert.is(keylessShare, 0);
    const served = await torc.get('/request?request_id=7');
    assert.is(keys[0]!.slot, served.headers.get('x-served-by'));
    for (const wrong of ['0', '101', 'x', ''])
      assert.is((await torc.get(`/admin/hot-keys?n=${wrong}`)).status, 400);
  });
});

hot('what may be a credential is a hash, the same as in /requests/ID; a long one is cut', async () => {
  const key = 'header:x-session,query:request_id';
  await withTorc({ TORC_KEY: key, TORC_REPLICAS: '1' }, async torc => {
    await torc.get('/', { 'x-session': 'secret' });
    const first = await hotKeysOf(torc);
    assert.is(first.keysAre, 'hashed');
    assert.match(first.keys[0]!.key, /^hash:[0-9a-f]{16}$/);
    const { requests } = JSON.parse((await torc.get('/requests/1')).text) as { requests: string[] };
    assert.is(first.keys[0]!.key, requests[0]);
    // Alike up to the cut, and yet two.
    for (const end of ['a', 'b']) await torc.get('/', { 'x-session': 't'.repeat(4_000) + end });
    const { keys } = await hotKeysOf(torc);
    assert.is(new Set(keys.map(each => each.key)).size, 3);
    assert.is(keys.filter(({ cut }) => cut).length, 2);
  });
  await withTorc({ TORC_KEY: key, TORC_SHOW_KEYS: 'true' }, async torc => {
    await torc.get('/', { 'x-session': 'secret' });
    const { keys, keysAre } = await hotKeysOf(torc);
    assert.is(keysAre, 'plain');
    assert.is(keys[0]!.key, 'secret');
  });
});

hot('TORC_HOT_KEYS: hash hides every key, off counts none', async () => {
  await withTorc({ TORC_HOT_KEYS: 'hash', TORC_SHOW_KEYS: 'true' }, async torc => {
    await torc.get('/request?request_id=7');
    const { keys, mode } = await hotKeysOf(torc);
    assert.is(mode, 'hash');
    assert.match(keys[0]!.key, /^hash:/);
  });
  await withTorc({ TORC_HOT_KEYS: 'off' }, async torc => {
    await torc.get('/request?request_id=7');
    const { keys, mode, requestsPerS } = await hotKeysOf(torc);
    assert.equal([mode, keys, requestsPerS], ['off', [], 0]);
  });
});

hot('requests without a key are no keys, and none is a label of a metric', async () => {
  await withTorc({ TORC_KEY: 'query:request_id' }, async torc => {
    await sendMany(index => `${torc.url}/home?x=${index}`, 40, 8);
    for (let left = 10; left > 0; left--) await torc.get('/request?request_id=showme');
    const { keys, keylessShare } = await hotKeysOf(torc);
    assert.equal(
      keys.map(({ key }) => key),
      ['showme'],
    );
    assert.ok(Math.abs(keylessShare - 0.8) < 0.05, `${keylessShare}`);
    assert.not.match((await torc.get('/metrics')).text, /showme/);
  });
});

hot.run();
