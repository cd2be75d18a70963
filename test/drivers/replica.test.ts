// The bundled replica: the assignment's texts to the letter, and an end that loses no request.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('bundled replica');
const program = join(import.meta.dirname, '..', '..', 'docker', 'replica.ts');
let child: ChildProcess;
let url = '';
let port = 0;

test.before.each(async () => {
  port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const env = { PATH: process.env.PATH, PORT: String(port), HOST: '127.0.0.1', SERVER_ID: '4' };
  child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const isUp = (): Promise<boolean> =>
    fetch(`${url}/heartbeat`).then(
      response => response.ok,
      () => false,
    );
  await waitFor(isUp, { timeoutMs: 20_000, what: 'the replica' });
});
test.after.each(() => {
  child.kill('SIGKILL');
});

test('home, request and heartbeat, whatever the method and query', async () => {
  const home = '{"message":"Hello from Server: 4","status":"Successful"}';
  const request = `{"response":${home},"server_id":"4"}`;
  for (const [method, path, status, body] of [
    ['GET', '/home', 200, home],
    ['GET', '/request?request_id=7', 200, request],
    ['POST', '/request', 200, request],
    ['GET', '/heartbeat', 200, ''],
    ['HEAD', '/home', 200, ''],
    ['GET', '/other', 404, '{"message":"<Error> no such endpoint in this replica","status":"failure"}'],
  ] as const) {
    const response = await fetch(url + path, method === 'POST' ? { method, body: 'a body' } : { method });
    assert.equal([response.status, await response.text()], [status, body], `${method} ${path}`);
  }
});

test('its front page says what it is and where to look, to a browser and to curl', async () => {
  const plain = await fetch(`${url}/?a=1`);
  assert.is(plain.headers.get('content-type'), 'text/plain; charset=utf-8');
  const browser = await fetch(url, { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
  assert.is(browser.headers.get('content-type'), 'text/html; charset=utf-8');
  const html = await browser.text();
  assert.not.match(html, /(src|href)="?(https?:|\/\/)/, 'it asks nobody else');
  for (const body of [await plain.text(), html]) {
    assert.match(body, "torc's demo program");
    assert.match(body, 'replica 4 answered');
    for (const path of ['/home', '/rep', '/admin/slots', '/admin/explain?target=', '/metrics'])
      assert.ok(body.includes(path), path);
  }
});

test('SIGTERM: a request on its way is answered on a closing connection, then exit 0', async () => {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write('GET /home HTTP/1.1\r\nhost: a\r\n');
  // A second exchange proves that the first half has been read: sockets are served in turn.
  await (await fetch(`${url}/home`)).text();
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const refuses = (): Promise<boolean> =>
    fetch(`${url}/home`).then(
      () => false,
      () => true,
    );
  await waitFor(refuses, { timeoutMs: 20_000, what: 'the listener to close' });
  socket.write('\r\n');
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString();
  });
  await once(socket, 'end');
  assert.match(answer, /^HTTP\/1\.1 200 [\s\S]*connection: close[\s\S]*Hello from Server: 4/i);
  assert.equal(await exited, [0, null]);
});

test('a port that is taken: one line, exit 1', async () => {
  const env = { PATH: process.env.PATH, PORT: String(port), HOST: '127.0.0.1', SERVER_ID: '5' };
  const second = spawn(process.execPath, [program], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  second.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [code] = (await once(second, 'close')) as [number];
  assert.is(code, 1);
  assert.is(said, `replica 5 cannot listen on 127.0.0.1:${port}: EADDRINUSE\n`);
});

test.run();
