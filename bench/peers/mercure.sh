#!/bin/sh
# A Mercure hub in Caddy: messages in memory, subscribers without a token.
set -eu
. "$(dirname "$0")/lib.sh"
need "$peers/mercure/bin/mercure"
dir=$(scratch)
cat >"$dir/Caddyfile" <<CADDY
{
	admin off
	auto_https off
	persist_config off
	grace_period 1s
	log {
		level ERROR
	}
}
http://:$port {
	bind 127.0.0.1
	mercure {
		protocol_version_compatibility 8
		anonymous
		publisher_jwt tricast-bench-key-of-32-characters HS256
		transport local
		write_timeout 0s
	}
}
CADDY
export HOME="$dir" XDG_DATA_HOME="$dir" XDG_CONFIG_HOME="$dir"
exec "$peers/mercure/bin/mercure" run --config "$dir/Caddyfile" --adapter caddyfile
