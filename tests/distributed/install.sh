#!/bin/sh
# PostgreSQL and Redis from their Debian packages, where they are missing.
set -eu
missing=
[ -n "$(ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null || command -v postgres)" ] || missing="postgresql"
command -v redis-server >/dev/null || missing="$missing redis-server"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The distributed run needs PostgreSQL and Redis. Missing: $missing" >&2
    echo "On Debian or Ubuntu: sudo apt-get install --no-install-recommends $missing" >&2
    exit 1
fi
echo "Installing $missing"
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
