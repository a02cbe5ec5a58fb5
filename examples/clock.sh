#!/bin/sh
# Server-Sent Events, the classic first demo: a clock that sends a `time` event each second.
#
#   examples/clock.sh [URL]
#
# In a browser:  new EventSource('/sse/clock?format=raw').addEventListener('time', (e) => console.log(e.data))
# In a shell:    curl -N 'http://127.0.0.1:8080/chunked/clock?format=raw'
set -eu
url=${1:-${TRICAST_URL:-http://127.0.0.1:8080}}

while :; do
  # -f: stop at the first refusal rather than tick into the void.
  curl -sSf -d "$(date +%H:%M:%S)" "$url/publish/clock?event=time"
  echo
  sleep 1
done
