// Which driver a configuration gets, on machines with an engine, without one, and with one that may not be used.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfig, type Settings } from '../../src/config/load.ts';
import { silentLog } from '../../src/core/log.ts';
import { createDriver } from '../../src/drivers/create.ts';
import { sharedIn } from '../../src/drivers/swarm/store.ts';
import { FakeSwarm, fakeManager, node, SPEC, task } from '../support/fake-swarm.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('create driver');
const directory = mkdtempSync(join(tmpdir(), 'torctest-'));
const socket = join(directory, 'engine.sock');

/** An engine that answers a ping and knows nothing else. */
const engine = createServer((request, response) =>
  request.url === '/_ping' ? response.end('OK') : response.writeHead(404).end('{"message":"no"}'),
);

function settingsOf(env: Record<string, string>): Settings {
  const loaded = loadConfig(env, []);
  if (loaded.kind !== 'config') throw new Error('wrong settings');
  return loaded;
}

/** The driver's name, and what the log said. */
async function created(
  env: Record<string, string>,
  dockerHost: string,
): Promise<{ name: string; program: string | undefined; said: string[] }> {
  const before = process.env.DOCKER_HOST;
  process.env.DOCKER_HOST = dockerHost;
  try {
    const said: string[] = [];
    const log = { ...silentLog, info: (_: object, message: string) => said.push(message) };
    const { config, meant } = settingsOf(env);
    const {
      driver: { name, program },
    } = await createDriver(config, {
      meant,
      stateRoot: directory,
      log,
      progress: () => {},
    });
    return { name, program, said };
  } finally {
    if (before === undefined) delete process.env.DOCKER_HOST;
    else process.env.DOCKER_HOST = before;
  }
}

test.before(async () => {
  engine.listen(socket);
  await once(engine, 'listening');
});
test.after(() => {
  engine.close();
  rmSync(directory, { recursive: true, force: true });
});

test('nothing named: the demo program, in Docker where an engine answers', async () => {
  const { name, program } = await created({}, `unix://${socket}`);
  assert.equal([name, program], ['docker', 'the demo program (image torc-replica)']);
});

test('nothing named: as child processes where none does, and the log says why', async () => {
  const { name, program, said } = await created({}, `unix://${directory}/nobody.sock`);
  assert.equal([name, program], ['process', 'the demo program']);
  assert.match(said.join(), /no Docker engine answers at unix:\/\/.*nobody\.sock/);
});

test('auto: an engine that hangs is not waited for', async () => {
  const hanging = createServer(() => {}).listen(join(directory, 'hanging.sock'));
  await once(hanging, 'listening');
  const startedMs = performance.now();
  assert.is((await created({}, `unix://${directory}/hanging.sock`)).name, 'process');
  assert.ok(performance.now() - startedMs < 5_000);
  hanging.closeAllConnections();
  hanging.close();
});

test('what was named runs, or the start fails and says what to do', async () => {
  const nobody = `unix://${directory}/nobody.sock`;
  for (const named of [{ TORC_IMAGE: 'app:1' }, { TORC_NETWORK: 'apps' }, { TORC_REPLICA_PORT: '80' }]) {
    const [by = ''] = Object.keys(named);
    const fault = await created(named, nobody).then(
      ({ name }) => name,
      (error: Error) => `${error.name}: ${error.message}`,
    );
    assert.is(
      fault,
      `StartError: ${by} is set, so the replicas are containers, but no Docker engine answers at ${nobody}: start it, or say where it is with DOCKER_HOST or docker context use`,
    );
    assert.is((await created(named, `unix://${socket}`)).name, 'docker');
  }
  assert.is((await created({ TORC_IMAGE: 'app:1' }, `unix://${socket}`)).program, 'app:1');
  const command = await created({ TORC_REPLICA_COMMAND: 'node app.js' }, `unix://${socket}`);
  assert.equal([command.name, command.program], ['process', 'node app.js']);
});

test('given upstreams mean static; what is asked for is made', async () => {
  assert.is((await created({ TORC_UPSTREAMS: 'a:1' }, `unix://${socket}`)).name, 'static');
  assert.is((await created({ TORC_DRIVER: 'process' }, `unix://${socket}`)).name, 'process');
  assert.is((await created({ TORC_DRIVER: 'docker' }, `unix://${directory}/nobody.sock`)).name, 'docker');
});

/** Opens torcs over one service with these TORC_KEYs, one after the other: what each is refused by, '' where it may serve. */
async function refusals(...keys: string[]): Promise<string[]> {
  const swarm = new FakeSwarm(SPEC);
  swarm.nodes = [node('n1')];
  swarm.tasks = [task('1 t1 n1')];
  const fake = await fakeManager(swarm);
  const before = process.env.DOCKER_HOST;
  process.env.DOCKER_HOST = fake.url;
  try {
    const found: string[] = [];
    for (const TORC_KEY of keys) {
      const { config, meant } = settingsOf({ TORC_SERVICE: 'web', TORC_KEY });
      const { driver } = await createDriver(config, {
        meant,
        stateRoot: directory,
        log: silentLog,
        progress: () => {},
      });
      found.push(
        await driver
          .open(() => {})
          .then(
            () => '',
            (error: Error) => error.message,
          ),
      );
      if (found.length > 1) continue;
      await driver.list();
      await waitFor(() => sharedIn(swarm.service.Spec) !== null, {
        timeoutMs: 20_000,
        what: 'what it shares',
      });
    }
    return found;
  } finally {
    fake.close();
    if (before === undefined) delete process.env.DOCKER_HOST;
    else process.env.DOCKER_HOST = before;
  }
}

for (const [key, ...others] of [
  ['json:/session/id', 'json:/session', 'json:/session/id,path', 'path'],
  ['body-prefix:512,path', 'body-prefix:513,path', 'path,body-prefix:512'],
  ['header:x-tenant,cookie:sid,ip', 'cookie:sid,header:x-tenant,ip', 'header:x-tenant,cookie:sid'],
  ['cookie:sid;issue;max-age=60', 'cookie:sid', 'cookie:sid;issue'],
  ['header:x-tenant+path', 'header:x-tenant,path', 'path+header:x-tenant'],
  ['ip/24,ip/64', 'ip', 'ip/24'],
] as const) {
  test(`torcs of one service agree in TORC_KEY=${key}`, async () => {
    const [first, alike, ...refused] = await refusals(key, key.replaceAll(',', ' , '), ...others);
    assert.equal([first, alike], ['', '']);
    for (const [index, other] of others.entries())
      assert.match(
        refused[index]!,
        `the torcs of service web would not route alike: TORC_KEY is ${other} here, and ${key} for the other torcs`,
      );
  });
}

/** What `open` of the Docker driver says when it fails, in a process of its own that may be another user. */
async function openFault(dockerHost: string, uid: number): Promise<string> {
  const url = (path: string): string => JSON.stringify(join(import.meta.dirname, '..', '..', 'src', path));
  const program = `
    import { DockerDriver } from ${url('drivers/docker/driver.ts')};
    import { silentLog } from ${url('core/log.ts')};
    const driver = new DockerDriver({
      network: 'n', image: 'i', port: 1, reach: 'auto', stateRoot: '/nowhere', log: silentLog, progress() {},
    });
    await driver.open(() => {}).catch(error => console.log(error.name + ': ' + error.message));
    await driver.close({ remove: true });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, DOCKER_HOST: dockerHost },
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
    uid,
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await once(child, 'close');
  return output.trim();
}

test('the Docker driver without an engine says so in one line', async () => {
  const fault = await openFault(`unix://${directory}/nobody.sock`, process.getuid?.() ?? 0);
  assert.is(
    fault,
    `StartError: no Docker engine answers at unix://${directory}/nobody.sock: start it, or say where it is with DOCKER_HOST or docker context use`,
  );
});

if (process.getuid?.() === 0) {
  test('an engine without permission says what to do', async () => {
    chmodSync(directory, 0o755);
    chmodSync(socket, 0o700);
    const fault = await openFault(`unix://${socket}`, 65_534);
    assert.match(fault, /^StartError: no permission for the Docker engine at .*: add this user to the group/);
  });
}

test.run();
