"""A pipeline inside the test's own process, for what the command line can not show."""
import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

from harness import LIMIT, Failure, expect  # noqa: E402

Gst.init(None)


def counters(element):
    """The top-level counters of an element."""
    structure = element.get_property("stats")
    names = [structure.nth_field_name(i) for i in range(structure.n_fields())]
    values = {name: structure.get_value(name) for name in names}
    return {name: value for name, value in values.items() if isinstance(value, int)}


class Pipeline:
    """discordvoicesrc ! discorddecrypt … with what was posted and, on request, every packet in order."""

    def __init__(self, server, decrypt="", tail="rtpjitterreorder name=reorder", collect=False, token=None):
        source = " ".join(server.source)
        self.pipeline = Gst.parse_launch(f"{source} ! discorddecrypt name=decrypt {decrypt} ! {tail}")
        self.source = self.pipeline.get_by_name("voice")
        self.source.set_property("token", token or server.info["token"])
        self.decrypt = self.pipeline.get_by_name("decrypt")
        self.bus = self.pipeline.get_bus()
        self.packets = []  # (ssrc, seq, payload) as they leave the reorder element
        self.messages = []
        self._lock = threading.Lock()
        reorder = self.pipeline.get_by_name("reorder") if "name=reorder" in tail else None
        if reorder is not None:
            reorder.connect("pad-added", self._link, collect)

    def _link(self, _, pad, collect):
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("sync", False)
        sink.set_property("async", False)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        if collect:
            pad.add_probe(Gst.PadProbeType.BUFFER, self._collect)
        pad.link(sink.get_static_pad("sink"))

    def _collect(self, pad, info):
        ok, view = info.get_buffer().map(Gst.MapFlags.READ)
        if ok:
            raw = bytes(view.data)
            info.get_buffer().unmap(view)
            with self._lock:
                self.packets.append((int.from_bytes(raw[8:12], "big"), int.from_bytes(raw[2:4], "big"), raw[12:]))
        return Gst.PadProbeReturn.OK

    def play(self):
        expect(self.pipeline.set_state(Gst.State.PLAYING) != Gst.StateChangeReturn.FAILURE, "could not start")
        return self

    def wait_message(self, name):
        """Waits for an element message of that name; an error fails the test."""
        deadline = LIMIT
        while True:
            message = self.bus.timed_pop_filtered(
                int(deadline * Gst.SECOND), Gst.MessageType.ELEMENT | Gst.MessageType.ERROR | Gst.MessageType.EOS)
            if message is None:
                raise Failure(f"no message {name}; there were {[m.get_name() for m in self.messages]}")
            if message.type == Gst.MessageType.ERROR:
                error, debug = message.parse_error()
                raise Failure(f"{error.message} ({debug})")
            if message.type == Gst.MessageType.EOS:
                raise Failure(f"ended before {name}")
            structure = message.get_structure().copy()
            self.messages.append(structure)
            if structure.get_name() == name:
                return structure

    def end(self):
        """EOS as an application asks for it; waits until it has come through."""
        self.pipeline.send_event(Gst.Event.new_eos())
        self.wait_end()

    def wait_end(self):
        while True:
            message = self.bus.timed_pop_filtered(
                int(LIMIT * Gst.SECOND), Gst.MessageType.ELEMENT | Gst.MessageType.ERROR | Gst.MessageType.EOS)
            if message is None:
                raise Failure("the pipeline did not end")
            if message.type == Gst.MessageType.EOS:
                return
            if message.type == Gst.MessageType.ERROR:
                error, debug = message.parse_error()
                raise Failure(f"{error.message} ({debug})")
            self.messages.append(message.get_structure().copy())

    def named(self, name):
        return [m for m in self.messages if m.get_name() == name]

    def stats(self, element=None):
        return counters(element or self.decrypt)

    def stop(self):
        self.pipeline.set_state(Gst.State.NULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def expect_closed(stats):
    """received = delivered + sum of the named drops, and nothing is pending."""
    drops = sum(v for k, v in stats.items() if k.startswith("drop-"))
    expect(stats["received"] == stats["delivered"] + drops + stats.get("pending", 0),
           f"the account does not close: {stats}")
    expect(stats.get("pending", 0) == 0, f"still pending: {stats}")
