#!/bin/sh
# Runs the unit tests beside the sources; lint.sh checks their types.
set -eu
cd "$(dirname "$0")"
./setup.sh
node ../tests/clients/limits.mjs $(find src -name '*.test.ts')
node test-build.mjs
../tests/clients/node-test.sh node_modules/.cache/tests.tap \
  --enable-source-maps $(find node_modules/.cache/tests -name '*.test.mjs' | sort)
