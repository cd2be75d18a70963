#!/usr/bin/env bash
# nginx 1.22.1 (Debian 12), Node.js 20 or later as the upstream
# An upstream that sends `103 Early Hints` and 300 ms later its 200: for nginx the 103 IS the answer. Its access log
# says 103; its own fields (Server, add_header) are put into the 103; the real 200 is passed on as if it were the
# 103's body, bare as the upstream wrote it. And the hints are not early: that "body" is held back until the upstream
# closes. (Over a connection that stays open the client waits until proxy_read_timeout.)
# Expected: the hints are passed on at once, or dropped; the log says 200.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
unpack bookworm nginx
version 1.22.1 usr/sbin/nginx -v

cat >nginx.conf <<CONF
daemon off; master_process off; pid $dir/pid; error_log $dir/error.log;
events {}
http {
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  log_format status '\$status';
  access_log $dir/access.log status;
  server {
    listen unix:$dir/front;
    location / { proxy_pass http://unix:$dir/back; proxy_http_version 1.1; add_header X-Proxy nginx always; }
  }
}
CONF
cat >upstream.mjs <<'JS'
import { createServer } from 'node:http'
createServer((request, response) => {
  response.writeEarlyHints({ link: '</style.css>; rel=preload' })
  setTimeout(() => response.end('hello'), 300)
}).listen('back')
JS
cat >client.mjs <<'JS'
import { connect } from 'node:net'
const start = Date.now()
const socket = connect('front', () => socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'))
socket.on('data', data => {
  console.log(`after ${Date.now() - start < 250 ? 'less' : 'more'} than 250 ms:\n${data}\n`)
  if (/hello/.test(data)) process.exit()
})
JS
node upstream.mjs & usr/sbin/nginx -p "$dir" -c "$dir/nginx.conf" 2>/dev/null &
wait_for back; wait_for front
timeout 20 node client.mjs | tr -d '\r' | tee seen
wait_for access.log
echo "access log: $(cat access.log)"

[ "$(grep -c '^after' seen)" = 1 ] && grep -q 'after more' seen || fail 'the hints come before the answer'
! sed -n '/HTTP.1.1 200/,$p' seen | grep -q X-Proxy || fail 'the 200 has the field of nginx'
[ "$(cat access.log)" = 103 ] || fail 'the log does not say 103'
