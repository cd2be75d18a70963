#!/usr/bin/env bash
# Docker Compose 2.26.1 (Debian 13's docker-compose; no engine needed)
# `docker compose config --format json` leaves out the zeros of a limit: `ulimits: {core: 0}` (no core files, the
# most usual limit there is) is printed as `"core": {}`, which Compose itself refuses to read. The YAML form of the
# same command is right. A program that reads the JSON sees no limit.
# Expected: both forms say the same.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
compose_2_26_1

echo 'services: {web: {image: x, ulimits: {core: 0, nofile: {soft: 0, hard: 10}}}}' >compose.yaml
cat compose.yaml
compose config | sed -n '/ulimits/,/hard: 10/p' | tee yaml
compose config --format json >again.json
sed -n '/"ulimits"/,/^      }/p' again.json | tee json
compose -f again.json config >read 2>&1 && fail 'it reads its own JSON'
echo "reading it back: $(sed 's/.*: services/services/' read)"

[ "$(grep -c 'soft: 0' yaml)" = 2 ] || fail 'the YAML form drops it too'
grep -q '"core": {}' json || fail 'the JSON form has the zero'
! grep -q soft json || fail 'the JSON form has soft: 0'
