#!/usr/bin/env bash
# Installs, builds and analyses the bundled example: the curvature of a small LeNet, with a report.
#   scripts/quickstart.sh [output folder]   default: out/digits-lenet
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-out/digits-lenet}

node -e '
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) process.exit(0);
  console.error(`quickstart.sh: Node.js ${process.versions.node} is too old; install 20.19 or newer`);
  process.exit(1);
'
npm ci --no-audit --no-fund --loglevel=error
npm run --silent build
npx kronlens doctor || echo "quickstart.sh: going on without what is missing" >&2

# The folder of an earlier quickstart, and nothing else, makes way for the new results.
if [ -f "$out/run.json" ]; then rm -rf "$out"; fi
npx kronlens analyze examples/digits/lenet.onnx --data examples/digits/digits.npz --out "$out" --report

echo
folder=$(cd "$out" && pwd)
echo "The result files are in $folder"
echo "Open $folder/report.html in a browser"
