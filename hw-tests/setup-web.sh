#!/usr/bin/env bash
# Puts what the tests take from npm (hw-tests/web/package.json) under target/tools/web: the client `openid-client`,
# the provider `oidc-provider` and the accessibility checker `axe-core`. Exactly the versions of the lock file, without
# running their install scripts. Running it again does nothing, unless the lock file has changed.
set -euo pipefail
cd "$(dirname "$0")"
place=$PWD/../target/tools/web

cmp -s web/package-lock.json "$place/package-lock.json" && [ -e "$place/installed" ] && exit 0
command -v npm >/dev/null || { echo "npm is missing: run 'make setup'." >&2; exit 1; }
mkdir -p "$place"
rm -f "$place/installed"
cp web/package.json web/package-lock.json "$place/"
npm ci --prefix "$place" --ignore-scripts --no-audit --no-fund --silent
touch "$place/installed"
