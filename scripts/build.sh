#!/usr/bin/env bash
# Configures (once) and builds. Usage: scripts/build.sh BUILDDIR [meson setup options] [-- ninja targets]
set -eu
cd "$(dirname "$0")/.."
# Debian's own tools first: another Python or Meson in PATH would not find Debian's modules.
export PATH=/usr/bin:/bin:$PATH

build=$1
shift
options=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  options+=("$1")
  shift
done
[ $# -gt 0 ] && shift

if [ ! -f "$build/build.ninja" ]; then
  if command -v ccache >/dev/null; then
    export CXX=${CXX:-ccache g++} CCACHE_NOHASHDIR=1
  fi
  # Most of the time goes into the same headers again and again: sources are compiled several at once.
  # Options of the caller come later and win; for daily work on a file, -Dunity=off.
  meson setup "$build" -Dunity=on -Dunity_size=8 "${options[@]}" >"$build.log" 2>&1 || {
    echo "error: meson could not configure; its last words:" >&2
    tail -n 20 "$build.log" >&2
    exit 1
  }
fi
jobs=$(nproc)
ninja -C "$build" -j"$jobs" "$@" >"$build.log" 2>&1 || {
  echo "error: the build failed:" >&2
  grep -E -A 12 'FAILED|error:' "$build.log" | head -n 60 >&2
  exit 1
}
rm -f "$build.log"
