// What is rolled out is what the settings say, also where they go back while another version is on its way or has failed.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Rolled } from '../../src/drivers/rolled.ts';
import type { VersionFile } from '../../src/drivers/version-file.ts';

const test = suite('rolled');
const nothing = { recall: () => null, remember: () => {}, forget: () => {} } as unknown as VersionFile;
const define = async (name: string) => ({ name, definition: {} });
const change = (rolled: Rolled, setting: string, isRollingOut = false) =>
  rolled.change({ image: setting }, setting, isRollingOut, define);

test('the same is nothing, another is rolled out, and the same again on its way is nothing', async () => {
  const rolled = new Rolled({ image: 'a' }, 'a', nothing);
  assert.is((await change(rolled, 'a')).version, null);
  const next = await change(rolled, 'b');
  assert.is(next.version?.name, 'b');
  next.apply();
  assert.is((await change(rolled, 'b', true)).version, null);
  assert.is((await change(rolled, 'b')).version?.name, 'b', 'it has failed: again');
  rolled.remember('b', true);
  assert.is((await change(rolled, 'b')).version, null);
});

test('back to what was, while another is on its way or after it was stopped, is a roll-out too', async () => {
  for (const isRollingOut of [true, false]) {
    const rolled = new Rolled({ image: 'a' }, 'a', nothing);
    (await change(rolled, 'b')).apply();
    const back = await change(rolled, 'a', isRollingOut);
    assert.is(back.version?.name, 'a');
    back.apply();
    rolled.remember('a', true);
    assert.is((await change(rolled, 'a')).version, null);
  }
});

test.run();
