// The follow driver over plain `docker run`s, chosen by a label: seats, containers that take over from each other, and every
// way to reach one, also from a container of torc's own.

import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { engineSuite, networkName } from '../support/engine.ts';
import { allReady, type Followed, makeFollowed, servedBy, underLoad } from '../support/followed.ts';
import { slotsOf } from '../support/healing.ts';
import { type SocketProxy, socketProxy } from '../support/socket-proxy.ts';
import { temporaryState } from '../support/state.ts';
import { freePort, startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

interface SlotLine {
  readonly name: string;
  readonly state: string;
  readonly replica: string;
  readonly address: string;
  readonly image: string;
  readonly lastChange: { readonly cause: string };
}

const slot = async (torc: Pick<Torc, 'get'>, name: string): Promise<SlotLine | undefined> => {
  const { slots } = JSON.parse((await torc.get('/admin/slots')).text) as { slots: SlotLine[] };
  return slots.find(each => each.name === name);
};

const becomes = (torc: Pick<Torc, 'get'>, name: string, state: string, cause: RegExp): Promise<void> =>
  waitFor(
    async () => {
      const found = await slot(torc, name);
      return found?.state === state && cause.test(found.lastChange.cause);
    },
    { timeoutMs: 40_000, what: `slot ${name} to be ${state}: ${cause}` },
  );

engineSuite('follow, by label', networkName(), test => {
  let app: Followed;
  let proxy: SocketProxy;
  let torc: Torc;
  const state = temporaryState();

  /** Starts one; `options` and perhaps a program stand around the image. */
  const runOne = (name: string, options: string[] = [], program: string[] = []): Promise<string> =>
    app.docker('run', '-d', ...worded(name, options), app.image, ...program);
  const createOne = (name: string, options: string[]): Promise<string> =>
    app.docker('create', ...worded(name, options), app.image);
  const worded = (name: string, options: string[]): string[] => {
    const common = ['--name', `${app.name}-${name}`, '--label', `${app.name}=1`, '--label', 'tier=web'];
    const network = options.includes('--network') ? [] : ['--network', app.name];
    return [...common, ...network, ...options];
  };
  const inSlot = (name: string): string[] => ['--label', `torc.slot=${name}`];

  const start = (settings: Record<string, string> = {}): Promise<Torc> =>
    startTorc({
      TORC_DRIVER: 'follow',
      TORC_FOLLOW: `label:${app.name}=1,tier=web`,
      DOCKER_HOST: proxy.url,
      // On a busy machine Compose takes its time.
      TORC_HOLD_MS: '60000',
      TORC_HEARTBEAT_TIMEOUT_MS: '5000',
      TORC_WORKERS: '1',
      TORC_STATE_DIR: state,
      TORC_DRAIN_TIMEOUT_MS: '500',
      ...settings,
    });

  test.before(async () => {
    app = await makeFollowed();
    proxy = await socketProxy();
    await app.docker('network', 'create', app.name);
  });
  test.after(async () => {
    await torc?.close();
    proxy?.close();
    await app?.removeAll();
  });

  test('nobody there yet: it says so and waits', async () => {
    torc = await start();
    assert.match(torc.output(), /torc listens on .*, but no replica is ready yet/);
    assert.match(torc.output(), /no container is label:.* yet: torc waits for the first/);
    for (const name of ['a', 'b', 'c']) await runOne(name);
    await allReady(torc, ['1', '2', '3']);
    await waitFor(() => /torc is ready on/.test(torc.output()), {
      timeoutMs: 10_000,
      what: 'the ready line',
    });
    const { replica, image } = (await slot(torc, '1'))!;
    assert.equal([image, replica.length], [app.image, 12]);
  });

  test('one goes, another comes: it takes the seat', async () => {
    await underLoad(
      'stop, rm, run another',
      torc,
      async () => {
        await app.docker('stop', `${app.name}-a`);
        await app.docker('rm', `${app.name}-a`);
        await runOne('d');
      },
      { names: ['1', '2', '3'] },
    );
  });

  test('docker restart and docker kill + start: the same seat', async () => {
    await underLoad(
      'restart one, kill and start another',
      torc,
      async () => {
        await app.docker('restart', `${app.name}-b`);
        await app.docker('kill', `${app.name}-c`);
        await app.docker('start', `${app.name}-c`);
      },
      { names: ['1', '2', '3'] },
    );
  });

  test('torc.slot: the newer of two takes the slot over, once it answers', async () => {
    await runOne('blue', inSlot('x'));
    await allReady(torc, ['1', '2', '3', 'x']);
    const blue = (await slot(torc, 'x'))!.replica;
    await underLoad(
      'one takes over from another',
      torc,
      () => runOne('green', [...inSlot('x'), '-e', 'START_MS=1500']),
      {
        names: ['1', '2', '3', 'x'],
        until: async () => (await slot(torc, 'x'))!.replica !== blue,
      },
    );
    await app.docker('rm', '-f', `${app.name}-blue`);
    await allReady(torc, ['1', '2', '3', 'x']);
  });

  test('torc.slot: of several made within one second the newest', async () => {
    const ids: string[] = [];
    for (const name of ['one', 'two', 'three', 'four']) ids.push(await createOne(name, inSlot('y')));
    await app.docker('start', ...ids);
    await waitFor(async () => (await slot(torc, 'y'))?.replica === ids.at(-1)!.slice(0, 12), {
      timeoutMs: 20_000,
      what: 'the newest to have the slot',
    });
    await app.docker('rm', '-f', ...ids);
    await allReady(torc, ['1', '2', '3', 'x']);
  });

  test('one that is told to end and runs on is taken back after its stop timeout', async () => {
    const deaf =
      "process.on('SIGTERM', () => {}); require('http').createServer((q, r) => r.end()).listen(8080)";
    await runOne('deaf', [...inSlot('deaf'), '--stop-timeout', '1'], ['node', '-e', deaf]);
    await becomes(torc, 'deaf', 'ready', /heartbeat answered/);
    await app.docker('kill', '-s', 'TERM', `${app.name}-deaf`);
    await waitFor(async () => (await slot(torc, 'deaf'))!.state !== 'ready', {
      timeoutMs: 20_000,
      what: 'it to be out',
    });
    const outMs = performance.now();
    await becomes(torc, 'deaf', 'ready', /heartbeat answered/);
    assert.ok(performance.now() - outMs > 4_000, 'not as soon as it has drained');
    await app.docker('rm', '-f', `${app.name}-deaf`);
  });

  test('a health check that fails is a hint: the heartbeat decides', async () => {
    const health = [
      '--health-cmd',
      'test ! -e /tmp/sick',
      '--health-interval',
      '1s',
      '--health-retries',
      '1',
    ];
    await runOne('sick', [...inSlot('sick'), ...health]);
    await becomes(torc, 'sick', 'ready', /heartbeat answered/);
    await app.docker('exec', `${app.name}-sick`, 'touch', '/tmp/sick');
    await waitFor(() => /health check fails.*slot sick is suspect/.test(torc.output()), {
      timeoutMs: 40_000,
      what: 'it to be doubted',
    });
    await becomes(torc, 'sick', 'ready', /heartbeat answered/);
    await app.docker('rm', '-f', `${app.name}-sick`);
  });

  test('a crash loop keeps its slot, which tells why it is empty', async () => {
    await runOne('loop', [...inSlot('loop'), '--restart', 'always'], ['node', '-e', 'process.exit(3)']);
    await becomes(torc, 'loop', 'dead', /the engine restarts it: exit code 3/);
    await app.docker('rm', '-f', `${app.name}-loop`);
    await waitFor(async () => (await slot(torc, 'loop')) === undefined, {
      timeoutMs: 20_000,
      what: 'the slot to go',
    });
  });

  test('where there is no way, or no one port, the slot says what to do', async () => {
    await runOne('lonely', [...inSlot('lonely'), '--network', 'none']);
    await runOne('many', [...inSlot('many'), '--expose', '9000']);
    await becomes(torc, 'lonely', 'dead', /^it is not reachable: it is on no network$/);
    await becomes(
      torc,
      'many',
      'dead',
      /^it is not reachable: it has several ports \(8080, 9000\): say which with/,
    );
    assert.match(torc.output(), new RegExp(`slot lonely: container ${app.name}-lonely is not reachable`));
    await app.docker('network', 'disconnect', 'none', `${app.name}-lonely`);
    await app.docker('network', 'connect', app.name, `${app.name}-lonely`);
    await becomes(torc, 'lonely', 'ready', /heartbeat answered/);
    await app.docker('rm', '-f', `${app.name}-lonely`, `${app.name}-many`);
  });

  test("the host's network, and another container's", async () => {
    const port = String(await freePort());
    await runOne('host', [
      ...inSlot('host'),
      '--network',
      'host',
      '-e',
      `PORT=${port}`,
      '--label',
      `torc.port=${port}`,
    ]);
    await runOne('joined', [
      ...inSlot('joined'),
      '--network',
      `container:${app.name}-b`,
      '-e',
      'PORT=8081',
      '--label',
      'torc.port=8081',
    ]);
    await becomes(torc, 'host', 'ready', /heartbeat answered/);
    await becomes(torc, 'joined', 'ready', /heartbeat answered/);
    assert.is((await slot(torc, 'host'))!.address, `127.0.0.1:${port}`);
    await app.docker('rm', '-f', `${app.name}-host`, `${app.name}-joined`);
  });

  test('by published ports', async () => {
    await app.docker(
      'run',
      '-d',
      '--name',
      `${app.name}-pub`,
      '--label',
      `${app.name}=1`,
      '--label',
      'tier=pub',
      '-p',
      '127.0.0.1::8080',
      app.image,
    );
    const other = await start({
      TORC_FOLLOW: `label:${app.name}=1,tier=pub`,
      TORC_DOCKER_REACH: 'published',
    });
    try {
      await allReady(other, ['1']);
      assert.match((await slot(other, '1'))!.address, /^127\.0\.0\.1:\d+$/);
      assert.match(other.output(), /its port 8080, published on 127\.0\.0\.1/);
    } finally {
      await other.close();
      await app.docker('rm', '-f', `${app.name}-pub`);
    }
  });

  test('torc in a container: by the network that both are on; where there is none it says which to join', async () => {
    const root = join(import.meta.dirname, '..', '..');
    const self = `${app.name}-torc`;
    const socket = proxy.url.slice('unix://'.length);
    await app.docker(
      ...[
        'run',
        '-d',
        '--name',
        self,
        '--label',
        `${app.name}=1`,
        '-v',
        `${root}:/torc:ro`,
        '-v',
        `${socket}:/engine.sock`,
      ],
      ...[
        '-e',
        'DOCKER_HOST=unix:///engine.sock',
        '-e',
        `TORC_FOLLOW=label:${app.name}=1,tier=web`,
        '-e',
        'HOST=0.0.0.0',
      ],
      ...[
        '-e',
        'TORC_ADMIN_OPEN=true',
        '-e',
        'TORC_STATE_DIR=/tmp/state',
        '-e',
        'TORC_WORKERS=1',
        'node:26-slim',
        'node',
        '/torc/src/main.ts',
      ],
    );
    const address = await app.docker(
      'inspect',
      '-f',
      '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
      self,
    );
    const inside: Pick<Torc, 'get'> = {
      get: async path => {
        const signal = AbortSignal.timeout(5_000);
        const response = await fetch(`http://${address}:5000${path}`, { signal }).catch(() => null);
        return {
          status: response?.status ?? 0,
          text: (await response?.text()) ?? '{"slots":[]}',
          headers: new Headers(),
        };
      },
    };
    await becomes(
      inside,
      '1',
      'dead',
      new RegExp(
        `torc's container ${self} is on none of its networks \\(${app.name}\\): docker network connect ${app.name} ${self}`,
      ),
    );
    await app.docker('network', 'connect', app.name, self);
    for (const name of ['1', '2', '3']) await becomes(inside, name, 'ready', /heartbeat answered/);
    assert.match(await app.docker('logs', self), new RegExp(`its address on the network ${app.name}`));
    await app.docker('rm', '-f', self);
  });

  test('nothing but lists, inspects and events was tried', () => {
    assert.equal(proxy.refused, []);
  });

  test('another torc gives the same seats', async () => {
    await allReady(torc, ['1', '2', '3', 'x']);
    const seats = async (): Promise<string[]> =>
      (await slotsOf(torc)).map(({ name, replica }) => `${name} ${replica}`).sort();
    const before = await seats();
    const keys = await servedBy(torc);
    await torc.close();
    torc = await start();
    await allReady(torc, ['1', '2', '3', 'x']);
    assert.equal(await seats(), before);
    assert.equal(await servedBy(torc), keys);
  });
});
