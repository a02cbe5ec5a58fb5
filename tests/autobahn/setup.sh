#!/usr/bin/env bash
# Installs the Autobahn test suite, the reference for RFC 6455 and RFC 7692, into target/autobahn; again is cheap.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly version=25.10.1 lib=target/autobahn/lib

# The suite is written for Python 2.7; pyenv has one where the system has none.
find_python() {
    for python in "${AUTOBAHN_PYTHON:-}" "$HOME"/.pyenv/versions/2.7*/bin/python2.7 python2.7; do
        if [[ -n $python ]] && "$python" -m pip --version >/dev/null 2>&1; then
            command -v "$python"
            return
        fi
    done
    echo "make conformance needs Python 2.7 with pip for autobahntestsuite (pyenv install 2.7.18), or AUTOBAHN_PYTHON=its path" >&2
    exit 1
}

python=$(find_python)
if [[ ! -d $lib/autobahntestsuite-$version.dist-info ]]; then
    rm -rf "$lib"
    "$python" -m pip install --quiet --target "$lib" "autobahntestsuite==$version" 2>&1 | grep -v DEPRECATION || true
    # One of its libraries comes in two parts, and only a later Python finds the second without this.
    touch "$lib/zope/__init__.py"
    [[ -d $lib/autobahntestsuite-$version.dist-info ]]
fi
ln -sfn "$python" target/autobahn/python
