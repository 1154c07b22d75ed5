#!/usr/bin/env bash
# Installs what the interop tests run against, exactly as locked, into the given folder. Does
# nothing where that has been done. Usage: tests/interop/install.sh DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$1
mkdir -p "$target"
if cmp -s "$here/package-lock.json" "$target/package-lock.json" && [ -f "$target/installed" ]; then
  exit 0
fi
rm -f "$target/installed"
cp "$here/package.json" "$here/package-lock.json" "$target/"
for attempt in 1 2 3; do
  if (cd "$target" && timeout 120 npm ci --no-audit --no-fund --loglevel=error); then
    touch "$target/installed"
    exit 0
  fi
  echo "npm ci failed (attempt $attempt)" >&2
done
exit 1
