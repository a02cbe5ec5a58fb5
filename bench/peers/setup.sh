#!/bin/sh
# Installs the peers of the benchmark into target/peers. What is there stays; what cannot be had is said in one line, and
# the others go on. JOBS=2 builds with two jobs.
set -u
here=$(cd "$(dirname "$0")" && pwd)
peers=$(cd "$here/../.." && pwd)/target/peers
jobs=${JOBS:-1}
logs=$peers/log
build=$peers/build
mkdir -p "$logs" "$build"

as_root() { [ "$(id -u)" = 0 ] || { echo "cannot install$missing: not root"; false; }; }

# Installs Debian packages unless `test -e FILE` says that they are there: packages FILE PACKAGE...
packages() {
  file=$1
  shift
  [ -e "$file" ] && return
  missing=" $*"
  as_root && apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"
}

# Unpacked rather than installed: an installed nginx starts a server of its own.
nchan() (
  dir=$build/nchan
  mkdir -p "$dir" && cd "$dir" || exit
  set -- nginx libnginx-mod-nchan
  apt-get download "$@" || { missing=" $*" && as_root && apt-get update -q && apt-get download "$@"; } || exit
  for package in ./*.deb; do dpkg -x "$package" root || exit; done
  root/usr/sbin/nginx -v && rm -rf "$peers/nchan" && mv root "$peers/nchan"
)

go_install() (
  # No module of the checkout's has a say.
  cd "$build" && GOBIN=$peers/$1/bin GOMAXPROCS=$jobs nice -n 15 go install "$2"
)

centrifugo() { go_install centrifugo github.com/centrifugal/centrifugo/v6@latest; }

# Its module replaces another one, which `go install` refuses: a module of our own that imports both is built instead.
mercure() (
  dir=$build/mercure
  mkdir -p "$dir" && cd "$dir" || exit
  cat >main.go <<'GO'
package main

import (
	"github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/dunglas/mercure/caddy"
)

func main() { caddycmd.Main() }
GO
  export GOMAXPROCS="$jobs"
  { [ -e go.mod ] || go mod init peer; } && go get github.com/dunglas/mercure/caddy@latest && go mod tidy &&
    nice -n 15 go build -tags deprecated_topic,deprecated_claim -o "$peers/mercure/bin/mercure" .
)

node_peers() (
  mkdir -p "$peers/node" && cd "$peers/node" || exit
  [ -e package.json ] || echo '{ "private": true }' >package.json
  npm install --no-audit --no-fund --loglevel=error --save-exact "$1"
)
nodews() { node_peers ws@8.23.0; }
socketio() { node_peers socket.io@4.8.4; }

sockudo() (
  packages /usr/bin/protoc protobuf-compiler && packages /usr/include/google/protobuf/timestamp.proto libprotobuf-dev &&
    cd "$build" && nice -n 15 cargo install sockudo --version 5.2.0 --locked -j "$jobs" \
      --root "$peers/sockudo" --target-dir "$build/sockudo" && rm -rf "$build/sockudo"
)

# The last line of a log that says what went wrong.
reason() {
  { grep -iE 'error|cannot|could not|not (found|available|root)|unable|denied|refused|panicked' "$1" || cat "$1"; } |
    tail -n 1 | sed 's/^[[:space:]]*//; s/^server response:/the Go module proxy answers:/'
}

# peer NAME FILE TOOL: unless FILE is there, the function NAME installs it and needs TOOL. What came of it is kept, for the
# script that runs the peer to say.
peer() {
  log=$logs/$1.log
  if [ -e "$peers/$2" ]; then
    echo "peer $1 is there"
  elif ! command -v "$3" >/dev/null; then
    echo "peer $1 cannot be had: no $3 here"
  elif "$1" >"$log" 2>&1 && [ -e "$peers/$2" ]; then
    echo "peer $1 is installed"
  else
    echo "peer $1 cannot be had: $(reason "$log") (${log#"$peers/"})"
  fi | tee "$logs/$1.status"
}

peer nchan nchan/usr/lib/nginx/modules/ngx_nchan_module.so apt-get
peer centrifugo centrifugo/bin/centrifugo go
peer mercure mercure/bin/mercure go
peer nodews node/node_modules/ws/package.json npm
peer socketio node/node_modules/socket.io/package.json npm
peer sockudo sockudo/bin/sockudo cargo
