#!/usr/bin/env bash
# The long form of the fuzz targets: libFuzzer with clang, ASan and UBSan, one target after the other.
#   tests/fuzz/run-long.sh [--runs N] [NAME…]     default: 1000000 executions of every target
#   BUILD=DIR   build there instead of build-fuzz/; what libFuzzer found new stays in DIR/found/NAME
# Ends with one line for each target and the sum; exit code 0 only if every target was clean.
set -eu
cd "$(dirname "$0")/../.."
export PATH=/usr/bin:/bin:$PATH

build=${BUILD:-build-fuzz}
runs=1000000
names=()
while [ $# -gt 0 ]; do
  case $1 in
    --runs) runs=$2; shift 2 ;;
    -*) echo "usage: tests/fuzz/run-long.sh [--runs N] [NAME…]" >&2; exit 2 ;;
    *) names+=("$1"); shift ;;
  esac
done
if [ ${#names[@]} -eq 0 ]; then
  for corpus in tests/fuzz/corpus/*/; do names+=("$(basename "$corpus")"); done
fi

# A failed check of UBSan must end the target, else it is only a line in the log.
if [ ! -f "$build/build.ninja" ]; then
  CXX=clang++ CXXFLAGS=-fno-sanitize-recover=all meson setup "$build" -Dunity=on -Dunity_size=8 \
    -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
fi
ninja -C "$build" "${names[@]/#/tests/fuzz/fuzz_}" >"$build/build.log" || {
  tail -n 40 "$build/build.log" >&2
  exit 1
}

# Speed: short allocation stacks and a small quarantine; leaks are looked for at the end of a target.
export ASAN_OPTIONS=malloc_context_size=4:quarantine_size_mb=16:allocator_release_to_os_interval_ms=-1:max_malloc_fill_size=0
clean=0
for name in "${names[@]}"; do
  found=$build/found/$name
  log=$build/found/$name.log
  mkdir -p "$found"
  status=clean
  "$build/tests/fuzz/fuzz_$name" "-runs=$runs" -max_len=1024 -entropic=0 -detect_leaks=0 -timeout=60 -print_final_stats=1 \
    "-artifact_prefix=$build/found/$name-" "$found" "tests/fuzz/corpus/$name" >"$log" 2>&1 ||
    status="FAILED, see $log"
  [ "$status" = clean ] && clean=$((clean + 1))
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
  echo "$name: ${executions:-0} executions, ${coverage:-0} edges, $status"
done
printf '%d of %d targets clean\n' "$clean" "${#names[@]}"
[ "$clean" -eq ${#names[@]} ]
