#!/usr/bin/env bash
# Docker CLI 26.1.5 (Debian 13's docker-cli; a small server stands for the engine)
# `docker stack deploy` passes over `tmpfs: [/run]` of a service, without a word (it names what it ignores, as `shm_size`),
# while the same mount in the long form (`volumes: [{type: tmpfs, target: /tmp}]`) is made. A `read_only` program that
# writes its pid file into /run works under `docker compose up`, and fails on the swarm.
# Expected: both are made, or the first is named among what is ignored.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
unpack trixie docker-cli
version 26.1.5 usr/bin/docker --version

cat >engine.mjs <<'JS'
import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
const answers = {
  '/info': { Swarm: { LocalNodeState: 'active', ControlAvailable: true } },
  '/networks/create': { Id: 'network' },
  '/services/create': { ID: 'service' },
};
createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const path = request.url.replace(/^\/v[\d.]+/, '').split('?')[0];
  response.setHeader('api-version', '1.45');
  response.setHeader('content-type', 'application/json');
  if (path.endsWith('/create')) response.statusCode = 201;
  if (path === '/services/create') writeFileSync('written.json', body);
  response.end(JSON.stringify(answers[path] ?? []));
}).listen('engine.sock', () => writeFileSync('ready', ''));
JS
timeout 60 node engine.mjs &
wait_for ready
cat >stack.yaml <<'YAML'
services:
  web:
    image: app:1
    shm_size: 64m
    tmpfs: [/run]
    volumes: [{type: tmpfs, target: /tmp}]
YAML
timeout 20 usr/bin/docker -H "unix://$dir/engine.sock" stack deploy --resolve-image never -c stack.yaml shop >said 2>&1
wait_for written.json
grep Ignoring said
grep -o '"Mounts":\[[^]]*\]' written.json

grep -q 'Ignoring unsupported options: shm_size$' said || fail 'it says something else of what it ignores'
[ "$(grep -o '"Mounts":\[[^]]*\]' written.json)" = '"Mounts":[{"Type":"tmpfs","Target":"/tmp"}]' ] || fail '/run is mounted'
