#!/usr/bin/env bash
# Unpacks the virtual card reader of vsmartcard under target/tools/vpcd, for tests and the demonstration.
#
# Debian's package is not installed: its reader listens on all addresses and would stay open through pcscd.socket.
# Ours is only ever loaded by a pcscd with a private configuration, in a network namespace of its own.
# Running it again does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
place=$PWD/target/tools/vpcd
driver=$place/usr/lib/pcsc/drivers/serial/libifdvpcd.so

[ -e "$driver" ] && exit 0
mkdir -p "$place"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 0755 "$work"
if ! (cd "$work" && apt-get -o APT::Sandbox::User=root download -qq vsmartcard-vpcd); then
    echo "The package vsmartcard-vpcd could not be downloaded. Run 'apt-get update' and try again." >&2
    exit 1
fi
dpkg -x "$work"/vsmartcard-vpcd_*.deb "$place"
[ -e "$driver" ]
