#!/usr/bin/env bash
# Installs what the tests need, checks format, lint, types and generated code, and runs all tests.
#   scripts/test.sh [filter...]   only test files whose path contains a filter
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$1"; }
without() { echo "test.sh: $1; the tests that need it are skipped and say so" >&2; }

say "Debian packages"
missing=()
need() { # package, and a command that succeeds when it is there
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
need libopenblas0 sh -c 'ls /usr/lib/*/libopenblas.so.0 /usr/lib*/libopenblas.so.0 | grep .'
need nats-server sh -c 'command -v nats-server'
need docker-compose sh -c 'docker compose version || docker-compose version'
need chromium sh -c 'command -v chromium'
need python3-venv python3 -c 'import ensurepip, venv'
if [ ${#missing[@]} -eq 0 ]; then
  echo "all there"
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  echo "installed ${missing[*]}"
else
  without "not installed: ${missing[*]} (on Debian: sudo apt-get install ${missing[*]})"
fi

say "Arrow readers in .venv"
readers='import duckdb, polars, pyarrow'
if .venv/bin/python -c "$readers" 2>/dev/null; then
  echo "all there"
elif python3 -m venv .venv && .venv/bin/pip install --quiet pyarrow polars duckdb; then
  .venv/bin/python -c "$readers"
  echo "installed pyarrow, polars, duckdb"
else
  without "pip could not install pyarrow, polars and duckdb into .venv"
fi

say "ONNX's node tests in .venv"
onnx=1.23.1 # its tests' verdicts are recorded in coordinator/fixtures/node-tests
if .venv/bin/python -c "import onnx, sys; sys.exit(onnx.__version__ != '$onnx')" 2>/dev/null; then
  echo "all there"
elif python3 -m venv .venv && .venv/bin/pip install --quiet "onnx==$onnx"; then
  echo "installed onnx $onnx"
else
  without "pip could not install onnx $onnx into .venv"
fi

say "npm packages"
npm ci --no-audit --no-fund

say "format and lint"
npx biome check --error-on-warnings

say "generated code"
before=$(cat proto/src/gen/kronlens/v1/*.ts coordinator/src/gen/kronlens/onnx/*.ts | cksum)
npm run --silent generate
after=$(cat proto/src/gen/kronlens/v1/*.ts coordinator/src/gen/kronlens/onnx/*.ts | cksum)
if [ "$before" != "$after" ]; then
  echo "test.sh: the generated code was not up to date; it is now: commit it" >&2
  exit 1
fi
echo "up to date"

say "types and build"
npx tsc -b

say "tests"
exec node scripts/run-tests.js "$@"
