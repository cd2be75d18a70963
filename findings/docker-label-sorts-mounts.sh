#!/usr/bin/env bash
# Docker CLI 26.1.5 (Debian 13's docker-cli; a small server stands for the engine, whose store is not the point)
# `docker service update --label-add a=b web` is asked for a label, and writes the mounts in another order too: it sorts
# them, whatever it was asked to change. Swarm compares old and new task to the letter, so a service whose mounts were in
# another order (`docker stack deploy` keeps the file's) has all its tasks replaced for a label (seen with 20.10).
# Expected: all but the label is written back as it was read.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
unpack trixie docker-cli
version 26.1.5 usr/bin/docker --version

cat >engine.mjs <<'JS'
import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
const Mounts = [{ Type: 'volume', Source: 'data', Target: '/data' }, { Type: 'tmpfs', Target: '/run' }];
const Spec = {
  Name: 'web',
  TaskTemplate: { ContainerSpec: { Image: 'app:1', Mounts } },
  Mode: { Replicated: { Replicas: 2 } },
};
createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  response.setHeader('api-version', '1.45');
  response.setHeader('content-type', 'application/json');
  if (request.url.includes('/update')) writeFileSync('written.json', body);
  response.end(JSON.stringify(request.url.includes('/update') ? {} : { ID: 'web', Version: { Index: 1 }, Spec }));
}).listen('engine.sock', () => writeFileSync('ready', ''));
JS
timeout 60 node engine.mjs &
wait_for ready
timeout 20 usr/bin/docker -H "unix://$dir/engine.sock" service update --detach --label-add a=b web >/dev/null
wait_for written.json
order() { grep -o '"Target":"[^"]*"' written.json | tr '\n' ' '; }
echo 'read:    "Target":"/data" "Target":"/run"'
echo "written: $(order)"

grep -q '"a":"b"' written.json || fail 'the label is not written'
[ "$(order)" = '"Target":"/run" "Target":"/data" ' ] || fail 'the mounts stay in their order'
