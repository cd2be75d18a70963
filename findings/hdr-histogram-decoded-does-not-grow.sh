#!/usr/bin/env bash
# hdr-histogram-js 3.0.1 (npm)
# A histogram made by `build()` grows with its values (autoResize); one that was decoded does not. So merging encoded
# histograms, as of several workers, by decoding the first and adding the others fails or not by their order: the
# slowest worker has to come first. It helps to add all to a new `build()`, or to set `autoResize = true`.
# Expected: a sum does not depend on the order, and decoding gives back what was encoded.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
npm_packages hdr-histogram-js@3.0.1

cat >run.mjs <<'JS'
import { build, decodeFromCompressedBase64 as decode, encodeIntoCompressedBase64 as encode } from 'hdr-histogram-js'

const worker = latency => {
  const histogram = build()
  histogram.recordValue(latency)
  return encode(histogram)
}
const total = (first, ...others) => {
  try {
    for (const other of others) first.add(decode(other))
    return `${first.totalCount} values, the greatest ${first.maxValue}`
  } catch (error) {
    return error.message
  }
}
const [fast, slow] = [worker(1000), worker(5000)]
const seen = {
  'slow + fast': total(decode(slow), fast),
  'fast + slow': total(decode(fast), slow),
  'build() + fast + slow': total(build(), fast, slow),
}
for (const [what, outcome] of Object.entries(seen)) console.log(`${what}: ${outcome}`)
const [a, b, c] = Object.values(seen)
process.exit(a === c && /do not fit/.test(b) ? 0 : 1)
JS
timeout 30 node run.mjs || fail 'the order plays no part'
