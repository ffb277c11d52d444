#!/usr/bin/env bash
# Fetches the CUDA 12 provider of onnxruntime-node, which its npm package is too small to hold.
set -euo pipefail
cd "$(dirname "$0")/.."
ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js
provider=$(find node_modules/onnxruntime-node/bin -name libonnxruntime_providers_cuda.so)
[ -n "$provider" ] || { echo "install-cuda.sh: the CUDA provider did not arrive" >&2; exit 1; }
# Of no use without TensorRT.
find node_modules/onnxruntime-node/bin -name 'libonnxruntime_providers_tensorrt.so' -delete
