// torc in a container, as docker/compose.yaml runs it: it finds its own container and network, makes its replicas beside
// itself through the mounted socket without being root, and takes everything away again when it is stopped.

import * as assert from 'uvu/assert';
import { composeProject } from '../support/compose-stack.ts';
import { containersOf, docker, engineSuite, networkExists, networkName } from '../support/engine.ts';
import { waitFor } from '../support/wait.ts';

const network = networkName();
const project = await composeProject(network);
const { balancer, compose, run, url, readyCount } = project;

/** What a program prints that Node runs in a container. */
async function inside(container: string, program: string): Promise<string> {
  const { output } = await run('exec', container, 'node', '-e', program);
  return output.trim();
}

/** A line "COMMAND PPid: 1 Gid: REAL EFFECTIVE SAVED FILE Groups: ..." of each process; first the socket's group. */
const LOOK = `stat -c %g /var/run/docker.sock; for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline;
  grep -E '^(PPid|Gid|Groups):' $p/status | tr '\\n\\t' '  '; echo; done`;

/** Kills torc's primary process, the child of the container's init. */
const CRASH = `for (const pid of fs.readdirSync('/proc').filter(Number)) {
  const [, parent] = /^PPid:\\s+(\\d+)/m.exec(fs.readFileSync('/proc/' + pid + '/status', 'utf8'));
  if (parent === '1' && fs.readFileSync('/proc/' + pid + '/cmdline', 'utf8').includes('main.js'))
    process.kill(pid, 'SIGKILL');
}`;

engineSuite('compose', network, test => {
  test('up: ready, balanced over sibling containers, not as root', async () => {
    const { code, output } = await compose('up', '-d', '--build');
    assert.is(code, 0, output);
    await waitFor(async () => (await readyCount()) === 3, {
      timeoutMs: 60_000,
      what: 'three ready replicas',
    });
    const answered = new Set<string>();
    for (let id = 0; id < 30; id++) {
      const response = await fetch(`${url}/request?request_id=${id}`);
      assert.is(response.status, 200);
      answered.add(((await response.json()) as { server_id: string }).server_id);
    }
    assert.equal([...answered].sort(), ['1', '2', '3']);
    const { Processes } = (await docker.getContainer(balancer).top({ ps_args: '-eo pid,user,args' })) as {
      Processes: string[][];
    };
    const torc = Processes.filter(
      ([, , command = '']) => command.includes('src/main.js') && !command.includes('init'),
    );
    assert.ok(torc.length > 0);
    assert.equal(
      torc.filter(([, user]) => user === 'root'),
      [],
    );
  });

  test('the command torc is in it', async () => {
    const status = await run('exec', balancer, 'torc', 'status');
    assert.match(status.output, /: 3 of 3 replicas ready\n[\s\S]*\nsafe to deploy: yes/);
  });

  test('the banner tells where it is published, and what runs', async () => {
    const banner = (await run('logs', balancer)).output
      .split('\n')
      .find(line => line.includes('torc is ready on') || line.includes('torc listens on'));
    const { url: told, program, admin, version } = JSON.parse(banner ?? '{}') as Record<string, string>;
    assert.is(told, url, banner);
    assert.is(program, 'the demo program (image torc-replica)');
    assert.match(admin!, `${url}/admin/slots`);
    assert.match(version!, /^\d+\.\d+\.\d+/);
  });

  test('healthy, and started again after a crash: the replicas are taken over', async () => {
    const inspect = () => docker.getContainer(balancer).inspect();
    await waitFor(async () => (await inspect()).State.Health?.Status === 'healthy', {
      timeoutMs: 120_000,
      what: 'the health check to pass',
    });
    const replicas = (await containersOf(network)).sort();
    await run('exec', '-u', '0', balancer, 'node', '-e', CRASH);
    await waitFor(async () => (await inspect()).RestartCount === 1 && (await readyCount()) === 3, {
      timeoutMs: 120_000,
      what: 'torc again, with three replicas',
    });
    assert.equal((await containersOf(network)).sort(), replicas);
  });

  test('bounds, state and networks are as the file says', async () => {
    const { HostConfig, Mounts, NetworkSettings } = await docker.getContainer(balancer).inspect();
    assert.equal([HostConfig.Memory, HostConfig.PidsLimit], [2 * 1024 ** 3, 512]);
    assert.ok(Mounts.some(({ Destination, Type }) => Destination === '/var/lib/torc' && Type === 'volume'));
    assert.equal(Object.keys(NetworkSettings.Networks).sort(), [network, `${network}_front`].sort());
  });

  test('a replica cannot administer torc, whatever it sends', async () => {
    const { NetworkSettings } = await docker.getContainer(balancer).inspect();
    const address = NetworkSettings.Networks[network]!.IPAddress;
    const [replica] = await containersOf(network);
    const ask = (path: string, options: object): Promise<string> =>
      inside(
        replica!,
        `fetch('http://${address}:5000${path}', ${JSON.stringify(options)}).then(r => console.log(r.status))`,
      );
    const json = { 'content-type': 'application/json', authorization: 'Bearer anything' };
    assert.is(await ask('/home', {}), '200', 'it is a client like any other');
    for (const path of ['/admin/slots', '/metrics', '/rep', '/requests/1'])
      assert.is(await ask(path, { headers: json }), '403', path);
    assert.is(await ask('/rm', { method: 'DELETE', headers: json, body: '{"n":1}' }), '403');
    assert.is((await containersOf(network)).length, 3);
  });

  test('the primary alone has the group of the socket; a worker has none but its own, and no way back', async () => {
    const { output } = await run('exec', balancer, 'sh', '-c', LOOK);
    const [socketGroup = '', ...lines] = output.split('\n');
    const torc = lines.flatMap(line => {
      const match = /^\S*node .*src\/main\.js.*PPid: +(\d+) Gid: +([\d ]+?) +Groups:([\d ]*)$/.exec(line);
      return match ? [{ parent: match[1], groups: match[2]!.split(/ +/), more: match[3]!.trim() }] : [];
    });
    const primary = torc.filter(({ parent }) => parent === '1');
    const workers = torc.filter(({ parent }) => parent !== '1');
    assert.is(primary.length, 1, output);
    assert.ok(workers.length > 0, output);
    assert.is(primary[0]!.groups[1], socketGroup, output);
    for (const { groups, more } of torc) assert.is(more, '', `supplementary groups\n${groups} ${output}`);
    for (const { groups } of workers) assert.equal([...new Set(groups)], [primary[0]!.groups[0]], output);
    assert.is.not(workers[0]!.groups[0], socketGroup);
  });

  test('nor has a replica that is a process in the container', async () => {
    const name = `${network}-processes`;
    const settings = ['-e', 'TORC_DRIVER=process', '-v', '/var/run/docker.sock:/var/run/docker.sock'];
    const started = await run('run', '-d', '--rm', '--init', '--name', name, ...settings, 'torc');
    assert.is(started.code, 0, started.output);
    try {
      const replicas = async (): Promise<string[]> =>
        (await run('exec', name, 'sh', '-c', LOOK)).output
          .split('\n')
          .filter(line => line.includes('docker/replica.js'));
      await waitFor(async () => (await replicas()).length === 3, {
        timeoutMs: 60_000,
        what: 'three replica processes',
      });
      for (const line of await replicas()) assert.match(line, /Gid: +(\d+) +\1 +\1 +\1 +Groups: *$/);
    } finally {
      await run('rm', '-f', '-v', name);
    }
  });

  test('/add and /rm work from this machine', async () => {
    const send = async (method: string, path: string): Promise<number> => {
      const body = JSON.stringify({ n: 1, hostnames: ['9'] });
      return (await fetch(url + path, { method, headers: { 'content-type': 'application/json' }, body }))
        .status;
    };
    assert.is(await send('POST', '/add'), 200);
    assert.is((await containersOf(network)).length, 4);
    assert.is(await send('DELETE', '/rm'), 200);
    assert.is((await containersOf(network)).length, 3);
  });

  test('down in the first instant: nothing is left either', async () => {
    await compose('down');
    await compose('up', '-d');
    const startedMs = performance.now();
    const { code, output } = await compose('down');
    assert.is(code, 0, output);
    assert.ok(performance.now() - startedMs < 30_000, 'the stop was heard');
    assert.equal(await containersOf(network), []);
    assert.is(await networkExists(network), false, output);
  });

  test('down: nothing is left', async () => {
    await compose('up', '-d');
    await waitFor(async () => (await readyCount()) > 0, { timeoutMs: 60_000, what: 'a ready replica' });
    const { code, output } = await compose('down');
    assert.is(code, 0, output);
    assert.equal(await containersOf(network), []);
    assert.is(await networkExists(network), false, output);
  });

  test.after(async () => {
    await compose('down', '-v');
  });
});
