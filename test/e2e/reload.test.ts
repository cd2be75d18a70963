// A reload, whole: under load, with every kind of fault, with what needs a roll-out or a restart, by signal and by request,
// tokens and the number of replicas. Each live setting by itself is live-settings.test.ts's.

import { writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Reloadable, startReloadable } from '../support/reloads.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('reload');
const replica = join(import.meta.dirname, '..', '..', 'docker', 'replica.ts');
const BASE = { driver: 'process', replicas: 2, 'heartbeat-timeout-ms': 2000 };

interface Status {
  readonly settings: Record<
    string,
    { value: string | null; from: string; where?: string; afterRestart?: string }
  >;
  readonly spares: { readonly ready: number; readonly of: number };
  readonly replicas: { readonly ready: number; readonly of: number };
}
const statusOf = async (torc: Reloadable, headers = {}): Promise<Status> =>
  JSON.parse((await torc.get('/admin/status', headers)).text);
const settled = (torc: Reloadable, what: string, isSo: (status: Status) => boolean): Promise<void> =>
  waitFor(async () => isSo(await statusOf(torc)), { timeoutMs: 60_000, what });

let torc: Reloadable;
test.before(async () => {
  torc = await startReloadable(BASE, { TORC_WORKERS: '2' });
});
test.after(() => torc.close());
test.after.each(async () => {
  await waitFor(async () => (await torc.reload(BASE)).status === 200, {
    timeoutMs: 60_000,
    what: 'the settings of before',
  });
  await waitFor(async () => !/"running"/.test((await torc.get('/admin/rollout')).text), {
    timeoutMs: 60_000,
    what: 'the roll-out to them',
  });
  await settled(
    torc,
    'the replicas of before',
    ({ replicas, spares }) => replicas.ready === 2 && replicas.of === 2 && spares.of === 0,
  );
});

/** One request; what went wrong, or null. */
function ask(agent: Agent | false, path: string): Promise<string | null> {
  return new Promise(resolve => {
    const sent = request({ host: '127.0.0.1', port: torc.port, path, agent }, response => {
      response.resume();
      response.on('error', error => resolve(`answer: ${error.message}`));
      response.on('end', () => resolve(response.statusCode === 200 ? null : `${response.statusCode}`));
    });
    sent.on('error', error => resolve(`${(error as NodeJS.ErrnoException).code} ${error.message}`));
    sent.end();
  });
}

test('20 reloads under 64 keep-alive connections and a client that opens a new one each time: nothing is lost', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const failures: string[] = [];
  let sent = 0;
  let slowestMs = 0;
  let isOver = false;
  const lane = async (own: Agent | false): Promise<void> => {
    while (!isOver) {
      const startedMs = performance.now();
      const failure = await ask(own, `/request?request_id=${sent++}`);
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      if (failure !== null) failures.push(failure);
    }
  };
  const lanes = [...Array.from({ length: 64 }, () => lane(agent)), lane(false)];
  for (let number = 0; number < 20; number++) {
    const before = sent;
    const { status, changed } = await torc.reload({
      ...BASE,
      ring: number % 2 === 0 ? 'maglev' : 'rendezvous',
      'max-connections-per-replica': 200 + number,
      retries: number % 3,
      'trusted-proxies': number % 2 === 0 ? '10.0.0.0/8' : '192.0.2.0/24',
      express: number % 4 === 3 ? 'off' : 'on',
    });
    assert.is(status, 200);
    assert.ok(changed.length > 0);
    await waitFor(() => sent >= before + 130, { timeoutMs: 60_000, what: 'requests between two reloads' });
  }
  isOver = true;
  await Promise.all(lanes);
  agent.destroy();
  assert.equal(failures, []);
  process.stdout.write(`  ${sent} requests, slowest ${Math.round(slowestMs)} ms\n`);
});

test('a request lives to its end with the settings that it began with', async () => {
  const slow = `node -e "require('http').createServer((q,s)=>q.url=='/heartbeat'?s.end():setTimeout(()=>s.end('late'),1500)).listen(process.env.PORT,'127.0.0.1')"`;
  const own = await startReloadable(
    { ...BASE, replicas: 1, 'replica-command': slow, 'heartbeat-path': '/heartbeat' },
    { TORC_WORKERS: '1' },
  );
  try {
    const first = own.get('/');
    await waitFor(async () => JSON.parse((await own.get('/admin/slots')).text).slots[0].inFlight === 1, {
      timeoutMs: 20_000,
      what: 'the request at work',
    });
    const { status } = await own.reload({
      ...{ ...BASE, replicas: 1, 'replica-command': slow, 'heartbeat-path': '/heartbeat' },
      ...{ 'response-timeout-ms': 50, 'max-connections-per-replica': 7, 'served-by': false },
    });
    assert.is(status, 200);
    const answer = await first;
    assert.is(answer.status, 200);
    assert.is(answer.headers.get('x-served-by'), '1');
    assert.is((await own.get('/')).status, 504, 'the next one has the new ones');
  } finally {
    await own.close();
  }
});

test('every fault at once, and nothing changes', async () => {
  const { status, faults, message } = await torc.reload({
    ...BASE,
    retries: 'many',
    ring: 'round',
    'no-such': 1,
    served: 1,
  });
  assert.is(status, 400);
  assert.is(faults.length, 4, faults.join('\n'));
  assert.match(message!, /nothing has changed: .*; .*; .*; /);
  const { settings } = await statusOf(torc);
  assert.is(settings.TORC_RETRIES!.value, '2');
  assert.match(
    torc.output(),
    'settings not reloaded (POST /admin/reload by this machine), nothing has changed: ',
  );
});

test('a file that was emptied is a mistake', async () => {
  const { status, faults } = await torc.reload({});
  assert.is(status, 400);
  assert.match(faults.join(), 'TORC_CONFIG: the settings file is gone or empty');
  assert.is((await statusOf(torc)).replicas.of, 2);
});

test('what the replicas that are there cannot have is a fault, and so is a token file with a wrong line', async () => {
  writeFileSync(join(torc.folder, 'tokens'), 'one read\n');
  const answer = await torc.reload({
    ...{ ...BASE, retries: 5, ring: 'seed', replicas: 11 },
    'admin-token-file': join(torc.folder, 'tokens'),
  });
  assert.is(answer.status, 400);
  assert.match(answer.faults.join('\n'), /TORC_RING: 11 slots are too many/);
  assert.match(answer.faults.join('\n'), /TORC_ADMIN_TOKEN_FILE: .* line 1/);
  assert.is((await statusOf(torc)).settings.TORC_RETRIES!.value, '2');
});

test('what needs a restart is named and keeps its value; the rest is taken', async () => {
  const answer = await torc.reload({ ...BASE, workers: 3, 'state-dir': '/tmp/other', retries: 4 });
  assert.is(answer.status, 200);
  // The state's place is in the environment, which wins.
  assert.equal(
    answer.afterRestart.map(({ name }) => name),
    [],
  );
  const other = await torc.reload({ ...BASE, 'admin-port': 65_000, network: 'x', retries: 3 });
  assert.is(other.status, 400, 'a setting of another driver');
  const third = await torc.reload({ ...BASE, 'admin-port': 65_000, 'on-exit': 'keep', retries: 3 });
  assert.equal(third.afterRestart.map(({ name }) => name).sort(), ['TORC_ADMIN_PORT', 'TORC_ON_EXIT']);
  const { settings } = await statusOf(torc);
  assert.is(settings.TORC_ON_EXIT!.value, 'remove');
  assert.is(settings.TORC_ON_EXIT!.afterRestart, 'keep');
  assert.equal(
    { value: settings.TORC_RETRIES!.value, from: settings.TORC_RETRIES!.from },
    { value: '3', from: 'file' },
  );
  assert.match(settings.TORC_RETRIES!.where!, /torc\.yaml:\d+$/);
  assert.is(settings.TORC_WORKERS!.from, 'environment');
  assert.is(settings.PORT!.from, 'environment');
});

test('settings that hold together only after a restart are refused', async () => {
  const { status, faults } = await torc.reload({ ...BASE, 'admin-port': 65_000, 'admin-paths': 'separate' });
  assert.is(status, 400);
  assert.match(faults.join(), /TORC_ADMIN_PATHS: separate needs .* restart it/);
});

test('another number of replicas and spares is reached as /add and /rm would', async () => {
  assert.is((await torc.reload({ ...BASE, replicas: 4, spares: 1 })).status, 200);
  await settled(
    torc,
    '4 replicas and a spare',
    ({ replicas, spares }) => replicas.ready === 4 && spares.ready === 1,
  );
  assert.is((await torc.reload({ ...BASE, replicas: 1 })).status, 200);
  await settled(
    torc,
    '1 replica and no spare',
    ({ replicas, spares }) => replicas.of === 1 && spares.of === 0,
  );
});

test('autoscaling begins, takes other bounds and ends', async () => {
  const scaling = {
    ...BASE,
    min: 3,
    max: 5,
    'scale-period-ms': 300,
    'scale-down-window-ms': 0,
    'scale-target': 5,
  };
  assert.is((await torc.reload({ ...scaling, replicas: 3 })).status, 200);
  assert.is((await torc.reload({ ...scaling, replicas: 4, min: 4 })).status, 200);
  await settled(torc, '4 replicas', ({ replicas }) => replicas.ready === 4);
  assert.is((await torc.reload({ ...scaling, replicas: 4, min: 1, 'scale-target': 1000 })).status, 200);
  await settled(torc, '1 replica, for there is nothing to do', ({ replicas }) => replicas.of === 1);
});

test('another command is rolled out; while it is, another definition is refused and the same is not; what fails is tried again', async () => {
  const command = (word: string): string => `exec node ${replica} ${word}`;
  const first = await torc.reload({ ...BASE, 'replica-command': command('one') });
  assert.equal(
    first.rollout.map(({ name }) => name),
    ['TORC_REPLICA_COMMAND'],
  );
  assert.is((await torc.reload({ ...BASE, 'replica-command': command('one'), retries: 1 })).status, 200);
  const other = await torc.reload({ ...BASE, 'replica-command': command('two') });
  assert.is(other.status, 409);
  assert.match(other.faults.join(), 'is under way');
  const isOver = (state: string) => async (): Promise<boolean> =>
    JSON.parse((await torc.get('/admin/rollout')).text).state === state;
  await waitFor(isOver('succeeded'), { timeoutMs: 60_000, what: 'the roll-out' });
  assert.match((await torc.get('/admin/slots')).text, `"image": "${command('one')}"`);

  assert.is((await torc.reload({ ...BASE, 'replica-command': command('two') })).status, 200);
  const back = await torc.reload({ ...BASE, 'replica-command': command('one') });
  assert.is(back.status, 409, 'back while another is on its way');
  await waitFor(isOver('succeeded'), { timeoutMs: 60_000, what: 'the second roll-out' });

  const failing = { ...BASE, 'replica-command': 'exit 7' };
  assert.is((await torc.reload(failing)).status, 200);
  await waitFor(isOver('stopped'), { timeoutMs: 60_000, what: 'the roll-out that fails' });
  const again = await torc.reload(failing);
  assert.is(again.status, 200);
  assert.match(again.files.join(), 'exit 7 is rolled out again');
  await waitFor(isOver('stopped'), { timeoutMs: 60_000, what: 'its second failure' });
});

test('SIGHUP reloads; several while one is under way are one more', async () => {
  torc.write({ ...BASE, retries: 1 });
  for (let count = 0; count < 5; count++) torc.process.kill('SIGHUP');
  await settled(torc, 'the setting', ({ settings }) => settings.TORC_RETRIES!.value === '1');
  assert.match(torc.output(), 'settings reloaded (SIGHUP): TORC_RETRIES 2 -> 1');
});

test('tokens are read again, and nobody is shown one', async () => {
  const file = join(torc.folder, 'tokens');
  writeFileSync(file, 'ops operate first-token-1\n');
  const settings = { ...BASE, 'admin-token-file': file };
  assert.is((await torc.reload({ ...settings, 'admin-token': 'very-secret-0' })).status, 200);
  assert.is((await torc.get('/admin/status')).status, 401);
  const first = { authorization: 'Bearer first-token-1' };
  const shown = await torc.get('/admin/status', first);
  assert.is(JSON.parse(shown.text).settings.TORC_ADMIN_TOKEN.value, '(hidden)');
  assert.not.match(torc.output() + shown.text, 'very-secret-0');
  writeFileSync(file, 'ops operate other-token-2\n');
  torc.write(settings);
  const answer = await torc.read(first);
  assert.match(answer.files.join(), 'tokens are ops (operate)');
  assert.is((await torc.get('/admin/status', first)).status, 401);
  torc.write(BASE);
  assert.is((await torc.read({ authorization: 'Bearer other-token-2' })).status, 200);
});

test('a new worker has the settings of the reload', async () => {
  assert.is((await torc.reload({ ...BASE, 'served-by': false })).status, 200);
  const pids = async (): Promise<number[]> => {
    // While both are away nobody listens.
    const answer = await torc.get('/admin/status').catch(() => null);
    if (answer === null) return [];
    const { workers } = JSON.parse(answer.text) as { workers: { each: { pid: number }[] } };
    return workers.each.map(({ pid }) => pid);
  };
  const before = await pids();
  for (const pid of before) process.kill(pid, 'SIGKILL');
  await waitFor(
    async () => {
      const now = await pids();
      return now.length === 2 && now.every(pid => !before.includes(pid));
    },
    { timeoutMs: 60_000, what: 'two new workers' },
  );
  assert.is((await torc.get('/')).headers.get('x-served-by'), null);
});

test.run();
