#!/usr/bin/env bash
# Succeeds while the process of this container (kronlens worker or serve, --http 9464) says that it is well.
#   docker/healthy.sh [port]
set -euo pipefail
exec node -e '
fetch(process.argv[1], { signal: AbortSignal.timeout(3000) }).then(
  async (answer) => {
    console.log((await answer.text()).trim());
    process.exit(answer.ok ? 0 : 1);
  },
  (error) => {
    console.log(String(error.cause ?? error));
    process.exit(1);
  },
);' "http://127.0.0.1:${1:-9464}/healthz"
