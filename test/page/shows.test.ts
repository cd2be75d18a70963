// What the page shows, in a real browser, of a real torc whose replicas are killed: how soon, what it can be asked, that it asks
// for the token, and for whom it can be read. No complaint of the browser is left out.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { accessibilityFaults, browserSuite, type Opened } from '../support/browser.ts';
import { slotsOf } from '../support/healing.ts';
import { temporaryState } from '../support/state.ts';
import { sendMany, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const TOKEN = 'correct-horse-battery';
const auth = { authorization: `Bearer ${TOKEN}` };
const SOON_MS = 2_000;
const replica = join(import.meta.dirname, '..', '..', 'docker', 'replica.ts');

interface Seen {
  readonly at: number;
  readonly state: string;
  readonly replica: string;
}

/** In the page: notes each state and replica that the row of slot 2 shows, and when. */
const WATCH = `
  globalThis.seen = [];
  globalThis.looking = setInterval(() => {
    const row = document.querySelector('tr[data-slot="2"]');
    const state = row.querySelector('.condition').textContent.trim();
    const replica = row.querySelector('.replica').textContent.trim();
    const last = seen.at(-1);
    if (last?.state !== state || last?.replica !== replica) seen.push({ at: Date.now(), state, replica });
  }, 10);`;

browserSuite('page', (test, open) => {
  let torc: Torc;
  let screen: Opened;
  let page: Page;

  test.before(async () => {
    torc = await startTorc({
      TORC_REPLICAS: '3',
      TORC_WORKERS: '2',
      TORC_ADMIN_TOKEN: TOKEN,
      TORC_DRAIN_TIMEOUT_MS: '2000',
    });
    screen = await open(`${torc.url}/admin`);
    page = screen.page;
  });
  test.after(async () => {
    await screen?.close();
    await torc?.close();
  });

  const row = (name: string) => page.locator(`tr[data-slot="${name}"]`);
  test('asks for the token once, and keeps it out of every address', async () => {
    await page.waitForSelector('#token');
    assert.equal(await accessibilityFaults(page), []);
    screen.clean();
    await page.fill('#token', 'wrong');
    await page.press('#token', 'Enter');
    await screen.says('main', /not known/);
    screen.clean(/401/);
    const asked: string[] = [];
    page.on('request', request => asked.push(request.url()));
    await page.fill('#token', TOKEN);
    await page.press('#token', 'Enter');
    await screen.says('#verdict', /All 3 replicas are ready/);
    await page.reload();
    await screen.says('#verdict', /All 3 replicas are ready/);
    assert.ok(asked.length > 10);
    assert.equal(
      asked.filter(url => url.includes(TOKEN) || !url.startsWith(torc.url)),
      [],
    );
    const other = await open(`${torc.url}/admin/`);
    await other.page.waitForSelector('#token');
    await other.close();
    screen.clean();
  });

  test('figures come with the load', async () => {
    await sendMany(index => `${torc.url}/request?request_id=${index}`, 400, 4);
    await screen.says('.figures', /p99\s+[\d.]+ (?:µs|ms)/);
    assert.match(await screen.textOf('.figures'), /Ready\s+3 of 3/);
    await waitFor(async () => /[1-9]/.test((await page.getAttribute('#plot-traffic', 'aria-label')) ?? ''), {
      timeoutMs: 20_000,
      what: 'a figure in the chart',
    });
    screen.clean();
  });

  test('the busiest keys, with the slot that serves each', async () => {
    await sendMany(index => `${torc.url}/request?request_id=${index % 2 ? 7 : index}`, 300, 4);
    await screen.says('.keys tbody tr:first-child', /^7\s/);
    const { servedBy } = JSON.parse((await torc.get('/admin/explain?key=7', auth)).text);
    assert.match(
      await screen.textOf('.keys tbody tr:first-child'),
      new RegExp(`^7\\s+${servedBy}\\s+[\\d.]+\\s%`),
    );
    screen.clean();
  });

  test('a death and its heal are on the page within two seconds of the event', async () => {
    const took: number[] = [];
    // The best of three: the machine may be busy, the page may not be slow.
    for (let round = 0; round < 3 && !took.some(ms => ms < SOON_MS); round++) took.push(await killAndWatch());
    assert.ok(Math.min(...took) < SOON_MS, `on the page ${took.join(', ')} ms after the event`);
    assert.match(await screen.textOf('#lent'), /Every slot serves its own keys/);
    screen.clean();
  });

  test('a slot that is drained says so, and to whom its keys go', async () => {
    const weigh = (weight: number | null) => torc.send('PUT', '/admin/slots/3/weight', { weight }, auth);
    assert.is((await weigh(0)).status, 200);
    await screen.says('tr[data-slot="3"] .name', /weight 0: drained/);
    await screen.says('#lent', /3 is drained: its [\d.]+\s%? of the keys are lent to/);
    assert.equal(await accessibilityFaults(page), []);
    await weigh(2);
    await screen.says('tr[data-slot="3"] .name', /weight 2/);
    await weigh(null);
    await screen.says('#lent', /Every slot serves its own keys/);
    // The row and the line above come with different turns of the stream.
    await screen.says('tr[data-slot="3"] .name', /^(?!.*weight)/s);
    screen.clean();
  });

  /** The longer of the two: from event to page, of the death and of the heal. */
  async function killAndWatch(): Promise<number> {
    const victim = (await slotsOf(withToken(torc))).find(({ name }) => name === '2')!;
    await page.evaluate(WATCH);
    process.kill(await pidOf(withToken(torc), '2'), 'SIGKILL');
    await waitFor(
      async () => {
        const now = (await slotsOf(withToken(torc))).find(({ name }) => name === '2')!;
        return now.state === 'ready' && now.replica !== victim.replica;
      },
      { timeoutMs: 30_000, what: 'the heal' },
    );
    const healed = (await slotsOf(withToken(torc))).find(({ name }) => name === '2')!;
    await screen.says('tr[data-slot="2"] .replica', new RegExp(healed.replica));
    await screen.says('tr[data-slot="2"] .condition', /ready/);
    const seen = await page.evaluate<Seen[]>('clearInterval(looking), seen');
    const out = seen.find(({ state }) => /dead|starting/.test(state));
    assert.ok(out, `the page never said that it was out: ${JSON.stringify(seen)}`);
    const entries = (await eventsOf(torc)).filter(({ slot }) => slot === '2');
    const death = entries.findLast(({ to, label }) => to === 'dead' && label === victim.replica)!;
    const heal = entries.findLast(({ to, label }) => to === 'ready' && label === healed.replica)!;
    const back = seen.findLast(
      ({ state, replica }) => state === 'ready' && replica.startsWith(healed.replica),
    )!;
    assert.match(await screen.textOf('.log'), new RegExp(`2\\s+ready →\\s+dead\\s+${victim.replica}`));
    return Math.max(out.at - death.atMs, back.at - heal.atMs);
  }

  test('a slot that stays out lends its keys, and what its last replica printed is told', async () => {
    const flag = join(temporaryState(), 'broken');
    const broken = await startTorc({
      TORC_REPLICAS: '3',
      TORC_WORKERS: '1',
      TORC_REPLICA_COMMAND: `if [ $SERVER_ID = 2 ] && [ -e ${flag} ]; then echo no database; exit 1; fi; exec ${process.execPath} ${replica}`,
    });
    const other = await open(`${broken.url}/admin/`);
    try {
      writeFileSync(flag, '');
      process.kill(await pidOf(broken, '2'), 'SIGKILL');
      await other.says('#lent', /2 is (?:dead|starting): its 33\.\d\s% of the keys are lent to/);
      await other.says('.failing', /no database/);
      await other.says('#verdict', /2 of 3 replicas are ready; out: 2/);
      assert.ok((await other.page.locator('.ring .band').count()) >= 2, 'bands to those that serve its keys');
      assert.ok((await other.page.locator('.ring .arc.out').count()) === 1);
      assert.equal(await accessibilityFaults(other.page), []);
      rmSync(flag);
      await other.says('#lent', /Every slot serves its own keys/);
      other.clean();
    } finally {
      await other.close();
      await broken.close();
    }
  });

  test('events of one slot alone', async () => {
    await row('2').locator('.choose').click();
    const isItsOwn = (log: string): boolean => log.includes('2 ready') && !/\b[13] starting/.test(log);
    await waitFor(async () => isItsOwn(await screen.textOf('.log')), {
      timeoutMs: 10_000,
      what: 'its events, and no others',
    });
    assert.is(await page.inputValue('#event-slot'), '2');
    await page.selectOption('#event-slot', '');
    await waitFor(async () => /\b1 starting/.test(await screen.textOf('.log')), {
      timeoutMs: 10_000,
      what: 'all events',
    });
    screen.clean();
  });

  test('explains a key as the data plane routes it', async () => {
    for (const key of ['7', 'a&b#c', 'ключ']) {
      const target = `key=${encodeURI(key).replaceAll('&', '%26').replaceAll('#', '%23')}`;
      const { servedBy, row: inRow } = JSON.parse((await torc.get(`/admin/explain?${target}`, auth)).text);
      await page.fill('#explain-key', key);
      await page.press('#explain-key', 'Enter');
      await screen.says(
        '#explained',
        new RegExp(`${servedBy} serves it: first usable choice[\\s\\S]*${inRow} of 65536`),
      );
    }
    assert.is(
      await page.locator('.ring text', { hasText: '①' }).count(),
      1,
      'and its choices are in the ring',
    );
    await page.locator('.explain input[type=checkbox]').check();
    await page.fill('.explain input[name=target]', '/request?request_id=7');
    await page.locator('.explain form button').click();
    await screen.says('#explained', /from query:request_id/);
    screen.clean();
  });

  test('foretells what another number of slots would move', async () => {
    const { moved } = JSON.parse((await torc.get('/admin/whatif?n=5', auth)).text);
    await page.locator('#whatif-n').focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await screen.says('#foretold', new RegExp(`${(moved * 100).toFixed(1)}\\s%[\\s\\S]*Fullest slot`));
    assert.is(await page.locator('.ribbons .box.changed').count(), 2, 'the two that would come');
    screen.clean();
  });

  test('no violation of accessibility rules, in light and dark, wide and narrow, and nothing sticks out', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [1440, 390]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 900 });
        assert.equal(await accessibilityFaults(page), [], `${colorScheme}, ${width}`);
        const over = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
        assert.ok(over <= 0, `${over} pixels too wide at ${width}`);
      }
    }
    await page.setViewportSize({ width: 1440, height: 900 });
    screen.clean();
  });
});

/** The same torc, asked with the token. */
const withToken = (torc: Torc): Torc => ({ ...torc, get: path => torc.get(path, auth) });

/** Of a slot's replica. Never 0, which would be ourselves. */
async function pidOf(torc: Torc, slot: string): Promise<number> {
  const { replica = '' } = (await slotsOf(torc)).find(({ name }) => name === slot) ?? {};
  const pid = Number(replica.replace(/^pid /, ''));
  assert.ok(pid > 1, `slot ${slot} has no process: "${replica}"`);
  return pid;
}

interface Entry {
  readonly slot: string;
  readonly to: string;
  readonly label: string;
  readonly atMs: number;
}

/** What is in memory of the past. */
async function eventsOf(torc: Torc): Promise<Entry[]> {
  const abort = new AbortController();
  const response = await fetch(`${torc.url}/admin/events`, { headers: auth, signal: abort.signal });
  const { value } = await response.body!.pipeThrough(new TextDecoderStream()).getReader().read();
  abort.abort();
  return [...(value ?? '').matchAll(/^data: (.+)$/gm)].map(match => JSON.parse(match[1]!) as Entry);
}
