#!/usr/bin/env bash
# Docker Compose 2.26.1 (Debian 13's docker-compose; no engine needed)
# In `${LIMITS:-{}}` the default `{}` does not end at its own brace but at the LAST brace of the whole text: where
# another brace follows, as in JSON, everything between becomes part of the default. With LIMITS unset that passes
# almost unseen (a brace is missing at the end); with LIMITS set the rest of the text is gone.
# Expected: braces are paired, `${A:-${B:-x}}` being allowed: {"limits": 5, "port": 80}
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
compose_2_26_1

cat >compose.yaml <<'YAML'
services:
  web:
    image: x
    environment:
      CONFIG: '{"limits": ${LIMITS:-{}}, "port": 80}'
YAML
grep CONFIG compose.yaml
config() { compose config | sed -n "s/^ *CONFIG: //p"; }
unset=$(config)
set=$(LIMITS=5 config)
echo "LIMITS not set -> $unset"
echo "LIMITS=5       -> $set"

[ "$unset" = "'{\"limits\": {}}, \"port\": 80'" ] || fail 'another text without LIMITS'
[ "$set" = "'{\"limits\": 5'" ] || fail 'the rest of the text is kept'
