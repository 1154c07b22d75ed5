#!/usr/bin/env bash
# Measures the speed of discorddecrypt beside a bare loop over the same libraries.
#   --quick        under two minutes: speech only, fewer repeats
#   --json FILE    the figures as a flat JSON object too
#   --only NAME    that section alone (opening, decoding, live, first-frame, memory, bad-packets)
#   BUILD=DIR      release build there instead of build-bench/
set -eu
called_from=$PWD
cd "$(dirname "$0")/../.."
export PATH=/usr/bin:/bin:$PATH

build=${BUILD:-build-bench}
quick=
arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=yes; arguments+=(--quick); shift ;;
    --json)
      case ${2:?--json needs a file} in /*) file=$2 ;; *) file=$called_from/$2 ;; esac
      arguments+=(--json "$file"); shift 2 ;;
    --only) arguments+=(--only "${2:?--only needs a section}"); shift 2 ;;
    *) sed -n '2,6s/^# *//p' "$0" >&2; exit 2 ;;
  esac
done

[ -f "$build/build.ninja" ] || meson setup "$build" -Dbuildtype=release >/dev/null
ninja -C "$build" gst/libgstdiscordvoice.so ext/worker/gst-discord-worker \
  tests/bench/bench_decrypt tests/bench/bench_mls_group | tail -1
build=$(cd "$build" && pwd)

export GST_PLUGIN_SYSTEM_PATH_1_0= GST_PLUGIN_PATH_1_0=$build/gst
export GST_REGISTRY_1_0=$build/tests/bench/bench.registry
export GST_DISCORD_WORKER=$build/ext/worker/gst-discord-worker
echo "$(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
"$build/tests/bench/bench_decrypt" --speech-dir "$build/tests/bench/speech" "${arguments[@]}"
if [ -z "$quick" ] && [[ " ${arguments[*]-} " != *" --only "* ]]; then
  "$build/tests/bench/bench_mls_group"
fi
