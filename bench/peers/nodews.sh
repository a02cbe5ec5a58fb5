#!/bin/sh
# One Node process: WebSocket with `ws`, Server-Sent Events with plain `http`.
set -eu
. "$(dirname "$0")/lib.sh"
need "$peers/node/node_modules/ws/package.json"
exec node "$here/nodews.mjs" "$port"
