#!/bin/sh
# Builds the page if a source has changed. Without Node the gateway serves a page that says what is missing.
set -eu
cd "$(dirname "$0")"
if ! command -v npm >/dev/null 2>&1; then
  echo "dashboard: Node 20 or newer builds the page at /; without it everything else works" >&2
  exit 0
fi
./setup.sh
if [ -e dist/app.js ] && [ -z "$(find src build.mjs package-lock.json ! -name '*.test.ts' -newer dist/app.js -print -quit)" ]; then
  exit 0
fi
npx --no-install tsc --noEmit
node build.mjs
