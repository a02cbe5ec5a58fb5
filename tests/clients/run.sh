#!/bin/sh
# Runs the client tests, and does not take "nothing ran" or "skipped" for a success. Arguments name test files.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] && [ -x .venv/bin/python ] && [ -x .go/sse_go ] || { echo "the client tests are not set up: run make setup" >&2; exit 1; }
mkdir -p artifacts
[ $# -gt 0 ] || set -- *.test.mjs

node --test --test-concurrency=1 --test-timeout="${TEST_TIMEOUT:-180000}" \
  --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter=tap --test-reporter-destination=artifacts/tests.tap "$@"

count() { sed -n "s/^# $1 \([0-9][0-9]*\)\$/\1/p" artifacts/tests.tap; }
if [ "$(count pass)" -eq 0 ] || [ "$(count skipped)" -ne 0 ] || [ "$(count todo)" -ne 0 ]; then
  echo "run.sh: no test passed, or some were skipped" >&2
  exit 1
fi
# Node reports a file without tests as one that passed, under the name of the file.
if grep '^# Subtest: .*\.test\.mjs$' artifacts/tests.tap; then
  echo "run.sh: the files above hold no test" >&2
  exit 1
fi
