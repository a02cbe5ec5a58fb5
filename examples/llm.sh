#!/bin/sh
# Asks a model with curl, and prints the text of the answer as it comes. All listeners of CHANNEL receive the answer as well.
#
#   examples/llm.sh QUESTION [CHANNEL] [URL]
#
# It fails if the answer breaks off: curl says so of the body, whose end is missing.
set -eu
question=$1
channel=${2:-chat}
url=${3:-${TRICAST_URL:-http://127.0.0.1:8080}}

exec curl -sSfN -H 'Content-Type: text/plain' --data-binary "$question" "$url/llm/$channel?format=text"
