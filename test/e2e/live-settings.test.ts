// Every setting that changes live, taken by a running torc: what the reload says, and that it takes effect, in both directions
// (each case begins with the settings of the one before, and ends by going back). All the while a client sends requests over
// connections that it keeps, and none may be lost. A setting that is called live and has no case here is a fault.

import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fields } from '../../src/config/fields.ts';
import { type Reloadable, startReloadable } from '../support/reloads.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('live settings');
const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));
const ms = (path: string): number => Number(new URL(path, 'http://x').searchParams.get('ms') ?? 0);

interface Beat {
  readonly origin: number;
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly atMs: number;
}
const beats: Beat[] = [];
/** Statuses of heartbeats, by origin; 0: none is answered. */
const health = [200, 200, 200, 200];
/** Of the replica: how many connections it has, and of each origin the requests at work. */
const open = [new Set<Socket>(), new Set<Socket>(), new Set<Socket>(), new Set<Socket>()];
let resets = 0;

function answer(origin: number, request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url!, 'http://x');
  if (pathname.startsWith('/beat') || pathname === '/heartbeat') {
    beats.push({
      ...{ origin, method: request.method!, path: request.url!, host: request.headers.host ?? '' },
      atMs: performance.now(),
    });
    if (health[origin] === 0) return;
    response.writeHead(health[origin]!).end();
    return;
  }
  request.resume();
  if (pathname === '/404') response.writeHead(404).end('none');
  else if (pathname === '/reset') {
    resets++;
    request.socket.destroy();
  } else if (pathname === '/stall') {
    response.writeHead(200, { 'content-length': 10 });
    response.write('begun');
  } else if (pathname === '/slow') setTimeout(() => response.end('slow'), ms(request.url!));
  else response.end(JSON.stringify({ origin, headers: request.headers, method: request.method }));
}

const origins = await Promise.all(
  [0, 1, 2, 3].map(async number => {
    const server = createServer((request, response) => answer(number, request, response));
    server.keepAliveTimeout = 60_000;
    server.on('connection', socket => {
      open[number]!.add(socket);
      socket.on('close', () => open[number]!.delete(socket));
    });
    server.on('upgrade', (_request, socket) => {
      socket.on('error', () => {});
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return { server, port: typeof address === 'object' ? address!.port : 0 };
  }),
);
const listOf = (...numbers: number[]): string =>
  numbers.map(number => `127.0.0.1:${origins[number]!.port};name=${number + 1}`).join(',');

/** Everybody's settings at the start, and between two cases. */
const BASE = {
  driver: 'static',
  upstreams: listOf(0, 1, 2),
  'heartbeat-path': '/beat',
  'heartbeat-interval-ms': 500,
  'heartbeat-timeout-ms': 2000,
  'trusted-proxies': '10.0.0.0/8',
};

interface Got {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

/** From an address of its own: a case trusts it. */
const keepAlive = new Agent({ keepAlive: true, maxSockets: 4, localAddress: '127.0.0.2' });

function ask(
  path: string,
  {
    method = 'GET',
    headers = {},
    agent = false,
  }: { method?: string; headers?: Record<string, string>; agent?: Agent | false } = {},
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { host: '127.0.0.1', port: torc.port, path, method, headers, agent },
      response => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on('error', reject);
        response.on('close', () =>
          resolve({ status: response.statusCode!, headers: response.headers, text }),
        );
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}

const seen = async (path = '/', headers: Record<string, string> = {}, agent: Agent | false = false) =>
  JSON.parse((await ask(path, { headers, agent })).text) as {
    origin: number;
    headers: Record<string, string>;
  };

/** A bare connection; `closed` resolves with what came on it. */
function raw(
  text: string,
  localAddress = '127.0.0.1',
): { socket: Socket; closed: Promise<string>; got(): string } {
  const socket = connect({ port: torc.port, host: '127.0.0.1', localAddress });
  let got = '';
  socket.on('data', chunk => {
    got += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  socket.write(text);
  const closed = new Promise<string>(resolve => socket.on('close', () => resolve(got)));
  return { socket, closed, got: () => got };
}

async function within(boundMs: number, what: string, work: Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${boundMs} ms: ${what}`)), boundMs);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
  return performance.now() - startedMs;
}

const status = async (): Promise<{ settings: Record<string, { value: string }>; spares: { of: number } }> =>
  JSON.parse((await torc.get('/admin/status')).text);

/** Heartbeats of one origin from now on. */
async function nextBeat(origin = 0): Promise<Beat> {
  const from = beats.length;
  const find = (): Beat | undefined => beats.slice(from).find(beat => beat.origin === origin);
  await waitFor(() => find() !== undefined, { timeoutMs: 20_000, what: 'a heartbeat' });
  return find()!;
}

const stateOf = async (slot: string): Promise<string> => {
  const { slots } = JSON.parse((await torc.get('/admin/slots')).text) as {
    slots: { name: string; state: string }[];
  };
  return slots.find(each => each.name === slot)?.state ?? 'none';
};
const becomes = (slot: string, state: string): Promise<void> =>
  waitFor(async () => (await stateOf(slot)) === state, { timeoutMs: 30_000, what: `slot ${slot} ${state}` });

const servedBy = ({ headers }: Got): string => String(headers['x-served-by']);

async function keysOfSlot2(count: number): Promise<string[]> {
  const keys: string[] = [];
  for (let number = 0; keys.length < count; number++) {
    const { servedBy: slot } = JSON.parse((await torc.get(`/admin/explain?key=/key-${number}`)).text);
    if (slot === '2') keys.push(`/key-${number}`);
  }
  return keys;
}

/** Slot 2 is out for longer than a doubt. */
async function awayAndBack(meanwhile: () => Promise<void>): Promise<void> {
  health[1] = 503;
  await becomes('2', 'suspect');
  await meanwhile();
  for (let beat = 0; beat < 4; beat++) await nextBeat(1);
  health[1] = 200;
  await becomes('2', 'ready');
}

interface Case {
  readonly to: Record<string, string | number | boolean | null>;
  readonly see: () => Promise<void>;
}

const HEAD = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';

/** By the setting's name; more than one setting where one alone shows nothing. */
const cases: Record<string, Case> = {
  TORC_SERVED_BY: {
    to: { 'served-by': false },
    see: async () => assert.is((await ask('/')).headers['x-served-by'], undefined),
  },
  TORC_TRUSTED_PROXIES: {
    to: { 'trusted-proxies': '127.0.0.2' },
    // Over a connection that was there before.
    see: async () =>
      assert.is(
        (await seen('/', { 'x-forwarded-for': '192.0.2.1' }, keepAlive)).headers['x-forwarded-for'],
        '192.0.2.1, 127.0.0.2',
      ),
  },
  TORC_PROXY_PROTOCOL: {
    to: { 'proxy-protocol': '127.0.0.3' },
    see: async () => {
      const { socket, got } = raw(`PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n${HEAD}`, '127.0.0.3');
      await waitFor(() => got().includes('"x-forwarded-for":"192.0.2.7"'), {
        timeoutMs: 20_000,
        what: 'who was told',
      });
      socket.destroy();
    },
  },
  TORC_FORWARDED: {
    to: { forwarded: 'both' },
    see: async () => assert.match((await seen('/', {}, keepAlive)).headers.forwarded!, 'for=127.0.0.2'),
  },
  TORC_UNDERSCORE_FIELDS: {
    to: { 'underscore-fields': 'pass' },
    see: async () => assert.is((await seen('/', { a_b: 'c' }, keepAlive)).headers.a_b, 'c'),
  },
  TORC_HTTP2: {
    to: { http2: 'off' },
    see: async () => {
      const { closed } = raw('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
      assert.match(await closed, /^HTTP\/1\.1 (400|505)/);
    },
  },
  TORC_HEADER_TIMEOUT_MS: {
    to: { 'header-timeout-ms': 100 },
    see: async () => {
      const { closed } = raw('GET / HTTP/1.1\r\n');
      await within(8_000, 'a head that does not come is refused', closed);
    },
  },
  TORC_CLIENT_IDLE_TIMEOUT_MS: {
    to: { 'client-idle-timeout-ms': 100 },
    see: async () => void (await within(20_000, 'an idle connection is closed', raw(HEAD).closed)),
  },
  TORC_MAX_CONNECTIONS: {
    to: { 'max-connections': 1 },
    see: async () => {
      // All that are there stay; a new one finds no place in either worker.
      const answers = await Promise.allSettled(Array.from({ length: 8 }, () => ask('/')));
      assert.ok(answers.some(({ status }) => status === 'rejected'));
    },
  },
  TORC_MAX_CONNECTIONS_PER_CLIENT: {
    to: { 'max-connections-per-client': 1 },
    see: async () => {
      const held = Array.from({ length: 8 }, () => raw(HEAD));
      await Promise.race(held.map(({ closed }) => closed));
      for (const { socket } of held) socket.destroy();
      await sleep(50);
    },
  },
  TORC_KEY: {
    to: { key: 'header:x-key' },
    see: async () => {
      const explained = await torc.get('/admin/explain?target=/&header=x-key:7');
      assert.match(explained.text, /"source": "header:x-key"/);
      const origin = (await seen('/a', { 'x-key': '7' })).origin;
      for (const path of ['/b', '/c', '/d', '/e'])
        assert.is((await seen(path, { 'x-key': '7' })).origin, origin);
    },
  },
  TORC_RING: {
    to: { ring: 'maglev' },
    see: async () => {
      const { servedBy } = JSON.parse((await torc.get('/admin/explain?key=/ring-7')).text);
      assert.match((await torc.get('/admin/ring')).text, /"algorithm": "maglev"/);
      assert.is((await ask('/ring-7')).headers['x-served-by'], servedBy);
    },
  },
  TORC_RING_ROWS: {
    to: { 'ring-rows': 1024 },
    see: async () => {
      assert.match((await torc.get('/admin/ring')).text, /"rows": 1024/);
      const { servedBy } = JSON.parse((await torc.get('/admin/explain?key=/ring-8')).text);
      assert.is((await ask('/ring-8')).headers['x-served-by'], servedBy);
    },
  },
  TORC_BALANCE_FACTOR: {
    to: { 'balance-factor': 1.05 },
    see: async () => {
      const answers = await Promise.all(Array.from({ length: 24 }, () => ask('/slow?ms=300')));
      assert.ok(new Set(answers.map(({ headers }) => headers['x-served-by'])).size > 1, 'a hot key spreads');
    },
  },
  TORC_BALANCE_WAIT_MS: {
    to: { 'balance-factor': 1.05, 'balance-wait-ms': 30_000 },
    see: async () => {
      const answers = await Promise.all(Array.from({ length: 24 }, () => ask('/slow?ms=20')));
      assert.is(new Set(answers.map(servedBy)).size, 1, 'a hot key waits');
    },
  },
  TORC_LENT_STICKY_MS: {
    to: { 'balance-factor': 1.05, 'lent-sticky-ms': 600_000 },
    see: async () => {
      await Promise.all(Array.from({ length: 24 }, () => ask('/slow?ms=300')));
      const { servedBy: own } = JSON.parse((await torc.get('/admin/explain?key=/slow')).text);
      const later = [];
      for (let count = 0; count < 24; count++) later.push(servedBy(await ask('/slow?ms=0')));
      assert.ok(
        later.some(slot => slot !== own),
        'it is with its stand-in still',
      );
    },
  },
  TORC_SLOW_START_MS: {
    to: { 'slow-start-ms': 3_600_000 },
    see: async () => {
      const [key] = (await keysOfSlot2(1)) as [string];
      await awayAndBack(async () => {});
      assert.is.not(servedBy(await ask(key)), '2', 'it is not its turn yet');
    },
  },
  TORC_RETURN: {
    to: { 'slow-start-ms': 3_600_000, return: 'gradual' },
    see: async () => {
      const [lent, silent] = (await keysOfSlot2(2)) as [string, string];
      // By every worker.
      const asked = () => Promise.all(Array.from({ length: 24 }, () => ask(lent)));
      await awayAndBack(async () => void (await asked()));
      assert.not((await asked()).map(servedBy).includes('2'), 'who was lent stays');
      assert.is(servedBy(await ask(silent)), '2', 'who was not is at home');
    },
  },
  TORC_EXPRESS: {
    to: { express: 'off' },
    see: async () => assert.is((await ask('/')).status, 200),
  },
  TORC_PIPELINING: {
    to: { pipelining: 'auto' },
    see: async () => {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, id) => ask(`/${id}`, { agent: keepAlive })),
      );
      for (const { status } of answers) assert.is(status, 200);
    },
  },
  TORC_TRACE: {
    to: { trace: true },
    see: async () => assert.is((await ask('/', { method: 'TRACE' })).status, 200),
  },
  TORC_COMPAT: {
    to: { compat: 'assignment' },
    see: async () => assert.is((await ask('/404')).status, 400),
  },
  TORC_IDLE_TIMEOUT_MS: {
    to: { 'idle-timeout-ms': 100 },
    see: async () =>
      void (await within(
        20_000,
        'a body that stalls is cut',
        ask('/stall').catch(() => {}),
      )),
  },
  TORC_TUNNEL_TIMEOUT_MS: {
    to: { 'tunnel-timeout-ms': 100 },
    see: async () => {
      const { closed } = raw('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n');
      await within(20_000, 'a silent tunnel ends', closed);
    },
  },
  TORC_RESPONSE_TIMEOUT_MS: {
    to: { 'response-timeout-ms': 100 },
    see: async () => assert.is((await ask('/slow?ms=5000')).status, 504),
  },
  TORC_CONNECT_TIMEOUT_MS: {
    // An address that answers nothing (RFC 5737), given without probes: it counts as ready.
    to: { 'connect-timeout-ms': 50, upstreams: '192.0.2.1:9', retries: 0, 'heartbeat-path': '' },
    see: async () => {
      await becomes('192.0.2.1:9', 'ready');
      await waitFor(async () => /^50[234]$/.test(`${(await ask('/')).status}`), {
        timeoutMs: 20_000,
        what: 'a connection that is not made in time',
      });
    },
  },
  TORC_RETRIES: {
    to: { retries: 0 },
    see: async () => {
      resets = 0;
      assert.is((await ask('/reset')).status, 502);
      assert.ok(resets <= 2, 'none on another replica');
    },
  },
  TORC_RETRY_METHODS: {
    to: { 'retry-methods': 'POST' },
    see: async () => {
      resets = 0;
      assert.is((await ask('/reset', { method: 'GET' })).status, 502);
      assert.is(resets, 1, 'GET is not named');
      assert.is((await ask('/reset', { method: 'POST' })).status, 502);
      assert.ok(resets > 2, 'POST is');
    },
  },
  TORC_RETRY_BUDGET: {
    to: { 'retry-budget': 0 },
    see: async () => assert.is((await status()).settings.TORC_RETRY_BUDGET!.value, '0'),
  },
  TORC_HOLD_MS: {
    to: { 'hold-ms': 20_000 },
    see: async () => {
      for (const origin of [0, 1, 2]) health[origin] = 503;
      for (const slot of ['1', '2', '3']) await becomes(slot, 'suspect');
      const held = ask('/');
      setTimeout(() => health.fill(200), 300);
      assert.is((await held).status, 200);
    },
  },
  TORC_MAX_CONNECTIONS_PER_REPLICA: {
    to: { 'max-connections-per-replica': 1, 'max-queue': 0 },
    see: async () => {
      const answers = await Promise.all(Array.from({ length: 12 }, () => ask('/slow?ms=300')));
      assert.ok(
        answers.some(({ status }) => status === 503),
        'no place in a worker for a second one',
      );
    },
  },
  TORC_MAX_QUEUE: {
    to: { 'max-connections-per-replica': 1, 'max-queue': 100 },
    see: async () => {
      const answers = await Promise.all(Array.from({ length: 6 }, () => ask('/slow?ms=20')));
      for (const { status } of answers) assert.is(status, 200);
    },
  },
  TORC_UPSTREAMS: {
    to: { upstreams: listOf(3) },
    see: async () => {
      await waitFor(async () => (await seen()).origin === 3, { timeoutMs: 20_000, what: 'the new list' });
    },
  },
  TORC_UPSTREAMS_FILE: {
    to: { upstreams: '', 'upstreams-file': 'given.txt' },
    see: async () => {
      await waitFor(async () => (await seen()).origin === 3, { timeoutMs: 20_000, what: 'the file' });
      writeFileSync(upstreamsFile, `${listOf(1)}\n`);
      assert.is((await torc.read()).status, 200);
      await waitFor(async () => (await seen()).origin === 1, { timeoutMs: 20_000, what: 'the file, again' });
    },
  },
  TORC_DRAIN_TIMEOUT_MS: {
    to: { 'drain-timeout-ms': 100 },
    see: async () => assert.is((await status()).settings.TORC_DRAIN_TIMEOUT_MS!.value, '100'),
  },
  TORC_HEARTBEAT_PATH: {
    to: { 'heartbeat-path': '/beat/other' },
    see: async () => {
      await nextBeat(0);
      assert.is((await nextBeat(0)).path, '/beat/other');
    },
  },
  TORC_HEARTBEAT_INTERVAL_MS: {
    to: { 'heartbeat-interval-ms': 50 },
    see: async () => {
      const from = beats.length;
      await sleep(1_500);
      assert.ok(beats.slice(from).filter(({ origin }) => origin === 0).length > 4, 'more than two a second');
    },
  },
  TORC_HEARTBEAT_METHOD: {
    to: { 'heartbeat-method': 'HEAD' },
    see: async () => {
      await nextBeat(0);
      assert.is((await nextBeat(0)).method, 'HEAD');
    },
  },
  TORC_HEARTBEAT_HOST: {
    to: { 'heartbeat-host': 'app.example' },
    see: async () => {
      await nextBeat(0);
      assert.is((await nextBeat(0)).host, 'app.example');
    },
  },
  TORC_HEARTBEAT_PORT: {
    to: { 'heartbeat-port': origins[3]!.port },
    see: async () => void (await nextBeat(3)),
  },
  TORC_HEARTBEAT_MODE: {
    to: { 'heartbeat-path': null, 'heartbeat-mode': 'tcp' },
    see: async () => {
      health[0] = 503; // nobody asks for it
      await sleep(300);
      const from = beats.length;
      await sleep(1_200);
      assert.is(beats.length, from, 'a connection is enough');
      assert.is(await stateOf('1'), 'ready');
      health[0] = 200;
    },
  },
  TORC_HEARTBEAT_STATUS: {
    to: { 'heartbeat-status': '200-399,418' },
    see: async () => {
      health[0] = 418;
      await nextBeat(0);
      await nextBeat(0);
      assert.is(await stateOf('1'), 'ready');
      health[0] = 200;
    },
  },
  TORC_HEARTBEAT_TIMEOUT_MS: {
    to: { 'heartbeat-timeout-ms': 100, 'heartbeat-interval-ms': 100 },
    see: async () => {
      health[0] = 0;
      await within(20_000, 'a mute replica is out', becomes('1', 'suspect'));
      health[0] = 200;
      await becomes('1', 'ready');
    },
  },
  TORC_HEARTBEAT_FALL: {
    to: { 'heartbeat-fall': 100, 'heartbeat-timeout-ms': 100, 'heartbeat-interval-ms': 100 },
    see: async () => {
      health[0] = 0;
      await sleep(1_000);
      assert.is(await stateOf('1'), 'ready');
      health[0] = 200;
    },
  },
  TORC_HEARTBEAT_RISE: {
    to: { 'heartbeat-rise': 5, 'heartbeat-interval-ms': 100 },
    see: async () => {
      health[0] = 503;
      await becomes('1', 'suspect');
      const from = beats.length;
      health[0] = 200;
      await becomes('1', 'ready');
      assert.ok(beats.slice(from).filter(({ origin }) => origin === 0).length >= 5);
    },
  },
  TORC_DEAD_AFTER_MS: {
    to: { 'dead-after-ms': 100 },
    see: async () => assert.is((await status()).settings.TORC_DEAD_AFTER_MS!.value, '100'),
  },
  TORC_ADMIN_HOSTS: {
    to: { 'admin-hosts': 'torc.example' },
    see: async () => assert.is((await ask('/rep', { headers: { host: 'torc.example' } })).status, 200),
  },
  TORC_ADMIN_OPEN: {
    to: { 'admin-open': true },
    see: async () =>
      assert.is((await ask('/admin/slots', { headers: { 'x-forwarded-for': '192.0.2.1' } })).status, 200),
  },
  TORC_SHOW_KEYS: {
    to: { 'show-keys': true, key: 'header:x-key' },
    see: async () => {
      await Promise.all(Array.from({ length: 50 }, () => ask('/', { headers: { 'x-key': 'secret-7' } })));
      await waitFor(async () => (await torc.get('/admin/hot-keys?n=100')).text.includes('secret-7'), {
        timeoutMs: 20_000,
        what: 'the key as it is',
      });
    },
  },
  TORC_HOT_KEYS: {
    to: { 'hot-keys': 'off' },
    see: async () => assert.match((await torc.get('/admin/hot-keys')).text, /"mode": "off"/),
  },
  TORC_LOG: {
    to: { log: 'debug' },
    see: async () =>
      waitFor(() => torc.output().includes('"level":"debug"'), { timeoutMs: 20_000, what: 'a debug line' }),
  },
  TORC_ACCESS_LOG: {
    to: { 'access-log': true },
    see: async () => {
      await ask('/for-the-log');
      await waitFor(() => torc.output().includes('/for-the-log'), { timeoutMs: 20_000, what: 'its line' });
    },
  },
};

let torc: Reloadable;
let upstreamsFile = '';
const load = { isOver: false, sent: 0, lost: [] as string[], ended: Promise.resolve() };

/** Where other statuses than 200 are what a case is about, or what a busy machine makes of a time that is so short. */
const LOSES_ON_PURPOSE = [
  'TORC_CONNECT_TIMEOUT_MS',
  'TORC_RESPONSE_TIMEOUT_MS',
  'TORC_HOLD_MS',
  'TORC_MAX_CONNECTIONS',
  'TORC_MAX_CONNECTIONS_PER_REPLICA',
];
let current = '';

async function keepAsking(agent: Agent, id: number): Promise<void> {
  while (!load.isOver) {
    const during = current;
    const { status } = await ask(`/load-${id}-${load.sent++}`, { agent }).catch(error => ({
      status: `${error.code}`,
    }));
    const isMeant = [during, current].some(name => LOSES_ON_PURPOSE.includes(name));
    if (status !== 200 && !isMeant) load.lost.push(`${status} during ${during}`);
    await sleep(5);
  }
}

test.before(async () => {
  torc = await startReloadable(BASE, { TORC_WORKERS: '2' });
  mkdirSync(torc.folder, { recursive: true });
  upstreamsFile = join(torc.folder, 'given.txt');
  writeFileSync(upstreamsFile, `${listOf(3)}\n`);
  cases.TORC_UPSTREAMS_FILE!.to['upstreams-file'] = upstreamsFile;
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  load.ended = Promise.all([0, 1, 2, 3].map(id => keepAsking(agent, id))).then(() => agent.destroy());
});

test.after(async () => {
  load.isOver = true;
  await load.ended;
  keepAlive.destroy();
  await torc.close();
  for (const { server } of origins) {
    server.closeAllConnections();
    server.close();
  }
});

for (const [name, { to, see }] of Object.entries(cases))
  test(name, async () => {
    current = name;
    await ask('/', { agent: keepAlive });
    const { status, changed, faults } = await torc.reload({ ...BASE, ...to });
    assert.is(status, 200, faults.join('; '));
    assert.ok(
      changed.some(change => change.name === name),
      `${name} is among ${JSON.stringify(changed)}`,
    );
    let back = { status: 0, changed: [] as readonly unknown[] };
    try {
      await see();
    } finally {
      health.fill(200);
      back = await torc.reload(BASE);
    }
    assert.is(back.status, 200);
    assert.is(back.changed.length, changed.length, 'and back');
    for (const slot of ['1', '2', '3']) await becomes(slot, 'ready');
    current = '';
  });

test('none of the requests meanwhile was lost', () => {
  assert.equal(load.lost, []);
  assert.ok(load.sent > 500, `${load.sent} were sent`);
});

/** Seen in reload.test.ts, with replicas that torc makes, or with tokens; the page's certificates in the TLS tests. */
const ELSEWHERE = [
  ...['TORC_REPLICAS', 'TORC_SPARES', 'TORC_MIN', 'TORC_MAX', 'TORC_SCALE_TARGET', 'TORC_SCALE_PERIOD_MS'],
  ...['TORC_SCALE_DOWN_WINDOW_MS', 'TORC_START_TIMEOUT_MS'],
  ...['TORC_ADMIN_TOKEN', 'TORC_ADMIN_TOKEN_FILE', 'TORC_ADMIN_PATHS', 'TORC_MAX_HANDSHAKES'],
];

test('every live setting has its case', () => {
  const live = Object.values(fields).filter(({ changes }) => changes === 'live');
  const known = [...Object.keys(cases), ...ELSEWHERE];
  assert.equal(
    live.map(({ name }) => name).filter(name => !known.includes(name)),
    [],
  );
});

test.run();
