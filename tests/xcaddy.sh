#!/usr/bin/env bash
# Builds Caddy with the modules that xcaddy.json names, with xcaddy, as their users
# do. The version of xcaddy stands in tests/xcaddy/go.mod.
#
#   tests/xcaddy.sh OUTPUT
set -euo pipefail
output=$(realpath -m "${1:?usage: tests/xcaddy.sh OUTPUT}")
cd "$(dirname "$0")/.."
root=$PWD
mkdir -p "$(dirname "$output")"
cd tests/xcaddy
CGO_ENABLED=0 go run . "$root/xcaddy.json" "$output"
