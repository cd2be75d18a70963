// Listening sockets that a service manager made: torc takes them in place of binding, hands them to its successor, and leaves
// them as they are, so that nobody is refused while no torc runs.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { type ClientRequest, get, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startFresh } from '../support/fresh.ts';
import { lostRequests, startLoad } from '../support/load.ts';
import { type HeldSocket, SocketHolder } from '../support/socket-holder.ts';
import { temporaryState } from '../support/state.ts';
import { freePort } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('socket activation');

async function held(
  sockets: readonly HeldSocket[],
  body: (holder: SocketHolder, pids: number[]) => Promise<void>,
): Promise<void> {
  const holder = new SocketHolder(sockets);
  /** Whose end is the test's. */
  const pids: number[] = [];
  try {
    await waitFor(() => holder.output().startsWith('held'), { timeoutMs: 60_000, what: 'the sockets' });
    await body(holder, pids);
  } catch (error) {
    process.stdout.write(holder.output().slice(-4_000));
    throw error;
  } finally {
    for (const pid of pids)
      try {
        process.kill(pid, 'SIGTERM');
      } catch {
        // It has ended.
      }
    await holder.close();
  }
}

const answerOf = async (asked: ClientRequest): Promise<[number, string, string]> => {
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return [answer.statusCode!, String(answer.headers['x-request-id'] ?? ''), await text(answer)];
};

const ask = (where: object, path = '/home'): Promise<[number, string, string]> =>
  answerOf(get({ ...where, path, agent: false }));

const post = (where: object, path: string): Promise<[number, string, string]> =>
  answerOf(request({ ...where, path, method: 'POST', agent: false }).end());

/** Which workers answered; asked until all of `wanted` did. */
async function workersMet(port: number, wanted: number): Promise<Set<string>> {
  const met = new Set<string>();
  for (let tries = 0; met.size < wanted && tries < 500; tries++) {
    const asked = await Promise.all(Array.from({ length: 4 }, () => ask({ host: '127.0.0.1', port })));
    for (const [, id] of asked) met.add(id.split('-')[0]!);
  }
  return met;
}

if (spawnSync('python3', ['--version']).status !== 0) test.skip('no python3', () => {});
else {
  test('a restart refuses nobody: who comes meanwhile waits in the socket', async () => {
    const port = await freePort();
    await held([{ name: 'torc.socket', host: '127.0.0.1', port }], async (holder, pids) => {
      const settings = { PORT: String(port), TORC_WORKERS: '2' };
      const fresh = startFresh(port, 4);
      pids.push(await holder.serve(settings));
      const kept = startLoad(`http://127.0.0.1:${port}`, 8);
      for (let count = 0; count < 2; count++) {
        await Promise.all([fresh.flows(), kept.flows()]);
        process.kill(pids.at(-1)!, 'SIGTERM');
        assert.is(await holder.ended(), '0');
        pids.push(await holder.serve(settings));
        await Promise.all([fresh.flows(), kept.flows()]);
      }
      const [freshReport, keptReport] = await Promise.all([fresh.stop(), kept.stop()]);
      assert.equal([freshReport.refused, freshReport.lost], [{}, {}]);
      assert.equal(lostRequests(keptReport), []);
      assert.is((await workersMet(port, 2)).size, 2, 'one socket serves both workers');
    });
  });

  test('as many as workers: each has one; more than workers: all are served', async () => {
    const port = await freePort();
    const socket = { name: 'torc.socket', host: '127.0.0.1', port, shared: true };
    await held([socket, socket], async (holder, pids) => {
      for (const workers of [2, 1]) {
        pids.push(await holder.serve({ PORT: String(port), TORC_WORKERS: String(workers) }));
        assert.is((await workersMet(port, workers)).size, workers);
        const answers = await Promise.all(Array.from({ length: 64 }, () => ask({ host: '127.0.0.1', port })));
        assert.equal([...new Set(answers.map(([status]) => status))], [200]);
        process.kill(pids.at(-1)!, 'SIGTERM');
        await holder.ended();
      }
    });
  });

  test('unix sockets, and that of the control endpoints; a successor has them all, and files stay', async () => {
    const folder = temporaryState();
    const [port, path, admin] = [await freePort(), join(folder, 'public'), join(folder, 'admin')];
    const config = join(folder, 'torc.yaml');
    const sockets = [
      { name: 'web', host: '127.0.0.1', port },
      { name: 'local', path },
      { name: 'control', path: admin },
    ];
    await held(sockets, async (holder, pids) => {
      const common = `workers: 1\nadmin-listen: unix:${admin}\n`;
      writeFileSync(config, `${common}listen: 127.0.0.1:${port},unix:${path}\n`);
      pids.push(await holder.serve({ TORC_CONFIG: config }));
      const all = async (): Promise<number[]> =>
        (
          await Promise.all([
            ask({ host: '127.0.0.1', port }),
            ask({ socketPath: path }),
            ask({ socketPath: admin }, '/admin/live'),
          ])
        ).map(([status]) => status);
      assert.equal(await all(), [200, 200, 200]);
      const fresh = [startFresh(port, 2), startFresh(path, 2)];
      for (let count = 0; count < 2; count++) {
        await Promise.all(fresh.map(load => load.flows()));
        const [status, , body] = await post({ socketPath: admin }, '/admin/replace');
        assert.is(status, 200, body);
        await Promise.all(fresh.map(load => load.flows()));
        assert.equal(await all(), [200, 200, 200]);
      }
      for (const report of await Promise.all(fresh.map(load => load.stop())))
        assert.equal([report.refused, report.lost], [{}, {}]);
      // One that has no use for a socket that stays would have clients wait for ever.
      writeFileSync(config, `${common}listen: 127.0.0.1:${port}\n`);
      const [status, , body] = await post({ socketPath: admin }, '/admin/replace');
      assert.is(status, 500);
      assert.match(body, `local listens on unix:${path}, and torc on 127.0.0.1:${port}`);
      assert.equal(await all(), [200, 200, 200]);
      process.kill(pids[0]!, 'SIGTERM');
      assert.is(await holder.ended(), '0');
      assert.ok(existsSync(path) && existsSync(admin));
    });
  });

  test('one that fits no address is a fault, by its name; those of another process are none', async () => {
    const [port, other] = [await freePort(), await freePort()];
    const sockets = [
      { name: 'web', host: '127.0.0.1', port },
      { name: 'old.socket', host: '127.0.0.1', port: other },
      { name: 'wide', host: '::', port },
    ];
    await held(sockets, async holder => {
      await holder.start({ PORT: String(port) });
      assert.is(await holder.ended(), '2');
      const faults = holder.output().match(/^torc: .*/gm) ?? [];
      assert.match(
        faults[0]!,
        `old.socket listens on 127.0.0.1:${other}, and torc on 127.0.0.1:${port}: name its address in TORC_LISTEN`,
      );
      assert.match(faults[1]!, `wide listens on [::]:${port}`);
      await holder.start({ PORT: String(port) }, '1');
      assert.is(await holder.ended(), '1');
      assert.match(holder.output(), `127.0.0.1:${port} is taken by another program`);
      assert.match(holder.output(), 'LISTEN_PID is 1: the sockets are kept for that process and not taken');
    });
  });
}

test.run();
