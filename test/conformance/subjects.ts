// The proxies under test, each as a process of its own before one replica port, with timeouts of a second or less, one worker and
// nothing switched off that would help it: the peers' settings are what their documentation advises for a proxy that
// streams, keeps connections alive and tunnels.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authority } from '../support/certificates.ts';
import { ask, get, securePorts } from '../support/raw.ts';
import { freePort, startTorc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';
import { upstreamFor } from '../support/way.ts';
import { http2Relay } from './http2-relay.ts';
import type { World } from './talk.ts';

export interface Subject extends Omit<World, 'origin'> {
  /** Of the process that carries the traffic. */
  readonly pid: number;
  close(): Promise<void>;
}

/** 'torc by http' has no express lane; 'torc by https' is talked to through TLS, 'torc by http2' through a relay. */
export type SubjectName = 'torc' | 'torc by http' | 'torc by https' | 'torc by http2' | 'nginx' | 'haproxy';

export function startSubject(name: SubjectName, originPort: number): Promise<Subject> {
  if (name === 'torc') return startTorcSubject(originPort, {});
  if (name === 'torc by https') return startSecureSubject(originPort);
  if (name === 'torc by http2') return startHttp2Subject(originPort);
  if (name === 'torc by http') return startTorcSubject(originPort, { TORC_EXPRESS: 'off' });
  return startPeer(name, originPort);
}

async function startTorcSubject(originPort: number, more: Record<string, string>): Promise<Subject> {
  const torc = await startTorc({
    TORC_DRIVER: 'static',
    TORC_UPSTREAMS: upstreamFor(originPort),
    TORC_HEARTBEAT_PATH: '',
    TORC_WORKERS: '1',
    TORC_LOG: 'warn',
    TORC_CONNECT_TIMEOUT_MS: '500',
    TORC_RESPONSE_TIMEOUT_MS: '600',
    TORC_IDLE_TIMEOUT_MS: '600',
    TORC_CLIENT_IDLE_TIMEOUT_MS: '600',
    TORC_UNDERSCORE_FIELDS: 'pass',
    TORC_HEADER_TIMEOUT_MS: '800',
    ...more,
  });
  const close = (): Promise<void> => torc.close();
  return { port: torc.port, scheme: 'http', version: '1.1', pid: torc.process.pid!, close };
}

async function startHttp2Subject(originPort: number): Promise<Subject> {
  const torc = await startTorcSubject(originPort, {});
  const relay = await http2Relay(torc.port);
  const close = async (): Promise<void> => {
    await relay.close();
    await torc.close();
  };
  return { port: relay.port, scheme: 'http', version: '2.0', relay, pid: torc.pid, close };
}

async function startSecureSubject(originPort: number): Promise<Subject> {
  const directory = mkdtempSync(join(tmpdir(), 'conformance-https-'));
  const authority = new Authority(directory);
  const { cert, key } = authority.issue(['IP:127.0.0.1']);
  const ca = readFileSync(authority.path, 'utf8');
  const [certFile, keyFile] = [join(directory, 'cert'), join(directory, 'key')];
  writeFileSync(certFile, cert + ca);
  writeFileSync(keyFile, key);
  const port = await freePort();
  const torc = await startTorcSubject(originPort, {
    TORC_HTTPS_PORT: String(port),
    TORC_TLS_CERT: certFile,
    TORC_TLS_KEY: keyFile,
    // Some cases have hundreds of connections before they say anything on one, and each costs a handshake here: also to the
    // process that is the replica too.
    TORC_HEADER_TIMEOUT_MS: '1800',
    TORC_RESPONSE_TIMEOUT_MS: '1800',
  });
  securePorts.set(port, ca);
  const close = async (): Promise<void> => {
    securePorts.delete(port);
    await torc.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { port, scheme: 'https', version: '1.1', pid: torc.pid, close };
}

async function startPeer(name: 'nginx' | 'haproxy', originPort: number): Promise<Subject> {
  const directory = mkdtempSync(join(tmpdir(), `conformance-${name}-`));
  const port = await freePort();
  const file = join(directory, 'conf');
  writeFileSync(
    file,
    name === 'nginx' ? nginxConf(port, originPort, directory) : haproxyConf(port, originPort),
  );
  const [command, args] =
    name === 'nginx'
      ? ['/usr/sbin/nginx', ['-p', directory, '-c', file, '-e', join(directory, 'error.log')]]
      : ['/usr/sbin/haproxy', ['-db', '-f', file]];
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  await waitFor(
    async () => {
      if (child.exitCode !== null) throw new Error(`${name} did not start: ${errors}`);
      return ask(port, get('/')).then(
        () => true,
        () => false,
      );
    },
    { timeoutMs: 10_000, what: `${name} to serve` },
  );
  return { port, scheme: 'http', version: '1.1', pid: child.pid!, close: () => ended(child, directory) };
}

async function ended(child: ChildProcess, directory: string): Promise<void> {
  const exit = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exit;
  rmSync(directory, { recursive: true, force: true });
}

const nginxConf = (port: number, originPort: number, directory: string): string => `
daemon off; master_process off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy; fastcgi_temp_path ${directory}/f;
  uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
  large_client_header_buffers 8 32k; client_max_body_size 0; underscores_in_headers on; ignore_invalid_headers off;
  client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 60s; send_timeout 1s;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream replica { server 127.0.0.1:${originPort} max_fails=0; keepalive 64; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://replica;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_buffering off; proxy_request_buffering off; proxy_buffer_size 64k; proxy_buffers 8 64k;
      proxy_connect_timeout 1s; proxy_read_timeout 1s; proxy_send_timeout 1s;
    }
  }
}
`;

const haproxyConf = (port: number, originPort: number): string => `
global
  maxconn 4000
  nbthread 1
  tune.bufsize 65536
  tune.http.maxhdr 512
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 500ms
  timeout client 1s
  timeout server 1s
  timeout http-request 1s
  timeout http-keep-alive 60s
  timeout tunnel 60s
frontend in
  bind 127.0.0.1:${port}
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend replica
backend replica
  server one 127.0.0.1:${originPort}
`;
