// Given upstreams that change under load: a rolling restart behind one DNS name (seen as a swap, and as one more before
// one less), and a file that loses, gains and shuffles its lines. No request is lost, and no key moves that need not:
// who answers a key is asked of the servers themselves. Name server, file and sockets are real.

import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addresses, nameServer } from '../support/dns.ts';
import { slotsOf } from '../support/healing.ts';
import { lostRequests, startLoad } from '../support/load.ts';
import { startTorc, type Torc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('e2e/given');

const CONNECTIONS = 16;
const KEYS = Array.from({ length: 200 }, (_, index) => `key${index}`);

interface Origin {
  readonly host: string;
  readonly port: number;
  readonly server: Server;
  connections(): Promise<number>;
}

/** On an address of its own: all of 127.0.0.0/8 is this machine's. `/slow` takes its time. */
async function origin(last: number, port = 0): Promise<Origin> {
  const host = `127.0.0.${last}`;
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () =>
      setTimeout(() => response.end(host), request.url!.startsWith('/slow') ? 1_500 : 0),
    );
  });
  server.listen(port, host);
  await once(server, 'listening');
  const { port: bound } = server.address() as { port: number };
  const connections = (): Promise<number> =>
    new Promise((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  return { host, port: bound, server, connections };
}

/** Several on one port, which is free on all their addresses. */
async function origins(...lasts: number[]): Promise<Origin[]> {
  for (let tries = 0; ; tries++) {
    const made: Origin[] = [];
    try {
      for (const last of lasts) made.push(await origin(last, made[0]?.port));
      return made;
    } catch (error) {
      made.forEach(endOf);
      if (tries === 10) throw error;
    }
  }
}

const endOf = ({ server }: Origin): void => void server.close().closeAllConnections();

/** Which server answers each key. */
async function ownersOf(torc: Torc): Promise<Map<string, string>> {
  const owners = new Map<string, string>();
  const left = [...KEYS];
  const lane = async (): Promise<void> => {
    for (let key = left.pop(); key !== undefined; key = left.pop()) {
      const answer = await torc.get(`/?request_id=${key}`);
      assert.is(answer.status, 200);
      owners.set(key, answer.text);
    }
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
  return owners;
}

/** Keys that changed between servers although theirs stayed, or went elsewhere than to its successor. */
function movedInVain(
  before: Map<string, string>,
  after: Map<string, string>,
  successorOf: (host: string) => string | undefined,
): number {
  return KEYS.filter(key => {
    const successor = successorOf(before.get(key)!);
    return successor !== undefined && after.get(key) !== successor;
  }).length;
}

const isReadyAt = async (torc: Torc, ...hosts: string[]): Promise<boolean> => {
  const slots = await slotsOf(torc);
  const ready = slots.filter(slot => slot.state === 'ready').map(slot => slot.replica.split(':')[0]!);
  return ready.sort().join() === [...hosts].sort().join() && slots.length === hosts.length;
};

const becomesReadyAt = (torc: Torc, ...hosts: string[]): Promise<void> =>
  waitFor(() => isReadyAt(torc, ...hosts), { timeoutMs: 30_000, what: `ready at ${hosts.join(', ')}` });

for (const style of ['swapped', 'surging'] as const)
  test(`a rolling restart behind one DNS name, ${style}: nothing lost, every key keeps its seat`, async () => {
    const made = await origins(11, 12, 13, 21, 22, 23);
    const old = made.slice(0, 3);
    const { port } = made[0]!;
    const hosts = old.map(({ host }) => host);
    const dns = await nameServer({ 'web.test': addresses(...hosts) });
    const torc = await startTorc({
      TORC_UPSTREAMS: `dns:web.test:${port}`,
      TORC_DRIVER: 'static',
      TORC_DNS_SERVERS: dns.address,
      TORC_DNS_INTERVAL_MS: '1000',
      TORC_HEARTBEAT_PATH: '/',
      TORC_WORKERS: '2',
    });
    const load = startLoad(torc.url, CONNECTIONS);
    try {
      assert.equal(
        (await slotsOf(torc)).map(slot => slot.name),
        [1, 2, 3].map(seat => `web.test:${port}~${seat}`),
      );
      const before = await ownersOf(torc);
      await load.flows();
      const slow = torc.get('/slow?request_id=key0');
      const successors = new Map<string, string>();
      for (const [index, leaving] of old.entries()) {
        const next = made[3 + index]!;
        successors.set(leaving.host, next.host);
        const places = hosts.indexOf(leaving.host);
        if (style === 'surging') {
          dns.zones.set('web.test', addresses(next.host, ...hosts));
          const asked = dns.asked.length;
          await waitFor(() => dns.asked.length >= asked + 2, { timeoutMs: 10_000, what: 'another question' });
        }
        hosts[places] = next.host;
        // Rotated, as servers do.
        dns.zones.set('web.test', addresses(...hosts.slice(index), ...hosts.slice(0, index)));
        await becomesReadyAt(torc, ...hosts);
        await waitFor(async () => (await leaving.connections()) === 0, {
          timeoutMs: 20_000,
          what: 'the old one to be left, however busy its connections are',
        });
        endOf(leaving);
      }
      assert.is((await slow).status, 200);
      await load.flows();
      const after = await ownersOf(torc);
      assert.is(
        movedInVain(before, after, host => successors.get(host)),
        0,
      );
      assert.is(JSON.parse((await torc.get('/rep')).text).message.N, 3);
    } finally {
      const report = await load.stop();
      await torc.close();
      made.forEach(endOf);
      await dns.close();
      process.stdout.write(
        `\n  ${style}: 3 of 3 servers replaced, ${KEYS.length} keys asked for, ${report.sent.GET} GET, ${report.sent.POST} POST, lost ${JSON.stringify(report.losses)}\n`,
      );
      assert.equal(report.losses, []);
    }
  });

test('a name server that fails, or says nothing, changes nothing; replicas that die meanwhile are left out', async () => {
  const [first, second] = (await origins(31, 32)) as [Origin, Origin];
  const dns = await nameServer({ 'web.test': addresses(first.host, second.host) });
  const torc = await startTorc({
    TORC_UPSTREAMS: `dns:web.test:${first.port}`,
    TORC_DRIVER: 'static',
    TORC_DNS_SERVERS: dns.address,
    TORC_DNS_INTERVAL_MS: '200',
    TORC_HEARTBEAT_PATH: '/',
    TORC_HEARTBEAT_INTERVAL_MS: '100',
    TORC_WORKERS: '1',
  });
  try {
    for (const zone of ['SERVFAIL', [], 'NXDOMAIN'] as const) {
      dns.zones.set('web.test', zone);
      const asked = dns.asked.length;
      await waitFor(() => dns.asked.length >= asked + 6, { timeoutMs: 20_000, what: 'questions in vain' });
      assert.ok(await isReadyAt(torc, first.host, second.host), `after ${zone}`);
    }
    endOf(second);
    await waitFor(async () => JSON.parse((await torc.get('/admin/ready')).text).ready === 1, {
      timeoutMs: 20_000,
      what: 'the dead one to be out',
    });
    for (const key of KEYS.slice(0, 30)) assert.is((await torc.get(`/?request_id=${key}`)).text, first.host);
    const told = torc.lines().filter(({ msg }) => String(msg).includes('what it had is kept'));
    assert.is(told.length, 1, 'once for one trouble');
  } finally {
    await torc.close();
    endOf(first);
    await dns.close();
  }
});

test('a name that is not there at the start: torc says so, and serves once it is', async () => {
  const [only] = (await origins(51)) as [Origin];
  const dns = await nameServer();
  const torc = await startTorc({
    TORC_UPSTREAMS: `dns:web.test:${only.port}`,
    TORC_DRIVER: 'static',
    TORC_DNS_SERVERS: dns.address,
    TORC_DNS_INTERVAL_MS: '200',
    TORC_HEARTBEAT_PATH: '/',
    TORC_WORKERS: '1',
  });
  try {
    assert.match(torc.output(), 'but no replica is ready yet');
    assert.match(torc.output(), 'no such name; it gives no replicas yet');
    assert.is((await torc.get('/')).status, 503);
    dns.zones.set('web.test', addresses(only.host));
    await becomesReadyAt(torc, only.host);
    assert.is((await torc.get('/')).text, only.host);
    assert.match(torc.output(), 'torc is ready on');
  } finally {
    await torc.close();
    endOf(only);
    await dns.close();
  }
});

test('a file of upstreams under load: what leaves moves its own keys, another order none', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'torc-given-'));
  const path = join(directory, 'upstreams');
  const put = (list: readonly Origin[]): void => {
    writeFileSync(`${path}.new`, `# ours\n${list.map(({ host, port }) => `${host}:${port}\n`).join('')}`);
    renameSync(`${path}.new`, path);
  };
  const four = await origins(41, 42, 43, 44);
  put(four);
  const torc = await startTorc({
    TORC_UPSTREAMS_FILE: path,
    TORC_DRIVER: 'static',
    TORC_HEARTBEAT_PATH: '/',
    TORC_WORKERS: '2',
  });
  const load = startLoad(torc.url, CONNECTIONS);
  const hostsOf = (list: readonly Origin[]): string[] => list.map(({ host }) => host);
  try {
    const all = await ownersOf(torc);
    await load.flows();
    const [first, ...others] = four as [Origin, ...Origin[]];
    put(others);
    await becomesReadyAt(torc, ...hostsOf(others));
    await waitFor(async () => (await first.connections()) === 0, {
      timeoutMs: 20_000,
      what: 'the first to be left',
    });
    const less = await ownersOf(torc);
    const staysIf = (isStaying: (host: string) => boolean) => (host: string) =>
      isStaying(host) ? host : undefined;
    assert.is(
      movedInVain(
        all,
        less,
        staysIf(host => host !== first.host),
      ),
      0,
    );
    const changed = Date.now();
    put([...others].reverse());
    await waitFor(
      () =>
        torc
          .lines()
          .some(
            line => String(line.msg).includes('has changed: 3') && Date.parse(String(line.time)) >= changed,
          ),
      {
        timeoutMs: 20_000,
        what: 'the other order to be read',
      },
    );
    assert.is(
      movedInVain(less, await ownersOf(torc), host => host),
      0,
    );
    put([others[1]!, first, others[0]!, others[2]!]);
    await becomesReadyAt(torc, ...hostsOf(four));
    assert.is(
      movedInVain(all, await ownersOf(torc), host => host),
      0,
      'all is as it was',
    );
    const name = `${first.host}:${first.port}`;
    assert.match(
      (await torc.get(`/?request_id=${KEYS.find(key => all.get(key) === first.host)}`)).headers.get(
        'x-served-by',
      )!,
      name,
    );
    assert.is((await torc.get(`/requests/${name}`)).status, 200);
    assert.is((await torc.send('DELETE', '/rm', { n: 1, hostnames: [name] })).status, 200);
    assert.ok(await isReadyAt(torc, ...hostsOf(others)));
  } finally {
    const report = await load.stop();
    await torc.close();
    four.forEach(endOf);
    rmSync(directory, { recursive: true });
    process.stdout.write(
      `\n  file: ${report.sent.GET} GET, ${report.sent.POST} POST, lost ${JSON.stringify(report.losses)}\n`,
    );
    assert.equal(lostRequests(report), []);
    assert.equal(report.losses, []);
  }
});

test.run();
