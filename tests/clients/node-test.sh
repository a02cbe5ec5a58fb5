#!/bin/sh
# Runs test files with Node; fails if no test ran or if one was skipped.
# Usage: node-test.sh REPORT [NODE OPTION...] FILE...
# Two files run beside each other, because most tests wait more than they work. FILES_AT_ONCE=1 runs
# one after the other, for tests that measure time.
set -eu
report=$1
shift

# Node applies --test-timeout to files and groups as well as to tests, so a long file would be cut.
# Each test has a limit of its own (limits.mjs); the limit here is for a file that hangs outside of
# them. A file ends with its last test even if it leaves something open (child.mjs checks that).
# A report that Node writes to a file may be cut by the forced exit, unlike its standard output.
node --test --test-concurrency="${FILES_AT_ONCE:-2}" --test-force-exit --test-timeout="${FILE_TIMEOUT:-3600000}" \
  --test-reporter=spec --test-reporter-destination=stderr \
  --test-reporter=tap --test-reporter-destination=stdout "$@" 2>&1 >"$report"

count() { sed -n "s/^# $1 \([0-9][0-9]*\)\$/\1/p" "$report"; }
# A missing count is not a zero.
if ! { [ "$(count pass)" -gt 0 ] && [ "$(count skipped)" -eq 0 ] && [ "$(count todo)" -eq 0 ]; } 2>/dev/null; then
  echo "node-test.sh: no test passed, some were skipped, or the report has no counts" >&2
  exit 1
fi
# Node reports a file without tests as a test that passed, under the name of the file.
if grep '^# Subtest: .*\.test\.mjs$' "$report"; then
  echo "node-test.sh: the files above contain no test" >&2
  exit 1
fi
