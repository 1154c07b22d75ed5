#!/usr/bin/python3
"""Joins a voice channel, links each speaker's pad as it appears, and prints who speaks.

Usage: DISCORD_TOKEN=… who_speaks.py GUILD CHANNEL [SECONDS] [GATEWAY_URL CA_FILE]
"""
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402


def on_pad_added(reorder, pad, pipeline):
    """One branch a speaker: here to a level meter, in your program to whatever you like."""
    convert = Gst.ElementFactory.make("audioconvert")
    sink = Gst.ElementFactory.make("fakesink")
    sink.set_property("async", False)  # speakers come while the pipeline plays
    for element in (convert, sink):
        pipeline.add(element)
        element.sync_state_with_parent()
    convert.link(sink)
    pad.link(convert.get_static_pad("sink"))
    print(f"speaking: {pad.props.user_id} on SSRC {pad.props.ssrc}", flush=True)


def on_message(bus, message, loop):
    if message.type in (Gst.MessageType.ERROR, Gst.MessageType.EOS):
        if message.type == Gst.MessageType.ERROR:
            print("error:", message.parse_error()[0].message, file=sys.stderr)
        loop.quit()
    elif message.type == Gst.MessageType.ELEMENT:
        facts = message.get_structure()
        if facts.get_name() in ("discordvoicesrc-speaker-joined", "discordvoicesrc-speaker-left"):
            print(facts.get_name().rsplit("-", 1)[1], facts.get_string("name"), flush=True)


def main():
    guild, channel = sys.argv[1:3]
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    Gst.init(None)
    pipeline = Gst.parse_launch("discordvoicesrc name=voice ! discorddecrypt ! rtpjitterreorder name=reorder")
    voice = pipeline.get_by_name("voice")
    voice.props.guild_id, voice.props.channel_id = guild, channel
    if len(sys.argv) > 5:
        voice.props.gateway_url, voice.props.ca_file = sys.argv[4:6]
    pipeline.get_by_name("reorder").connect("pad-added", on_pad_added, pipeline)

    loop = GLib.MainLoop()
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message", on_message, loop)
    pipeline.set_state(Gst.State.PLAYING)
    if seconds:
        GLib.timeout_add_seconds(seconds, lambda: pipeline.send_event(Gst.Event.new_eos()) and False)
    try:
        loop.run()
    finally:
        pipeline.set_state(Gst.State.NULL)


main()
