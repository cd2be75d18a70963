#!/usr/bin/env bash
# Docker Compose 2.26.1 (Debian 13's docker-compose; no engine needed)
# In an env file, what stands right behind a closing quote is read as a line of its own: `A="1"B=2` sets A and B, and
# `DIRS="/opt/bin":/usr/bin` sets DIRS to /opt/bin and a further variable without a name to /usr/bin (a colon
# parts name and value too). No warning.
# Expected: as in a shell, both parts are joined: DIRS=/opt/bin:/usr/bin; or a refusal of the line.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
compose_2_26_1

echo 'services: {web: {image: x, env_file: [web.env]}}' >compose.yaml
seen() {
  printf '%s\nPORT=80\n' "$1" >web.env
  compose config --format json | sed -n '/"environment"/,/}/p' | tr -d ' \n'
}
letters=$(seen 'A="1"B=2')
path=$(seen 'DIRS="/opt/bin":/usr/bin')
echo "A=\"1\"B=2                -> $letters"
echo "DIRS=\"/opt/bin\":/usr/bin -> $path"

[ "$letters" = '"environment":{"A":"1","B":"2","PORT":"80"},' ] || fail 'A="1"B=2 is read otherwise'
[ "$path" = '"environment":{"":"/usr/bin","DIRS":"/opt/bin","PORT":"80"},' ] || fail 'no variable without a name'
