#!/usr/bin/env bash
# undici 8.12.4 (npm), Node.js 22.19 or later
# Every `headersTimeout` below a second lasts a second: 100, 300 and 900 ms all fire after about 1000 ms, set on the
# Agent or on the request.
# Expected: about the time that was set. The documentation of this version says that delays up to 1000 ms use native
# timers, and only longer ones a clock of about 500 ms.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
npm_packages undici@8.12.4

cat >run.mjs <<'JS'
import net from 'node:net'
import { Agent, request } from 'undici'

const silent = net.createServer(socket => socket.on('error', () => {})).listen(0, '127.0.0.1')
await new Promise(done => silent.once('listening', done))
const url = `http://127.0.0.1:${silent.address().port}`
let early = 0
for (const headersTimeout of [100, 300, 900]) {
  const dispatcher = new Agent({ headersTimeout })
  const start = performance.now()
  const { code } = await request(url, { dispatcher }).catch(error => error)
  const took = performance.now() - start
  console.log(`headersTimeout ${headersTimeout} ms: ${code} after ${Math.round(took)} ms`)
  if (took < 950) early++
  await dispatcher.destroy()
}
process.exit(early)
JS
timeout 30 node run.mjs || fail 'it fires before a second is over'
