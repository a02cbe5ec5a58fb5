#!/bin/sh
# Sockudo, which speaks the Pusher protocol: one application, no rate limits, no metrics.
set -eu
. "$(dirname "$0")/lib.sh"
need "$peers/sockudo/bin/sockudo"
cd "$(scratch)"
most=4000000000
export HOST=127.0.0.1 PORT="$port" METRICS_ENABLED=false RATE_LIMITER_ENABLED=false SHUTDOWN_GRACE_PERIOD=0 \
  SOCKUDO_DEFAULT_APP_ID=bench SOCKUDO_DEFAULT_APP_KEY=bench-key SOCKUDO_DEFAULT_APP_SECRET=bench-secret \
  SOCKUDO_DEFAULT_APP_MAX_CONNECTIONS=$most SOCKUDO_DEFAULT_APP_MAX_BACKEND_EVENTS_PER_SECOND=$most \
  RUST_LOG="${RUST_LOG:-error}"
exec "$peers/sockudo/bin/sockudo"
