#!/bin/sh
# The raw format: "Hello World" is sent character by character, with no envelope around the data.
#
#   examples/hello-raw.sh [URL]
#
# Read it with:  curl -N 'http://127.0.0.1:8080/chunked/hello?format=raw'
# Each message is its data and one newline; pipe the output through  tr -d '\n'  to see the words.
set -eu
url=${1:-${TRICAST_URL:-http://127.0.0.1:8080}}

for character in H e l l o ' ' W o r l; do
  curl -sSf -o /dev/null -d "$character" "$url/publish/hello"
done
# The last message ends the channel, so that its readers end too.
curl -sSf -o /dev/null -d d "$url/publish/hello?end=true"
