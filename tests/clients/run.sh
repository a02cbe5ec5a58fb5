#!/bin/sh
# Runs the client tests, and does not take "nothing ran" or "skipped" for a success. Arguments name test files.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] && [ -x .venv/bin/python ] && [ -x .go/sse_go ] || { echo "the client tests are not set up: run make setup" >&2; exit 1; }
mkdir -p artifacts
[ $# -gt 0 ] || set -- *.test.mjs

# Node applies --test-timeout to a file and to a group as to a test, and so cuts what is only long. Each test has a limit of
# its own; the one below is for a file that hangs outside of them, and far above the sum of theirs.
# A file ends with its last test, also when that has left something open; a program that is left is a failure (child.mjs).
if grep -nE '(^|[ )])test\(' "$@" | grep -v 'timeout: '; then
  echo "run.sh: the tests above have no limit of their own: give each { timeout: 60_000 }, or what it needs" >&2
  exit 1
fi

# A file that a reporter writes by itself may be cut by the forced exit; what goes to standard output and error is not.
node --test --test-concurrency=1 --test-force-exit --test-timeout="${FILE_TIMEOUT:-3600000}" \
  --test-reporter=spec --test-reporter-destination=stderr \
  --test-reporter=tap --test-reporter-destination=stdout "$@" 2>&1 >artifacts/tests.tap

count() { sed -n "s/^# $1 \([0-9][0-9]*\)\$/\1/p" artifacts/tests.tap; }
# A count that is not there is not a zero.
if ! { [ "$(count pass)" -gt 0 ] && [ "$(count skipped)" -eq 0 ] && [ "$(count todo)" -eq 0 ]; } 2>/dev/null; then
  echo "run.sh: no test passed, some were skipped, or the report has no counts" >&2
  exit 1
fi
# Node reports a file without tests as one that passed, under the name of the file.
if grep '^# Subtest: .*\.test\.mjs$' artifacts/tests.tap; then
  echo "run.sh: the files above hold no test" >&2
  exit 1
fi
