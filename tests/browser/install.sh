#!/bin/sh
# Chromium from its Debian package, where it is missing.
set -eu
command -v chromium >/dev/null && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests in a browser need Chromium." >&2
    echo "On Debian: sudo apt-get install --no-install-recommends chromium" >&2
    exit 1
fi
echo "Installing chromium"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
