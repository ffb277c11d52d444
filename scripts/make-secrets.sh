#!/usr/bin/env bash
# Writes what docker-compose.yml needs into .env, once: random passwords, and whose the files are that
# the containers read and write: yours. What .env holds already is kept. Makes the folder for results.
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
owner="${SUDO_UID:-$(id -u)}:${SUDO_GID:-$(id -g)}"
grep -q '^KRONLENS_USER=' .env || echo "KRONLENS_USER=$owner" >>.env
# Docker would make it root's.
if ! grep -q '^KRONLENS_OUT=' .env && [ ! -e out ]; then
  (umask 022 && mkdir out && chown "$owner" out)
fi
