#!/usr/bin/env bash
# Docker Compose 2.26.1 (Debian 13's docker-compose; no engine needed), on Linux
# A named volume of one letter is taken for a drive of Windows in the short form: `b:/backup` is no volume b at
# /backup but a nameless one at the path "b:/backup", and `b:/backup:ro` binds a host path "b:/backup" to the path
# "ro". No warning, although `volumes:` declares b; b itself vanishes from the project.
# Expected: like every other name, or a refusal of names of one letter.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
compose_2_26_1

cat >compose.yaml <<'YAML'
services:
  web: {image: x, volumes: ["bb:/backup"]}
  one: {image: x, volumes: ["b:/backup"]}
  two: {image: x, volumes: ["b:/backup:ro"]}
volumes: {b: {}, bb: {}}
YAML
volume() {
  compose config "$1" 2>>warnings | sed -nE '/^    volumes:/,/^[a-z]/s/^[ -]*((type|source|target):)/\1/p' | paste -sd' '
}
for service in web one two; do
  grep " $service:" compose.yaml
  echo "    -> $(volume "$service")"
done
declared=$(compose config --volumes | paste -sd' ')
echo "volumes of the project -> $declared"

[ ! -s warnings ] || fail "it says: $(cat warnings)"
[ "$(volume web)" = 'type: volume source: bb target: /backup' ] || fail 'two letters'
[ "$(volume one)" = 'type: volume target: b:/backup' ] || fail 'one letter'
[ "$(volume two)" = 'type: bind source: b:/backup target: ro' ] || fail 'one letter, read-only'
[ "$declared" = bb ] || fail 'the volume is in the project'
