#!/bin/sh
# Publishes every line of a growing file as it is written: tail -F in, one endless NDJSON request out.
#
#   tests/follow.sh FILE URL        tests/follow.sh app.log http://127.0.0.1:8080/publish/logs
#
# Needs curl, python3 and a tail that knows -F. Ctrl-C ends the request properly, and the gateway's answer
# (how many lines, first and last id) is printed.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 FILE URL" >&2; exit 2; }

# Python and not sed or awk, because those buffer, stop at NUL or pass on what is not UTF-8.
strings='
import json, sys
for line in sys.stdin.buffer:
    text = line.removesuffix(b"\n").decode(errors="replace")
    sys.stdout.buffer.write(json.dumps(text, ensure_ascii=False).encode() + b"\n")
    sys.stdout.buffer.flush()
'

# A signal ends tail alone; the end of its output then ends the encoder and, after the answer, curl.
trap : INT TERM
tail -n +1 -F -- "$1" | {
  trap '' INT TERM
  # -T - sends each line in a chunk of its own; --data-binary would read to the end first.
  python3 -c "$strings" | curl -sS --fail-with-body -N -X POST -T - -H 'Content-Type: application/x-ndjson' -H 'Expect:' "$2"
}
