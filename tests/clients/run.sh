#!/bin/sh
# Runs the client tests. Arguments name test files; without arguments all of them run.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] && [ -x .venv/bin/python ] && [ -x .go/sse_go ] || { echo "the client tests are not set up: run make setup" >&2; exit 1; }
mkdir -p artifacts
[ $# -gt 0 ] || set -- *.test.mjs
node limits.mjs "$@"
./node-test.sh artifacts/tests.tap "$@"
