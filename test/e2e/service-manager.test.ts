// What torc tells systemd, received as systemd receives it: a datagram socket (Python's, because Node has none) under the
// real systemd-notify. Under a real systemd: systemd.test.ts.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryState } from '../support/state.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const RECEIVE = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True: print(s.recv(4096).decode().strip().replace('\\n', ' '), flush=True)`;

interface Receiver {
  readonly path: string;
  readonly process: ChildProcess;
  readonly bound: () => boolean;
  /** One a message. */
  readonly messages: () => string[];
}

function receive(): Receiver {
  const path = join(temporaryState(), 'notify');
  const child = spawn('python3', ['-c', RECEIVE, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  return {
    path,
    process: child,
    bound: () => output.startsWith('bound'),
    messages: () =>
      output
        .split('\n')
        // The barrier by which systemd-notify waits for its reader, with a descriptor that this one does not close.
        .filter(line => line !== 'bound' && line !== '' && line !== 'BARRIER=1'),
  };
}

const tests = suite('service manager');
const canRun = ['systemd-notify', 'python3'].every(name => spawnSync(name, ['--version']).status === 0);

if (!canRun) tests.skip('no systemd-notify, or no python3', () => {});
else
  tests('ready, alive, stopping; and nobody below torc can say so', async () => {
    const manager = receive();
    let torc: Torc | null = null;
    try {
      await waitFor(manager.bound, { timeoutMs: 60_000, what: 'the socket' });
      torc = await startTorc({
        TORC_WORKERS: '1',
        TORC_REPLICAS: '1',
        NOTIFY_SOCKET: manager.path,
        WATCHDOG_USEC: '400000',
      });
      const beats = (): string[] => manager.messages().filter(text => text.startsWith('WATCHDOG=1'));
      await waitFor(() => beats().length >= 2, { timeoutMs: 60_000, what: 'two beats' });
      assert.is(manager.messages()[0], 'READY=1 STATUS=1 of 1 replicas are ready');
      assert.is(beats()[0], 'WATCHDOG=1 STATUS=1 of 1 replicas are ready');
      for (const pid of childrenOf(torc.process.pid!))
        assert.not.match(readFileSync(`/proc/${pid}/environ`, 'utf8'), /NOTIFY_SOCKET|WATCHDOG/);
      await torc.close();
      assert.match(manager.messages().at(-1)!, /^STOPPING=1 STATUS=stopping/);
    } finally {
      await torc?.close();
      manager.process.kill();
      await once(manager.process, 'exit');
    }
  });

if (canRun)
  tests('a torc that takes over says so, and is watched; the one before it ends', async () => {
    const manager = receive();
    let torc: Torc | null = null;
    let successor = 0;
    try {
      await waitFor(manager.bound, { timeoutMs: 60_000, what: 'the socket' });
      // One that takes its time: the first must not end before systemd knows of the second.
      const folder = temporaryState();
      const real = spawnSync('sh', ['-c', 'command -v systemd-notify']).stdout.toString().trim();
      const slow = `#!/bin/sh\ncase "$*" in *MAINPID*) sleep 4 ;; esac\nexec ${real} "$@"\n`;
      writeFileSync(join(folder, 'systemd-notify'), slow, { mode: 0o755 });
      torc = await startTorc({
        PATH: `${folder}:${process.env.PATH}`,
        TORC_WORKERS: '1',
        TORC_REPLICAS: '1',
        NOTIFY_SOCKET: manager.path,
        WATCHDOG_USEC: '400000',
        WATCHDOG_PID: '1',
      });
      const answer = await torc.send('POST', '/admin/replace', '', { connection: 'close' });
      successor = (JSON.parse(answer.text) as { pid: number }).pid;
      const { process: first } = torc;
      await waitFor(() => first.exitCode !== null, { timeoutMs: 60_000, what: 'the end of the first' });
      assert.is(first.exitCode, 0);
      await waitFor(() => manager.messages().includes(`MAINPID=${successor}`), {
        timeoutMs: 1_000,
        what: 'the new main process, which is told of before the first ends',
      });
      const since = manager.messages().indexOf(`MAINPID=${successor}`);
      const heard = (): string[] => manager.messages().slice(since);
      await waitFor(() => heard().filter(text => text.startsWith('WATCHDOG=1')).length >= 2, {
        timeoutMs: 60_000,
        what: 'two beats of the new one',
      });
      assert.is(heard()[1], 'READY=1 STATUS=1 of 1 replicas are ready');
      process.kill(successor, 'SIGTERM');
      await waitFor(() => heard().some(text => text.startsWith('STOPPING=1')), {
        timeoutMs: 60_000,
        what: 'its end',
      });
    } finally {
      await torc?.close();
      manager.process.kill();
      await once(manager.process, 'exit');
    }
  });

/** Workers and replicas, but not a systemd-notify, which comes and goes. */
function childrenOf(parent: number): string[] {
  return readdirSync('/proc').filter(pid => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const [, found] = /\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))!;
      return Number(found) === parent && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('node');
    } catch {
      return false; // gone meanwhile
    }
  });
}

tests.run();
