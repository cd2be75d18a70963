// Ten programs that nobody here wrote, served by torc as a user would have it: each as a command and as a container, from
// nothing to its first answer, then killed under load. No part of npm test, because what it runs are Debian's packages:
//
//   apt-get install nginx-light apache2 php-cli caddy webdis redis-server websockify python3 mmdebstrap
//   node test/programs/programs.ts image      makes torc-programs:local of the same packages (mmdebstrap)
//   node test/programs/programs.ts [NAME...]  all, or those so named; what torc warned of stands below each
//
// docs/your-program.md is written from what it shows.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { slotsOf } from '../support/healing.ts';
import { spawnTorc, type Torc } from '../support/torc.ts';

const PACKAGES =
  'python3,nginx-light,apache2,php-cli,caddy,redis-server,webdis,websockify,ca-certificates,procps';
const IMAGE = 'torc-programs:local';
const here = import.meta.dirname;
const READY_MS = 120_000;
const LOAD_MS = 6_000;
const CONNECTIONS = 16;

interface Program {
  readonly name: string;
  /** Asked of it, and of its heartbeat where that is not found by itself. */
  readonly path: string;
  readonly args: readonly string[];
  readonly settings?: Record<string, string>;
  /** It cannot work so, and torc has to say why: what its log must hold. */
  readonly fails?: RegExp;
}

const command = (line: string): Record<string, string> => ({ TORC_REPLICA_COMMAND: line });
const service = (name: string): string[] => ['--compose', join(here, 'compose.yaml'), '--service', name];

function programs(scratch: string): Program[] {
  const nginx = join(scratch, 'nginx.conf');
  writeFileSync(
    nginx,
    'events {}\nhttp { access_log off; server { listen 127.0.0.1:PORT; root /usr/share; autoindex on; } }\n',
  );
  const apache = join(scratch, 'apache.conf');
  writeFileSync(
    apache,
    `ServerRoot /usr/lib/apache2
Listen 127.0.0.1:\${PORT}
ServerName localhost
PidFile \${RUN}/apache.pid
ErrorLog /dev/stderr
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule autoindex_module modules/mod_autoindex.so
User www-data
Group www-data
DocumentRoot /usr/share
<Directory /usr/share>
  Options Indexes
  Require all granted
</Directory>
`,
  );
  const webdis = join(scratch, 'webdis.json');
  writeFileSync(
    webdis,
    JSON.stringify({
      redis_host: '127.0.0.1',
      redis_port: 6379,
      http_host: '127.0.0.1',
      http_port: 7379,
      threads: 1,
      daemonize: false,
    }),
  );
  return [
    {
      name: 'python',
      path: '/',
      args: [],
      settings: command('cd /usr/share && exec python3 -m http.server --bind 127.0.0.1 $PORT'),
    },
    {
      name: 'nginx',
      path: '/',
      args: [],
      settings: command(
        `mkdir -p ${scratch}/{{slot}} && sed s/PORT/$PORT/ ${nginx} > ${scratch}/{{slot}}/nginx.conf && exec nginx -c ${scratch}/{{slot}}/nginx.conf -g 'daemon off; pid ${scratch}/{{slot}}/pid;'`,
      ),
    },
    {
      name: 'apache',
      path: '/',
      args: [],
      settings: command(
        `mkdir -p ${scratch}/{{slot}} && RUN=${scratch}/{{slot}} exec apache2 -f ${apache} -D FOREGROUND`,
      ),
    },
    { name: 'php', path: '/', args: [], settings: command(`exec php -S 127.0.0.1:$PORT -t ${here}/php`) },
    {
      name: 'caddy',
      path: '/',
      args: [],
      settings: command('exec caddy file-server --browse --listen 127.0.0.1:{{port}} --root /usr/share'),
    },
    {
      name: 'websocket',
      path: '/',
      args: [],
      settings: command('exec websockify --web /usr/share 127.0.0.1:{{port}} 127.0.0.1:1'),
    },
    {
      name: 'webdis, a fixed port',
      path: '/PING',
      args: [],
      settings: { ...command(`exec webdis ${webdis}`) },
      fails: /7379/,
    },
    {
      name: 'slow',
      path: '/',
      args: [],
      settings: command('sleep 45; cd /usr/share && exec python3 -m http.server --bind 127.0.0.1 $PORT'),
    },
    {
      name: 'stubborn',
      path: '/',
      args: [],
      settings: command(
        `exec python3 -c "import signal, runpy, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); sys.argv = ['http.server', '--bind', '127.0.0.1', '$PORT']; runpy.run_module('http.server', run_name='__main__')"`,
      ),
    },
    {
      name: 'loopback',
      path: '/',
      args: [],
      settings: command('exec python3 -m http.server --bind ::1 $PORT'),
      fails: /::1/,
    },
    ...['python', 'nginx', 'apache', 'php', 'caddy', 'websocket', 'slow', 'stubborn'].map(name => ({
      name: `${name}, a container`,
      path: '/',
      args: service(name),
    })),
    { name: 'webdis, a container', path: '/PING', args: service('webdis') },
    { name: 'nginx-without, a container', path: '/', args: service('nginx-without'), fails: /cap_add/ },
    {
      name: 'loopback, a container',
      path: '/',
      args: service('loopback'),
      fails: /Cannot assign requested address/,
    },
  ];
}

function makeImage(): void {
  const tar = join(tmpdir(), `programs-${process.pid}.tar`);
  execFileSync('mmdebstrap', ['--variant=minbase', `--include=${PACKAGES}`, 'bookworm', tar], {
    stdio: 'inherit',
  });
  execFileSync('docker', ['import', tar, IMAGE], { stdio: 'inherit' });
  rmSync(tar);
}

/** GETs on kept connections until `until`; answers that are no 200, by what they were. */
async function load(
  torc: Torc,
  path: string,
  untilMs: number,
): Promise<{ sent: number; lost: Record<string, number> }> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const lost: Record<string, number> = {};
  let sent = 0;
  const once = (key: number): Promise<string> =>
    new Promise(resolve => {
      const asked = get(`${torc.url}${path}?request_id=${key}`, { agent, timeout: 60_000 }, response => {
        response.resume();
        response.on('end', () => resolve(String(response.statusCode)));
        response.on('error', error => resolve(error.message));
      });
      asked.on('error', error => resolve(error.message));
    });
  const lane = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      const outcome = await once(sent++);
      if (outcome !== '200') lost[outcome] = (lost[outcome] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, lane));
  agent.destroy();
  return { sent, lost };
}

function kill(replica: string): void {
  if (replica.startsWith('pid ')) process.kill(-Number(replica.slice(4)), 'SIGKILL');
  else execFileSync('docker', ['kill', replica], { stdio: 'ignore' });
}

const said = (torc: Torc): string =>
  torc
    .lines()
    .filter(({ level }) => Number(level) >= 40 || level === 'warn' || level === 'error')
    .map(({ msg }) => `      ${String(msg)}`)
    .slice(0, 8)
    .join('\n');

async function tried({ path, args, settings = {}, fails }: Program): Promise<string> {
  const isContainer = args.length > 0;
  const network = isContainer ? { TORC_NETWORK: `torc-programs-${process.pid}` } : {};
  const beganMs = performance.now();
  const torc = await spawnTorc(
    { TORC_DRIVER: 'auto', TORC_HEARTBEAT_TIMEOUT_MS: '1000', ...network, ...settings },
    [...args],
  );
  const seconds = (): string => ((performance.now() - beganMs) / 1000).toFixed(1);
  try {
    for (;;) {
      if (torc.process.exitCode !== null)
        return `exit ${torc.process.exitCode} after ${seconds()} s: ${torc.errors().trim()}`;
      if (fails?.test(torc.output())) return `said after ${seconds()} s\n${said(torc)}`;
      const slots = await slotsOf(torc).catch(() => []);
      if (slots.length > 0 && slots.every(({ state }) => state === 'ready')) break;
      if (performance.now() - beganMs > READY_MS) return `NOT READY after ${seconds()} s\n${said(torc)}`;
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    if (fails) return `READY after ${seconds()} s, and should not be`;
    const ready = seconds();
    const first = await torc.get(`${path}?request_id=1`);
    const victim = (await slotsOf(torc))[0]!;
    const loading = load(torc, path, performance.now() + LOAD_MS);
    await new Promise(resolve => setTimeout(resolve, LOAD_MS / 3));
    kill(victim.replica);
    const { sent, lost } = await loading;
    return `all ready after ${ready} s, first answer ${first.status}; killed ${victim.replica} under load: ${sent} sent, lost ${JSON.stringify(lost)}\n${said(torc)}`;
  } finally {
    await torc.close();
  }
}

const [, , ...wanted] = process.argv;
if (wanted[0] === 'image') makeImage();
else {
  const scratch = mkdtempSync(join(tmpdir(), 'torc-programs-'));
  const compose = (...words: string[]): unknown =>
    spawnSync('docker', ['compose', '-f', join(here, 'compose.yaml'), ...words], { stdio: 'ignore' });
  compose('up', '-d', 'redis');
  for (const program of programs(scratch)) {
    if (wanted.length > 0 && !wanted.includes(program.name)) continue;
    process.stdout.write(`${program.name}: ${await tried(program).catch(error => String(error))}\n`);
  }
  compose('down', '-v');
  rmSync(scratch, { recursive: true, force: true });
}
