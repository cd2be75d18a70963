#!/usr/bin/env bash
# Docker Compose 2.26.1 (Debian 13's docker-compose; no engine needed)
# A `command:` or `entrypoint:` written as one string ends at the first unquoted `;`, `&`, `|`, `<` or `>`. What
# stands behind it is dropped, without a warning: also in the middle of a URL with two query parameters.
# Expected: since no shell reads the string, these are letters like others (`a&b` one word); or else a refusal.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
compose_2_26_1

cat >compose.yaml <<'YAML'
services:
  url:    {image: x, command: "server --upstream=http://a/?x=1&y=2 --verbose"}
  and:    {image: x, command: "sh -c migrate && serve"}
  quoted: {image: x, command: "server '--upstream=http://a/?x=1&y=2' --verbose"}
YAML
words() { compose config "$1" 2>>warnings | sed -n '/command:/,/^    [a-z]*:/s/^ *- //p' | paste -sd' '; }
for service in url and quoted; do
  grep " $service:" compose.yaml
  echo "    -> $(words "$service")"
done

[ ! -s warnings ] || fail "it says: $(cat warnings)"
[ "$(words url)" = 'server --upstream=http://a/?x=1' ] || fail 'the words behind & are kept'
[ "$(words and)" = 'sh -c migrate' ] || fail 'the words behind && are kept'
[ "$(words quoted)" = 'server --upstream=http://a/?x=1&y=2 --verbose' ] || fail 'quotes do not help'
