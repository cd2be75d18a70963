// Where a program listens: the kernel's table read right, and the kernel of this machine asked about a real program.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { listenersOf, listenersOfGroup, listeningOf, parseListeners } from '../../src/drivers/listening.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('listening');
const onLinux = process.platform === 'linux' ? test : test.skip;

const V4 = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B00007F:A9E3 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21 1 0 100 0 0 10 0
   1: 00000000:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 22 1 0 100 0 0 10 0
   2: 0100007F:1388 0100007F:D2A4 01 00000000:00000000 00:00000000 00000000  1000        0 23 1 0 20 4 30 10 -1
`;
const V6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31 1
   1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 32 1
   2: 0000000000000000FFFF00000100007F:1F91 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 33 1
   3: B80D01200000000000000000EFBEADDE:1F92 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 34 1
`;

test("the kernel's tables: what listens, addresses in words", () => {
  assert.equal(parseListeners(V4), [
    { host: '127.0.0.11', port: 43491, inode: '21' },
    { host: '0.0.0.0', port: 5000, inode: '22' },
  ]);
  assert.equal(
    parseListeners(V6).map(({ host, port }) => `${host} ${port}`),
    [':: 80', '::1 8080', '127.0.0.1 8081', '2001:db8::dead:beef 8082'],
  );
  assert.equal(parseListeners('what is this\n: : : : :\n0: 00:0 x 0A'), []);
});

/** A shell that leads a group, with a program in it that listens on a port of its own, twice. */
async function program(): Promise<ChildProcess & { ports: number[] }> {
  const code = `const ports = []; for (const host of ['127.0.0.1', '0.0.0.0'])
    require('net').createServer().listen(0, host, function () {
      ports.push(this.address().port); if (ports.length === 2) console.log(JSON.stringify(ports)); });`;
  const child = spawn('sh', ['-c', `"$0" -e "$1"; true`, process.execPath, code], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  return Object.assign(child, { ports: JSON.parse(line.toString()) as number[] });
}

onLinux('a group of processes: what it listens on, and not what others do', async () => {
  const mine = createServer().listen(0, '127.0.0.1');
  await once(mine, 'listening');
  const child = await program();
  try {
    const found = (await listenersOfGroup(child.pid!)) ?? [];
    const ports = found.map(({ port }) => port);
    assert.equal([...ports].sort(), [...child.ports].sort());
    const all = (await listenersOf(child.pid!)) ?? [];
    assert.ok(
      all.some(({ port }) => port === (mine.address() as { port: number }).port),
      'one network',
    );
  } finally {
    process.kill(-child.pid!, 'SIGKILL');
    mine.close();
    await once(child, 'close');
  }
  await waitFor(async () => (await listenersOfGroup(child.pid!)) === null, {
    timeoutMs: 10_000,
    what: 'nobody to ask',
  });
});

test('what is shown is bounded', () => {
  const many = Array.from({ length: 1_000 }, (_, port) => ({ host: '::', port, inode: '1' }));
  assert.is(listeningOf(80, many).sockets?.length, 16);
  assert.is(listeningOf(80, null).sockets, null);
});

test.run();
