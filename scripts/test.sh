#!/usr/bin/env bash
# Installs what the tests need, checks format, lint, types and generated code, and runs all tests.
set -euo pipefail
cd "$(dirname "$0")/.."

need_debian() { # package, file that it installs
  [ -e "$2" ] && return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    missing+=("$1")
  else
    echo "test.sh: $1 is not installed; tests that need it are skipped (Debian: sudo apt-get install $1)" >&2
  fi
}
missing=()
need_debian libopenblas0 "$(ls /usr/lib/*/libopenblas.so.0 2>/dev/null | head -n 1 || true)"
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
fi

npm ci --no-audit --no-fund
echo "== format and lint"
npx biome check --error-on-warnings
echo "== generated code"
npm run -s generate
git diff --exit-code -- proto/src/gen coordinator/src/gen || {
  echo "test.sh: generated code is not up to date; run npm run generate and commit the result" >&2
  exit 1
}
echo "== types"
npx tsc -b
echo "== tests"
exec node scripts/run-tests.js
