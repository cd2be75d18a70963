// The whole assignment on child processes, over the wire, as a student's checker sees it: names, texts, counts, shapes.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sendMany, startTorc, type Torc } from '../support/torc.ts';

const assignment = suite('assignment');
let torc: Torc;

assignment.before(async () => {
  torc = await startTorc({ TORC_WORKERS: '2' });
});
assignment.after(async () => {
  await torc.close();
});

const rep = (names: string[]) => ({ message: { N: names.length, replicas: names }, status: 'successful' });
const failure = (message: string) => ({ message: `<Error> ${message}`, status: 'failure' });

assignment('/rep lists the replicas, one per line', async () => {
  const answer = await torc.get('/rep');
  assert.is(answer.status, 200);
  assert.equal(JSON.parse(answer.text), rep(['1', '2', '3']));
  assert.ok(answer.text.split('\n').some(line => line.trim() === '"2",'));
});

assignment('/home, /heartbeat and /request reach a replica', async () => {
  assert.match(JSON.parse((await torc.get('/home')).text).message, /^Hello from Server: [123]$/);
  const heartbeat = await torc.get('/heartbeat');
  assert.equal([heartbeat.status, heartbeat.text], [200, '']);
  const answer = await torc.get('/request?request_id=7');
  const id = JSON.parse(answer.text).server_id;
  assert.equal(JSON.parse(answer.text), {
    response: { message: `Hello from Server: ${id}`, status: 'Successful' },
    server_id: id,
  });
  assert.is(answer.headers.get('x-served-by'), id);
});

assignment(
  'the same key always reaches the same replica, and 10,000 keys are balanced and counted',
  async () => {
    const before = await counts(['1', '2', '3']);
    const sent = await sendMany(i => `${torc.url}/request?request_id=${i + 1}`, 10_000, 64);
    assert.equal(sent.statuses, { 200: 10_000 });
    const after = await counts(['1', '2', '3']);
    const perSlot = after.map((count, i) => count - before[i]!);
    assert.equal(
      perSlot,
      ['1', '2', '3'].map(slot => sent.slots[slot]),
    );
    assert.ok(Math.max(...perSlot) / (10_000 / 3) < 1.03, `max/mean of ${perSlot}`);
    const again = await sendMany(i => `${torc.url}/request?request_id=${i + 1}`, 1_000, 16);
    const first = await sendMany(i => `${torc.url}/request?request_id=${i + 1}`, 1_000, 16);
    assert.equal(again.slots, first.slots);
  },
);

assignment('/requests/ID lists the latest ids as numbers; an unknown one is told', async () => {
  const { requests, count, status } = JSON.parse((await torc.get('/requests/1')).text);
  assert.is(status, 'successful');
  assert.ok(count >= requests.length && requests.length > 0);
  assert.ok(requests.every((id: unknown) => typeof id === 'number' || typeof id === 'string'));
  const unknown = await torc.get('/requests/9');
  assert.equal(
    [unknown.status, JSON.parse(unknown.text)],
    [404, { message: 'Server ID not found', status: 'failure' }],
  );
});

assignment('/add takes names and gives free numbers for the rest; /rm takes named and newest', async () => {
  const added = await torc.send('POST', '/add', { n: 3, hostnames: ['web-a'] });
  assert.equal([added.status, JSON.parse(added.text)], [200, rep(['1', '2', '3', 'web-a', '4', '5'])]);
  const removed = await torc.send('DELETE', '/rm', { n: 2, hostnames: ['web-a'] });
  assert.equal([removed.status, JSON.parse(removed.text)], [200, rep(['1', '2', '3', '4'])]);
  const rest = await torc.send('DELETE', '/rm', { n: 1 });
  assert.equal(JSON.parse(rest.text), rep(['1', '2', '3']));
});

assignment('every wrong request is told what is wrong, and nothing changes', async () => {
  const long = ['POST', '/add', { n: 1, hostnames: ['a', 'b'] }] as const;
  const longer = ['DELETE', '/rm', { n: 1, hostnames: ['1', '2'] }] as const;
  assert.equal(
    JSON.parse((await torc.send(...long)).text),
    failure('Length of hostname list is more than newly added instances'),
  );
  assert.equal(
    JSON.parse((await torc.send(...longer)).text),
    failure('Length of hostname list is more than removable instances'),
  );
  const wrong: [string, string, unknown][] = [
    ['POST', '/add', {}],
    ['POST', '/add', { n: '2' }],
    ['POST', '/add', { n: 0 }],
    ['POST', '/add', { n: 1.5 }],
    ['POST', '/add', { n: 2, hostnames: ['x', 'x'] }],
    ['POST', '/add', { n: 1, hostnames: ['1'] }],
    ['POST', '/add', { n: 1, hostnames: ['no_label'] }],
    ['POST', '/add', { n: 1, hostnames: ['-x'] }],
    ['POST', '/add', { n: 1, hostnames: [''] }],
    ['POST', '/add', { n: 1, hostnames: [7] }],
    ['POST', '/add', 'not json'],
    ['POST', '/add', { n: 1, hostnames: [], pad: 'x'.repeat(70_000) }],
    ['DELETE', '/rm', { n: 4 }],
    ['DELETE', '/rm', { n: 1, hostnames: ['nobody'] }],
    ['DELETE', '/rm', { n: 2, hostnames: ['1', '1'] }],
    ['DELETE', '/rm', '[]'],
  ];
  for (const [method, path, payload] of wrong) {
    const answer = await torc.send(method, path, payload);
    const what = `${method} ${path} ${JSON.stringify(payload).slice(0, 80)} -> ${answer.status} ${answer.text}`;
    assert.ok(answer.status >= 400 && answer.status < 500, what);
    assert.is(JSON.parse(answer.text).status, 'failure', what);
  }
  const form = await torc.send('POST', '/add', '{"n":1}', { 'content-type': 'text/plain' });
  assert.is(form.status, 415);
  assert.equal(JSON.parse((await torc.get('/rep')).text), rep(['1', '2', '3']));
});

async function counts(slots: string[]): Promise<number[]> {
  const answers = await Promise.all(slots.map(slot => torc.get(`/requests/${slot}`)));
  return answers.map(answer => JSON.parse(answer.text).count);
}

assignment.run();
