#!/bin/sh
# Streams a text file line by line, and ends the channel after the last line.
#
#   examples/lines.sh FILE [URL]
#
# Read it with:  curl -N http://127.0.0.1:8080/chunked/lines      (ends after the last line)
set -eu
[ $# -ge 1 ] || { echo "usage: $0 FILE [URL]" >&2; exit 2; }
url=${2:-${TRICAST_URL:-http://127.0.0.1:8080}}

# One request per line is the simplest way; tests/follow.sh sends all lines in one request.
while IFS= read -r line || [ -n "$line" ]; do
  printf %s "$line" | curl -sSf -o /dev/null --data-binary @- "$url/publish/lines"
done <"$1"
curl -sSf -d '' "$url/publish/lines?event=end&end=true"
echo
