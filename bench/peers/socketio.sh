#!/bin/sh
# One Node process with Socket.IO, WebSocket alone.
set -eu
. "$(dirname "$0")/lib.sh"
need "$peers/node/node_modules/socket.io/package.json"
exec node "$here/socketio.mjs" "$port"
