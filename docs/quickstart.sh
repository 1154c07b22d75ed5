#!/usr/bin/env bash
# From a fresh clone to recordings: installs what is missing, builds, and records a voice channel, one file
# per speaker.
#
#   ./docs/quickstart.sh                    three speakers of the local server, 10 s
#   DISCORD_TOKEN=… ./docs/quickstart.sh GUILD_ID CHANNEL_ID
#                                           a real channel, until Ctrl-C
#
# Files go to $RECORDINGS (default: recordings/). SECONDS_TO_RECORD changes the 10 s.
set -eu
cd "$(dirname "$0")/.."
export PATH=/usr/bin:/bin:$PATH

build=$(realpath -m "${BUILD:-build}")
recordings=${RECORDINGS:-recordings}
length=${SECONDS_TO_RECORD:-10}

./scripts/install-packages.sh build demo
./scripts/build.sh "$build" -- gst/libgstdiscordvoice.so ext/worker/gst-discord-worker \
  tests/server/discord-voice-server

export GST_PLUGIN_PATH="$build/gst"
export GST_DISCORD_WORKER="$build/ext/worker/gst-discord-worker"
mkdir -p "$recordings"
work=$(mktemp -d)
server_pid=
cleanup() {
  [ -n "$server_pid" ] && kill "$server_pid" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

say_and_run() {
  printf '\n  gst-launch-1.0'
  printf ' %s' "$@"
  printf '\n\n'
  gst-launch-1.0 "$@"
}

if [ $# -ge 2 ] && [ -n "${DISCORD_TOKEN:-}" ]; then
  echo "recording channel $2 of guild $1 until Ctrl-C"
  trap : INT  # gst-launch ends the recording; this script goes on to the table
  say_and_run -e discordvoicesrc guild-id="$1" channel-id="$2" ! discorddecrypt ! \
    discordfilesink location="$recordings/%u.wav" || true
  trap - INT
else
  mkfifo "$work/control"
  "$build/tests/server/discord-voice-server" --speakers 3 <"$work/control" >"$work/events" &
  server_pid=$!
  exec 9>"$work/control"
  for _ in $(seq 600); do
    grep -q '"listening"' "$work/events" 2>/dev/null && break
    kill -0 "$server_pid" 2>/dev/null || { echo "error: the local server ended" >&2; exit 1; }
    sleep 0.1
  done
  field() { head -n 1 "$work/events" | /usr/bin/python3 -c "import json,sys; print(json.load(sys.stdin)['$1'])"; }
  DISCORD_TOKEN=$(field token)
  export DISCORD_TOKEN
  gateway=$(field gateway_url) ca=$(field ca_file) guild=$(field guild_id) channel=$(field channel_id)

  echo "recording $length s of three speakers into $recordings/"
  say_and_run -e -m discordvoicesrc gateway-url="$gateway" ca-file="$ca" guild-id="$guild" \
    channel-id="$channel" ! discorddecrypt ! discordfilesink location="$recordings/%u.wav" \
    >"$work/launch" 2>&1 &
  recorder=$!
  for _ in $(seq 600); do
    grep -q 'discordvoicesrc-connected' "$work/launch" && break
    kill -0 "$recorder" 2>/dev/null || break
    sleep 0.1
  done
  sed -n '/gst-launch-1.0 -e/p' "$work/launch"
  echo
  sleep "$length"
  # The shell started gst-launch as its child: Ctrl-C for that process alone.
  launcher=$(pgrep -P "$recorder" -f gst-launch-1.0 || echo "$recorder")
  kill -INT $launcher 2>/dev/null || true
  wait "$recorder" || { echo "error: the recording failed:" >&2; grep -E 'ERROR|error' -A 3 "$work/launch" >&2; exit 1; }
fi

./scripts/describe-recordings.py "$recordings" "$work/events"
