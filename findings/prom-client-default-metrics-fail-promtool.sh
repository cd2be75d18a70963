#!/usr/bin/env bash
# prom-client 15.1.3 (npm), Debian 12's prometheus 2.42.0 (for its promtool)
# What `collectDefaultMetrics()` exports does not pass Prometheus' own linter: three gauges have names that end in
# `_total`, which is kept for counters, and `promtool check metrics` ends with 3.
# Expected: the default metrics of the usual client pass, so that the linter can stand in a test.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
npm_packages prom-client@15.1.3
unpack bookworm prometheus
version 2.42.0 usr/bin/promtool --version

cat >run.mjs <<'JS'
import client from 'prom-client'
client.collectDefaultMetrics()
process.stdout.write(await client.register.metrics())
JS
timeout 30 node run.mjs >metrics
grep '^# TYPE .*_total gauge' metrics || fail 'no gauge is called _total'
status=0
timeout 30 usr/bin/promtool check metrics <metrics 2>lint || status=$?
cat lint
echo "promtool ends with $status"

[ "$status" = 3 ] || fail 'promtool is content'
[ "$(grep -c '_total" suffix' lint)" = 3 ] || fail 'other faults than three names'
