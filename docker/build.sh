#!/usr/bin/env bash
# Builds kronlens in the folder above this one, and leaves only what running it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
npm ci --no-audit --no-fund
npm run build
npm prune --omit=dev --no-audit --no-fund
# ONNX Runtime comes for all systems at once: two thirds of all that is here.
rm -rf node_modules/onnxruntime-node/bin/*/{darwin,win32}
node coordinator/bin/kronlens.js --version
