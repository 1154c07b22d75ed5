#!/usr/bin/env bash
# Records many channels in real time, everybody speaking all the time: 12 channels of 25 speakers
# decoded to WAV, then 40 of 25 as untouched Opus. Prints CPU and drops; fails if there were any.
#   SECONDS_EACH=60    how long each runs
#   BUILD=DIR          release build there instead of build-bench/
set -eu
cd "$(dirname "$0")/../.."
export PATH=/usr/bin:/bin:$PATH
build=${BUILD:-build-bench}
[ -f "$build/build.ninja" ] || meson setup "$build" -Dbuildtype=release >/dev/null
ninja -C "$build" gst/libgstdiscordvoice.so ext/worker/gst-discord-worker tests/bench/bench_filesink | tail -1
build=$(cd "$build" && pwd)
export GST_PLUGIN_PATH_1_0=$build/gst GST_REGISTRY_1_0=$build/tests/bench/bench.registry
export GST_DISCORD_WORKER=$build/ext/worker/gst-discord-worker
ulimit -n "$(ulimit -Hn)"
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
echo "$(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
code=0
for what in "12 25 wav" "40 25 opus"; do
  read -r channels speakers format <<<"$what"
  "$build/tests/bench/bench_filesink" "$directory" "$channels" "$speakers" "${SECONDS_EACH:-60}" "$format" || code=1
  find "$directory" -name "*-*.$format" -delete
done
exit $code
