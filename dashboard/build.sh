#!/bin/sh
# Builds the page, with what it needs, when something has changed. Without Node the gateway serves a page that says so.
set -eu
cd "$(dirname "$0")"
if ! command -v npm >/dev/null 2>&1; then
  echo "dashboard: Node 20 or newer builds the page at /; without it everything else works" >&2
  exit 0
fi
# npm leaves a copy of the lock behind when it is done; a newer lock means that there is something to do.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
fi
if [ -e dist/app.js ] && [ -z "$(find src build.mjs package-lock.json -newer dist/app.js -print -quit)" ]; then
  exit 0
fi
npx --no-install tsc --noEmit
node build.mjs
