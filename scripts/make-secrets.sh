#!/usr/bin/env bash
# Writes random passwords for docker-compose.yml into .env, once; what .env holds already is kept.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 077
touch .env
for name in KRONLENS_COORDINATOR_PASSWORD KRONLENS_WORKER_PASSWORD; do
  if grep -q "^$name=" .env; then
    echo "$name is there"
  else
    # Starts with a letter: nats-server would read a password of digits as a number.
    echo "$name=k$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')" >>.env
    echo "$name made"
  fi
done
