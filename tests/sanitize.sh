#!/usr/bin/env bash
# Builds with a sanitizer and runs what must be clean under it; ends with one line "N passed, N failed".
#   tests/sanitize.sh address [TEST...]   memory, leaks, undefined behaviour: suites unit and elements
#   tests/sanitize.sh thread [TEST...]    data races: suite unit
#   BUILD=DIR                             build there instead of build-asan/ or build-tsan/
# A report of any process of a test counts as its failure, also that of a worker which is replaced.
set -eu
cd "$(dirname "$0")/.."
export PATH=/usr/bin:/bin:$PATH

kind=${1:-}
[ $# -eq 0 ] || shift
# The system's libraries and plugin scanner are not instrumented: no scanner process, and what is
# loaded into Python and gst-launch needs the run-time library before it.
with=(GST_REGISTRY_FORK=no GST_DEBUG=discorddecrypt:2)
case $kind in
  address)
    build=${BUILD:-build-asan} sanitize=address,undefined library=libasan.so
    # Whole stacks, since what GLib leaks by intent is told from the rest by who asked for it. The leak
    # checker falls over the thread-local memory of modules that GnuTLS has loaded and let go.
    with+=(ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:fast_unwind_on_malloc=0:intercept_tls_get_addr=0
           LSAN_OPTIONS=suppressions=$PWD/tests/support/lsan.supp:print_suppressions=0
           UBSAN_OPTIONS=print_stacktrace=1)
    tests=(--suite unit --suite elements) ;;
  thread)
    build=${BUILD:-build-tsan} sanitize=thread library=libtsan.so
    with+=("TSAN_OPTIONS=second_deadlock_stack=1:history_size=4")
    tests=(--suite unit) ;;
  *) echo "usage: tests/sanitize.sh address|thread [TEST...]" >&2; exit 2 ;;
esac
[ $# -eq 0 ] || tests=("$@")

if [ ! -f "$build/build.ninja" ]; then
  if command -v ccache >/dev/null; then
    export CXX=${CXX:-ccache g++} CCACHE_NOHASHDIR=1
  fi
  # Undefined behaviour ends the process: a worker has an empty environment that could ask for it.
  # Without optimisation, since instrumented code takes gcc four times as long with it.
  meson setup "$build" -Dunity=on -Dunity_size=8 -Db_sanitize=$sanitize -Db_lundef=false \
    -Doptimization=0 -Dcpp_args='-fno-sanitize-recover=all -g1' >/dev/null
fi
library=$(g++ -print-file-name=$library)
# The registry is made beforehand: plugins that a test loads only to look at them leak.
plugins=$(pkg-config --variable=pluginsdir gstreamer-1.0)
env LD_PRELOAD="$library" ASAN_OPTIONS=detect_leaks=0 GST_REGISTRY_FORK=no GST_PLUGIN_SYSTEM_PATH_1_0= \
  GST_PLUGIN_PATH_1_0="$PWD/$build/gst:$plugins" GST_REGISTRY_1_0="$PWD/$build/tests/support/test.registry" \
  gst-inspect-1.0 fakesink >/dev/null 2>&1 || true
rm -f "$build"/meson-logs/tests*.json
# meson builds what the chosen tests need.
meson test -C "$build" --logbase tests --num-processes "$(nproc)" --timeout-multiplier 10 \
  --wrapper "env LD_PRELOAD=$library ${with[*]}" "${tests[@]}" >"$build/tests.log" 2>&1 || true
# meson adds the wrapper's name to the log's.
mv "$build/meson-logs/tests-env.json" "$build/meson-logs/tests.json" 2>/dev/null || {
  grep -E -A 12 'FAILED|[Ee]rror' "$build/tests.log" | head -n 60
  echo "0 passed, 1 failed"
  exit 1
}
exec ./scripts/sum-results.py "$build"
