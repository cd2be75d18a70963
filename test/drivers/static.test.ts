// The static driver: given upstreams are slots by what they are called, names are followed, files too, and nothing is
// ever made. Name servers, files and sockets are real ones; where time decides, the clock is the test's and the name service
// answers what it is told.

import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { upstreamList } from '../../src/config/upstreams.ts';
import type { DriverEvent } from '../../src/control/driver.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import type { Log } from '../../src/core/log.ts';
import { Dns, type NameService, reachable, type Service } from '../../src/drivers/static/dns.ts';
import { StaticDriver, type StaticOptions } from '../../src/drivers/static/driver.ts';
import { parseUpstreams } from '../../src/drivers/static/file.ts';
import { advance, FakeClock } from '../sim/clock.ts';
import { addresses, nameServer } from '../support/dns.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('static driver');

const directory = mkdtempSync(join(tmpdir(), 'torc-static-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
let fileCount = 0;
const freshPath = (): string => join(directory, `${++fileCount}`);

/** A name service that answers what it is told; an Error is a failure. */
class Answers implements NameService {
  readonly hosts: { [host: string]: readonly string[] | Error } = {};
  readonly srv: { [name: string]: readonly Service[] | Error } = {};
  ttlMs = Number.POSITIVE_INFINITY;
  asked = 0;

  async addresses(host: string): Promise<{ addresses: readonly string[]; ttlMs: number }> {
    return { addresses: await this.lookup(host), ttlMs: this.ttlMs };
  }

  async lookup(host: string): Promise<readonly string[]> {
    this.asked++;
    const answer = this.hosts[host] ?? new Error('no such name');
    if (answer instanceof Error) throw answer;
    return answer;
  }

  async services(name: string): Promise<readonly Service[]> {
    const answer = this.srv[name] ?? new Error('no such name');
    if (answer instanceof Error) throw answer;
    return answer;
  }
}

class Bench {
  readonly clock = new FakeClock();
  readonly answers = new Answers();
  readonly lines: string[] = [];
  readonly events: DriverEvent[] = [];
  readonly seatsPath: string;
  readonly driver: StaticDriver;

  constructor(text: string, options: Partial<StaticOptions> = {}) {
    this.seatsPath = options.seatsPath ?? freshPath();
    const say = (_fields: object, message: string): void => {
      this.lines.push(message);
    };
    const log: Log = { debug: () => {}, info: say, warn: say, error: say };
    this.driver = new StaticDriver({
      upstreams: upstreamList.schema.parse(text),
      file: null,
      service: this.answers,
      dnsIntervalMs: 5_000,
      seatsPath: this.seatsPath,
      clock: this.clock as Clock,
      log,
      ...options,
    });
  }

  async open(): Promise<this> {
    let isOpen = false;
    const opened = this.driver
      .open(event => this.events.push(event))
      .then(() => {
        isOpen = true;
      });
    for (let i = 0; i < 100 && !isOpen; i++) await this.pass(100);
    await opened;
    return this;
  }

  pass(ms: number): Promise<void> {
    return advance(this.clock, ms);
  }

  /** "slot id" of all, in the order of names. */
  async list(): Promise<string[]> {
    return (await this.driver.list()).map(({ slot, id }) => (slot === id ? slot : `${slot} ${id}`)).sort();
  }
}

test('slots are called by address or by the given name, and always run', async () => {
  const bench = await new Bench('app.internal:8080, [0::1]:81 ,10.0.0.1:80;name=a').open();
  const common = { generation: 1, spare: false, status: 'running' };
  assert.equal(await bench.driver.list(), [
    {
      ...common,
      id: 'app.internal:8080',
      slot: 'app.internal:8080',
      host: 'app.internal',
      port: 8080,
      serverId: 1,
      label: 'app.internal:8080',
    },
    { ...common, id: '[::1]:81', slot: '[::1]:81', host: '::1', port: 81, serverId: 2, label: '[::1]:81' },
    {
      ...common,
      id: '10.0.0.1:80',
      slot: 'a',
      host: '10.0.0.1',
      port: 80,
      serverId: 3,
      label: '10.0.0.1:80',
    },
  ]);
  await bench.driver.close();
});

test('it makes nothing, and ends nothing', async () => {
  const { driver } = new Bench('a:1');
  assert.is(driver.creates, false);
  await driver.start().then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /TORC_UPSTREAMS/),
  );
  await driver.stop();
  await driver.close();
});

// Names.

test('each address of a dns: name is a slot; one that comes takes the seat of one that went', async () => {
  const bench = new Bench('dns:web:80');
  bench.answers.hosts.web = ['10.0.0.3', '10.0.0.1', '10.0.0.2'];
  await bench.open();
  assert.equal(await bench.list(), ['web:80~1 10.0.0.1:80', 'web:80~2 10.0.0.2:80', 'web:80~3 10.0.0.3:80']);
  bench.answers.hosts.web = ['10.0.0.4', '10.0.0.3', '10.0.0.1'];
  await bench.pass(5_000);
  assert.equal(await bench.list(), ['web:80~1 10.0.0.1:80', 'web:80~2 10.0.0.4:80', 'web:80~3 10.0.0.3:80']);
  assert.is(bench.events.length, 1);
  bench.answers.hosts.web = ['10.0.0.1', '10.0.0.3', '10.0.0.4'];
  await bench.pass(30_000);
  assert.is(bench.events.length, 1, 'another order is no change');
  await bench.driver.close();
});

test('one more address waits until another answer has come for a seat to be left, then has its own', async () => {
  const bench = new Bench('dns:web:80');
  bench.answers.hosts.web = ['10.0.0.1'];
  await bench.open();
  bench.answers.hosts.web = ['10.0.0.1', '10.0.0.2'];
  await bench.pass(12_000);
  assert.equal(await bench.list(), ['web:80~1 10.0.0.1:80']);
  await bench.pass(1_000);
  assert.equal(await bench.list(), ['web:80~1 10.0.0.1:80', 'web:80~2 10.0.0.2:80']);
  await bench.driver.close();
});

test('an answer that is empty or fails changes nothing, and is told once', async () => {
  const bench = new Bench('dns:web:80');
  bench.answers.hosts.web = ['10.0.0.1', '10.0.0.2'];
  await bench.open();
  const before = await bench.list();
  for (const answer of [new Error('the name server failed (SERVFAIL)'), []]) {
    bench.lines.length = 0;
    bench.answers.hosts.web = answer;
    await bench.pass(60_000);
    assert.equal(await bench.list(), before);
    assert.equal(bench.lines, [
      `dns:web:80: ${answer instanceof Error ? answer.message : 'the answer is empty'}; what it had is kept, asked every 5000 ms`,
    ]);
    bench.answers.hosts.web = ['10.0.0.1', '10.0.0.2'];
    await bench.pass(5_000);
    assert.is(bench.lines[1], 'dns:web:80 is found again');
  }
  assert.is(bench.events.length, 0);
  await bench.driver.close();
});

test('a name that is not there at the start is waited for', async () => {
  const bench = await new Bench('dns:web:80,10.0.0.9:80').open();
  assert.equal(await bench.list(), ['10.0.0.9:80']);
  assert.match(bench.lines[0]!, /^dns:web:80: no such name; it gives no replicas yet/);
  bench.answers.hosts.web = ['10.0.0.1', '10.0.0.9'];
  await bench.pass(5_000);
  assert.equal(await bench.list(), ['10.0.0.9:80', 'web:80~1 10.0.0.1:80'], 'and nobody is there twice');
  await bench.driver.close();
});

test('a name is asked for again by its TTL, at least every interval and at most every second', async () => {
  const bench = new Bench('dns:web:80');
  bench.answers.hosts.web = ['10.0.0.1'];
  for (const [ttlMs, times] of [
    [2_000, 10],
    [0, 20],
    [3_600_000, 4],
  ] as const) {
    bench.answers.ttlMs = ttlMs;
    if (bench.answers.asked === 0) await bench.open();
    await bench.pass(10_000);
    bench.answers.asked = 0;
    await bench.pass(20_000);
    assert.is(bench.answers.asked, times, `TTL ${ttlMs}`);
  }
  await bench.driver.close();
});

test('srv: named targets are called by their names, whatever their addresses and ports', async () => {
  const bench = new Bench('srv:_http._tcp.web');
  const { hosts, srv } = bench.answers;
  srv['_http._tcp.web'] = [
    { target: 'web-1.web', port: 80 },
    { target: 'web-0.web', port: 80 },
  ];
  Object.assign(hosts, { 'web-0.web': ['10.0.0.1', 'fd00::1'], 'web-1.web': ['10.0.0.2'] });
  await bench.open();
  assert.equal(
    await bench.list(),
    ['web-0.web 10.0.0.1:80', 'web-1.web 10.0.0.2:80'],
    'a target is one server',
  );
  hosts['web-1.web'] = ['10.0.0.1'];
  hosts['web-0.web'] = ['10.0.0.7'];
  await bench.pass(5_000);
  assert.equal(await bench.list(), ['web-0.web 10.0.0.7:80', 'web-1.web 10.0.0.1:80']);
  srv['_http._tcp.web'] = [
    { target: 'web-0.web', port: 81 },
    { target: 'web-1.web', port: 80 },
  ];
  hosts['web-1.web'] = new Error('SERVFAIL');
  await bench.pass(5_000);
  assert.equal(
    await bench.list(),
    ['web-0.web 10.0.0.7:81', 'web-1.web 10.0.0.1:80'],
    'a failed target is kept',
  );
  await bench.driver.close();
});

test('srv: targets whose names only spell an address have seats', async () => {
  const bench = new Bench('srv:web.service.consul;name=web');
  const { hosts, srv } = bench.answers;
  const at = (...last: number[]): void => {
    srv['web.service.consul'] = last.map(each => ({
      target: `0a00000${each}.addr.dc1.consul`,
      port: 8000 + each,
    }));
    for (const each of last) hosts[`0a00000${each}.addr.dc1.consul`] = [`10.0.0.${each}`];
  };
  at(1, 2);
  await bench.open();
  assert.equal(await bench.list(), ['web~1 10.0.0.1:8001', 'web~2 10.0.0.2:8002']);
  at(2, 3);
  await bench.pass(5_000);
  assert.equal(await bench.list(), ['web~1 10.0.0.3:8003', 'web~2 10.0.0.2:8002']);
  await bench.driver.close();
});

test('a plain host name is one slot whatever its addresses; when one of them went, it is another replica', async () => {
  const bench = new Bench('web:80');
  bench.answers.hosts.web = ['10.0.0.1', '10.0.0.2'];
  await bench.open();
  assert.equal(await bench.list(), ['web:80']);
  bench.answers.hosts.web = ['10.0.0.2', '10.0.0.1', '10.0.0.3'];
  await bench.pass(10_000);
  bench.answers.hosts.web = new Error('gone');
  await bench.pass(10_000);
  assert.equal(await bench.list(), ['web:80']);
  bench.answers.hosts.web = ['10.0.0.2', '10.0.0.3'];
  await bench.pass(10_000);
  assert.equal(await bench.list(), ['web:80 web:80@2']);
  assert.is(bench.events.length, 1);
  await bench.driver.close();
});

test('seats outlive torc', async () => {
  const bench = new Bench('dns:web:80');
  bench.answers.hosts.web = ['10.0.0.1', '10.0.0.2'];
  await bench.open();
  bench.answers.hosts.web = ['10.0.0.2', '10.0.0.9'];
  await bench.pass(5_000);
  const before = await bench.list();
  assert.equal(before, ['web:80~1 10.0.0.9:80', 'web:80~2 10.0.0.2:80']);
  await bench.driver.close();
  const { seatsPath } = bench;
  const next = new Bench('dns:web:80', { seatsPath });
  next.answers.hosts.web = ['10.0.0.2', '10.0.0.9'];
  await next.open();
  assert.equal(await next.list(), before);
  await next.driver.close();
  writeFileSync(seatsPath, '{"seats":[{"group":7');
  const broken = new Bench('dns:web:80', { seatsPath });
  broken.answers.hosts.web = ['10.0.0.9', '10.0.0.2'];
  await broken.open();
  assert.equal(
    await broken.list(),
    ['web:80~1 10.0.0.2:80', 'web:80~2 10.0.0.9:80'],
    'a broken file is none',
  );
  await broken.driver.close();
});

// A real name server.

const failureOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    answer => `no failure: ${JSON.stringify(answer)}`,
    (error: Error) => error.message,
  );

test('questions: A and AAAA with their TTL, SRV by priority, truncated ones over TCP', async () => {
  const server = await nameServer({
    both: addresses('10.0.0.1', '10.0.0.2', '::1'),
    six: addresses('::1'),
    many: 'truncated',
    'many tcp': addresses(...Array.from({ length: 40 }, (_, index) => `10.0.1.${index}`)),
    my_app_web_1: addresses('10.0.0.3'),
    '_http._tcp.web': [
      { target: 'Web-0.web', port: 8080, priority: 10 },
      { target: 'backup.web', port: 8080, priority: 20 },
      { target: 'web-1.web', port: 8081, priority: 10 },
    ],
    none: [{ target: '.', port: 0 }],
  });
  server.ttlS = 7;
  const dns = new Dns([server.address]);
  const sorted = async (name: string): Promise<string[]> =>
    [...(await dns.addresses(name, [])).addresses].sort();
  assert.equal(await sorted('both'), ['10.0.0.1', '10.0.0.2', '::1']);
  assert.is((await dns.addresses('both', [])).ttlMs, 7_000);
  assert.equal(await sorted('six'), ['::1']);
  assert.equal(await sorted('my_app_web_1'), ['10.0.0.3']);
  assert.is((await sorted('many')).length, 40);
  assert.ok(server.tcpCount > 0);
  const services = await dns.services('_http._tcp.web');
  assert.equal(services.map(({ target, port }) => `${target}:${port}`).sort(), [
    'web-0.web:8080',
    'web-1.web:8081',
  ]);
  await server.close();
});

test('questions that fail say why; a family that cannot be asked keeps what was known of it', async () => {
  const server = await nameServer({
    failing: 'SERVFAIL',
    refused: 'REFUSED',
    empty: [],
    half: addresses('10.0.0.1'),
    'half AAAA': 'SERVFAIL',
  });
  const dns = new Dns([server.address]);
  assert.is(await failureOf(dns.addresses('failing', [])), 'the name server failed (SERVFAIL)');
  assert.is(await failureOf(dns.addresses('refused', [])), 'the name server refused to answer');
  assert.is(await failureOf(dns.addresses('empty', [])), 'the name has no such records');
  assert.is(await failureOf(dns.addresses('missing', [])), 'no such name');
  assert.is(await failureOf(dns.services('missing')), 'no such name');
  assert.equal((await dns.addresses('half', ['10.0.0.9', '::1'])).addresses, ['10.0.0.1', '::1']);
  await server.close();
  assert.match(
    await failureOf(dns.addresses('half', [])),
    /^no (name server answers there|answer from the name server)/,
  );
});

test('a name server that is silent is waited for, not for ever', async () => {
  const server = await nameServer({ web: 'silent' });
  assert.match(
    await failureOf(new Dns([server.address]).addresses('web', [])),
    /^no answer from the name server/,
  );
  await server.close();
});

test('names that no name server knows are looked up as the system does', async () => {
  const dns = new Dns([]);
  assert.ok(
    (await dns.addresses('localhost', [])).addresses.some(each => each === '127.0.0.1' || each === '::1'),
  );
  assert.ok((await dns.lookup('localhost')).length > 0);
});

test('IPv6 only where this machine has it, or there is nothing else', () => {
  assert.equal(reachable(['10.0.0.1', 'fd00::1'], false), ['10.0.0.1']);
  assert.equal(reachable(['10.0.0.1', 'fd00::1'], true), ['10.0.0.1', 'fd00::1']);
  assert.equal(reachable(['fd00::1'], false), ['fd00::1']);
  assert.equal(reachable(['127.0.0.1', '::1'], false), ['127.0.0.1', '::1']);
});

// Files.

test('a file: one a line, comments, every fault with its line', () => {
  const parsed = parseUpstreams('\uFEFF# ours\r\n10.0.0.1:80 # first\n\n  dns:web:80;name=b\n');
  assert.equal('upstreams' in parsed && parsed.upstreams.map(each => each.name), ['10.0.0.1:80', 'b']);
  const wrong = parseUpstreams('10.0.0.1\na:1\nb:99999\n[::1:80\nc:1;weight=x\nd:1;name=a b');
  assert.equal('faults' in wrong && wrong.faults.map(fault => /^line \d|^allowed/.exec(fault)?.[0]), [
    'line 1',
    'line 3',
    'line 4',
    'line 5',
    'line 6',
    'allowed',
  ]);
  const twice = parseUpstreams('a:1\nA:1;name=x');
  assert.equal('faults' in twice && twice.faults, ['names a:1 twice: one slot each is enough']);
  assert.equal(parseUpstreams('# nothing'), { faults: ['it names no upstreams'] });
});

test('a file that is not there or wrong stops the start, with every fault', async () => {
  const path = freshPath();
  const openingOf = (): Promise<string> => failureOf(new Bench('', { file: path }).open());
  assert.is(await openingOf(), `TORC_UPSTREAMS_FILE: ${path}: there is no such file`);
  writeFileSync(path, 'a\nb:1\nc:x\n');
  assert.is((await openingOf()).split('\n').length, 3);
});

test('a file is followed: written in place, put in its place, behind a link; one that is wrong is told once', async () => {
  const path = freshPath();
  writeFileSync(path, '10.0.0.1:80\n10.0.0.2:80\n');
  const bench = await new Bench('', { file: path, clock: systemClock }).open();
  const becomes = (...expected: string[]): Promise<void> =>
    waitFor(async () => (await bench.list()).join() === expected.join(), {
      timeoutMs: 10_000,
      what: expected.join(', '),
    });
  await becomes('10.0.0.1:80', '10.0.0.2:80');
  writeFileSync(path, '10.0.0.2:80\n');
  await becomes('10.0.0.2:80');
  writeFileSync(`${path}.new`, '10.0.0.3:80\n10.0.0.2:80\n');
  renameSync(`${path}.new`, path);
  await becomes('10.0.0.2:80', '10.0.0.3:80');
  const told = (): number => bench.lines.filter(line => line.includes('is not followed')).length;
  for (const [index, text] of ['10.0.0.2\n', '', null, '10.0.0.5:80\nx\n'].entries()) {
    if (text === null) rmSync(path);
    else writeFileSync(path, text);
    await waitFor(() => told() === index + 1, { timeoutMs: 10_000, what: `fault ${index + 1} to be told` });
    assert.equal(await bench.list(), ['10.0.0.2:80', '10.0.0.3:80']);
  }
  // As Kubernetes does: a link to a directory is put in the place of another one.
  for (const version of ['v1', 'v2']) mkdirSync(`${path}-${version}`);
  writeFileSync(`${path}-v1/list`, '10.0.0.7:80\n');
  writeFileSync(`${path}-v2/list`, '10.0.0.8:80\n');
  rmSync(path);
  symlinkSync(`${path}-v1`, `${path}-data`);
  symlinkSync(`${path}-data/list`, path);
  await becomes('10.0.0.7:80');
  symlinkSync(`${path}-v2`, `${path}-data.new`);
  renameSync(`${path}-data.new`, `${path}-data`);
  await becomes('10.0.0.8:80');
  assert.is(told(), 4, bench.lines.join('\n'));
  await bench.driver.close();
});

test.run();
