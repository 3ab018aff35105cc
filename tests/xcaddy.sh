#!/usr/bin/env bash
# Builds Caddy with the modules that xcaddy.json names, as their users do.
#
#   tests/xcaddy.sh OUTPUT
set -euo pipefail
cd "$(dirname "$0")/.."

xcaddy=github.com/caddyserver/xcaddy/cmd/xcaddy@v0.4.5
output=${1:?usage: tests/xcaddy.sh OUTPUT}
mkdir -p "$(dirname "$output")"

# One line for the version, then one argument a line.
mapfile -t args < <(python3 - <<'PY'
import json, os

spec = json.load(open("xcaddy.json"))
print(spec["caddy_version"])
local = {r["old"]: os.path.abspath(r["new"]) for r in spec.get("replacements", [])}
for p in spec["plugins"]:
    path = p["module_path"]
    print("--with")
    print(f"{path}={local[path]}" if path in local else f"{path}@{p['version']}")
PY
)
GOFLAGS=-buildvcs=false CGO_ENABLED=0 go run "$xcaddy" build "${args[0]}" --output "$output" "${args[@]:1}"
