// What the page changes, in a real browser: slots come, go and get other replicas, a roll-out begins and stops, each with what
// it does said before; a refusal stands where the question was; and a page that is cut off says so and comes back.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { accessibilityFaults, browserSuite, type Opened } from '../support/browser.ts';
import { temporaryState } from '../support/state.ts';
import { freePort, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const TOKEN = 'correct-horse-battery';
const READ_TOKEN = 'only-looking-around';
const replica = join(import.meta.dirname, '..', '..', 'docker', 'replica.ts');

browserSuite('page changes', (test, open) => {
  let torc: Torc;
  let screen: Opened;
  let page: Page;

  test.before(async () => {
    const tokens = join(temporaryState(), 'tokens');
    writeFileSync(tokens, `viewer read ${READ_TOKEN}\n`);
    torc = await startTorc({
      TORC_REPLICAS: '3',
      TORC_WORKERS: '2',
      TORC_ADMIN_TOKEN: TOKEN,
      TORC_ADMIN_TOKEN_FILE: tokens,
      TORC_DRAIN_TIMEOUT_MS: '2000',
    });
    screen = await open(`${torc.url}/admin/`);
    page = screen.page;
    await page.fill('#token', TOKEN);
    await page.press('#token', 'Enter');
    await screen.says('#verdict', /All 3 replicas are ready/);
  });
  test.after(async () => {
    await screen?.close();
    await torc?.close();
  });

  const row = (name: string) => page.locator(`tr[data-slot="${name}"]`);

  test('adds, replaces and removes a slot, and says before what that does', async () => {
    await page.click('#add');
    await page.fill('#add-names', 'blue');
    await screen.says('#plan', /25\.\d\s% of the keys move/);
    assert.equal(await accessibilityFaults(page), []);
    await page.click('#dialog .main');
    await row('blue').waitFor();
    await screen.says('tr[data-slot="blue"] .condition', /ready/);
    await page.waitForSelector('#dialog', { state: 'hidden' });

    const before = await screen.textOf('tr[data-slot="1"] .replica');
    await page.getByRole('button', { name: 'Replace slot 1' }).click();
    await screen.says('#plan', /started beside pid \d+ and proven; .* no key moves/);
    await page.click('#dialog .main');
    await page.waitForSelector('#dialog', { state: 'hidden' });
    // The slot is ready all the while: what changes is who fills it, with the stream's next turn.
    await waitFor(async () => (await screen.textOf('tr[data-slot="1"] .replica')) !== before, {
      timeoutMs: 30_000,
      what: 'another replica in slot 1',
    });
    await screen.says('tr[data-slot="1"] .condition', /ready/);

    await page.getByRole('button', { name: 'Remove slot blue' }).click();
    await screen.says('#plan', /2\d\.\d\s% of the keys move \(at least 25/);
    await page.click('#dialog .main');
    await row('blue').waitFor({ state: 'detached' });
    await page.waitForSelector('#dialog', { state: 'hidden' });
    screen.clean();
  });

  test('a refusal stands where the question was, and Escape leaves all as it is', async () => {
    await page.click('#add');
    await page.fill('#add-names', '1');
    await page.click('#dialog .main');
    await screen.says('#dialog .fault', /"1" is taken/);
    await page.keyboard.press('Escape');
    await page.waitForSelector('#dialog', { state: 'hidden' });
    assert.is(await page.evaluate('document.activeElement.id'), 'add', 'the focus is where it was');
    screen.clean(/400/);
  });

  test('begins a roll-out, watches it and stops it', async () => {
    await page.fill('#rollout-version', `${process.execPath} ${replica}`);
    await page.press('#rollout-version', 'Enter');
    await screen.says('#rollout-progress', /of 3 slots run it/);
    await page.click('#rollout-stop');
    await screen.says('.rollout', /stopped/);
    await screen.says('#rollout-progress', /somebody asked for it/);
    await screen.says('.log', /rollout[\s\S]*stopped/);
    // The request that began it says so too.
    screen.clean(/503/);
    await screen.says('#verdict', /All 3 replicas are ready/, 30_000);
  });

  test('a token that may only read is offered nothing that would be refused, and told why', async () => {
    const other = await open(`${torc.url}/admin/`);
    try {
      await other.page.fill('#token', READ_TOKEN);
      await other.page.press('#token', 'Enter');
      await other.says('#verdict', /All 3 replicas are ready/);
      await other.says('#read-only', /^viewer may only read\. .* role “operate”/);
      await other.says('.rollout', /viewer may only read/);
      const named = await other.page.getByRole('button').allInnerTexts();
      assert.equal(
        named.filter(name => /add|replace|remove|begin|stop/i.test(name)),
        [],
      );
      assert.is(await other.page.locator('#rollout-version').count(), 0);
      assert.equal(await accessibilityFaults(other.page), []);
      other.clean();
    } finally {
      await other.close();
    }
  });

  test('a cut stream says since when it is stale, and comes back by itself', async () => {
    const settings = {
      PORT: String(await freePort()),
      TORC_REPLICAS: '2',
      TORC_WORKERS: '1',
      TORC_STATE_DIR: temporaryState(),
    };
    let torcNow = await startTorc(settings);
    const other = await open(`${torcNow.url}/admin/`);
    try {
      await other.says('#link', /live/);
      // Silent, not closed: its process is held.
      torcNow.process.kill('SIGSTOP');
      await other.says('#link', /stale since \d\d:\d\d:\d\d: nothing came/);
      torcNow.process.kill('SIGCONT');
      await other.says('#link', /live/);
      await torcNow.close();
      await other.says('#link', /stale since \d\d:\d\d:\d\d/);
      torcNow = await startTorc(settings);
      await other.says('#link', /live/);
      await other.says('#verdict', /All 2/);
      other.clean(/ERR_|Failed to load/);
    } finally {
      torcNow.process.kill('SIGCONT');
      await other.close();
      await torcNow.close();
    }
  });
});
