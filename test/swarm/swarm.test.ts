// Torc over a real swarm of three machines: the service is made, rolled out, loses a machine and gets it back, and goes. All of
// it under load, and no request that may be repeated is lost. Without a lab (test/support/swarm-lab.ts) counted as skipped.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { engineAddress } from '../../src/drivers/docker/address.ts';
import { Engine } from '../../src/drivers/docker/engine.ts';
import { makeService } from '../../src/drivers/swarm/make.ts';
import { Managers } from '../../src/drivers/swarm/managers.ts';
import type { SwarmServiceSpec } from '../../src/drivers/swarm/objects.ts';
import { loadCompose } from '../../src/service/load.ts';
import { docker, ensureBundledImage } from '../support/engine.ts';
import { temporaryState } from '../support/state.ts';
import {
  ask,
  type LabTorc,
  type LoadReport,
  lab,
  labScript,
  onNode,
  placesOf,
  startLabLoad,
  startLabTorc,
} from '../support/swarm-lab.ts';
import { waitFor } from '../support/wait.ts';

const KEYS = 60;
const IMAGE = 'torc-replica:latest';
const NEXT = 'torc-replica:next';
/** The image's own check is a program that starts each time: too much for a machine that is busy with tests. */
const COMPOSE = `
name: shop
services:
  app:
    image: ${IMAGE}
    scale: 6
    environment: { WHO: 'slot {{slot}}' }
    stop_grace_period: 2s
    healthcheck: { disable: true }
    volumes: [ 'data-{{slot}}:/data', '/etc/os-release:/machine:ro' ]
    tmpfs: '/scratch:size=1m,mode=1770'
    secrets: [ { source: token, target: app-token } ]
    configs: [ { source: conf, target: /etc/app.conf } ]
secrets: { token: { external: true, name: token-2 } }
configs: { conf: { external: true } }
`;
/** Nobody runs it: its specification is compared. */
const TWIN = `
version: '3.9'
services:
  twin:
    image: ${IMAGE}
    volumes:
      - data:/data:ro
      - shared:/shared
      - /cache
      - /srv/folder:/folder:ro
      - { type: tmpfs, target: /mem, tmpfs: { size: 1048576 } }
    secrets: [ token, { source: token, target: again, uid: '1000', mode: 0400 } ]
    configs: [ conf, { source: conf, target: /etc/app.conf } ]
    extra_hosts: [ 'db:10.0.0.7' ]
    dns: [ 10.0.0.2 ]
    dns_search: [ shop.lan ]
    sysctls: { net.core.somaxconn: '1024' }
    ulimits: { nofile: { soft: 10, hard: 20 }, nproc: 5 }
    stdin_open: true
    logging: { driver: json-file, options: { max-size: 2m } }
    deploy:
      replicas: 1
      endpoint_mode: dnsrr
      placement:
        constraints: [ node.labels.nowhere == here ]
        preferences: [ { spread: node.labels.zone } ]
        max_replicas_per_node: 2
      restart_policy: { condition: on-failure, delay: 3s, max_attempts: 4, window: 1m }
      update_config: { parallelism: 2, delay: 5s, order: stop-first, failure_action: pause, monitor: 9s, max_failure_ratio: 0.5 }
      resources:
        limits: { cpus: '0.5', memory: 64m, pids: 10 }
        reservations: { cpus: '0.25', memory: 32m }
volumes:
  data: { driver_opts: { type: tmpfs, device: tmpfs } }
  shared: { external: true, name: all-of-us }
secrets: { token: { external: true, name: token-2 } }
configs: { conf: { external: true } }
`;

const swarm = suite('swarm, real machines');
if (labScript === '') define(swarm.skip.bind(swarm) as unknown as Test);
else define(swarm);
swarm.run();

/** What the file says, without what the two programs add by themselves. */
function compared({ TaskTemplate, UpdateConfig, EndpointSpec }: SwarmServiceSpec): object {
  const { ContainerSpec = {}, ...task } = TaskTemplate;
  const { Mounts, Secrets, Configs, Hosts, DNSConfig, Sysctls, Ulimits, OpenStdin } = ContainerSpec;
  const mounts = (Mounts as { Target: string; VolumeOptions?: object }[]).map(
    ({ VolumeOptions, ...mount }) => {
      const { Labels: _, ...options } = (VolumeOptions ?? {}) as { Labels?: object };
      return { ...mount, VolumeOptions: options };
    },
  );
  const byName = (files: unknown): object[] =>
    [...(files as { File: { Name: string } }[])].sort((a, b) => (a.File.Name < b.File.Name ? -1 : 1));
  const { Placement, RestartPolicy, Resources, LogDriver } = task;
  return {
    ...{ Hosts, DNSConfig, Sysctls, Ulimits, OpenStdin, RestartPolicy, Resources, LogDriver, UpdateConfig },
    Placement: { ...Placement, Platforms: undefined },
    Mode: EndpointSpec?.Mode,
    Mounts: mounts.sort((a, b) => (a.Target < b.Target ? -1 : 1)),
    Secrets: byName(Secrets),
    Configs: byName(Configs),
  };
}

function define(test: Test): void {
  let torc: LabTorc;
  let second: LabTorc | undefined;
  let places: ReadonlyMap<number, string>;

  if (labScript !== '') {
    swarm.before(async () => {
      process.env.MANAGERS = '1';
      await lab('up', '3');
      await ensureBundledImage();
      await docker.getImage(IMAGE).tag({ repo: 'torc-replica', tag: 'next' });
      await lab('load', IMAGE, NEXT);
      const folder = temporaryState();
      const compose = join(folder, 'compose.yaml');
      writeFileSync(compose, COMPOSE);
      writeFileSync(join(folder, 'content'), 'what it says');
      await onNode(1, 'secret', 'create', 'token', compose);
      await onNode(1, 'secret', 'create', 'token-2', join(folder, 'content'));
      await onNode(1, 'config', 'create', 'conf', join(folder, 'content'));
      torc = await startLabTorc({
        DOCKER_HOST: `unix://${await lab('socket', '1')}`,
        TORC_SERVICE: 'web',
        TORC_COMPOSE: compose,
        // A machine that is busy with tests is slow.
        TORC_HEARTBEAT_TIMEOUT_MS: '1000',
      });
    });
    swarm.after(async () => {
      await second?.close();
      await torc?.close();
      await lab('down');
      await docker.getImage(NEXT).remove();
    });
  }

  const allReady = (
    what: string,
    more: (slots: Awaited<ReturnType<LabTorc['slots']>>) => boolean = () => true,
  ) =>
    waitFor(
      async () => {
        const slots = await torc.slots();
        return slots.length === 6 && slots.every(({ state }) => state === 'ready') && more(slots);
      },
      { timeoutMs: 90_000, what },
    );

  /** Nothing that may be repeated is lost meanwhile. */
  async function underLoad(work: () => Promise<void>, by = torc): Promise<void> {
    const load = startLabLoad(by.socket);
    let report: LoadReport;
    try {
      await work();
    } catch (error) {
      const tasks = await onNode(1, 'service', 'ps', 'web', '--no-trunc').catch(String);
      throw new Error(`${(error as Error).message}\n${tasks}`, { cause: error });
    } finally {
      report = await load.end();
    }
    assert.equal([...report.causes], []);
    assert.ok(report.count > 100, `${report.count} requests`);
  }

  test('the service is made, of as many tasks, with slots for names', async () => {
    await allReady('six slots');
    assert.equal(
      (await torc.slots()).map(({ name }) => name),
      ['1', '2', '3', '4', '5', '6'],
    );
    places = await placesOf(torc.socket, KEYS);
    assert.ok(new Set(places.values()).size > 3, 'keys are spread');
  });

  test('what its file names is in its tasks, and each slot says on which machine it is', async () => {
    const slots = await torc.slots();
    assert.equal([...new Set(slots.map(({ machine }) => machine))].sort(), ['n1', 'n2', 'n3']);
    const filter = ['--filter', 'label=com.docker.swarm.service.name=web'];
    const [id = ''] = (await onNode(1, 'ps', '-q', ...filter)).split('\n');
    const look =
      'cat /run/secrets/app-token; echo; cat /etc/app.conf; echo; cat /machine; grep -E " /(data|scratch) " /proc/mounts; echo $SLOT';
    const [secret, config, version, ...rest] = (await onNode(1, 'exec', id, 'sh', '-c', look)).split('\n');
    assert.equal([secret, config], ['what it says', 'what it says']);
    assert.match(version!, /^[A-Z_]+=/, 'a folder of its machine');
    const slot = rest.at(-1)!;
    assert.match(rest.find(line => line.includes(' /scratch '))!, /^tmpfs .*size=1024k,mode=1770/);
    assert.ok(rest.some(line => line.includes(' /data ')));
    assert.is((await onNode(1, 'volume', 'ls', '-q')).split('\n').includes(`shop_data-${slot}`), true);
  });

  test('a service is made as docker stack deploy makes it', async () => {
    const folder = temporaryState();
    const file = join(folder, 'twin.yaml');
    writeFileSync(file, TWIN);
    await onNode(1, 'stack', 'deploy', '--resolve-image', 'never', '-c', file, 'shop');
    const loaded = loadCompose([file], 'twin', {
      cwd: folder,
      env: { COMPOSE_PROJECT_NAME: 'shop' },
      readFile: path => (path === file ? TWIN : null),
    });
    assert.equal(loaded.faults, []);
    const engine = new Engine(engineAddress({ DOCKER_HOST: `unix://${await lab('socket', '1')}` }));
    const managers = new Managers([engine], systemClock);
    const { Spec: ours } = await makeService({
      name: 'twin',
      managers,
      definition: { owner: 'test', image: IMAGE, replicas: 1, project: loaded.project },
      port: 5000,
      networks: null,
      log: silentLog,
    });
    const { Spec: theirs } = (await managers.service('shop_twin'))!;
    assert.equal(compared(ours), compared(theirs));
    await onNode(1, 'service', 'update', '-d', '--label-add', 'a=b', 'twin');
    const { Spec: labelled } = (await managers.service('twin'))!;
    assert.is(labelled.Labels?.a, 'b');
    assert.equal(labelled.TaskTemplate, ours.TaskTemplate, 'a label by hand replaces no task');
    await onNode(1, 'service', 'rm', 'twin');
    await onNode(1, 'stack', 'rm', 'shop');
  });

  test('a weight said to torc is in the labels of the service, and taken back from there', async () => {
    const label = (): Promise<string> =>
      onNode(1, 'service', 'inspect', 'web', '--format', '{{index .Spec.Labels "torc.weight.3"}}');
    const said = await torc.control('PUT', '/admin/slots/3/weight', '{"weight":0}');
    assert.is(said.status, 200, said.text);
    assert.is(await label(), '0');
    assert.not([...(await placesOf(torc.socket, KEYS)).values()].includes('3'));
    await onNode(1, 'service', 'update', '-d', '--label-rm', 'torc.weight.3', 'web');
    await waitFor(async () => (await torc.slots()).every(({ weight }) => weight === 1), {
      timeoutMs: 30_000,
      what: 'the weight of before',
    });
    assert.equal(await placesOf(torc.socket, KEYS), places);
  });

  test('scaled up and down: the slots that stay keep their keys', async () => {
    await underLoad(async () => {
      const added = await torc.control('POST', '/add', '{"n":2}');
      assert.is(added.status, 200, added.text);
      const removed = await torc.control('DELETE', '/rm', '{"n":2}');
      assert.is(removed.status, 200, removed.text);
    });
    const names = (await torc.slots()).map(({ name }) => name);
    assert.is(names.length, 6);
    for (const [key, slot] of await placesOf(torc.socket, KEYS))
      if (names.includes(places.get(key)!)) assert.is(slot, places.get(key), `key ${key}`);
    places = await placesOf(torc.socket, KEYS);
  });

  test("a roll-out is Swarm's own: no slot is without, no request is lost, no key moves", async () => {
    await underLoad(async () => {
      const rolled = await torc.control('POST', '/admin/rollout', JSON.stringify({ image: NEXT }));
      assert.is(rolled.status, 200, rolled.text);
      await allReady('the next image', slots => slots.every(({ image }) => image === NEXT));
    });
    assert.equal(await placesOf(torc.socket, KEYS), places);
  });

  test('a machine is lost: its slots answer elsewhere, and the place it has is given back when it returns', async () => {
    const constraints = (): Promise<string> =>
      onNode(1, 'service', 'inspect', 'web', '--format', '{{.Spec.TaskTemplate.Placement.Constraints}}');
    await underLoad(async () => {
      const on3 = (await onNode(1, 'node', 'ps', 'n3', '-f', 'desired-state=running', '-q'))
        .split('\n')
        .filter(Boolean);
      assert.ok(on3.length > 0, 'it runs something');
      await lab('poweroff', '3');
      await waitFor(async () => (await constraints()).includes('node.id!='), {
        timeoutMs: 60_000,
        what: 'an evacuation',
      });
      await allReady('all slots, elsewhere');
      assert.equal(await placesOf(torc.socket, KEYS), places);
      await lab('poweron', '3');
      await waitFor(async () => !(await constraints()).includes('node.id!='), {
        timeoutMs: 100_000,
        what: 'its place',
      });
      await allReady('nothing more moves');
    });
    assert.equal(await placesOf(torc.socket, KEYS), places);
  });

  const digestOf = async (of: LabTorc): Promise<string> =>
    (JSON.parse((await of.control('GET', '/admin/ring')).text) as { digest: string }).digest;

  test('a second torc takes the service, routes alike, and is replaced by a third under load', async () => {
    second = await startLabTorc({
      DOCKER_HOST: `unix://${await lab('socket', '1')}`,
      TORC_SERVICE: 'web',
      TORC_HEARTBEAT_TIMEOUT_MS: '1000',
    });
    await waitFor(async () => (await digestOf(second!)) === (await digestOf(torc)), {
      timeoutMs: 30_000,
      what: 'one digest',
    });
    assert.equal(await placesOf(second.socket, KEYS), places);
    await underLoad(async () => {
      const replaced = await second!.control('POST', '/admin/replace');
      assert.is(replaced.status, 200, replaced.text);
    }, second);
    assert.is(await digestOf(second), await digestOf(torc));
    assert.equal(await placesOf(second.socket, KEYS), places);
  });

  test('the second one ends: the service stays, for it is not its own', async () => {
    await second!.close();
    second = await startLabTorc({
      DOCKER_HOST: `unix://${await lab('socket', '1')}`,
      TORC_SERVICE: 'web',
      TORC_HEARTBEAT_TIMEOUT_MS: '1000',
    });
    assert.equal(await placesOf(second.socket, KEYS), places);
  });

  test('at exit the service that torc made goes, and the other torc says why it has nobody', async () => {
    await torc.close();
    assert.is(await onNode(1, 'service', 'ls', '-q'), '');
    await waitFor(() => second!.output().includes('there is no service web any more'), {
      timeoutMs: 30_000,
      what: 'why',
    });
    await waitFor(async () => (await ask(second!.socket, 'GET', '/request?request_id=1')).status === 503, {
      timeoutMs: 30_000,
      what: '503',
    });
  });
}
