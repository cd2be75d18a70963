#!/usr/bin/env bash
# Caddy 2.6.2 (Debian 12), Node.js 20 or later as the upstream
# Where the upstream sends no Content-Type, Caddy's `reverse_proxy` looks into the body and adds one of its own:
# "text/plain; charset=utf-8" for a list of numbers, "application/x-gzip" for a gzip file. An answer to HEAD, which
# has no body to look at, is left without, so HEAD and GET of one resource differ.
# Expected: a proxy passes on the fields that the upstream sent (nginx and HAProxy do).
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
unpack bookworm caddy
version 2.6.2 usr/bin/caddy version

cat >Caddyfile <<CONF
{
  admin off
  auto_https off
}
http:// {
  bind unix/$dir/caddy
  reverse_proxy unix/$dir/back
}
CONF
cat >upstream.mjs <<'JS'
import { createServer } from 'node:http'
import { gzipSync } from 'node:zlib'
createServer((request, response) => response.end(request.url === '/gz' ? gzipSync('hello') : '1,2,3\n')).listen('back')
JS
cat >client.mjs <<'JS'
import { get } from 'node:http'
const ask = (socketPath, method, path) =>
  new Promise(done => {
    get({ socketPath, method, path }, response => done(response.resume().headers['content-type'] ?? 'none'))
  })
for (const [method, path] of [['GET', '/csv'], ['GET', '/gz'], ['HEAD', '/csv']]) {
  const [upstream, caddy] = [await ask('back', method, path), await ask('caddy', method, path)]
  console.log(`${method} ${path}: upstream ${upstream}, by Caddy ${caddy}`)
}
JS
node upstream.mjs &
HOME=$dir usr/bin/caddy run --adapter caddyfile --config Caddyfile 2>/dev/null &
wait_for back; wait_for caddy
timeout 20 node client.mjs | tee seen

grep -q '^GET /csv: upstream none, by Caddy text/plain; charset=utf-8$' seen || fail 'no type of its own for text'
grep -q '^GET /gz: upstream none, by Caddy application/x-gzip$' seen || fail 'no type of its own for gzip'
grep -q '^HEAD /csv: upstream none, by Caddy none$' seen || fail 'HEAD has a type'
