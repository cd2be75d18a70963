// The balancers that are reloaded and replaced under load, each by what its documentation says is without loss: torc by
// SIGHUP and `torc replace`, and beside that its primary is killed and another one started at once; HAProxy's master-worker by SIGUSR2, which executes its program anew and so is both; nginx by
// SIGHUP, and by SIGUSR2 and then SIGQUIT to the old master for another binary; Caddy by its admin endpoint, which replaces no
// program. Two workers or threads each. Over when the new one serves; the old one may still have connections to end.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../test/support/torc.ts';
import { waitFor } from '../../test/support/wait.ts';
import { haproxyConfig } from '../harness/haproxy.ts';
import { onPath } from '../harness/targets.ts';
import { processesOf } from '../soak/processes.ts';

const run = promisify(execFile);
const WITHIN_MS = 30_000;
const until = (condition: () => boolean | Promise<boolean>, what: string): Promise<void> =>
  waitFor(condition, { timeoutMs: WITHIN_MS, what });

export interface Balancer {
  readonly url: string;
  /** What is done to it, by name. */
  readonly changes: Readonly<Record<string, () => Promise<void>>>;
  stop(): void;
}

export interface BalancerKind {
  readonly name: string;
  readonly canRun: () => boolean;
  readonly start: (replicaPorts: readonly number[]) => Promise<Balancer>;
}

/** None where there is no such process: a pid file is empty for a moment. */
function childrenOf(pid: number): string[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split(' ').filter(Boolean) : [];
}

interface Started {
  readonly port: number;
  readonly folder: string;
  readonly child: ChildProcess;
  readonly stop: () => void;
}

async function launch(
  command: string,
  configure: (port: number, folder: string) => { args: readonly string[]; env?: Record<string, string> },
  pids: (started: Pick<Started, 'folder' | 'child'>) => number[] = ({ child }) => [child.pid!],
): Promise<Started> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'torc-reloads-'));
  // nginx's workers are another user than root, who starts it.
  chmodSync(folder, 0o755);
  const { args, env = {} } = configure(port, folder);
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, HOME: folder, ...env },
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  const stop = (): void => {
    for (const pid of pids({ folder, child }))
      try {
        process.kill(pid, 'SIGTERM');
      } catch {
        // Gone already.
      }
    process.off('exit', stop);
    setTimeout(() => rmSync(folder, { recursive: true, force: true }), 2_000).unref();
  };
  process.on('exit', stop);
  const answers = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/request?request_id=1`).then(
      ({ status }) => status === 200,
      () => false,
    );
  await until(answers, `${command} to serve`);
  return { port, folder, child, stop };
}

const urlOf = (port: number): string => `http://127.0.0.1:${port}`;

const torc: BalancerKind = {
  name: 'torc',
  canRun: () => true,
  async start(replicaPorts) {
    let turn = 0;
    const write = (folder: string): void =>
      writeFileSync(
        join(folder, 'torc.yaml'),
        `driver: static\nworkers: 2\nheartbeat-path: ""\nretries: ${2 + (turn++ % 2)}\nupstreams: [${replicaPorts.map(port => `"127.0.0.1:${port}"`)}]\n`,
      );
    const args = [join(import.meta.dirname, '..', '..', 'src', 'main.ts')];
    const envOf = (port: number, folder: string): Record<string, string> => ({
      PORT: String(port),
      TORC_CONFIG: join(folder, 'torc.yaml'),
      TORC_STATE_DIR: folder,
    });
    /** The one that was started is among them: once it is replaced it passes signals on. */
    const primaries = (folder: string): number[] => processesOf(folder).primaries.map(({ pid }) => pid);
    const { port, folder, child, stop } = await launch(
      process.execPath,
      (port, folder) => {
        write(folder);
        return { args, env: envOf(port, folder) };
      },
      ({ folder }) => primaries(folder),
    );
    const ask = async (method: string, path: string): Promise<string> => {
      const answer = await fetch(urlOf(port) + path, { method, headers: { connection: 'close' } });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return text;
    };
    const retries = async (): Promise<string> =>
      /"TORC_RETRIES"[^}]*?"value": ?"?(\d)/.exec(await ask('GET', '/admin/status'))?.[1] ?? '';
    const reload = async (): Promise<void> => {
      write(folder);
      child.kill('SIGHUP');
      const wanted = String(2 + ((turn - 1) % 2));
      await until(async () => (await retries()) === wanted, 'the new settings to be in force');
    };
    // Answered when the new one serves.
    const replace = async (): Promise<void> => void (await ask('POST', '/admin/replace'));
    // Its workers answer that it is gone, until another one leads.
    const killPrimary = async (): Promise<void> => {
      for (const pid of primaries(folder)) process.kill(pid, 'SIGKILL');
      const env = { PATH: process.env.PATH, HOME: folder, ...envOf(port, folder) };
      spawn(process.execPath, args, { env, stdio: 'ignore' });
      const leads = (): Promise<boolean> => ask('GET', '/rep').then(Boolean, () => false);
      await until(leads, 'another primary');
    };
    return { url: urlOf(port), changes: { reload, replace, 'kill -9 of the primary': killPrimary }, stop };
  },
};

const haproxy: BalancerKind = {
  name: 'haproxy',
  canRun: () => onPath('haproxy'),
  async start(replicaPorts) {
    const { port, child, stop } = await launch('haproxy', (port, folder) => {
      const global = [`stats socket ${folder}/socket mode 600 level admin expose-fd listeners`];
      const config = haproxyConfig({ port, replicaPorts, threads: 2, global });
      writeFileSync(join(folder, 'haproxy.cfg'), config);
      return { args: ['-W', '-q', '-db', '-f', join(folder, 'haproxy.cfg')] };
    });
    const both = async (): Promise<void> => {
      const before = childrenOf(child.pid!);
      child.kill('SIGUSR2');
      await until(() => childrenOf(child.pid!).some(pid => !before.includes(pid)), 'another worker');
    };
    return { url: urlOf(port), changes: { 'reload = replace': both }, stop };
  },
};

const nginx: BalancerKind = {
  name: 'nginx',
  canRun: () => onPath('nginx'),
  async start(replicaPorts) {
    const pidIn = (path: string): number => Number(readFileSync(path, 'utf8'));
    const { port, folder, stop } = await launch(
      // Absolute: it executes itself by the name it was started by.
      '/usr/sbin/nginx',
      (port, folder) => {
        const servers = replicaPorts.map(replica => `server 127.0.0.1:${replica};`).join(' ');
        const config = `
          daemon on; worker_processes 2; worker_rlimit_nofile 32768; pid ${folder}/pid; error_log ${folder}/error.log;
          events { worker_connections 8192; }
          http {
            access_log off; keepalive_requests 1000000000; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p;
            fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
            upstream replicas { hash $arg_request_id consistent; ${servers} keepalive 256; keepalive_requests 1000000000; }
            server { listen 127.0.0.1:${port}; location / {
              proxy_pass http://replicas; proxy_http_version 1.1; proxy_set_header Connection ""; } }
          }`;
        writeFileSync(join(folder, 'nginx.conf'), config);
        return { args: ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')] };
      },
      ({ folder }) => [pidIn(join(folder, 'pid'))],
    );
    const pid = join(folder, 'pid');
    const reload = async (): Promise<void> => {
      const before = childrenOf(pidIn(pid));
      process.kill(pidIn(pid), 'SIGHUP');
      await until(() => childrenOf(pidIn(pid)).some(each => !before.includes(each)), 'other workers');
    };
    const replace = async (): Promise<void> => {
      const old = pidIn(pid);
      process.kill(old, 'SIGUSR2');
      const hasWorkers = (): boolean =>
        existsSync(`${pid}.oldbin`) &&
        existsSync(pid) &&
        pidIn(pid) !== old &&
        childrenOf(pidIn(pid)).length >= 2;
      await until(() => hasWorkers(), 'another master');
      process.kill(old, 'SIGQUIT');
      await until(() => !existsSync(`${pid}.oldbin`), 'the old master to end');
    };
    return { url: urlOf(port), changes: { reload, replace }, stop };
  },
};

const caddy: BalancerKind = {
  name: 'caddy',
  canRun: () => onPath('caddy'),
  async start(replicaPorts) {
    const admin = await freePort();
    const { port, folder, stop } = await launch('caddy', (port, folder) => {
      const config = `{
  admin 127.0.0.1:${admin}
  auto_https off
  log {
    level ERROR
  }
}
http://127.0.0.1:${port} {
  reverse_proxy ${replicaPorts.map(replica => `127.0.0.1:${replica}`).join(' ')} {
    lb_policy uri_hash
  }
}
`;
      writeFileSync(join(folder, 'Caddyfile'), config);
      const args = ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'];
      return { args, env: { GOMAXPROCS: '2' } };
    });
    const config = ['--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'];
    const reload = async (): Promise<void> => {
      const args = ['reload', ...config, '--address', `127.0.0.1:${admin}`, '--force'];
      await run('caddy', args, { env: { PATH: process.env.PATH, HOME: folder }, timeout: WITHIN_MS });
    };
    return { url: urlOf(port), changes: { reload }, stop };
  },
};

export const reloadable: readonly BalancerKind[] = [torc, haproxy, nginx, caddy];
