#!/usr/bin/env bash
# nginx 1.22.1, Caddy 2.6.2, HAProxy 2.6.12 (all Debian 12), Node.js 20 or later as the upstream
# A client sends a whole GET and closes its sending side, as `printf ... | nc -N` does; it goes on reading. nginx
# closes without a byte (and logs 499), unless `proxy_ignore_client_abort on`. Caddy makes up an answer: 200 with no
# body, while the upstream would have said 404. HAProxy passes on the upstream's answer.
# Expected: the upstream's answer (TCP lets either side end first; the request was whole); never a 200 of nobody.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
unpack bookworm nginx caddy haproxy
version 1.22.1 usr/sbin/nginx -v
version 2.6.2 usr/bin/caddy version
version 2.6.12 usr/sbin/haproxy -v

nginx_conf() { # NAME SETTING
  cat >"$1.conf" <<CONF
daemon off; master_process off; pid $dir/$1.pid; error_log $dir/error.log;
events {}
http {
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  access_log off;
  server { listen unix:$dir/$1; location / { proxy_pass http://unix:$dir/back; $2 } }
}
CONF
}
nginx_conf nginx ''
nginx_conf nginx-ignore 'proxy_ignore_client_abort on;'
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
cat >haproxy.cfg <<CONF
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
listen all
  bind unix@$dir/haproxy
  server a unix@$dir/back
CONF
cat >upstream.mjs <<'JS'
import { createServer } from 'node:http'
createServer((request, response) =>
  setTimeout(() => response.writeHead(404, { 'content-length': 9 }).end('none here'), 300),
).listen('back')
JS
cat >client.mjs <<'JS'
import { connect } from 'node:net'
const path = process.argv[2]
const socket = connect({ path, allowHalfOpen: true }, () => socket.end('GET / HTTP/1.1\r\nHost: a\r\n\r\n'))
let answer = ''
socket.on('data', data => { answer += data })
socket.on('end', () => {
  const [head, body] = answer.split('\r\n\r\n')
  console.log(answer === '' ? 'no answer' : `${head.split('\r\n')[0]}, body "${body}"`)
})
JS
node upstream.mjs &
usr/sbin/nginx -p "$dir" -c "$dir/nginx.conf" 2>/dev/null &
usr/sbin/nginx -p "$dir" -c "$dir/nginx-ignore.conf" 2>/dev/null &
HOME=$dir usr/bin/caddy run --adapter caddyfile --config Caddyfile 2>/dev/null &
usr/sbin/haproxy -db -f haproxy.cfg 2>/dev/null &
for socket in back nginx nginx-ignore caddy haproxy; do wait_for "$socket"; done
for proxy in nginx nginx-ignore caddy haproxy; do echo "$proxy: $(timeout 20 node client.mjs "$proxy")"; done | tee seen

grep -q '^nginx: no answer$' seen || fail 'nginx answers'
grep -q '^nginx-ignore: HTTP/1.1 404' seen || fail 'proxy_ignore_client_abort does not help'
grep -q '^caddy: HTTP/1.1 200 OK, body ""$' seen || fail 'Caddy makes up no 200'
grep -q '^haproxy: HTTP/1.1 404' seen || fail 'HAProxy does not answer'
