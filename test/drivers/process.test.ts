// The process driver with real processes: what every driver must do, then what is its own: groups, identity, records.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DriverEvent } from '../../src/control/driver.ts';
import { silentLog } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import { ProcessDriver } from '../../src/drivers/process/driver.ts';
import { observe, observeWithPs } from '../../src/drivers/process/identity.ts';
import { temporaryState } from '../support/state.ts';
import { waitFor } from '../support/wait.ts';
import { conforms, spec, untilAnswers, withDriver } from './conformance.ts';

const test = suite('process driver');
const scope = `test-${process.pid}`;
const stateRoot = temporaryState();
const state = join(stateRoot, `process-${scope}`);
const make = (command: string | null = null): ProcessDriver =>
  new ProcessDriver({ command, scope, stateRoot, log: silentLog, random: systemRandom });
const pidOf = (replica: { label: string }): number => Number(replica.label.replace('pid ', ''));
const lives = async (pid: number): Promise<boolean> => (await observe([pid])).has(pid);
const node = JSON.stringify(process.execPath);

conforms(test, {
  make: () => make(),
  kill: async replica => {
    process.kill(pidOf(replica), 'SIGKILL');
  },
  pause: async replica => {
    process.kill(pidOf(replica), 'SIGSTOP');
    await waitFor(async () => (await observe([pidOf(replica)])).get(pidOf(replica))?.paused === true, {
      timeoutMs: 20_000,
      what: 'the process to stop',
    });
  },
  leftovers: async () => (existsSync(state) ? globSync('*', { cwd: state }) : []),
});

test("a command's shell and its children end together, by stop and when the shell dies alone", () =>
  withDriver(
    make(`${node} -e "setInterval(() => {}, 1000)" & echo child=$!; wait; true`),
    async (driver, events) => {
      for (const end of ['stop', 'kill']) {
        const replica = await driver.start(spec('1'));
        let child = 0;
        await waitFor(
          () => {
            const output = globSync('1-*.out', { cwd: state }).map(file =>
              readFileSync(join(state, file), 'utf8'),
            );
            child = Number(/child=(\d+)/.exec(output.join(''))?.[1] ?? 0);
            return child > 0;
          },
          { timeoutMs: 20_000, what: "the child's pid" },
        );
        if (end === 'stop') {
          await driver.stop(replica, 5_000);
        } else {
          process.kill(pidOf(replica), 'SIGKILL');
          await waitFor(() => events.some(event => event.replicaId === replica.id), {
            timeoutMs: 20_000,
            what: 'gone',
          });
        }
        await waitFor(async () => !(await lives(child)), {
          timeoutMs: 20_000,
          what: `the child's end by ${end}`,
        });
      }
    },
  ));

test('a replica that ignores SIGTERM is killed when its grace is over', () =>
  withDriver(
    make(`exec ${node} -e "process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)"`),
    async driver => {
      const replica = await driver.start(spec('1'));
      await waitFor(
        () => globSync('1-*.out', { cwd: state }).some(file => statSync(join(state, file)).size > 0),
        {
          timeoutMs: 20_000,
          what: 'its handler to be set',
        },
      );
      const startedMs = performance.now();
      await driver.stop(replica, 300);
      assert.ok(performance.now() - startedMs >= 300);
      assert.is(await lives(pidOf(replica)), false);
    },
  ));

test('a command that cannot run says why', () =>
  withDriver(make('no-such-program-here'), async (driver, events) => {
    await driver.start(spec('1'));
    await waitFor(() => events.length > 0, { timeoutMs: 20_000, what: 'the gone event' });
    assert.match(events[0]!.cause, /exit code 127: .*no-such-program-here.*not found/);
  }));

test('a command that wants a port of its own is told of PORT', () =>
  withDriver(
    make(`echo "listen EADDRINUSE: address already in use :::8080" >&2; exit 1`),
    async (driver, events) => {
      const replica = await driver.start(spec('1'));
      await waitFor(() => events.length > 0, { timeoutMs: 20_000, what: 'the gone event' });
      assert.match(events[0]!.cause, /exit code 1: listen EADDRINUSE/);
      assert.match(
        (await driver.lastWords?.(replica)) ?? '',
        new RegExp(`torc: have it listen on the port that it finds in PORT \\(${replica.port}; .*\\$PORT\\)`),
      );
    },
  ));

test("a replica gets PORT, HOST and SERVER_ID, what any program needs, and nothing else of torc's", async () => {
  process.env.TORC_ADMIN_TOKEN = 'a secret of torc';
  process.env.DATABASE_PASSWORD = 'a secret of whoever started torc';
  try {
    const program = 'console.log(JSON.stringify(process.env)); setInterval(() => {}, 1000)';
    await withDriver(make(`exec ${node} -e "${program}"`), async driver => {
      const replica = await driver.start(spec('9'));
      let output = '';
      await waitFor(
        () => {
          for (const file of globSync('9-*.out', { cwd: state }))
            output = readFileSync(join(state, file), 'utf8');
          return output.endsWith('\n');
        },
        { timeoutMs: 20_000, what: 'its output' },
      );
      const env = JSON.parse(output) as Record<string, string>;
      assert.equal([env.PORT, env.HOST, env.SERVER_ID], [String(replica.port), '127.0.0.1', '9']);
      assert.is(env.PATH, process.env.PATH);
      // PWD, OLDPWD, SHLVL and _ are the shell's own.
      const usual =
        /^(PORT|HOST|SERVER_ID|PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TMPDIR|(OLD)?PWD|SHLVL|_)$/;
      assert.equal(
        Object.keys(env).filter(name => !usual.test(name)),
        [],
      );
    });
  } finally {
    delete process.env.TORC_ADMIN_TOKEN;
    delete process.env.DATABASE_PASSWORD;
  }
});

test('replicas outlive a torc that was killed, and the next one adopts them', async () => {
  const url = (path: string): string => JSON.stringify(join(import.meta.dirname, '..', '..', 'src', path));
  const program = `
    import { ProcessDriver } from ${url('drivers/process/driver.ts')};
    import { silentLog } from ${url('core/log.ts')};
    const driver = new ProcessDriver({
      command: null, scope: '${scope}', stateRoot: '${stateRoot}', log: silentLog, random: Math.random,
    });
    await driver.open(() => {});
    console.log(JSON.stringify(await driver.start({ slot: '1', generation: 4, spare: false })));
    setInterval(() => {}, 1000);`;
  const torc = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(torc.stdout, 'data')) as [Buffer];
  const replica = JSON.parse(line.toString()) as { id: string; host: string; port: number };
  torc.kill('SIGKILL');
  await once(torc, 'exit');
  await withDriver(make(), async driver => {
    const [adopted] = await driver.list();
    assert.equal(
      [adopted?.id, adopted?.slot, adopted?.generation, adopted?.port],
      [replica.id, '1', 4, replica.port],
    );
    await untilAnswers(adopted!);
  });
});

test('a pid that was given out again is neither adopted nor killed', async () => {
  const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
    detached: true,
    stdio: 'ignore',
  });
  try {
    mkdirSync(state, { mode: 0o700, recursive: true });
    const record = {
      pid: stranger.pid,
      startTime: 'another time',
      port: 20000,
      slot: '1',
      generation: 1,
      spare: false,
    };
    writeFileSync(join(state, '1-g1-abcdef.json'), JSON.stringify(record));
    writeFileSync(join(state, '2-g1-abcdef.json'), '{"pid":');
    // As a reboot leaves it: the number and the time since the boot are a stranger's now.
    const observed = (await observe([stranger.pid!])).get(stranger.pid!)!.startTime;
    const startTime = observed.replace(/^[^.]*\./, 'anotherb.');
    assert.is.not(startTime, observed);
    writeFileSync(join(state, '3-g1-abcdef.json'), JSON.stringify({ ...record, startTime }));
    await withDriver(make(), async driver => assert.equal(await driver.list(), []));
    assert.ok(await lives(stranger.pid!));
    assert.is(existsSync(state), false, 'records of the dead, and torn ones, are cleared away');
  } finally {
    stranger.kill('SIGKILL');
  }
});

test('what a replica prints is bounded on disk', () =>
  withDriver(
    make(`exec ${node} -e "const line = 'x'.repeat(65536); setInterval(() => console.log(line), 1)"`),
    async driver => {
      await driver.start(spec('1'));
      const file = (): string => join(state, globSync('1-*.out', { cwd: state })[0] ?? 'none');
      let largest = 0;
      await waitFor(
        () => {
          const { size } = statSync(file());
          const wasCut = size < largest;
          largest = Math.max(largest, size);
          return wasCut;
        },
        { timeoutMs: 20_000, what: 'the output to be cut' },
      );
    },
  ));

test('/proc and ps agree on who lives and who is paused', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  try {
    const pids = [child.pid!, process.pid, 4_000_000];
    child.kill('SIGSTOP');
    await waitFor(async () => (await observe(pids)).get(child.pid!)?.paused === true, {
      timeoutMs: 20_000,
      what: 'SIGSTOP',
    });
    const [proc, ps] = [await observe(pids), await observeWithPs(pids)];
    for (const found of [proc, ps]) {
      assert.equal([...found.keys()].sort(), [child.pid!, process.pid].sort());
      assert.is(found.get(child.pid!)?.paused, true);
      assert.is(found.get(process.pid)?.paused, false);
    }
    assert.is((await observeWithPs(pids)).get(process.pid)?.startTime, ps.get(process.pid)?.startTime);
    assert.equal([...(await observeWithPs([4_000_000])).keys()], []);
  } finally {
    child.kill('SIGKILL');
  }
});

test('close with remove ends replicas that nobody stopped; without it they stay', async () => {
  const first = make();
  await first.open(() => {});
  const replica = await first.start(spec('1'));
  await untilAnswers(replica);
  await first.close({ remove: false });
  await untilAnswers(replica);
  const second = make();
  const events: DriverEvent[] = [];
  await second.open(event => events.push(event));
  await second.close({ remove: true });
  assert.is(await lives(pidOf(replica)), false);
  assert.is(existsSync(state), false);
});

test.run();
