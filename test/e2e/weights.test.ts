// Weights through the control side, of a real torc: a slot that is drained under load loses no request, ends what it has and
// gets nothing more, also behind a restart; who may only read may not; and the command.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryState } from '../support/state.ts';
import { freePort, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('e2e/weights');
const KEYS = Array.from({ length: 60 }, (_, key) => key);

/** Three replicas in this process; /hold is answered when it is let go. */
const held: ServerResponse[] = [];
const origins: Server[] = [];
for (let index = 0; index < 3; index++) {
  const server = createServer((request, response) => {
    if (request.url!.startsWith('/hold')) held.push(response);
    else response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origins.push(server);
}
const upstreams = origins
  .map((origin, index) => `127.0.0.1:${(origin.address() as AddressInfo).port};name=${index + 1}`)
  .join();
test.after(() => {
  for (const origin of origins) origin.close();
});

const slotOf = async (torc: Torc, path: string): Promise<string> =>
  (await torc.get(path)).headers.get('x-served-by') ?? '';
const homes = (torc: Torc): Promise<string[]> =>
  Promise.all(KEYS.map(key => slotOf(torc, `/?request_id=${key}`)));

test('drained: its keys go to their next choices, the others stay, and all come back', async () => {
  const stateDir = temporaryState();
  const PORT = String(await freePort());
  const settings = { PORT, TORC_DRIVER: 'static', TORC_UPSTREAMS: upstreams, TORC_WORKERS: '2' };
  const start = () => startTorc({ ...settings, TORC_STATE_DIR: stateDir });
  let torc = await start();
  try {
    const before = await homes(torc);
    assert.equal(new Set(before).size, 3);
    const key = before.indexOf('2');
    const slow = torc.get(`/hold?request_id=${key}`);
    await waitFor(() => held.length === 1, { timeoutMs: 20_000, what: 'a request is with slot 2' });
    const answer = await torc.send('PUT', '/admin/slots/2/weight', { weight: 0 });
    assert.is(answer.status, 200, answer.text);
    const drained = await homes(torc);
    for (const [index, slot] of drained.entries())
      if (before[index] === '2') assert.is.not(slot, '2');
      else assert.is(slot, before[index]);
    held[0]!.end();
    const ended = await slow;
    assert.equal([ended.status, ended.headers.get('x-served-by')], [200, '2'], 'what it had, it ended');
    const explained = await torc.get(`/admin/explain?key=${key}`);
    assert.match(explained.text, '"skipped": "its weight is 0"');
    await torc.close();
    torc = await start();
    assert.equal(await homes(torc), drained, 'the next torc knows');
    assert.is((await torc.send('PUT', '/admin/slots/2/weight', { weight: null })).status, 200);
    assert.equal(await homes(torc), before);
  } finally {
    await torc.close();
  }
});

test('who may only read is refused; a change is in the log with its name; bodies are checked; the command', async () => {
  const file = join(temporaryState(), 'tokens');
  writeFileSync(file, 'prometheus read scrape-me-please\nanna operate let-anna-in\n');
  const torc = await startTorc({ TORC_ADMIN_TOKEN_FILE: file, TORC_WORKERS: '1' });
  const put = (weight: unknown, token: string, slot = '1') =>
    torc.send('PUT', `/admin/slots/${slot}/weight`, { weight }, { authorization: `Bearer ${token}` });
  try {
    assert.is((await put(2, 'scrape-me-please')).status, 403);
    assert.is((await put(2, 'let-anna-in')).status, 200);
    assert.is((await put(2, 'let-anna-in', '%31')).status, 200, 'a name may be percent-encoded');
    for (const wrong of [-1, 257, 0.001, '2', undefined])
      assert.is((await put(wrong, 'let-anna-in')).status, 400, String(wrong));
    assert.is((await put(1, 'let-anna-in', '9')).status, 404);
    const change = () => torc.lines().find(({ msg }) => msg === 'PUT /admin/slots/1/weight by anna: 200');
    await waitFor(() => change() !== undefined, { timeoutMs: 20_000, what: 'the change in the log' });
    assert.is(change()?.body, '{"weight":2}');
    const torcCommand = (...args: string[]) =>
      new Promise<string>(resolve => {
        const env = { PATH: process.env.PATH, PORT: String(torc.port), TORC_ADMIN_TOKEN: 'let-anna-in' };
        const path = join(import.meta.dirname, '..', '..', 'src', 'torc.cjs');
        const child = execFile(process.execPath, [path, ...args], { env, timeout: 60_000 }, (_, out, err) =>
          resolve(`${child.exitCode} ${out}${err}`),
        );
      });
    const command = (...args: string[]) => torcCommand('weight', ...args);
    assert.is(await command('3=0.5'), '0 slot 3 has the weight 0.5 of 3.5 in all: 14.3 % of the keys\n');
    assert.match(await command('2=0'), 'slot 2 is drained');
    assert.match(
      await torcCommand('status'),
      /^slot +state +weight +replica[\s\S]*^2 +ready +0 \(drained\) [\s\S]*^3 +ready +0\.5 /m,
    );
    assert.match(await command('1=default'), 'slot 1 has the weight 1 of 1.5');
    assert.match(await command('9=1'), /^1 torc weight: .*there is no slot 9/);
    assert.match(await command('1:1'), /^2 torc weight: "1:1" is no such thing; allowed: SLOT=WEIGHT/);
  } finally {
    await torc.close();
  }
});

test.run();
