// What is measured: torc and its peers, each started the same way over the same replicas, with one worker, consistent
// hash on request_id and keep-alive on both sides. Every target must hash consistently and answer correctly before any
// load is put on it (`verify`), because a proxy that answers errors is very fast.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { familyOf } from './cpu.ts';

export interface Target {
  readonly name: string;
  readonly url: string;
  pids(): number[];
  stop(): Promise<void>;
}

export interface TargetKind {
  readonly name: string;
  /** Null where it can run; else what to install. */
  missing(): string | null;
  start(replicaPorts: readonly number[]): Promise<Target>;
}

const root = join(import.meta.dirname, '..', '..');
const onPath = (program: string): boolean => spawnSync('which', [program]).status === 0;

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function answering(url: string, child: ChildProcess): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(' ')} ended with ${child.exitCode}`);
    try {
      const response = await fetch(`${url}/request?request_id=1`);
      await response.arrayBuffer();
      if (response.status === 200) return;
    } catch {
      // Not yet.
    }
    await new Promise(resolve => setTimeout(resolve, 25));
  }
  throw new Error(`no answer from ${url}`);
}

async function launch(
  name: string,
  port: number,
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv = {},
  cleanUp: () => void = () => {},
): Promise<Target> {
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const url = `http://127.0.0.1:${port}`;
  await answering(url, child);
  return {
    name,
    url,
    pids: () => familyOf(child.pid!),
    stop: async () => {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
      cleanUp();
    },
  };
}

const torc: TargetKind = {
  name: 'torc',
  missing: () => null,
  async start(replicaPorts) {
    const port = await freePort();
    return launch('torc', port, process.execPath, [join(root, 'src/main.ts')], {
      PORT: String(port),
      TORC_WORKERS: '1',
      TORC_DRIVER: 'static',
      TORC_UPSTREAMS: replicaPorts.map(replica => `127.0.0.1:${replica}`).join(','),
      TORC_HEARTBEAT_PATH: '',
      TORC_LOG: 'warn',
    });
  },
};

const nginx: TargetKind = {
  name: 'nginx',
  missing: () => (onPath('nginx') ? null : 'apt-get install nginx-light'),
  async start(replicaPorts) {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'torc-bench-'));
    const servers = replicaPorts.map(replica => `server 127.0.0.1:${replica};`).join(' ');
    const config = `
      daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
      events { worker_connections 4096; }
      http {
        access_log off; keepalive_requests 1000000000; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p;
        fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
        upstream replicas { hash $arg_request_id consistent; ${servers} keepalive 128; keepalive_requests 1000000000; }
        server { listen 127.0.0.1:${port}; location / {
          proxy_pass http://replicas; proxy_http_version 1.1; proxy_set_header Connection "";
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header Host $host; } }
      }`;
    writeFileSync(join(folder, 'nginx.conf'), config);
    const cleanUp = (): void => rmSync(folder, { recursive: true, force: true });
    return launch(
      'nginx',
      port,
      'nginx',
      ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')],
      {},
      cleanUp,
    );
  },
};

const haproxy: TargetKind = {
  name: 'haproxy',
  missing: () => (onPath('haproxy') ? null : 'apt-get install haproxy'),
  async start(replicaPorts) {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'torc-bench-'));
    const servers = replicaPorts.map((replica, i) => `  server s${i + 1} 127.0.0.1:${replica}`).join('\n');
    const config = `global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 30s
  option forwardfor
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
  balance url_param request_id
  hash-type consistent
  http-reuse always
${servers}
`;
    writeFileSync(join(folder, 'haproxy.cfg'), config);
    const cleanUp = (): void => rmSync(folder, { recursive: true, force: true });
    return launch('haproxy', port, 'haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], {}, cleanUp);
  },
};

/** A Node peer: native-free-bench/peers/NAME.ts PORT REPLICA_PORTS. */
const nodePeer = (name: string): TargetKind => ({
  name,
  missing: () => null,
  async start(replicaPorts) {
    const port = await freePort();
    const script = join(import.meta.dirname, '..', 'peers', `${name}.ts`);
    return launch(name, port, process.execPath, [script, String(port), replicaPorts.join(',')]);
  },
});

export const kinds: readonly TargetKind[] = [torc, nginx, haproxy, nodePeer('bare'), nodePeer('fast-proxy')];

/** Throws unless 50 keys each answer 200 from one and the same replica, twice. */
export async function verify(target: Target): Promise<void> {
  const owners = new Map<number, string>();
  for (let round = 0; round < 2; round++) {
    for (let key = 1; key <= 50; key++) {
      const response = await fetch(`${target.url}/request?request_id=${key}`);
      const text = (await response.text()).slice(0, 40);
      if (response.status !== 200) throw new Error(`${target.name} answers ${response.status}`);
      if ((owners.get(key) ?? text) !== text) throw new Error(`${target.name} moves key ${key}`);
      owners.set(key, text);
    }
  }
  if (target.name !== 'bare' && new Set(owners.values()).size < 2)
    throw new Error(`${target.name} uses one replica only`);
}
