#!/usr/bin/env bash
# Writes docs/elements/ anew from what GStreamer introspects. Usage: scripts/document-elements.sh [BUILDDIR]
set -eu
cd "$(dirname "$0")/.."
export GST_PLUGIN_PATH="$PWD/${1:-build}/gst"
GST_REGISTRY=$(mktemp)
export GST_REGISTRY
trap 'rm -f "$GST_REGISTRY"' EXIT
/usr/bin/python3 scripts/document-elements.py docs/elements
