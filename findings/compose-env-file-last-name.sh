#!/usr/bin/env bash
# Docker Compose 2.26.1 (Debian 13's docker-compose; no engine needed)
# A line of an env file that is only a name takes the value from Compose's own environment. As the last line of a
# file without a final line end it does not: the name becomes the value of a variable that has no name.
# Expected: the same variable, with or without the last line end (`NAME=value` without one is read rightly).
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
compose_2_26_1

echo 'services: {web: {image: x, env_file: [web.env]}}' >compose.yaml
seen() { compose config --format json | sed -n '/"environment"/,/}/p' | tr -d ' \n'; }
export REGION=north
printf 'PORT=80\nREGION\n' >web.env; ended=$(seen)
printf 'PORT=80\nREGION' >web.env; open=$(seen)
printf 'REGION\nPORT=80' >web.env; value=$(seen)
echo "REGION, with a line end      -> $ended"
echo "REGION, without              -> $open"
echo "PORT=80 last, without        -> $value"

[ "$ended" = '"environment":{"PORT":"80","REGION":"north"},' ] || fail 'a name alone is read otherwise'
[ "$open" = '"environment":{"":"REGION","PORT":"80"},' ] || fail 'the last name is read like others'
[ "$value" = "$ended" ] || fail 'a last value is read otherwise'
