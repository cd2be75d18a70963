#!/usr/bin/env bash
# yaml 2.9.1 (npm)
# A document that names one anchor a hundred times is refused as a "resource exhaustion attack", although nothing in
# it is nested and each alias stands for the number 1. 99 aliases are read. A Compose file with one anchor and many
# services meets this; `parse(text, { maxAliasCount: -1 })` reads it.
# Expected: that the limit is about aliases within aliases, whose sizes multiply; here nothing does.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
npm_packages yaml@2.9.1

cat >run.mjs <<'JS'
import { parse } from 'yaml'

const read = (count, options) => {
  try {
    return `${parse(`one: &one 1\nlist:\n${'  - *one\n'.repeat(count)}`, options).list.length} items`
  } catch (error) {
    return error.message
  }
}
const seen = [read(99), read(100), read(100, { maxAliasCount: -1 })]
console.log(`99 aliases of the number 1: ${seen[0]}\n100: ${seen[1]}\n100, maxAliasCount -1: ${seen[2]}`)
process.exit(seen[0] === '99 items' && /exhaustion/.test(seen[1]) && seen[2] === '100 items' ? 0 : 1)
JS
timeout 30 node run.mjs || fail 'a hundred plain aliases are read'
