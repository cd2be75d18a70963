// The real programs, asked where they place keys: nginx and HAProxy with one server for each slot, which answer their own
// number, and libmemcached through a small C program. Requests are pipelined over a few connections, so that a hundred
// thousand keys take seconds.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../test/support/torc.ts';

export interface Server {
  /** `host:port`, on the loopback. */
  readonly address: string;
  readonly weight: number;
  readonly isDown: boolean;
  /** HAProxy's id; by position where it is null. */
  readonly id: number | null;
}

export interface Peer {
  /** The index of each key's server. */
  place(keys: readonly string[]): Promise<number[]>;
  close(): Promise<void>;
}

export type PeerName = 'nginx' | 'haproxy' | 'libmemcached';

const CONNECTIONS = 4;
const PIPELINED = 64;
const START_MS = 10_000;

export const startPeer = (name: PeerName, servers: readonly Server[]): Promise<Peer> =>
  name === 'libmemcached' ? startLibrary(servers) : startProxy(name, servers);

/** Why it cannot be asked here; null where it can. */
export function missing(name: PeerName): string | null {
  try {
    if (name === 'libmemcached') {
      execFileSync('cc', ['-fsyntax-only', '-x', 'c', '-'], {
        input: '#include <libmemcached/memcached.h>\n',
        stdio: ['pipe', 'ignore', 'ignore'],
      });
    } else execFileSync(name, ['-v'], { stdio: 'ignore' });
    return null;
  } catch {
    return {
      nginx: 'apt-get install nginx-light',
      haproxy: 'apt-get install haproxy',
      libmemcached: 'apt-get install gcc libmemcached-dev',
    }[name];
  }
}

export function versionOf(name: PeerName): string {
  if (name === 'libmemcached')
    return execFileSync('cc', ['-E', '-P', '-x', 'c', '-'], {
      input: '#include <libmemcached/memcached.h>\nLIBMEMCACHED_VERSION_STRING\n',
    })
      .toString()
      .trim()
      .split('\n')
      .at(-1)!
      .replaceAll('"', '');
  const text = execFileSync('sh', ['-c', `${name} -v 2>&1`]).toString();
  return /(\d+\.\d+\.\d+)/.exec(text)?.[1] ?? '?';
}

async function startProxy(name: 'nginx' | 'haproxy', servers: readonly Server[]): Promise<Peer> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'torc-placement-'));
  const file = join(folder, `${name}.conf`);
  writeFileSync(file, name === 'nginx' ? nginxConf(port, servers, folder) : haproxyConf(port, servers));
  const args =
    name === 'nginx'
      ? ['-c', file, '-e', join(folder, 'error.log'), '-g', 'daemon off;']
      : ['-f', file, '-db', '-q'];
  const child = spawn(name, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  // Where the bench is ended, or a test that asks.
  const endWithUs = (): boolean => child.kill();
  process.once('exit', endWithUs);
  child.once('exit', () => process.off('exit', endWithUs));
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const deadlineMs = performance.now() + START_MS;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() > deadlineMs) {
      child.kill('SIGKILL');
      throw new Error(`${name} does not start: ${errors}`);
    }
    await sleep(20);
  }
  return {
    place: keys => place(port, keys),
    close: () => end(child, folder),
  };
}

async function end(child: ChildProcess, folder: string): Promise<void> {
  const exited = child.exitCode !== null ? Promise.resolve() : once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
  rmSync(folder, { recursive: true, force: true });
}

const accepts = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

const nginxConf = (port: number, servers: readonly Server[], folder: string): string => `
worker_processes 1;
pid ${folder}/pid;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  upstream replicas {
    hash $http_x_key consistent;
${servers.map(({ address, weight, isDown }) => `    server ${address} weight=${weight}${isDown ? ' down' : ''};`).join('\n')}
    keepalive 64; keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://replicas; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
${servers.map(({ address }, index) => `  server { listen ${address}; return 200 "@${index}@"; }`).join('\n')}
}
`;

const haproxyConf = (port: number, servers: readonly Server[]): string => `
global
  nbthread 1
defaults
  mode http
  timeout client 20s
  timeout server 20s
  timeout connect 5s
  http-reuse always
frontend in
  bind 127.0.0.1:${port}
  default_backend replicas
backend replicas
  balance hdr(x-key)
  hash-type consistent
${servers
  .map(
    ({ address, weight, isDown, id }, index) =>
      `  server s${index} ${address} weight ${weight}${id === null ? '' : ` id ${id}`}${isDown ? ' disabled' : ''}`,
  )
  .join('\n')}
${servers
  .map(
    ({ address }, index) =>
      `frontend r${index}\n  bind ${address}\n  http-request return status 200 content-type text/plain string "@${index}@"`,
  )
  .join('\n')}
`;

async function place(port: number, keys: readonly string[]): Promise<number[]> {
  const placed = new Array<number>(keys.length).fill(-1);
  const each = Math.ceil(keys.length / CONNECTIONS);
  await Promise.all(
    Array.from({ length: CONNECTIONS }, (_, index) =>
      ask(port, keys, index * each, Math.min(keys.length, (index + 1) * each), placed),
    ),
  );
  return placed;
}

/** Keys `from` to `to` over one connection, answers in the order of requests. */
function ask(
  port: number,
  keys: readonly string[],
  from: number,
  to: number,
  placed: number[],
): Promise<void> {
  if (from >= to) return Promise.resolve();
  return new Promise((resolve, reject) => {
    let sent = from;
    let answered = from;
    let rest = '';
    const socket = connect(port, '127.0.0.1');
    const more = (): void => {
      let text = '';
      for (; sent < to && sent - answered < PIPELINED; sent++)
        text += `GET / HTTP/1.1\r\nHost: a\r\nX-Key: ${keys[sent]}\r\n\r\n`;
      if (text !== '') socket.write(text, 'latin1');
    };
    socket.setEncoding('latin1');
    socket.on('connect', more);
    socket.on('data', (chunk: string) => {
      rest += chunk;
      let used = 0;
      for (const match of rest.matchAll(/@(\d+)@/g)) {
        placed[answered++] = Number(match[1]);
        used = match.index + match[0].length;
      }
      rest = rest.slice(used);
      if (answered === to) {
        socket.destroy();
        resolve();
      } else if (sent - answered < PIPELINED / 2) more();
    });
    socket.on('error', reject);
    socket.on('close', () =>
      reject(new Error(`closed after ${answered - from} of ${to - from}: ${rest.slice(0, 200)}`)),
    );
  });
}

const PROGRAM = `
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
  memcached_st *memc = memcached_create(NULL);
  memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
  for (int i = 1; i + 2 < argc; i += 3)
    memcached_server_add_with_weight(memc, argv[i], atoi(argv[i + 1]), atoi(argv[i + 2]));
  char line[8192];
  while (fgets(line, sizeof line, stdin)) {
    size_t length = strcspn(line, "\\n");
    printf("%u\\n", memcached_generate_hash(memc, line, length));
  }
  return 0;
}
`;

async function startLibrary(servers: readonly Server[]): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), 'torc-placement-'));
  const program = join(folder, 'ketama');
  execFileSync('cc', ['-O1', '-x', 'c', '-', '-o', program, '-lmemcached', '-lhashkit'], { input: PROGRAM });
  const args = servers.flatMap(({ address, weight }) => [...address.split(':'), String(weight)]);
  return {
    place: async keys =>
      execFileSync(program, args, {
        input: Buffer.from(`${keys.join('\n')}\n`, 'latin1'),
        maxBuffer: 2 ** 28,
      })
        .toString()
        .trim()
        .split('\n')
        .map(Number),
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
}
