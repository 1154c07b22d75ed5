#!/usr/bin/python3
"""Writes one Markdown page per element of the plugin, from what GStreamer introspects.

Usage: document-elements.py OUTDIR [--check]   With --check nothing is written; exit 1 if a page differs.
"""
import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GObject, Gst  # noqa: E402

FLAGS = [
    (GObject.ParamFlags.CONSTRUCT_ONLY, "construct only"),
    (GObject.ParamFlags(1 << (8 + 2)), "changeable in NULL or READY"),
    (GObject.ParamFlags(1 << (8 + 3)), "changeable up to PAUSED"),
    (GObject.ParamFlags(1 << (8 + 4)), "changeable at any time"),
]


def default_of(spec):
    value = getattr(spec, "default_value", None)
    if spec.flags & GObject.ParamFlags(1 << (8 + 5)):
        return "depends on the machine"
    if isinstance(value, GObject.GEnum):
        return value.value_nick
    if isinstance(value, GObject.GFlags):
        return "+".join(value.value_nicks) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None or value == "" else str(value)


def range_of(spec):
    if GObject.type_is_a(spec.value_type, GObject.TYPE_ENUM):
        values = spec.enum_class.__enum_values__.values()
        return ", ".join(v.value_nick for v in values)
    if GObject.type_is_a(spec.value_type, GObject.TYPE_FLAGS):
        return ", ".join(v.first_value_nick for v in spec.flags_class.__flags_values__.values())
    low, high = getattr(spec, "minimum", None), getattr(spec, "maximum", None)
    return f"{low} to {high}" if low is not None and high is not None else ""


def access_of(spec):
    readable = bool(spec.flags & GObject.ParamFlags.READABLE)
    writable = bool(spec.flags & GObject.ParamFlags.WRITABLE)
    words = ["read and write" if readable and writable else "read only" if readable else "write only"]
    if writable:
        words += [text for flag, text in FLAGS if spec.flags & flag]
    return ", ".join(words)


def properties(element):
    for spec in sorted(GObject.list_properties(element), key=lambda s: s.name):
        if spec.owner_type != element.__gtype__:
            continue
        yield f"### `{spec.name}`\n"
        yield f"{spec.blurb}\n"
        line = f"{spec.value_type.name}; {access_of(spec)}"
        if spec.flags & GObject.ParamFlags.READABLE or default_of(spec) != "none":
            line += f"; default: {default_of(spec)}"
        if limits := range_of(spec):
            line += f"; range: {limits}"
        yield line + "\n"


def signals(element):
    gtype = element.__gtype__
    for number in sorted(GObject.signal_list_ids(gtype)):
        query = GObject.signal_query(number)
        args = ", ".join(t.name for t in query.param_types)
        kind = "action signal" if query.signal_flags & GObject.SignalFlags.ACTION else "signal"
        yield f"- `{query.signal_name}` ({args}) → {query.return_type.name}; {kind}\n"


def page(factory):
    element = factory.create(None)
    yield f"# {factory.get_name()}\n"
    yield f"{factory.get_metadata('description')}\n"
    klass, rank = factory.get_metadata("klass"), factory.get_rank()
    yield f"{factory.get_metadata('long-name')}. Class: `{klass}`. Rank: {rank}.\n"
    yield "## Pads\n"
    # A fresh and a cached registry list them in different orders.
    for pad in sorted(factory.get_static_pad_templates(), key=lambda t: (t.direction, t.name_template)):
        direction = {Gst.PadDirection.SRC: "source", Gst.PadDirection.SINK: "sink"}[pad.direction]
        yield f"`{pad.name_template}` ({direction}, {pad.presence.value_nick}):\n"
        yield "```\n" + pad.get_caps().to_string().replace("; ", "\n") + "\n```\n"
    lines = list(properties(element))
    if lines:
        yield "## Properties\n"
        yield from lines
    lines = list(signals(element))
    if lines:
        yield "## Signals\n"
        yield from lines


def main():
    Gst.init(None)
    outdir, check = Path(sys.argv[1]), "--check" in sys.argv
    registry = Gst.Registry.get()
    if registry.find_plugin("discordvoice") is None:
        print("error: the plugin was not found; set GST_PLUGIN_PATH", file=sys.stderr)
        return 2
    stale = []
    for feature in sorted(registry.get_feature_list_by_plugin("discordvoice"), key=lambda f: f.get_name()):
        if not isinstance(feature, Gst.ElementFactory):
            continue
        text = "\n".join(line.rstrip("\n") + "\n" for line in page(feature))
        target = outdir / f"{feature.get_name()}.md"
        if check:
            if not target.exists() or target.read_text() != text:
                stale.append(target.name)
        else:
            target.write_text(text)
    if stale:
        print("not ok 1 - out of date, run scripts/document-elements.sh: " + ", ".join(stale))
        return 1
    print("ok 1 - element pages are what GStreamer introspects")
    return 0


sys.exit(main())
