#!/bin/sh
# The classic first demo of Server-Sent Events: a clock that sends a `time` event every second.
#
#   examples/clock.sh [URL]
#
# In a browser:  new EventSource('/sse/clock?format=raw').addEventListener('time', (e) => console.log(e.data))
# In a shell:    curl -N 'http://127.0.0.1:8080/chunked/clock?format=raw'
set -eu
url=${1:-${TRICAST_URL:-http://127.0.0.1:8080}}

while :; do
  # -f: stop at the first refusal.
  curl -sSf -d "$(date +%H:%M:%S)" "$url/publish/clock?event=time"
  echo
  sleep 1
done
