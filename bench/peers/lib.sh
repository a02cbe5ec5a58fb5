# shellcheck shell=dash disable=SC2034
# Sourced by the scripts that run a peer: `$0 PORT`. Afterwards `$port`, `$here` and `$peers` are set, and `$files`, as
# many as the system lets a process open, may be open.
port=${1:?usage: $0 PORT}
here=$(cd "$(dirname "$0")" && pwd)
peers=$(cd "$here/../.." && pwd)/target/peers
files=$(ulimit -Hn)
ulimit -Sn "$files"

# Ends the script unless a file of the peer is there, with what its installation said.
need() {
  [ -e "$1" ] && return
  name=$(basename "$0" .sh)
  cat "$peers/log/$name.status" >&2 2>/dev/null || echo "peer $name is not installed: run bench/peers/setup.sh" >&2
  exit 1
}

# Prints a new scratch directory. The server takes over the script's process, so nobody is left to clean up behind it:
# each start removes what ended processes have left.
scratch() {
  mkdir -p "$peers/run"
  for old in "$peers/run"/*; do
    pid=${old##*/}
    pid=${pid%%.*}
    if [ -d "$old" ] && ! kill -0 "$pid" 2>/dev/null; then rm -rf "$old"; fi
  done
  mktemp -d "$peers/run/$$.XXXXXX"
}
