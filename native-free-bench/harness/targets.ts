// What is measured: torc and its peers, each started the same way over the same replicas, with one worker, consistent
// hash on request_id and keep-alive on both sides; beside them a ceiling (`direct`) and a floor (`seed-shape`). Every
// target must hash consistently and answer correctly before any load is put on it (`verify`), because a proxy that answers
// errors is very fast.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../test/support/torc.ts';
import { familyOf } from './cpu.ts';
import { haproxyConfig } from './haproxy.ts';

export interface Target {
  readonly name: string;
  /** One, or for `direct` one per replica: the client's connections take turns. */
  readonly urls: readonly string[];
  /** Closes the client's connection after each answer. */
  readonly closes: boolean;
  pids(): number[];
  stop(): Promise<void>;
}

export interface TargetKind {
  readonly name: string;
  /** Null where it can run; else what to install. */
  missing(): string | null;
  /** `pem`: the public side is HTTPS, HTTP/1.1 and HTTP/2 by ALPN. */
  start(replicaPorts: readonly number[], workers?: number, pem?: Pem): Promise<Target>;
}

/** Paths of the files. */
export interface Pem {
  readonly key: string;
  readonly certificate: string;
}

const root = join(import.meta.dirname, '..', '..');
export const onPath = (program: string): boolean => spawnSync('which', [program]).status === 0;

async function answering(url: string, child: ChildProcess): Promise<void> {
  // A thousand replicas take their time.
  for (let i = 0; i < 2_400; i++) {
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

/** What runs; a bench that ends in the middle takes it along. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill();
});

async function launch(
  name: string,
  port: number,
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv = {},
  cleanUp: () => void = () => {},
  scheme: 'http' | 'https' = 'http',
): Promise<Target> {
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  const url = `${scheme}://127.0.0.1:${port}`;
  await answering(url, child);
  return {
    name,
    urls: [url],
    closes: false,
    pids: () => familyOf(child.pid!),
    stop: async () => {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
      cleanUp();
    },
  };
}

export const torcWith = (name: string, more: Readonly<Record<string, string>> = {}): TargetKind => ({
  name,
  missing: () => null,
  async start(replicaPorts, workers = 1, pem) {
    const port = await freePort();
    const securePort = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'torc-bench-'));
    const settings = {
      PORT: String(port),
      TORC_WORKERS: String(workers),
      TORC_DRIVER: 'static',
      TORC_UPSTREAMS: replicaPorts.map(replica => `127.0.0.1:${replica}`).join(','),
      TORC_HEARTBEAT_PATH: '',
      TORC_STATE_DIR: folder,
      TORC_LOG: 'warn',
      ...(pem && {
        TORC_HTTPS_PORT: String(securePort),
        TORC_TLS_KEY: pem.key,
        TORC_TLS_CERT: pem.certificate,
      }),
      ...more,
    };
    const main = join(root, 'src/main.ts');
    const cleanUp = (): void => rmSync(folder, { recursive: true, force: true });
    return pem
      ? launch(name, securePort, process.execPath, [main], settings, cleanUp, 'https')
      : launch(name, port, process.execPath, [main], settings, cleanUp);
  },
});

export const torc = torcWith('torc');
/** Requests that are ready together share a connection to a replica. */
export const torcAuto = torcWith('torc-auto', { TORC_PIPELINING: 'auto' });

/** What counting hot keys costs of the whole. */
export const torcHotKeys = torcWith('torc, keys counted', { TORC_HOT_KEYS: 'on' });
export const torcNoHotKeys = torcWith('torc, not counted', { TORC_HOT_KEYS: 'off' });

/** What a source of keys costs; whatever it is, `verify` asks by a query. */
export const torcKeyed = (source: string): TargetKind =>
  torcWith(source, { TORC_KEY: `${source},query:request_id` });

/** Bodies stream in both directions, as with all others, in buffers larger than the default 8 of a page each. */
const nginx: TargetKind = {
  name: 'nginx',
  missing: () => (onPath('nginx') ? null : 'apt-get install nginx-light'),
  async start(replicaPorts, workers = 1, pem) {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'torc-bench-'));
    // Its workers are another user than root, who starts it.
    chmodSync(folder, 0o755);
    const servers = replicaPorts.map(replica => `server 127.0.0.1:${replica};`).join(' ');
    const tls = pem
      ? `ssl_certificate ${pem.certificate}; ssl_certificate_key ${pem.key}; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_timeout 1d;`
      : '';
    const config = `
      daemon off; worker_processes ${workers}; worker_rlimit_nofile 32768; pid ${folder}/pid; error_log ${folder}/error.log;
      events { worker_connections 16384; }
      http {
        access_log off; keepalive_requests 1000000000; client_max_body_size 0; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p;
        fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
        upstream replicas { hash $arg_request_id consistent; ${servers} keepalive 256; keepalive_requests 1000000000; }
        server { listen 127.0.0.1:${port}${pem ? ' ssl http2' : ''}; ${tls} location / {
          proxy_request_buffering off; proxy_buffers 8 64k; proxy_busy_buffers_size 128k; proxy_max_temp_file_size 0;
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
      pem && 'https',
    );
  },
};

/** Certificate and key in one file. */
function pemOf(folder: string, { certificate, key }: Pem): string {
  const path = join(folder, 'both.pem');
  writeFileSync(path, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'));
  return path;
}

const haproxy: TargetKind = {
  name: 'haproxy',
  missing: () => (onPath('haproxy') ? null : 'apt-get install haproxy'),
  async start(replicaPorts, workers = 1, pem) {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'torc-bench-'));
    const listenWords = pem ? ` ssl crt ${pemOf(folder, pem)} alpn h2,http/1.1` : '';
    const config = haproxyConfig({ port, replicaPorts, threads: workers, listenWords });
    writeFileSync(join(folder, 'haproxy.cfg'), config);
    const cleanUp = (): void => rmSync(folder, { recursive: true, force: true });
    return launch(
      'haproxy',
      port,
      'haproxy',
      ['-q', '-db', '-f', join(folder, 'haproxy.cfg')],
      {},
      cleanUp,
      pem && 'https',
    );
  },
};

/** Hashes the whole target, which has the key: its policy for a query's value is younger than Debian's package. */
const caddy: TargetKind = {
  name: 'caddy',
  missing: () => (onPath('caddy') ? null : 'apt-get install caddy'),
  async start(replicaPorts, workers = 1, pem) {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'torc-bench-'));
    const config = `{
  admin off
  auto_https off
  log {
    level ERROR
  }
}
${pem ? 'https' : 'http'}://127.0.0.1:${port} {
  ${pem ? `tls ${pem.certificate} ${pem.key}` : ''}
  reverse_proxy ${replicaPorts.map(replica => `127.0.0.1:${replica}`).join(' ')} {
    lb_policy uri_hash
    transport http {
      keepalive_idle_conns 256
      keepalive_idle_conns_per_host 256
    }
  }
}
`;
    writeFileSync(join(folder, 'Caddyfile'), config);
    return launch(
      'caddy',
      port,
      'caddy',
      ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'],
      { GOMAXPROCS: String(workers), HOME: folder },
      () => rmSync(folder, { recursive: true, force: true }),
      pem && 'https',
    );
  },
};

/** A Node peer: native-free-bench/peers/FILE.ts PORT REPLICA_PORTS, over TLS KEY CERTIFICATE too. */
const nodePeer = (name: string, file = name): TargetKind => ({
  name,
  missing: () => null,
  async start(replicaPorts, _workers, pem) {
    const port = await freePort();
    const script = join(import.meta.dirname, '..', 'peers', `${file}.ts`);
    const args = ['--no-deprecation', script, String(port), replicaPorts.join(',')];
    return pem
      ? launch(name, port, process.execPath, [...args, pem.key, pem.certificate], {}, () => {}, 'https')
      : launch(name, port, process.execPath, args);
  },
});

/** No balancer: the client's connections go to the replicas themselves, each to one. What no target can do better. */
export const direct: TargetKind = {
  name: 'direct',
  missing: () => null,
  start: async replicaPorts => ({
    name: 'direct',
    urls: replicaPorts.map(port => `http://127.0.0.1:${port}`),
    closes: false,
    pids: () => [],
    stop: async () => {},
  }),
};

const seedPeer = nodePeer('seed-shape');
/** The floor: how the Flask program did it that torc grew from. */
export const seedShape: TargetKind = {
  ...seedPeer,
  start: async replicaPorts => ({ ...(await seedPeer.start(replicaPorts)), closes: true }),
};

/** A node:http server that answers by itself: what Node takes for a request before anything is proxied. */
export const bare = nodePeer('bare');

/** Those that are compared: all hash consistently and keep connections alive on both sides. */
export const balancers: readonly TargetKind[] = [
  torc,
  torcAuto,
  nginx,
  haproxy,
  caddy,
  nodePeer('fast-proxy'),
  nodePeer('@fastify/http-proxy', 'fastify'),
  nodePeer('http-proxy'),
  nodePeer('http-proxy-3'),
  nodePeer('httpxy'),
];
export const scalable: readonly TargetKind[] = [torc, nginx, haproxy];
export const kinds: readonly TargetKind[] = [...balancers, direct, seedShape, bare];

const over = (pem: Pem, kind: TargetKind): TargetKind => ({
  ...kind,
  start: (replicaPorts, workers) => kind.start(replicaPorts, workers, pem),
});
export const bareTls = (pem: Pem): TargetKind => over(pem, nodePeer('bare', 'bare-tls'));
/** Those that end TLS. */
export const secured = (pem: Pem): TargetKind[] => [
  ...[torc, nginx, haproxy, caddy].map(kind => over(pem, kind)),
  bareTls(pem),
];

/** Throws unless keys stay where they are and bodies arrive whole, in both directions. */
export async function verify(target: Target): Promise<void> {
  for (const url of target.urls) {
    const owners = await ownersOf(target.name, url);
    if (target.urls.length === 1 && target.name !== bare.name && new Set(owners).size < 2)
      throw new Error(`${target.name} uses one replica only`);
    for (const bytes of [1024, 262_144]) await verifyPost(target.name, url, bytes);
  }
}

/** Who answers each of 50 keys; asked twice, it must be the same. */
async function ownersOf(name: string, url: string): Promise<readonly string[]> {
  const owners = new Map<number, string>();
  for (let round = 0; round < 2; round++) {
    for (let key = 1; key <= 50; key++) {
      const response = await fetch(`${url}/request?request_id=${key}`);
      const text = (await response.text()).slice(0, 40);
      if (response.status !== 200) throw new Error(`${name} answers ${response.status}`);
      if (!response.headers.has('content-length')) throw new Error(`${name} drops content-length`);
      if ((owners.get(key) ?? text) !== text) throw new Error(`${name} moves key ${key}`);
      owners.set(key, text);
    }
  }
  return [...owners.values()];
}

async function verifyPost(name: string, url: string, bytes: number): Promise<void> {
  const response = await fetch(`${url}/request?request_id=${bytes}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify('x'.repeat(bytes - 2)),
  });
  await response.arrayBuffer();
  const received = response.headers.get('x-received-bytes');
  if (response.status !== 200) throw new Error(`${name} answers ${response.status} to a POST`);
  if (received !== String(bytes)) throw new Error(`${name} delivers ${received} of ${bytes} bytes of a POST`);
}
