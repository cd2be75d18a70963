// The Docker driver on a real engine: what every driver must do, then what is its own: least privilege, whose containers
// and networks are ours, every way in which somebody else ends a replica, and an engine that goes away for a while.

import { randomInt } from 'node:crypto';
import * as assert from 'uvu/assert';
import type { DriverEvent } from '../../src/control/driver.ts';
import { silentLog } from '../../src/core/log.ts';
import { DockerDriver, type DockerDriverOptions } from '../../src/drivers/docker/driver.ts';
import { conforms, spec, untilAnswers, withDriver } from '../drivers/conformance.ts';
import {
  containersOf,
  docker,
  engineSuite,
  networkExists,
  networkName,
  removeAll,
} from '../support/engine.ts';
import { openRelay } from '../support/relay.ts';
import { temporaryState } from '../support/state.ts';
import { waitFor } from '../support/wait.ts';

const network = networkName();
const stateRoot = temporaryState();

const make = (options: Partial<DockerDriverOptions> = {}): DockerDriver =>
  new DockerDriver({
    network,
    image: 'torc-replica',
    port: 5000,
    reach: 'auto',
    stateRoot,
    log: silentLog,
    progress: () => {},
    ...options,
  });

const until = (
  events: DriverEvent[],
  replicaId: string,
  kind: DriverEvent['kind'],
  cause: RegExp,
): Promise<void> =>
  waitFor(
    () =>
      events.some(event => event.replicaId === replicaId && event.kind === kind && cause.test(event.cause)),
    {
      timeoutMs: 10_000,
      what: `${kind} ${cause}, seen: ${JSON.stringify(events.map(({ kind, cause }) => [kind, cause]))}`,
    },
  );

const faultOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no fault',
    (error: Error) => `${error.name}: ${error.message}`,
  );

engineSuite('docker driver', network, test => {
  conforms(test, {
    make: () => make(),
    kill: replica => docker.getContainer(replica.id).kill(),
    pause: replica => docker.getContainer(replica.id).pause(),
    leftovers: async () => [
      ...(await containersOf(network)),
      ...((await networkExists(network)) ? [`network ${network}`] : []),
    ],
  });

  test('a replica has least privilege, bounds, and no healer but torc', () =>
    withDriver(make(), async driver => {
      const { id } = await driver.start(spec('1'));
      const { HostConfig, Config } = await docker.getContainer(id).inspect();
      assert.equal(HostConfig.CapDrop, ['ALL']);
      assert.equal(HostConfig.SecurityOpt, ['no-new-privileges:true']);
      assert.equal([HostConfig.Memory, HostConfig.PidsLimit], [512 * 1024 * 1024, 256]);
      assert.is(HostConfig.RestartPolicy?.Name, 'no');
      assert.equal(HostConfig.LogConfig?.Config, { 'max-file': '1', 'max-size': '1m' });
      assert.is(HostConfig.Privileged, false);
      assert.equal(HostConfig.Binds ?? [], []);
      assert.is(Config.User, 'node');
      assert.ok(Config.Env.includes('SERVER_ID=1') && Config.Env.includes('PORT=5000'));
    }));

  for (const [how, end, kinds] of [
    [
      'docker stop',
      id => docker.getContainer(id).stop({ t: 5 }),
      [
        ['going', /kill, SIGTERM/],
        ['gone', /die, exit code 0/],
      ],
    ],
    [
      'docker rm -f',
      id => docker.getContainer(id).remove({ force: true }),
      [
        ['going', /kill, SIGKILL/],
        ['gone', /destroy/],
      ],
    ],
    ['docker pause', id => docker.getContainer(id).pause(), [['changed', /pause/]]],
    [
      'docker network disconnect',
      id => docker.getNetwork(network).disconnect({ Container: id, Force: true }),
      [['gone', /network disconnect/]],
    ],
  ] as [string, (id: string) => Promise<unknown>, [DriverEvent['kind'], RegExp][]][]) {
    test(`${how} is told in words, and stop clears it away`, () =>
      withDriver(make(), async (driver, events) => {
        const replica = await driver.start(spec('1'));
        await untilAnswers(replica);
        await end(replica.id);
        for (const [kind, cause] of kinds) await until(events, replica.id, kind, cause);
        const listed = (await driver.list()).find(found => found.id === replica.id);
        assert.is.not(listed?.status, 'running');
        if (how.includes('disconnect')) assert.is(listed?.ended, `it lost the network ${network}`);
        await driver.stop(replica, 1_000);
        assert.equal(await driver.list(), []);
      }));
  }

  test("the image's own health check and stop signal are signals", async () => {
    const image = `${network}:1`;
    const template = await docker.createContainer({
      Image: 'torc-replica',
      name: `${network}-template`,
      Healthcheck: { Test: ['CMD', 'false'], Interval: 100_000_000, Retries: 1 },
      StopSignal: 'SIGUSR2',
    });
    try {
      await template.commit({ repo: network, tag: '1' });
      await withDriver(make({ image }), async (driver, events) => {
        const replica = await driver.start(spec('1'));
        await until(events, replica.id, 'unhealthy', /health check fails/);
        await docker.getContainer(replica.id).kill({ signal: 'SIGUSR2' });
        await until(events, replica.id, 'going', /kill, SIGUSR2/);
      });
    } finally {
      await template.remove({ force: true });
      await docker
        .getImage(image)
        .remove({ force: true })
        .catch(() => {});
    }
  });

  test('a network that was made with a subnet alone: by container address, like others whose bridge is here', async () => {
    const name = networkName();
    const subnet = `10.${randomInt(200, 250)}.${randomInt(1, 250)}`;
    const made = await docker.createNetwork({
      Name: name,
      IPAM: { Driver: 'default', Config: [{ Subnet: `${subnet}.0/24` }] },
    });
    try {
      await withDriver(make({ network: name }), async driver => {
        const replica = await driver.start(spec('1'));
        assert.ok(replica.host.startsWith(`${subnet}.`), replica.host);
        await untilAnswers(replica);
      });
    } finally {
      await removeAll(name);
      await made.remove().catch(() => {}); // a fault here would hide the test's own
    }
  });

  test('published: an ephemeral port of 127.0.0.1', () =>
    withDriver(make({ reach: 'published' }), async driver => {
      const replica = await driver.start(spec('1'));
      assert.is(replica.host, '127.0.0.1');
      assert.ok(replica.port > 1024 && replica.port !== 5000);
      await untilAnswers(replica);
    }));

  test('two torcs of different networks share an engine in peace', async () => {
    const other = networkName();
    try {
      await withDriver(make(), async driver => {
        await withDriver(make({ network: other }), async neighbour => {
          const [ours, theirs] = [await driver.start(spec('1')), await neighbour.start(spec('1'))];
          assert.equal(
            [await driver.list(), await neighbour.list()].map(list => list.map(replica => replica.id)),
            [[ours.id], [theirs.id]],
          );
        });
        assert.is((await driver.list()).length, 1);
      });
    } finally {
      await removeAll(other);
    }
  });

  test('a network that torc did not make is used, and left', async () => {
    await docker.createNetwork({ Name: network });
    try {
      await withDriver(make(), async driver => untilAnswers(await driver.start(spec('1'))));
      assert.ok(await networkExists(network));
    } finally {
      await docker.getNetwork(network).remove();
    }
  });

  test('a network that somebody removed is made again', () =>
    withDriver(make(), async driver => {
      await docker.getNetwork(network).remove();
      await untilAnswers(await driver.start(spec('1')));
    }));

  test('an image that is not there: one line, and nothing is left behind', async () => {
    const driver = make({ image: 'torctest/no-such-image:1' });
    assert.is(
      await faultOf(driver.open(() => {})),
      'StartError: image torctest/no-such-image:1 is not on this engine: docker pull torctest/no-such-image:1, or build it',
    );
    await driver.close({ remove: true });
    assert.is(await networkExists(network), false);
  });

  test('a start that fails leaves no container, and says why', () =>
    withDriver(make({ port: 5000, image: 'torc-replica' }), async driver => {
      const fault = await faultOf(driver.start({ slot: 'no/name', generation: 1, spare: false }));
      assert.match(fault, /cannot make a container of torc-replica: .*no\/name/);
      assert.equal(await containersOf(network), []);
    }));

  test('an engine out of reach: calls say so, the stream comes back, nothing that happened meanwhile is lost', async () => {
    const relay = await openRelay();
    const before = process.env.DOCKER_HOST;
    process.env.DOCKER_HOST = relay.address;
    try {
      await withDriver(make(), async (driver, events) => {
        const replica = await driver.start(spec('1'));
        await untilAnswers(replica);
        await relay.close();
        // A pooled connection that was cut just now is known so only when it is used.
        const first = await faultOf(driver.list());
        assert.match(first, /no Docker engine answers at unix:|closed the connection/);
        await waitFor(
          async () => /no Docker engine answers at unix:/.test(await faultOf(driver.start(spec('2')))),
          {
            timeoutMs: 5_000,
            what: 'the words for an engine that is away',
          },
        );
        await docker.getContainer(replica.id).kill();
        await relay.listen();
        await waitFor(() => events.some(event => event.kind === 'resync'), {
          timeoutMs: 15_000,
          what: 'the resync',
        });
        await until(events, replica.id, 'gone', /die, exit code 137/);
        // The container's word and the network's; which is first depends on the engine, and both say how it ended.
        const deaths = (): number =>
          events.filter(event => event.cause.includes('die, exit code 137')).length;
        await waitFor(() => deaths() === 2, { timeoutMs: 10_000, what: 'the network disconnect' });
        relay.cut();
        const resyncs = (): number => events.filter(event => event.kind === 'resync').length;
        await waitFor(() => resyncs() === 2, { timeoutMs: 15_000, what: 'the second resync' });
        await driver.stop(replica, 0);
        await until(events, replica.id, 'gone', /destroy/);
        assert.is(deaths(), 2, 'a resumed stream repeats its last event, and it is told once');
      });
    } finally {
      if (before === undefined) delete process.env.DOCKER_HOST;
      else process.env.DOCKER_HOST = before;
      await relay.remove();
    }
  });
});
