#!/usr/bin/env bash
# Makes the Python environments that the tests run their clients in, one for each
# tests/requirements-<set>.txt, at .cache/venv/<set>. Does nothing where they are
# up to date.
#
#   tests/venv.sh [set ...]    # all of them by default
#   PYTHON=python3.12 tests/venv.sh
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
fail() { echo "tests/venv.sh: $*" >&2; exit 1; }

command -v "$python" >/dev/null ||
	fail "$python is not installed: Python 3.11 or newer is expected (PYTHON=... names another one)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
	fail "$("$python" --version) is too old: Python 3.11 or newer is expected (PYTHON=... names another one)"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
	fail "$python cannot make virtual environments: install its venv module (Debian: python3-venv)"

# install SET makes one environment. The stamp is written last, so an interrupted
# run begins again.
install() {
	local set=$1 dir=.cache/venv/$1 requirements=tests/requirements-$1.txt stamp
	[ -f "$requirements" ] || fail "there is no $requirements"
	stamp=$("$python" -c 'import hashlib, sys
print(sys.version.split()[0], hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$requirements")
	[ "$(cat "$dir/.stamp" 2>/dev/null)" = "$stamp" ] && return
	rm -rf "$dir"
	mkdir -p .cache/venv
	echo "installing $requirements into $dir"
	if ! { "$python" -m venv "$dir" &&
		"$dir/bin/python" -m pip install --disable-pip-version-check --no-input --no-deps --only-binary :all: -r "$requirements"; } >"$dir.log" 2>&1; then
		tail -n 20 "$dir.log" >&2
		fail "installing $requirements failed; the whole output is in $dir.log"
	fi
	echo "$stamp" >"$dir/.stamp"
}

[ $# -gt 0 ] || set -- conda python pdm api
jobs=()
for set in "$@"; do
	install "$set" &
	jobs+=($!)
done
for job in "${jobs[@]}"; do
	wait "$job"
done
