#!/bin/sh
# Runs what it is told: a program of the image as it is, anything else as a
# command of Vault. `server -dev` listens on all addresses, as in a container it must.
set -e
if [ "$1" = vault ]; then
  shift
elif command -v "$1" >/dev/null 2>&1; then
  exec "$@"
fi
if [ "$1" = server ] && [ "$2" = -dev ]; then
  export VAULT_DEV_LISTEN_ADDRESS="${VAULT_DEV_LISTEN_ADDRESS:-0.0.0.0:8200}"
fi
exec vault "$@"
