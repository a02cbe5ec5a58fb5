#!/bin/sh
# Installs the npm packages of the lock file, unless they are installed already.
set -eu
cd "$(dirname "$0")"
if ! command -v npm >/dev/null 2>&1; then
  echo "dashboard: install Node 20.14 or newer first" >&2
  exit 1
fi
# npm writes a copy of the lock file when it is done; a newer lock file means that packages have changed.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
fi
