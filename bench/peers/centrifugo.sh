#!/bin/sh
# Centrifugo with its three one-way wires; clients and publishers need no token.
set -eu
. "$(dirname "$0")/lib.sh"
need "$peers/centrifugo/bin/centrifugo"
dir=$(scratch)
cat >"$dir/config.json" <<JSON
{
  "http_server": { "address": "127.0.0.1", "port": $port },
  "log": { "level": "error" },
  "client": { "insecure": true, "allowed_origins": ["*"] },
  "http_api": { "insecure": true },
  "uni_sse": { "enabled": true },
  "uni_http_stream": { "enabled": true },
  "uni_websocket": { "enabled": true },
  "usage_stats": { "disabled": true },
  "shutdown": { "timeout": "1s" }
}
JSON
exec "$peers/centrifugo/bin/centrifugo" --config "$dir/config.json"
