// HTTP/2 through the whole of torc: no request is lost while replicas are broken under it, control requests are answered as
// over HTTP/1.1, and a client behind TLS gets it by ALPN.

import { connect } from 'node:http2';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ask2, type Http2Answer, http2Client, type Question } from '../support/http2.ts';
import { freePort, startTorc, type Torc } from '../support/torc.ts';
import { zeroLossTests } from '../support/zero-loss.ts';

const signal =
  (name: NodeJS.Signals) =>
  async (pid: string): Promise<void> => {
    process.kill(Number(pid), name);
  };

const zeroLoss = suite('zero loss, HTTP/2');
zeroLossTests(
  zeroLoss,
  () => startTorc({ TORC_WORKERS: '2' }),
  { 'kill -9': signal('SIGKILL'), 'kill (SIGTERM)': signal('SIGTERM') },
  'h2',
);

const control = suite('control requests over HTTP/2');
let torc: Torc;
let httpsPort: number;

control.before(async () => {
  httpsPort = await freePort();
  torc = await startTorc({
    TORC_WORKERS: '1',
    TORC_REPLICAS: '2',
    TORC_HTTPS_PORT: String(httpsPort),
    TORC_TLS: 'self-signed',
    TORC_HEADER_TIMEOUT_MS: '1500',
  });
});
control.after(() => torc.close());

async function asked(path: string, method = 'GET', question: Question = {}): Promise<Http2Answer> {
  const session = await http2Client(torc.port);
  const headers = {
    ':path': path,
    ':method': method,
    ':authority': `127.0.0.1:${torc.port}`,
    ...(method === 'POST' ? { 'content-type': 'application/json' } : {}),
  };
  const answer = await ask2(session, headers, question);
  session.destroy();
  return answer;
}

control('reads, of any length, and HEAD', async () => {
  const rep = await asked('/rep');
  assert.is(rep.status, 200);
  assert.equal(JSON.parse(rep.body), {
    message: { N: 2, replicas: ['1', '2'] },
    status: 'successful',
  });
  assert.is(rep.headers['content-length'], String(rep.body.length));
  assert.match((await asked('/metrics')).body, /^# HELP /);
  const document = await asked('/admin/openapi.json');
  assert.ok(document.body.length > 20_000);
  JSON.parse(document.body);
  const head = await asked('/rep', 'HEAD');
  assert.is(head.status, 200);
  assert.is(head.body, '');
  assert.is(head.code, 0);
});

control('bodies: of an unknown length, wrong, too long, and one that does not end', async () => {
  const added = await asked('/add', 'POST', { body: JSON.stringify({ n: 1, hostnames: ['five'] }) });
  assert.is(added.status, 200, added.body);
  assert.match(added.body, /"five"/);
  assert.is((await asked('/add', 'POST', { body: '{' })).status, 400);
  assert.is((await asked('/add', 'POST')).status, 400);
  assert.is((await asked('/add', 'POST', { body: 'a'.repeat(100_000) })).status, 413);
  const session = await http2Client(torc.port);
  const stream = session.request(
    { ':path': '/add', ':method': 'POST', 'content-type': 'application/json' },
    { endStream: false },
  );
  stream.on('error', () => {});
  stream.write('{');
  const status = await new Promise(resolve => stream.once('response', fields => resolve(fields[':status'])));
  assert.is(status, 408);
  session.destroy();
});

control('events come as they happen, and a reader that leaves is forgotten', async () => {
  const session = await http2Client(torc.port);
  const stream = session.request({ ':path': '/admin/events', accept: 'text/event-stream' });
  stream.on('error', () => {});
  assert.is(
    await new Promise(resolve => stream.once('response', fields => resolve(fields['content-type']))),
    'text/event-stream',
  );
  await new Promise(resolve => stream.once('data', resolve));
  stream.close(8);
  session.destroy();
});

control('behind TLS it is had by ALPN, and a replica hears of https', async () => {
  const session = connect(`https://127.0.0.1:${httpsPort}`, { rejectUnauthorized: false });
  await new Promise((resolve, reject) => session.once('connect', resolve).once('error', reject));
  assert.is(session.alpnProtocol, 'h2');
  const answer = await ask2(session, { ':path': '/home' });
  assert.is(answer.status, 200);
  assert.ok(['1', '2', 'five'].includes(String(answer.headers['x-served-by'])));
  session.destroy();
});

zeroLoss.run();
control.run();
