// The page with a thousand slots: a hundred rows until all are asked for, those in trouble first where that is wanted, one
// found by its name; and with all of them drawn, a second's figures still take no long turn of the browser.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as assert from 'uvu/assert';
import { browserSuite, type Opened } from '../support/browser.ts';
import { sendMany, spawnTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const SLOTS = 1000;
const ROWS = 'tr.slot';

browserSuite('page with many slots', (test, open) => {
  const origin = createServer((_request, response) => response.end('ok'));
  let torc: Torc;
  let screen: Opened;

  test.before(async () => {
    await new Promise<void>(resolve => origin.listen(0, '0.0.0.0', resolve));
    const { port } = origin.address() as AddressInfo;
    // One origin under a thousand addresses of this machine.
    const upstreams = Array.from(
      { length: SLOTS },
      (_, i) => `127.0.${1 + (i >> 7)}.${1 + (i & 127)}:${port}`,
    );
    // The log's line that says it is ready names a thousand replicas, and is cut.
    torc = await spawnTorc({
      TORC_DRIVER: 'static',
      TORC_UPSTREAMS: upstreams.join(),
      TORC_HEARTBEAT_PATH: '',
      TORC_WORKERS: '1',
    });
    const isReady = async (): Promise<boolean> =>
      (await torc.get('/admin/ready').catch(() => null))?.status === 200;
    await waitFor(isReady, { timeoutMs: 60_000, what: 'a thousand ready slots' });
    screen = await open(`${torc.url}/admin/`);
    await screen.says('#verdict', /All 1,000 replicas are ready/);
  });
  test.after(async () => {
    await screen?.close();
    await torc?.close();
    origin.closeAllConnections();
    origin.close();
  });

  const rowCount = (): Promise<number> => screen.page.locator(ROWS).count();

  test('a hundred rows first; a filter finds any of them', async () => {
    assert.is(await rowCount(), 100);
    await screen.page.fill('#slot-filter', '127.0.8.104:');
    await waitFor(async () => (await rowCount()) === 1, { timeoutMs: 20_000, what: 'the one row' });
    assert.match(await screen.textOf(ROWS), /127\.0\.8\.104:/);
    await screen.page.fill('#slot-filter', '');
    await waitFor(async () => (await rowCount()) === 100, { timeoutMs: 20_000, what: 'the first hundred' });
    screen.clean();
  });

  test('those that are given can be removed, and nothing that cannot be done is offered', async () => {
    assert.is(await screen.page.locator('#add, #rollout-version').count(), 0);
    assert.is(await screen.page.getByRole('button', { name: /^Replace slot/ }).count(), 0);
    assert.is(await screen.page.getByRole('button', { name: /^Remove slot/ }).count(), 100);
    await screen.says('.rollout', /The replicas are given/);
  });

  test('all of them drawn, it goes on every second', async () => {
    await screen.page.getByRole('button', { name: 'Show all 1,000' }).click();
    await waitFor(async () => (await rowCount()) === SLOTS, { timeoutMs: 30_000, what: 'all rows' });
    const load = sendMany(index => `${torc.url}/request?request_id=${index}`, 500, 4);
    const before = await screen.page.title();
    await screen.says('.figures', /Requests\/s\s+[1-9]/, 60_000);
    await load;
    assert.match(before, /1000 of 1000/);
    await screen.says('#link', /live/);
    screen.clean();
  });
});
