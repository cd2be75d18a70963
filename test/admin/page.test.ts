// The page's files without a browser: small, under a strict policy, revalidated, and for whom. That it works is test/page's.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AdminPage } from '../../src/admin/page.ts';
import { startTorc, type Torc } from '../support/torc.ts';

const test = suite('admin/page');

const MOST_BYTES = 150 * 1024;

let torc: Torc;
test.before(async () => {
  torc = await startTorc({ TORC_REPLICAS: '1', TORC_WORKERS: '1', TORC_ADMIN_TOKEN: 'correct-horse' });
});
test.after(async () => {
  await torc.close();
});

test('all of it is at most 150 KB', () => {
  const { bytes } = new AdminPage();
  assert.ok(bytes > 60_000 && bytes <= MOST_BYTES, `${bytes} bytes`);
});

test('the empty page is for everybody who would be asked for the token; data is not', async () => {
  const page = await torc.get('/admin/');
  assert.is(page.status, 200);
  assert.match(page.headers.get('content-type') ?? '', 'text/html');
  assert.is((await torc.get('/admin/stats')).status, 401);
  assert.is((await torc.get('/admin/stats', { authorization: 'Bearer correct-horse' })).status, 200);
});

test('each file that the page names is there, and what it imports', async () => {
  const { text } = await torc.get('/admin/');
  const seen = new Set<string>();
  const queue = [...text.matchAll(/(?:href|src)="(page\/[^"]+)"/g)].map(match => `/admin/${match[1]}`);
  assert.ok(queue.length >= 5, 'style sheets, scripts and the icon');
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const file = await torc.get(path);
    assert.is(file.status, 200, path);
    if (!path.endsWith('.js') || path.endsWith('uplot.js')) continue;
    for (const [, name] of file.text.matchAll(/(?:from|import) ?["'](\.[^"']+)["']/g))
      queue.push(new URL(name!, `http://torc${path}`).pathname);
  }
  assert.ok(
    seen.has('/admin/page/lit/directives/repeat.js') && seen.has('/admin/page/whatif.js'),
    [...seen].join(),
  );
});

test('a policy that allows nothing inline and nothing from elsewhere, in no frame', async () => {
  for (const path of ['/admin/', '/admin/page/main.js']) {
    const policy = (await torc.get(path)).headers.get('content-security-policy') ?? '';
    assert.match(policy, "default-src 'none'");
    assert.match(policy, "frame-ancestors 'none'");
    assert.not.match(policy, 'unsafe');
  }
  const framed = { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe', 'sec-fetch-mode': 'navigate' };
  assert.is((await torc.get('/admin/', framed)).status, 403);
  const embedded = { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'script' };
  assert.is((await torc.get('/admin/page/main.js', embedded)).status, 403);
});

test('what a browser has already is not sent again', async () => {
  const { headers } = await torc.get('/admin/page/main.js');
  const again = await torc.get('/admin/page/main.js', { 'if-none-match': headers.get('etag')! });
  assert.equal([again.status, again.text], [304, '']);
  assert.is((await torc.get('/admin/page/main.js', { 'if-none-match': '"another"' })).status, 200);
});

test('/admin leads to /admin/; what is no file is 404; nothing else of the disk is served', async () => {
  const answer = await fetch(`${torc.url}/admin`, { redirect: 'manual' });
  assert.equal([answer.status, answer.headers.get('location')], [308, 'admin/']);
  for (const name of ['nothing.js', 'tsconfig.json', 'types.d.ts', 'packages.d.ts', 'lit'])
    assert.is((await torc.get(`/admin/page/${name}`)).status, 404, name);
});

test('where the control side is closed, so is the page', async () => {
  const closed = await startTorc({ TORC_REPLICAS: '1', TORC_WORKERS: '1', HOST: '0.0.0.0' });
  try {
    assert.is((await closed.get('/admin/')).status, 403);
    assert.is((await closed.get('/admin/page/main.js')).status, 403);
  } finally {
    await closed.close();
  }
});

test.run();
