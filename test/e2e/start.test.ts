// Starts that cannot succeed say why in one line and leave nothing behind; a stop answers what was accepted.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryState } from '../support/state.ts';
import { freePort, spawnTorc, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const start = suite('start');

/** Pids whose environment or command line names this port's torc: what a run left behind. */
function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(candidate => {
      try {
        return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${candidate}/stat`, 'utf8'))?.[1]) === pid;
      } catch {
        return false;
      }
    });
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

start('wrong settings: exit 2, one line for each', async () => {
  const torc = await spawnTorc({ TORC_REPLICAS: '0', TORC_DRIVER: 'podman', TORC_REPLICSA: '3' });
  assert.is(await torc.exited(), 2);
  const lines = torc.errors().trim().split('\n');
  assert.is(lines.length, 3, torc.errors());
  assert.match(lines.join('\n'), /^TORC_REPLICAS: .*allowed/m);
  await torc.close();
});

start('a taken port: one line, exit not 0, nothing left', async () => {
  const blocker = createServer().listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  const address = blocker.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const torc = await spawnTorc({ PORT: String(port) });
  const code = await torc.exited();
  blocker.close();
  assert.is(code, 1);
  assert.match(torc.errors(), `127.0.0.1:${port} is taken`);
  assert.is(torc.errors().trim().split('\n').length, 1, torc.errors());
});

start('two started at once on one port: one serves, the other says who has it', async () => {
  for (const hosts of [
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '127.0.0.1'],
  ]) {
    const PORT = String(await freePort());
    const both = await Promise.all(
      hosts.map(HOST => spawnTorc({ PORT, HOST, TORC_WORKERS: '1', TORC_REPLICAS: '1' })),
    );
    try {
      const isOver = (torc: Torc): boolean =>
        torc.process.exitCode !== null || torc.output().includes('torc is ready');
      await waitFor(() => both.every(isOver), { timeoutMs: 30_000, what: 'one to serve, one to give up' });
      const losers = both.filter(torc => torc.process.exitCode !== null);
      assert.is(losers.length, 1, both.map(torc => torc.output()).join('\n--\n'));
      const winner = both.find(torc => torc !== losers[0])!;
      assert.is(losers[0]!.process.exitCode, 1);
      assert.match(
        losers[0]!.errors(),
        new RegExp(`taken by another torc.*pid ${winner.process.pid}, since 2`),
      );
      assert.is((await winner.get('/request?request_id=1')).status, 200);
    } finally {
      await Promise.all(both.map(torc => torc.close()));
    }
  }
});

start('a second one with the same state: the workers of the first are not taken for orphans', async () => {
  const TORC_STATE_DIR = temporaryState();
  const first = await startTorc({ TORC_STATE_DIR, TORC_WORKERS: '1', TORC_REPLICAS: '1' });
  try {
    const second = await spawnTorc({ TORC_STATE_DIR, PORT: String(first.port), TORC_WORKERS: '1' });
    assert.is(await second.exited(), 1);
    assert.match(second.errors(), new RegExp(`taken by another torc.*pid ${first.process.pid}, since 2`));
    assert.not.match(second.output(), 'keeps its sockets');
    assert.is((await first.get('/request?request_id=1')).status, 200);
  } finally {
    await first.close();
  }
});

start('a second one while the only worker of the first is being replaced', async () => {
  const first = await startTorc({ TORC_WORKERS: '1', TORC_REPLICAS: '1' });
  try {
    // Dying young again and again, it is away for longer each time.
    let pid = 0;
    for (let deaths = 0; deaths < 4; deaths++) {
      const isBack = async (): Promise<boolean> => {
        const { workers } = await first.get('/admin/ring').then(
          answer => JSON.parse(answer.text),
          () => ({ workers: [] }),
        );
        const found = workers[0]?.pid ?? pid;
        if (found === pid) return false;
        pid = found;
        return true;
      };
      await waitFor(isBack, { timeoutMs: 20_000, what: 'the worker' });
      process.kill(pid, 'SIGKILL');
    }
    const second = await spawnTorc({ PORT: String(first.port), HOST: '0.0.0.0' });
    assert.is(await second.exited(), 1);
    assert.match(
      second.errors(),
      new RegExp(`taken by another torc on 127.0.0.1 \\(pid ${first.process.pid}, `),
    );
  } finally {
    await first.close();
  }
});

start("the admin's token is in the environment of no worker and no replica", async () => {
  const torc = await startTorc({
    TORC_ADMIN_TOKEN: 'a-secret-of-this-test',
    TORC_WORKERS: '2',
    TORC_REPLICAS: '1',
  });
  try {
    const children = childrenOf(torc.process.pid!);
    assert.ok(children.length >= 3, `workers and a replica: ${children}`);
    for (const pid of children)
      assert.not.match(
        readFileSync(`/proc/${pid}/environ`, 'utf8'),
        /a-secret-of-this-test|TORC_ADMIN_TOKEN/,
      );
  } finally {
    await torc.close();
  }
});

start('what is wrong in files that settings name is said before anything starts', async () => {
  const file = join(temporaryState(), 'upstreams');
  writeFileSync(file, '127.0.0.1:1\nnowhere\n');
  const torc = await spawnTorc({ TORC_DRIVER: 'static', TORC_UPSTREAMS_FILE: file });
  assert.is(await torc.exited(), 2);
  assert.match(torc.errors(), /TORC_UPSTREAMS_FILE: .*: line 2: "nowhere" has no port/);
  assert.equal(torc.lines(), []);
});

start('the ready line of many replicas is whole', async () => {
  const upstreams = Array.from({ length: 1000 }, (_, index) => `127.1.0.1:${index + 1}`).join();
  const torc = await startTorc({
    TORC_DRIVER: 'static',
    TORC_UPSTREAMS: upstreams,
    TORC_HEARTBEAT_PATH: '',
    TORC_WORKERS: '1',
    TORC_LOG: 'warn',
  });
  try {
    const [line] = torc.lines().filter(({ ready }) => ready === 1000);
    assert.is(line?.msg, `torc is ready on ${torc.url}`);
    assert.equal((line!.replicas as string[]).slice(-2), ['127.1.0.1:20', 'and 980 more: see /admin/slots']);
  } finally {
    await torc.close();
  }
});

start('a full disk under the log: one line on stderr, exit not 0', async () => {
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/main.ts')], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TORC_DRIVER: 'process',
      TORC_STATE_DIR: temporaryState(),
      PORT: String(await freePort()),
    },
    stdio: ['ignore', full, 'pipe'],
  });
  let errors = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [code] = await once(child, 'close');
  assert.is(code, 1);
  assert.is(errors.trim().split('\n').length, 1, errors);
  assert.match(errors, /the log cannot be written: ENOSPC/);
});

start('SIGTERM during load: every accepted request is answered, exit 0, no process left', async () => {
  const torc = await startTorc({ TORC_WORKERS: '2' });
  const children = childrenOf(torc.process.pid!);
  assert.ok(children.length >= 5, `workers and replicas: ${children}`);
  let answered = 0;
  let stopped = false;
  const faults: string[] = [];
  // Each has a connection of its own: of a shared pool one may be taken that another was just told the end of.
  const lane = async (): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; !stopped; i++) {
      try {
        const sent = request(`${torc.url}/request?request_id=${i}`, { agent }).end();
        const [response] = (await once(sent, 'response')) as [IncomingMessage];
        response.resume();
        await once(response, 'end');
        if (response.statusCode === 200) answered++;
        else faults.push(`status ${response.statusCode}`);
        // Told that torc goes: a new connection could only meet a closed door, in whatever state the kernel leaves it.
        if (response.headers.connection === 'close') break;
      } catch (error) {
        faults.push((error as NodeJS.ErrnoException).code ?? String(error));
        break;
      }
    }
    agent.destroy();
  };
  const lanes = Array.from({ length: 16 }, lane);
  await waitFor(() => answered > 500, { timeoutMs: 20_000, what: '500 answers' });
  torc.process.kill('SIGTERM');
  const code = await torc.exited();
  stopped = true;
  await Promise.all(lanes);
  assert.equal(faults, []);
  assert.is(code, 0, torc.output());
  assert.equal(children.filter(alive), []);
});

start('a worker that is killed is replaced, and the snapshot is the same in all', async () => {
  const torc = await startTorc({ TORC_WORKERS: '2' });
  try {
    const ring = async () => JSON.parse((await torc.get('/admin/ring')).text);
    const [victim] = (await ring()).workers;
    process.kill(victim.pid, 'SIGKILL');
    // A kept-alive connection of ours may have been the victim's: that request is lost, the next one is not.
    const rings = async () => ring().catch(() => ({ workers: [] }));
    await waitFor(
      async () => {
        const { workers } = await rings();
        return workers.length === 2 && workers.every((worker: { pid: number }) => worker.pid !== victim.pid);
      },
      { timeoutMs: 20_000, what: 'a new worker' },
    );
    await waitFor(
      async () => (await rings()).workers.every((worker: { current: boolean }) => worker.current),
      {
        timeoutMs: 20_000,
        what: 'one epoch and checksum in all workers',
      },
    );
    assert.is((await torc.get('/request?request_id=1')).status, 200);
  } finally {
    await torc.close();
  }
});

start.run();
