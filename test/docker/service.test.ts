// A service's replicas on a real engine, through the driver: they run as the service says, reach and are reached, take what
// was made for them away again but never data, and whoever reads a failure learns what to add. What a container is made of
// is compared with Compose's in compose-differential.test.ts.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Replica } from '../../src/control/driver.ts';
import { type Log, silentLog } from '../../src/core/log.ts';
import { DockerDriver, type DockerDriverOptions } from '../../src/drivers/docker/driver.ts';
import type { ComposeService, ServiceProject } from '../../src/service/service.ts';
import { spec, untilAnswers, withDriver } from '../drivers/conformance.ts';
import { docker, engineSuite, networkExists, networkName, removeAll } from '../support/engine.ts';
import { temporaryState } from '../support/state.ts';
import { waitFor } from '../support/wait.ts';

const network = networkName();
const stateRoot = temporaryState();
const folder = mkdtempSync(join(tmpdir(), 'torc-service-'));
const shop = `${network}_shop`;
const data = `${network}-data-7`;

const BASE = 'node:26-slim';
/** Answers heartbeats with the little that the tests ask of it. */
const PROGRAM = `
  const { readFileSync, writeFileSync } = require('node:fs');
  const { hostname } = require('node:os');
  require('node:http').createServer(async (request, response) => {
    if (request.url === '/heartbeat') return response.end();
    if (request.url === '/store') writeFileSync('/data/seen', 'by ' + process.env.WHO);
    if (request.url === '/neighbour') {
      const answer = await fetch('http://db:5432/').then(a => a.text(), error => String(error.cause ?? error));
      return response.end(answer);
    }
    const secret = readFileSync('/run/secrets/token', 'utf8');
    response.end(JSON.stringify({ who: process.env.WHO, secret, host: hostname() }));
  }).listen(3000);
`;

const projectOf = (
  service: Partial<ComposeService> = {},
  rest: Partial<ServiceProject> = {},
): ServiceProject => ({
  name: network,
  serviceName: 'web',
  networks: { shop: { name: shop } },
  volumes: { data: { name: `${network}-data-{{slot}}` } },
  secrets: { token: { name: 'token', environment: 'TOKEN', content: 'not-a-real-secret' } },
  configs: {},
  ...rest,
  service: {
    image: BASE,
    command: ['node', '-e', PROGRAM],
    entrypoint: null,
    environment: { WHO: 'slot {{slot}}, generation {{generation}}' },
    expose: ['3000'],
    hostname: 'web-{{slot}}',
    networks: { shop: null },
    secrets: [{ source: 'token' }],
    stop_grace_period: '7s',
    volumes: [
      { type: 'bind', source: join(folder, '{{slot}}'), target: '/data', bind: { create_host_path: true } },
      { type: 'volume', source: 'data', target: '/kept' },
    ],
    ...service,
  },
});

const make = (options: Partial<DockerDriverOptions> = {}): DockerDriver =>
  new DockerDriver({
    network,
    image: BASE,
    port: null,
    reach: 'auto',
    service: projectOf(),
    stateRoot,
    log: silentLog,
    progress: () => {},
    ...options,
  });

const ask = async ({ host, port }: Replica, path: string): Promise<string> =>
  (await fetch(`http://${host}:${port}${path}`)).text();

const faultOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no fault',
    (error: Error) => error.message,
  );

/** Why it does not open. */
async function openFault(driver: DockerDriver): Promise<string> {
  const fault = await faultOf(driver.open(() => {}));
  await driver.close({ remove: true });
  return fault;
}

function remembering(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const note = (fields: unknown, text?: string): void => {
    lines.push(`${text ?? ''} ${JSON.stringify(fields)}`);
  };
  return { log: { ...silentLog, info: note, warn: note, error: note, debug: note } as Log, lines };
}

engineSuite('a service as replicas', network, test => {
  test.after(async () => {
    rmSync(folder, { recursive: true, force: true });
    for (const { Names } of await docker.listContainers({ all: true, filters: { name: [`^/${network}`] } }))
      await docker.getContainer(Names[0]!.slice(1)).remove({ force: true, v: true });
    await docker
      .getNetwork(shop)
      .remove()
      .catch(() => {});
    await docker
      .getVolume(data)
      .remove()
      .catch(() => {});
    await removeAll(network);
  });

  test("it runs as the service says, is reached on torc's network and finds its neighbour on its own", async () => {
    const db = await (async () => {
      // As if Compose had made both: the database is there before torc is.
      await docker.createNetwork({
        Name: shop,
        Labels: { 'com.docker.compose.network': 'shop', 'com.docker.compose.project': network },
      });
      const container = await docker.createContainer({
        name: `${network}-db`,
        Image: BASE,
        Cmd: ['node', '-e', "require('http').createServer((q, s) => s.end('rows')).listen(5432)"],
        HostConfig: { NetworkMode: shop },
        NetworkingConfig: { EndpointsConfig: { [shop]: { Aliases: ['db'] } } },
      });
      await container.start();
      return container;
    })();
    await withDriver(make(), async driver => {
      const replica = await driver.start(spec('7', 2));
      await untilAnswers(replica);
      assert.is(replica.port, 3000, 'from expose');
      assert.is(replica.stopGraceMs, 7_000);
      assert.equal(await driver.list(), [replica]);
      assert.equal(JSON.parse(await ask(replica, '/')), {
        who: 'slot 7, generation 2',
        secret: 'not-a-real-secret',
        host: 'web-7',
      });
      await waitFor(async () => (await ask(replica, '/neighbour')) === 'rows', {
        timeoutMs: 10_000,
        what: 'the database',
      });
      const { Networks } = (await docker.getContainer(replica.id).inspect()).NetworkSettings;
      assert.equal(Object.keys(Networks).sort(), [network, shop].sort());
      for (const { IPAddress } of Object.values(Networks))
        assert.ok(driver.isReplicaPeer?.(IPAddress), `${IPAddress} is a replica's, on whichever network`);
      const inspected = JSON.stringify(await docker.getContainer(replica.id).inspect());
      assert.not.match(inspected, /not-a-real-secret/);
    });
    assert.ok(await networkExists(shop), "it was there before torc, and is not torc's to remove");
    await db.remove({ force: true, v: true });
    await docker.getNetwork(shop).remove();
  });

  test('a folder for each slot, made on the way; named volumes stay, networks that torc made go', async () => {
    await withDriver(make(), async driver => {
      const replica = await driver.start(spec('7'));
      await untilAnswers(replica);
      await ask(replica, '/store');
      assert.ok(await networkExists(shop));
    });
    assert.equal(readdirSync(join(folder, '7')), ['seen']);
    assert.is(await networkExists(shop), false);
    assert.is((await docker.getVolume(data).inspect()).Labels['com.docker.compose.volume'], 'data');
  });

  test('a changed definition is named when its replicas are taken over, and no secret is', async () => {
    const { log, lines } = remembering();
    const first = make();
    await first.open(() => {});
    const replica = await first.start(spec('7'));
    await first.close({ remove: false });
    await withDriver(make({ service: projectOf({ user: 'node' }), log }), async driver => {
      assert.is((await driver.list())[0]?.id, replica.id);
    });
    assert.match(lines.join('\n'), /taken over as it is: the definition of the service web has changed/);
    assert.not.match(lines.join('\n'), /not-a-real-secret/);
  });

  test('what cannot be had is said at the start, all at once', async () => {
    const service = projectOf(
      { networks: { wan: null }, read_only: true },
      { volumes: { data: { name: `${network}-none`, external: true } } },
    );
    const fault = await openFault(make({ service }));
    assert.match(fault, /networks.wan: the file defines no such network/);
    assert.match(fault, /\/run\/secrets\/token: a read-only container/);
    const missing = projectOf(
      {},
      {
        networks: { shop: { name: `${network}-none`, external: true } },
        volumes: { data: { name: `${network}-none`, external: true } },
      },
    );
    const said = await openFault(make({ service: missing }));
    assert.match(said, /external and not on this engine: docker network create/);
    assert.match(said, /external and not on this engine: docker volume create/);
  });

  test('privileged is said aloud', async () => {
    const { log, lines } = remembering();
    await withDriver(make({ service: projectOf({ privileged: true }), log }), async () => {});
    assert.match(lines.join('\n'), /privileged: each replica may do everything/);
  });

  test("networks that lead nowhere keep it in: torc's does not lead out either", () =>
    withDriver(
      make({ service: projectOf({}, { networks: { shop: { name: shop, internal: true } } }) }),
      async driver => {
        const replica = await driver.start(spec('7'));
        await untilAnswers(replica);
        assert.is((await docker.getNetwork(network).inspect()).Internal, true);
      },
    ));

  const dropsRoot = [
    'sh',
    '-ec',
    `chown node:node /tmp && exec node -e "process.setgid(1000); process.setuid(1000); require('http').createServer((q, s) => s.end()).listen(3000)"`,
  ];

  test('a program that gives files away and becomes another user: the failure names what to add, and that helps', async () => {
    const service = projectOf({ command: dropsRoot });
    await withDriver(make({ service }), async driver => {
      let fault = await faultOf(driver.start(spec('7')));
      if (fault === 'no fault') {
        // It lived long enough to be listed; its last words say the same.
        const [replica] = await driver.list();
        await waitFor(async () => (await driver.list())[0]?.status === 'stopped', {
          timeoutMs: 10_000,
          what: 'its end',
        });
        fault = (await driver.lastWords?.(replica!)) ?? '';
      }
      assert.match(fault, /not permitted/);
      assert.match(fault, /add cap_add: \[CHOWN, SETGID, SETUID\].*TORC_CAP_ADD=CHOWN,SETGID,SETUID/);
    });
    const helped = projectOf({ command: dropsRoot, cap_add: ['CHOWN', 'SETGID', 'SETUID'] });
    await withDriver(make({ service: helped }), async driver => untilAnswers(await driver.start(spec('7'))));
  });

  test('an image alone: the port that it EXPOSEs, and TORC_CAP_ADD', async () => {
    const template = await docker.createContainer({
      Image: BASE,
      Cmd: dropsRoot,
      ExposedPorts: { '3000/tcp': {}, '53/udp': {} },
    });
    await template.commit({ repo: network, tag: 'one' });
    await template.commit({ repo: network, tag: 'two', changes: 'EXPOSE 3001' } as object);
    await template.remove();
    try {
      await withDriver(
        make({ image: `${network}:one`, service: null, capAdd: ['CHOWN', 'SETGID', 'SETUID'] }),
        async driver => {
          const replica = await driver.start(spec('7'));
          assert.is(replica.port, 3000);
          await untilAnswers(replica);
          const fault = await faultOf(driver.prepare!(`${network}:two`));
          assert.match(fault, /which port answers requests\? EXPOSE of the image .*:two names 300\d, 300\d/);
        },
      );
    } finally {
      for (const tag of ['one', 'two']) await docker.getImage(`${network}:${tag}`).remove({ force: true });
    }
  });

  test('a failing creation removes what it began and tells no secret', () =>
    withDriver(
      make({ service: projectOf({ environment: { TOKEN: 'not-a-real-secret' }, ulimits: { nonsense: 1 } }) }),
      async driver => {
        const fault = await faultOf(driver.start(spec('7')));
        assert.match(fault, /nonsense/i);
        assert.not.match(fault, /not-a-real-secret/);
        assert.equal(await driver.list(), []);
      },
    ));
});
