#!/usr/bin/env bash
# Installs the Debian packages of the named kinds (see scripts/packages) that are not there yet.
# Usage: scripts/install-packages.sh build [demo] [test] [browser]
set -eu
list=$(dirname "$0")/packages

missing=()
for kind in "$@"; do
  while read -r package; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done < <(awk -v kind="$kind" '$1 == kind { print $2 }' "$list")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing ${#missing[@]} Debian packages: ${missing[*]}"
if [ "$(id -u)" -eq 0 ]; then
  as_root=()
elif command -v sudo >/dev/null; then
  as_root=(sudo)
else
  echo "error: these packages are missing and this is neither root nor is there sudo;" >&2
  echo "       run as root: apt-get install ${missing[*]}" >&2
  exit 1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { "${as_root[@]}" apt-get update &&
       "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  echo "error: apt-get could not install the packages; its last words:" >&2
  tail -n 20 "$log" >&2
  exit 1
fi
