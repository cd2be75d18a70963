// The follow driver on a real engine with real `docker compose`: everything that people do to containers, under load. No
// request is lost, no key moves that need not, and torc asks the engine for nothing but lists, inspects and events.

import * as assert from 'uvu/assert';
import { engineSuite, networkName } from '../support/engine.ts';
import {
  allReady,
  CONNECTIONS,
  type Followed,
  makeFollowed,
  moved,
  servedBy,
  underLoad,
} from '../support/followed.ts';
import { slotsOf } from '../support/healing.ts';
import { lostRequests, startLoad } from '../support/load.ts';
import { type SocketProxy, socketProxy } from '../support/socket-proxy.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

/** Of each slot: the container and which of its runs. */
const runsOf = async (torc: Torc): Promise<Map<string, string>> =>
  new Map((await slotsOf(torc)).map(({ name, replica, generation }) => [name, `${replica} ${generation}`]));

engineSuite('follow, a service of Compose', networkName(), test => {
  let app: Followed;
  let proxy: SocketProxy;
  let torc: Torc;

  test.before(async () => {
    app = await makeFollowed();
    proxy = await socketProxy();
    await app.compose('up -d --scale web=3');
    torc = await startTorc({
      TORC_FOLLOW: `compose:${app.name}/web`,
      TORC_DRIVER: 'follow',
      DOCKER_HOST: proxy.url,
      // On a busy machine Compose takes its time.
      TORC_HOLD_MS: '60000',
      TORC_HEARTBEAT_TIMEOUT_MS: '5000',
      TORC_WORKERS: '2',
    });
  });
  test.after(async () => {
    await torc?.close();
    proxy?.close();
    await app?.removeAll();
  });

  test("slots are Compose's numbers; the log says how each is reached", async () => {
    await allReady(torc, ['1', '2', '3']);
    for (const number of [1, 2, 3])
      assert.match(
        torc.output(),
        new RegExp(
          `slot ${number}: container ${app.name}-web-${number} is reached at [0-9.]+:8080, its address on the network ${app.name}_default`,
        ),
      );
  });

  test('up --scale 5', async () => {
    await underLoad('--scale 3 -> 5', torc, () => app.compose('up -d --scale web=5'), {
      names: ['1', '2', '3', '4', '5'],
      least: 240,
    });
  });

  test('up --scale 3', async () => {
    const before = (await servedBy(torc)).filter(slot => slot > '3').length;
    await underLoad('--scale 5 -> 3', torc, () => app.compose('up -d --scale web=3'), {
      names: ['1', '2', '3'],
      least: before,
    });
  });

  test('docker restart', async () => {
    const before = await runsOf(torc);
    await underLoad('docker restart', torc, () => app.docker('restart', `${app.name}-web-2`), {
      names: ['1', '2', '3'],
      until: async () => (await runsOf(torc)).get('2') !== before.get('2'),
    });
    const after = await runsOf(torc);
    assert.equal(
      [after.get('1'), after.get('3')],
      [before.get('1'), before.get('3')],
      'the others are untouched',
    );
  });

  test('up with another environment: all are recreated at once', async () => {
    const before = await runsOf(torc);
    await underLoad('recreate', torc, () => app.compose('up -d --scale web=3', { VERSION: '2' }), {
      names: ['1', '2', '3'],
      until: async () => [...(await runsOf(torc))].every(([slot, run]) => before.get(slot) !== run),
    });
    assert.match((await torc.get('/request?request_id=1')).text, /"version":"2"/);
  });

  test('docker kill: its keys go to their next choices, and come back with it', async () => {
    const own = (await servedBy(torc)).filter(slot => slot === '1').length;
    const whole = await servedBy(torc);
    const load = startLoad(torc.url, CONNECTIONS);
    await load.flows();
    await app.docker('kill', `${app.name}-web-1`);
    await waitFor(async () => (await slotsOf(torc)).find(({ name }) => name === '1')?.state === 'dead', {
      timeoutMs: 30_000,
      what: 'slot 1 to be dead',
    });
    await load.flows();
    const { count, needless } = moved(whole, await servedBy(torc));
    assert.equal([count, needless], [own, 0]);
    await app.docker('start', `${app.name}-web-1`);
    await allReady(torc, ['1', '2', '3']);
    const report = await load.stop();
    process.stdout.write(
      `\n  docker kill: keys moved ${count} (least possible ${own}), back: all; lost ${JSON.stringify(lostRequests(report))}\n`,
    );
    assert.equal(lostRequests(report), []);
    assert.equal(await servedBy(torc), whole);
  });

  /** runc asks the kernel for a while and then gives up, where the machine is busy: the next try is another one. */
  async function paused(container: string, triesLeft = 4): Promise<void> {
    try {
      await app.docker('pause', container);
    } catch (error) {
      if (triesLeft === 0 || !String(error).includes('unable to freeze')) throw error;
      await paused(container, triesLeft - 1);
    }
  }

  test('docker pause and unpause', async () => {
    await underLoad(
      'docker pause',
      torc,
      async () => {
        await paused(`${app.name}-web-3`);
        await waitFor(
          async () => (await slotsOf(torc)).find(({ name }) => name === '3')?.state === 'suspect',
          {
            timeoutMs: 30_000,
            what: 'slot 3 to be out',
          },
        );
        await app.docker('unpause', `${app.name}-web-3`);
      },
      { names: ['1', '2', '3'] },
    );
  });

  test('one that takes its time to start is not routed to before it answers', async () => {
    const startedMs = performance.now();
    await underLoad(
      'a slow start',
      torc,
      () => app.compose('up -d --no-recreate --scale web=4', { START_MS: '2000' }),
      {
        names: ['1', '2', '3', '4'],
        least: 150,
      },
    );
    assert.ok(performance.now() - startedMs > 2000);
    const { slots } = JSON.parse((await torc.get('/admin/slots')).text) as {
      slots: { name: string; errors: number }[];
    };
    assert.is(slots.find(({ name }) => name === '4')!.errors, 0, 'nobody was sent there too early');
  });

  test('the engine goes away and comes back: routing goes on, and what changed meanwhile is seen', async () => {
    const own = (await servedBy(torc)).filter(slot => slot === '4').length;
    await underLoad(
      'engine away',
      torc,
      async () => {
        proxy.goAway();
        await app.compose('up -d --no-recreate --scale web=3');
        await proxy.comeBack();
      },
      { names: ['1', '2', '3'], least: own },
    );
  });

  test('docker rm -f: its slot goes, and Compose makes another under the next number', async () => {
    const own = (await servedBy(torc)).filter(slot => slot === '2').length;
    await underLoad('docker rm -f', torc, () => app.docker('rm', '-f', `${app.name}-web-2`), {
      names: ['1', '3'],
      least: own,
    });
    await underLoad('and up again', torc, () => app.compose('up -d --no-recreate --scale web=3'), {
      names: ['1', '3', '4'],
      least: 200,
    });
  });

  test('nothing but lists, inspects and events was tried, and all was let through', () => {
    assert.equal(proxy.refused, []);
    process.stdout.write(`\n  let through: ${JSON.stringify(proxy.passed)}\n`);
  });

  test('what the replicas are is not for torc to change', async () => {
    for (const [method, path, payload] of [
      ['POST', '/add', { n: 1 }],
      ['DELETE', '/rm', { n: 1 }],
      ['POST', '/admin/rollout', { image: 'x' }],
    ] as const) {
      const { status, text } = await torc.send(method, path, payload);
      assert.is(status, 409, `${path}: ${text}`);
      assert.match(text, /TORC_FOLLOW/);
    }
  });

  test('down: no slot is used any more; up: the slots are those of the new containers', async () => {
    await app.compose('down -t 5');
    await waitFor(async () => (await slotsOf(torc)).every(({ state }) => state === 'dead'), {
      timeoutMs: 30_000,
      what: 'all slots to be dead',
    });
    await app.compose('up -d --scale web=3');
    await allReady(torc, ['1', '2', '3']);
  });
});
