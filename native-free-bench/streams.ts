// What torc adds to a stream of tokens (server-sent events), door by door, and how soon a replica is free when its client leaves.
// Replica, clients and clock are in this process, torc in its own: each token carries the time at which it was written, so a
// delay is one difference of one clock. Doors take turns, so that the machine's moods hit all alike; medians count, because the
// tail is that of whatever else the machine does ("direct", without torc, has it too).

import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { freePort, startTorc } from '../test/support/torc.ts';
import type { BenchOptions } from './harness/rounds.ts';

const TOKENS = 8;
const BETWEEN_MS = 5;
const LEAVES_AFTER_MS = 20;
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';

/** How it ends: read to its end, left between tokens, left before the head. */
type Kind = 'read' | 'leave' | 'early';

interface Asked {
  onData(text: string): void;
  onEnd(): void;
}

/** Sends one request for that path; what comes back leaves. */
type Door = (path: string, asked: Asked) => Promise<() => void>;

const now = (): number => performance.now();
const event = (): string => {
  const text = `data: ${now().toFixed(3)} \n\n`;
  return `${text.length.toString(16)}\r\n${text}\r\n`;
};

/** Of a request, by its path: the replica has it; and its connection there has ended. */
const arrived = new Map<string, () => void>();
const closed = new Map<string, (ms: number) => void>();

const replica = createServer(socket => {
  socket.setNoDelay(true);
  socket.on('error', () => {});
  let path = '';
  let timer: NodeJS.Timeout | undefined;
  socket.on('close', () => {
    clearInterval(timer);
    closed.get(path)?.(now());
  });
  socket.on('data', chunk => {
    const asked = /^POST (\/(\w+)\S*)/.exec(chunk.toString());
    // The body, where it comes by itself.
    if (asked === null) return;
    path = asked[1]!;
    arrived.get(path)?.();
    const kind = asked[2] as Kind;
    if (kind === 'early') return;
    socket.write(HEAD + event());
    let sent = 1;
    timer = setInterval(() => {
      if (kind === 'read' && sent++ === TOKENS) {
        clearInterval(timer);
        socket.write('0\r\n\r\n');
      } else socket.write(event());
    }, BETWEEN_MS);
  });
});

function ask1(socket: Socket, path: string, asked: Asked): () => void {
  socket.setNoDelay(true);
  socket.on('error', () => {});
  socket.on('data', chunk => {
    const text = chunk.toString();
    asked.onData(text);
    if (text.endsWith('0\r\n\r\n')) {
      socket.destroy();
      asked.onEnd();
    }
  });
  socket.write(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}`);
  return () => socket.destroy();
}

const overTcp =
  (port: number): Door =>
  async (path, asked) => {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return ask1(socket, path, asked);
  };
const overTls =
  (port: number): Door =>
  async (path, asked) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    return ask1(socket, path, asked);
  };
const overHttp2 =
  (url: string): Door =>
  async (path, asked) => {
    const session = connectHttp2(url, { rejectUnauthorized: false });
    session.on('error', () => {});
    await once(session, 'connect');
    const request = session.request({ ':method': 'POST', ':path': path });
    request.on('error', () => {});
    request.on('data', (chunk: Buffer) => asked.onData(chunk.toString()));
    request.on('end', () => {
      session.destroy();
      asked.onEnd();
    });
    request.end('{}');
    return () => {
      request.close(8);
      request.on('close', () => session.destroy());
    };
  };

export async function streams({ full, progress }: BenchOptions): Promise<object[]> {
  replica.listen(0, '127.0.0.1');
  await once(replica, 'listening');
  const { port } = replica.address() as AddressInfo;
  const securePort = await freePort();
  const settings = {
    TORC_DRIVER: 'static',
    TORC_UPSTREAMS: `127.0.0.1:${port}`,
    TORC_HEARTBEAT_PATH: '',
    TORC_WORKERS: '1',
  };
  const torc = await startTorc({ ...settings, TORC_HTTPS_PORT: String(securePort), TORC_TLS: 'self-signed' });
  const other = await startTorc({ ...settings, TORC_EXPRESS: 'off' });
  const doors: Record<string, Door> = {
    direct: overTcp(port),
    'HTTP/1.1': overTcp(torc.port),
    'HTTP/1.1, node:http': overTcp(other.port),
    HTTPS: overTls(securePort),
    'HTTP/2': overHttp2(`http://127.0.0.1:${torc.port}`),
    'HTTP/2 over TLS': overHttp2(`https://127.0.0.1:${securePort}`),
  };
  const names = Object.keys(doors);
  const firsts = new Map(names.map(name => [name, [] as number[]]));
  const tokens = new Map(names.map(name => [name, [] as number[]]));
  const left = new Map(names.map(name => [name, [] as number[]]));
  const early = new Map(names.map(name => [name, [] as number[]]));
  try {
    for (let round = 0; round < (full ? 300 : 40); round++) {
      for (const name of names) {
        await read(doors[name]!, `/read/${round}/${name}`, firsts.get(name)!, tokens.get(name)!);
        left.get(name)!.push(await leave(doors[name]!, `/leave/${round}/${encodeURI(name)}`));
        early.get(name)!.push(await leave(doors[name]!, `/early/${round}/${encodeURI(name)}`));
      }
      if (round % 50 === 49) progress(`${round + 1} rounds`);
    }
  } finally {
    await torc.close();
    await other.close();
    replica.close();
  }
  const [directFirst, directToken] = [at(firsts.get('direct')!, 0.5), at(tokens.get('direct')!, 0.5)];
  return names.map(name => ({
    door: name,
    'first byte p50 ms': at(firsts.get(name)!, 0.5),
    'above direct': round3(at(firsts.get(name)!, 0.5) - directFirst),
    'p99 ms': at(firsts.get(name)!, 0.99),
    'token p50 ms': at(tokens.get(name)!, 0.5),
    'token above direct': round3(at(tokens.get(name)!, 0.5) - directToken),
    'left between tokens, p50 ms': at(left.get(name)!, 0.5),
    'left before the head, p50 ms': at(early.get(name)!, 0.5),
  }));
}

async function read(door: Door, path: string, firsts: number[], tokens: number[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  await door(encodeURI(path), {
    onData: text => {
      const atMs = now();
      for (const [, stamp] of text.matchAll(/data: ([\d.]+) /g))
        (seen++ === 0 ? firsts : tokens).push(atMs - Number(stamp));
    },
    onEnd: resolve,
  });
  await promise;
}

/** From the client's leaving to the end of the replica's connection. */
async function leave(door: Door, path: string): Promise<number> {
  const isThere = new Promise<void>(resolve => arrived.set(path, resolve));
  const isClosed = new Promise<number>(resolve => closed.set(path, resolve));
  const go = await door(path, { onData: () => {}, onEnd: () => {} });
  await isThere;
  await new Promise(done => setTimeout(done, LEAVES_AFTER_MS));
  const leftMs = now();
  go();
  const endedMs = await isClosed;
  arrived.delete(path);
  closed.delete(path);
  return endedMs - leftMs;
}

function at(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return round3(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}

const round3 = (ms: number): number => Math.round(ms * 1000) / 1000;
