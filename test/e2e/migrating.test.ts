// A session of docs/migrating.md: nginx in front of three servers, torc beside it over the same three, asked the same requests
// with keys that nginx joins from variables. Each goes to the same server through both, also when one of them dies.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { missing } from '../../native-free-bench/placement/peers.ts';
import { slotsOf } from '../support/healing.ts';
import { freePort, startTorc } from '../support/torc.ts';
import { waitFor } from '../support/wait.ts';

const test = suite('e2e/migrating');
const WEIGHTS = [2, 1, 3];
const REQUESTS = Array.from({ length: 300 }, (_, index) => ({
  path: `/items/${index % 60}?page=${index}`,
  headers: {
    host: ['shop.test', 'Blog.test', 'shop.test:8080'][index % 3]!,
    'x-tenant': `tenant-${index % 7}`,
  },
}));

/** What nginx hashes, and what TORC_KEY says instead. */
const SESSIONS = [
  ['$host$request_uri', 'host+uri'],
  ['$http_x_tenant$uri', 'header:x-tenant+path'],
  ['$arg_page', 'query:page'],
] as const;

let origins: Server[];

test.before.each(async () => {
  origins = WEIGHTS.map((_, index) => createServer((_request, response) => response.end(String(index))));
  for (const origin of origins) await once(origin.listen(0, '127.0.0.1'), 'listening');
});
test.after.each(() => {
  for (const origin of origins) {
    origin.close();
    origin.closeAllConnections();
  }
});

const addressOf = (origin: Server): string => `127.0.0.1:${(origin.address() as AddressInfo).port}`;

function ask(port: number, { path, headers }: (typeof REQUESTS)[number]): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = get({ host: '127.0.0.1', port, path, headers, agent: false }, response => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () => resolve(text));
    });
    sent.on('error', reject);
  });
}

async function placesAt(port: number): Promise<string> {
  const places: string[] = [];
  for (const request of REQUESTS) places.push(await ask(port, request));
  return places.join('');
}

async function startNginx(key: string): Promise<{ port: number; close(): Promise<void> }> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'torc-migrating-'));
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    join(folder, 'nginx.conf'),
    `worker_processes 1; pid ${folder}/pid; events {}
    http {
      access_log off; ${paths.map(path => `${path}_temp_path ${folder}/${path};`).join(' ')}
      upstream app {
        hash ${key} consistent;
        ${origins.map((origin, index) => `server ${addressOf(origin)} weight=${WEIGHTS[index]};`).join(' ')}
      }
      server { listen 127.0.0.1:${port}; location / { proxy_pass http://app; proxy_set_header Host $http_host; } }
    }`,
  );
  const args = ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log'), '-g', 'daemon off;'];
  const child: ChildProcess = spawn('nginx', args, { stdio: 'ignore' });
  const exited = once(child, 'exit');
  await waitFor(
    () =>
      ask(port, REQUESTS[0]!).then(
        () => true,
        () => false,
      ),
    { timeoutMs: 20_000, what: 'nginx' },
  );
  return {
    port,
    async close() {
      child.kill('SIGTERM');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const why = missing('nginx');
for (const [hashed, key] of SESSIONS)
  (why === null ? test : test.skip)(
    `hash ${hashed} consistent is TORC_KEY=${key}: every key at home`,
    async () => {
      const nginx = await startNginx(hashed);
      const torc = await startTorc({
        TORC_DRIVER: 'static',
        TORC_RING: 'nginx',
        TORC_KEY: key,
        TORC_UPSTREAMS: origins
          .map((origin, index) => `${addressOf(origin)};weight=${WEIGHTS[index]}`)
          .join(),
        TORC_HEARTBEAT_INTERVAL_MS: '100',
      });
      try {
        const before = await placesAt(nginx.port);
        assert.is(new Set(before).size, WEIGHTS.length);
        assert.is(await placesAt(torc.port), before);
        const gone = addressOf(origins[0]!);
        origins[0]!.close();
        origins[0]!.closeAllConnections();
        const isOut = async (): Promise<boolean> =>
          (await slotsOf(torc)).some(({ name, state }) => name === gone && state !== 'ready');
        await waitFor(isOut, { timeoutMs: 30_000, what: 'the dead one to be out' });
        const after = await placesAt(nginx.port);
        assert.not.match(after, /0/);
        assert.is(await placesAt(torc.port), after);
      } finally {
        await torc.close();
        await nginx.close();
      }
    },
  );

test.run();
