#!/usr/bin/env bash
# Installs what is missing, builds with warnings as errors, runs every test, and ends with one line
# "N passed, N failed". Exit code 0 only if nothing failed.
#   --suite NAME   only that suite of meson's (unit, elements, pipelines, interop, fuzz)
#   BUILD=DIR      build there instead of build-tests/
set -eu
cd "$(dirname "$0")/.."
export PATH=/usr/bin:/bin:$PATH

build=${BUILD:-build-tests}
suites=()
while [ $# -gt 0 ]; do
  case $1 in
    --suite) suites+=(--suite "$2"); shift 2 ;;
    *) echo "usage: tests/run.sh [--suite NAME]" >&2; exit 2 ;;
  esac
done

started=$SECONDS
./scripts/install-packages.sh build demo test
echo "packages: $((SECONDS - started)) s"

started=$SECONDS
./scripts/build.sh "$build" -Dwerror=true
echo "build: $((SECONDS - started)) s"

# Checks against software from the npm registry: Node 20 or newer.
if [ -x tests/interop/install.sh ]; then
  node_major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
  if [ "${node_major:-0}" -ge 20 ]; then
    ./tests/interop/install.sh "$build/interop"
  elif [ "${CI:-}" = true ]; then
    echo "error: CI needs Node.js 20 or newer for the interop tests (found: ${node_major:-none})" >&2
    exit 1
  else
    echo "NOTE: Node.js 20 or newer was not found: the interop tests are skipped"
  fi
fi
if [ ! -d ../shared/vectors/mls ] && [ "${CI:-}" = true ]; then
  echo "error: CI needs the vectors of the MLS working group beside the checkout" >&2
  exit 1
fi

started=$SECONDS
rm -f "$build"/tests/support/*.registry
run_tests() {  # log name, then arguments of meson test
  local log=$1
  shift
  meson test -C "$build" --no-rebuild --logbase "$log" "$@" >"$build/$log.log" 2>&1 || true
}
run_tests tests --num-processes "$(nproc)" "${suites[@]}"
# Live pipelines share this machine with each other and, where it is virtual, with its host. What failed is
# run once more, alone, and the sum says so; what fails then has failed.
again=$(./scripts/sum-results.py --failed "$build")
if [ -n "$again" ]; then
  run_tests again --num-processes 1 $again
fi
echo "tests: $((SECONDS - started)) s"
exec ./scripts/sum-results.py "$build"
