# SPDX-License-Identifier: LGPL-2.1-or-later
"""A pipeline `discordvoicesrc ! fakesink` in this process, and what it told."""
import json
import os
import sys
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

sys.path.insert(0, os.environ["DV_PIPELINES"])
from harness import LIMIT, Failure, Launch, Server, expect, run  # noqa: E402,F401

Gst.init(None)


class Source:
    """The element, its bus, and a count of what came out of it."""

    def __init__(self, info=None, **properties):
        self.pipeline = Gst.Pipeline()
        self.pipeline.set_property("auto-flush-bus", False)
        self.element = Gst.ElementFactory.make("discordvoicesrc", "voice")
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("sync", False)
        for part in (self.element, sink):
            self.pipeline.add(part)
        expect(self.element.link(sink), "discordvoicesrc does not link")
        if info:
            for name in ("guild_id", "channel_id", "gateway_url", "ca_file", "token"):
                properties.setdefault(name, info[name])
            properties.setdefault("max_dave_version", 0)
        for name, value in properties.items():
            if value is not None:
                self.element.set_property(name.replace("_", "-"), value)
        self.bus = self.pipeline.get_bus()
        self.messages = []
        self.buffers = []
        self.events = []
        pad = self.element.get_static_pad("src")
        pad.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, self._on_data)
        pad.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, self._on_event)

    def _on_data(self, pad, info):
        if info.type & Gst.PadProbeType.BUFFER_LIST:
            items = info.get_buffer_list()
            self.buffers += [(items.get(i).pts, items.get(i).get_size()) for i in range(items.length())]
        else:
            self.buffers.append((info.get_buffer().pts, info.get_buffer().get_size()))
        return Gst.PadProbeReturn.OK

    def _on_event(self, pad, info):
        event = info.get_event()
        structure = event.get_structure()
        self.events.append(structure.get_name() if event.type == Gst.EventType.CUSTOM_DOWNSTREAM_STICKY
                           else Gst.EventType.get_name(event.type))
        return Gst.PadProbeReturn.OK

    def play(self):
        return self.pipeline.set_state(Gst.State.PLAYING)

    def stop(self):
        self.pipeline.set_state(Gst.State.NULL)
        self.drain()
        return self

    def drain(self):
        while self._take(0):
            pass

    def _take(self, wait):
        message = self.bus.timed_pop(wait)
        if message:
            self.messages.append(message)
        return message

    def named(self, name):
        return [m.get_structure() for m in self.messages
                if m.type == Gst.MessageType.ELEMENT and m.get_structure().get_name() == "discordvoicesrc-" + name]

    def errors(self):
        return [m.parse_error()[0] for m in self.messages if m.type == Gst.MessageType.ERROR]

    def wait(self, what, found, limit=LIMIT):
        """Takes messages until `found()` is true."""
        deadline = time.monotonic() + limit
        while not found():
            if time.monotonic() > deadline:
                told = [m.get_structure().to_string()[:200] for m in self.messages
                        if m.type in (Gst.MessageType.ELEMENT, Gst.MessageType.ERROR, Gst.MessageType.WARNING)]
                raise Failure(f"waited {limit:.0f} s for {what}; messages: {told[-8:]}")
            self._take(50 * Gst.MSECOND)

    def wait_for(self, name, count=1):
        self.wait(name, lambda: len(self.named(name)) >= count)
        return self.named(name)[-1]

    def wait_for_eos(self):
        self.wait("EOS", lambda: any(m.type == Gst.MessageType.EOS for m in self.messages))

    def wait_for_error(self):
        self.wait("an error", self.errors)
        return self.errors()[0]

    def wait_for_buffers(self, count):
        self.wait(f"{count} datagrams", lambda: len(self.buffers) >= count)

    def stats(self):
        return numbers(self.element.get_property("stats"))

    def end(self):
        """End of stream, as an application asks for it."""
        self.pipeline.send_event(Gst.Event.new_eos())
        self.wait_for_eos()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pipeline.set_state(Gst.State.NULL)


def numbers(structure):
    return {structure.nth_field_name(i): structure.get_value(structure.nth_field_name(i))
            for i in range(structure.n_fields())}


def check_account(stats):
    """Every datagram has exactly one fate."""
    fates = stats["delivered"] + stats["queued"] + sum(v for k, v in stats.items() if k.startswith("drop-"))
    expect(stats["received"] == fates, f"the account does not close: {stats}")


def check_one_end(source, reason, fatal=False):
    ends = source.named("ended")
    expect(len(ends) == 1, f"{len(ends)} messages told the end")
    expect(ends[0].get_string("reason") == reason, f"ended for {ends[0].get_string('reason')}, not {reason}")
    expect(ends[0].get_boolean("fatal")[1] == fatal, "fatal is wrong")
    stats = numbers(ends[0].get_value("stats"))
    check_account(stats)
    return stats


class Served(Server):
    """The local server, whose events can be looked at again."""

    def events(self):
        return [event for event in map(json.loads, list(self.out.lines)) if "event" in event]

    def count(self, name):
        self.ask("stats", "stats")  # what was told before the answer has been read by now
        return sum(event["event"] == name for event in self.events())

    def closes(self):
        """Waits until both gateways were closed; returns {gateway: code}."""
        deadline = time.monotonic() + LIMIT
        while True:
            seen = {e["gateway"]: e["code"] for e in self.events() if e["event"] == "closed"}
            if {"main", "voice"} <= seen.keys():
                return seen
            expect(time.monotonic() < deadline, f"the gateways were not closed: {self.out.lines[-6:]}")
            time.sleep(0.05)


def server(*args):
    return Served("--dave", "0", *args)
