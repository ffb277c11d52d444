#!/usr/bin/env bash
# Installs what kronlens uses of a Debian or Ubuntu system: OpenBLAS, and an init that passes signals on.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends libopenblas0 tini
rm -rf /var/lib/apt/lists/*
