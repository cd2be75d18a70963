// A Compose service as real child processes: what the program sees of environment, folder, user, placeholders and signals.

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLog } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import { ProcessDriver } from '../../src/drivers/process/driver.ts';
import { resolveUser } from '../../src/drivers/process/user.ts';
import { loadCompose } from '../../src/service/load.ts';
import { commandLineOf } from '../../src/service/process.ts';
import { takeService } from '../../src/service/taken.ts';
import { temporaryState } from '../support/state.ts';
import { waitFor } from '../support/wait.ts';
import { spec, withDriver } from './conformance.ts';

const test = suite('process driver, a service');
const stateRoot = temporaryState();
const folder = join(stateRoot, 'work');
mkdirSync(folder);
let scopes = 0;

/** A driver for the one service of a Compose file in `folder`. */
function make(yaml: string): ProcessDriver {
  const loaded = loadCompose(['compose.yaml'], null, {
    cwd: folder,
    env: { OUTER: 'outer' },
    readFile: path =>
      path.endsWith('compose.yaml') ? yaml : path.endsWith('e.env') ? 'FROM_FILE="a b"' : null,
  });
  assert.equal(loaded.faults, []);
  const settings = { title: 'x', composeFlags: '', replicas: null, port: null };
  const { project, faults } = takeService(loaded.project!, settings);
  assert.equal(faults, []);
  return new ProcessDriver({
    command: commandLineOf(project.service),
    service: project.service,
    scope: `service-${process.pid}-${scopes++}`,
    stateRoot,
    log: silentLog,
    random: systemRandom,
  });
}

const written = async (name: string): Promise<string> => {
  const path = join(folder, name);
  const isWhole = (): boolean => existsSync(path) && readFileSync(path, 'utf8').endsWith('.\n');
  await waitFor(isWhole, { timeoutMs: 20_000, what: `${name} to be written` });
  return readFileSync(path, 'utf8').slice(0, -2);
};

test('words of a command stay apart, and slot, generation and port stand in them', () =>
  withDriver(
    make(`
services:
  app:
    command: ["sh", "-c", 'echo "$$0|$$1|$$2|$$PORT|$$PWD|$$A|$$FROM_FILE|$$ID|$$OUTER|$$HOST." > words; exec sleep 600', "it's {{slot}}", "g{{generation}}", "{{port}}"]
    working_dir: .
    env_file: e.env
    environment: {A: "$$x", ID: "{{slot}}-{{generation}}", OUTER: }
    stop_grace_period: 7s
`),
    async driver => {
      const replica = await driver.start({ ...spec('3'), generation: 5 });
      assert.is(replica.stopGraceMs, 7_000);
      assert.is((await driver.list())[0]!.stopGraceMs, 7_000);
      const { port } = replica;
      assert.is(await written('words'), `it's 3|g5|${port}|${port}|${folder}|$x|a b|3-5|outer|127.0.0.1`);
      await driver.stop(replica, 20_000);
    },
  ));

test('stop_signal is what a replica is asked to end with', () =>
  withDriver(
    make(`
services:
  app:
    command: trap 'echo usr1. > signal; exit 0' USR1; echo up. > up; while true; do sleep 0.05; done
    stop_signal: USR1
`),
    async driver => {
      const replica = await driver.start(spec('1'));
      await written('up');
      await driver.stop(replica, 20_000);
      assert.is(await written('signal'), 'usr1');
    },
  ));

test('a folder that is not there is named, not the shell', () =>
  withDriver(make('services: {app: {command: x, working_dir: ./nowhere}}'), async driver => {
    const failed = await driver.start(spec('1')).catch((error: Error) => error);
    assert.match((failed as Error).message, `working_dir ${join(folder, 'nowhere')} is not there`);
  }));

test('user: by name or number; only root may be another', async () => {
  const own = `${process.geteuid!()}:${process.getegid!()}`;
  assert.is(await resolveUser(own), null);
  const fault = async (user: string): Promise<string> => {
    try {
      return JSON.stringify(await resolveUser(user));
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.match(
    await fault('no-such-user-here'),
    /user: no-such-user-here: no-such-user-here is not known here/,
  );
  assert.match(await fault('4711'), /allowed: 4711:GROUP/);
  assert.match(await fault('0:no-such-group'), /the group no-such-group is not in/);
  if (process.geteuid!() !== 0) assert.match(await fault('0:0'), /only root starts programs as others/);
  else assert.is(await fault('4711:4712'), '{"uid":4711,"gid":4712}');
});

if (process.geteuid!() === 0)
  test('user: the program runs as it, without other groups', () =>
    withDriver(
      make('services: {app: {command: "id; echo done.; sleep 600", user: "4711:4712", working_dir: /}}'),
      async driver => {
        const replica = await driver.start(spec('1'));
        await waitFor(async () => (await driver.lastWords!(replica)).includes('done.'), {
          timeoutMs: 20_000,
          what: 'its output',
        });
        assert.match(await driver.lastWords!(replica), /uid=4711 gid=4712( groups=4712)?\n/);
        await driver.stop(replica, 1_000);
      },
    ));

test.run();
