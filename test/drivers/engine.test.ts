// What the engine's client sends, seen by a server that stands in for the engine.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Engine } from '../../src/drivers/docker/engine.ts';

const test = suite('engine client');

test("a new container's environment is in the body alone: addresses are logged by engines and proxies", async () => {
  const seen: { url: string; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      seen.push({ url: request.url ?? '', body });
      response.writeHead(201, { 'content-type': 'application/json' });
      response.end('{"Id":"1","Warnings":[]}');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const before = process.env.DOCKER_HOST;
  process.env.DOCKER_HOST = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await new Engine().create('cannot make it', {
      name: 'torc-1',
      platform: 'linux/amd64',
      Image: 'app',
      Env: ['TOKEN=s3cret'],
    });
  } finally {
    if (before === undefined) delete process.env.DOCKER_HOST;
    else process.env.DOCKER_HOST = before;
    server.close();
  }
  assert.is(seen[0]?.url, '/containers/create?name=torc-1&platform=linux%2Famd64');
  assert.equal(JSON.parse(seen[0]!.body), { Image: 'app', Env: ['TOKEN=s3cret'] });
});

test.run();
