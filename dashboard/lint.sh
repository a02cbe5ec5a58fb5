#!/bin/sh
# Checks the format, the lint rules (biome.json) and the types of the TypeScript and JavaScript.
set -eu
cd "$(dirname "$0")/.."
dashboard/setup.sh
bin=dashboard/node_modules/.bin
$bin/biome ci --error-on-warnings
$bin/tsc --noEmit --project dashboard
$bin/tsc --noEmit --project dashboard/tsconfig.test.json
