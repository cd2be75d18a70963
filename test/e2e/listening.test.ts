// Where a whole torc listens (TORC_LISTEN): a unix socket that several workers share, its mode, its stale file, its claim; an
// IPv6 address beside an IPv4 one; and what the control side thinks of each.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort, spawnTorc, startTorc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const listening = suite('listening');
const dir = mkdtempSync(join(tmpdir(), 'torc-listening-'));
listening.after(() => rmSync(dir, { recursive: true, force: true }));

const LONG = { timeoutMs: 60_000 };

interface Asked {
  /** 0: nobody is there. */
  readonly status: number;
  readonly text: string;
  readonly worker: string;
}

const ask = (where: { socketPath: string } | { host: string; port: number }, path: string): Promise<Asked> =>
  new Promise(resolve => {
    const sent = request({ ...where, path, agent: false }, answer => {
      const id = String(answer.headers['x-request-id'] ?? '');
      let text = '';
      answer.on('data', chunk => {
        text += chunk;
      });
      answer.on('end', () => resolve({ status: answer.statusCode!, text, worker: id.split('-')[0]! }));
    });
    sent.on('error', ({ message }) => resolve({ status: 0, text: message, worker: '' }));
    sent.end();
  });

function workersOf(primary: number): number[] {
  const { stdout } = spawnSync('ps', ['--ppid', String(primary), '-o', 'pid=,args='], { encoding: 'utf8' });
  const lines = stdout.split('\n').filter(line => line.includes('main.ts'));
  return lines.map(line => Number.parseInt(line, 10));
}

listening(
  'a unix socket and an address: workers share the one, and the control side tells them apart',
  async () => {
    const path = join(dir, 'shared.sock');
    const port = await freePort();
    const torc = await startTorc({
      TORC_WORKERS: '2',
      TORC_REPLICAS: '1',
      TORC_LISTEN: `unix:${path},mode=600,127.0.0.1:${port}`,
      PORT: String(port),
    });
    const socket = { socketPath: path };
    try {
      assert.is(statSync(path).mode & 0o777, 0o600);
      const seen = new Set<string>();
      await waitFor(
        async () => {
          const { status, worker } = await ask(socket, '/home');
          assert.is(status, 200);
          return seen.add(worker).size === 2;
        },
        { ...LONG, what: 'an answer of each worker' },
      );
      // A proxy is what a public socket is for: whoever asks there is not known to be on this machine.
      assert.is((await ask(socket, '/admin/slots')).status, 403);
      assert.is((await torc.get('/admin/slots')).status, 200);
      const workers = workersOf(torc.process.pid!);
      assert.is(workers.length, 2);
      for (const pid of workers) process.kill(pid, 'SIGKILL');
      await waitFor(async () => (await ask(socket, '/home')).status === 200, {
        ...LONG,
        what: 'new workers',
      });
      assert.is(statSync(path).mode & 0o777, 0o600);
    } finally {
      await torc.close();
    }
    assert.equal([existsSync(path), existsSync(`${path}.d`)], [false, false]);
  },
);

listening(
  'what stands at the path: a crash’s socket is replaced, another torc’s, another program’s and a file are not',
  async () => {
    const path = join(dir, 'stale.sock');
    const only = { TORC_WORKERS: '1', TORC_REPLICAS: '1', TORC_LISTEN: `unix:${path}` };
    const refusal = async (): Promise<string> => {
      const torc = await spawnTorc(only);
      assert.is(await torc.exited(), 1);
      return torc.errors();
    };
    // Made, and left by its maker without a word to the file system.
    const made = spawnSync(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
    ]);
    assert.is(made.signal, 'SIGKILL');
    assert.ok(existsSync(path));
    const first = await spawnTorc(only);
    await waitFor(async () => (await ask({ socketPath: path }, '/home')).status === 200, {
      ...LONG,
      what: 'an answer',
    });
    assert.is(statSync(path).mode & 0o777, 0o660);
    assert.match(await refusal(), `unix:${path} is taken by another torc (pid ${first.process.pid}`);
    await first.close();
    const other = createServer(socket => socket.destroy());
    await new Promise<void>(resolve => other.listen(path, resolve));
    assert.match(await refusal(), `${path} is taken by another program: set TORC_LISTEN to another path`);
    await new Promise(resolve => other.close(resolve));
    writeFileSync(path, '');
    assert.match(await refusal(), `${path} is no socket: remove it, or set TORC_LISTEN to another path`);
  },
);

listening('one port on both loopback addresses', async () => {
  const port = await freePort();
  const hasIpv6 = await new Promise<boolean>(resolve => {
    const server = createServer().on('error', () => resolve(false));
    server.listen(port, '::1', () => server.close(() => resolve(true)));
  });
  if (!hasIpv6) return;
  const torc = await startTorc({
    TORC_WORKERS: '1',
    TORC_REPLICAS: '1',
    TORC_LISTEN: `[::1]:${port},127.0.0.1:${port}`,
    PORT: String(port),
  });
  try {
    for (const host of ['::1', '127.0.0.1']) {
      assert.is((await ask({ host, port }, '/home')).status, 200, host);
      assert.is((await ask({ host, port }, '/admin/slots')).status, 200, host);
    }
    assert.ok(torc.output().includes(`torc is ready on http://[::1]:${port}`));
  } finally {
    await torc.close();
  }
});

listening.run();
