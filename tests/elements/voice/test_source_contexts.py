# SPDX-License-Identifier: LGPL-2.1-or-later
"""What discordvoicesrc takes from contexts: the token, and the main session that it shares."""
import ctypes
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from source import Gst, Source, check_one_end, expect, run, server  # noqa: E402

from gi.repository import GObject  # noqa: E402

OTHER = {"guild_id": "555", "channel_id": "556"}


libgst = ctypes.CDLL("libgstreamer-1.0.so.0")
libgst.gst_context_writable_structure.restype = ctypes.c_void_p
libgst.gst_context_writable_structure.argtypes = [ctypes.c_void_p]


def context(kind, name, value):
    """A context with one field. What Python gets as its structure is a copy, hence the way around it."""
    made = Gst.Context.new(kind, True)
    is_text = isinstance(value, str)
    of_type = GObject.TYPE_STRING if is_text else GObject.TYPE_OBJECT
    libgst.gst_structure_set(
        ctypes.c_void_p(libgst.gst_context_writable_structure(hash(made))), name.encode(), ctypes.c_size_t(hash(of_type)),
        ctypes.c_char_p(value.encode()) if is_text else ctypes.c_void_p(hash(value)), None)
    return made


def asked_for(source, kind):
    source.drain()
    return [m for m in source.messages
            if m.type == Gst.MessageType.NEED_CONTEXT and m.parse_context_type()[1] == kind]


def given(source, kind):
    source.drain()
    contexts = [m.parse_have_context() for m in source.messages if m.type == Gst.MessageType.HAVE_CONTEXT]
    return [c for c in contexts if c.get_context_type() == kind]


def test_token_by_the_context_of_an_application(directory):
    os.environ.pop("DISCORD_TOKEN", None)
    with server() as served:
        file = directory / "token"
        file.write_text(served.info["token"] + "\n")

        def answer(bus, message, element):
            if message.type == Gst.MessageType.NEED_CONTEXT and message.parse_context_type()[1] == "discord.credentials":
                element.set_context(context("discord.credentials", "token-file", str(file)))
            return Gst.BusSyncReply.PASS

        info = dict(served.info, token=None)
        with Source(info) as source:
            source.bus.set_sync_handler(answer, source.element)
            source.play()
            source.wait_for("connected")
            source.wait_for_buffers(10)
            source.end()
            source.stop()
            expect(len(asked_for(source, "discord.credentials")) == 1, "asked once")
            check_one_end(source, "left")
        # Set beforehand on the pipeline: nobody has to be asked.
        with Source(info) as source:
            source.pipeline.set_context(context("discord.credentials", "token-file", str(file)))
            source.play()
            source.wait_for("connected")
            source.end()
            source.stop()
        expect(served.count("identify") == 2, "two runs, one Identify each")
        # A token of its own is better than a context's.
        file.write_text("of.somebody.else")
        with Source(served.info) as source:
            source.pipeline.set_context(context("discord.credentials", "token-file", str(file)))
            source.play()
            source.wait_for("connected")
            source.end()
            source.stop()


def test_no_answer_is_one_error(directory):
    os.environ.pop("DISCORD_TOKEN", None)
    with Source(None, guild_id="1", channel_id="2") as source:
        expect(source.play() == Gst.StateChangeReturn.FAILURE, "there is no token")
        error = source.wait_for_error()
        expect("DISCORD_TOKEN" in error.message and len(source.errors()) == 1, error.message)


def test_sources_tell_what_they_share(directory):
    with server() as served:
        served.command("add-guild", guild="555", channel="556", speakers=1)
        with Source(served.info) as one, Source(served.info, **OTHER) as two:
            one.play()
            one.wait_for("connected")
            expect(len(asked_for(one, "discord.sessions")) == 1, "asked for sessions")
            told = given(one, "discord.sessions")
            expect(len(told) == 1, f"{len(told)} contexts")
            expect(GObject.type_name(told[0].get_structure().get_value("sessions")) == "GstDiscordSessions", "what it is")
            # What one has told is handed to the other by the application.
            two.pipeline.set_context(told[0])
            two.play()
            two.wait_for("connected")
            expect(not given(two, "discord.sessions"), "it has been given some")
            expect(served.count("identify") == 1, "one Identify for both")
            one.end()
            two.end()


def test_sessions_of_an_application(directory):
    """Sources share what is in the same object, and nothing with those of another."""
    with server() as served:
        served.command("add-guild", guild="555", channel="556", speakers=1)
        kind = GObject.type_from_name("GstDiscordSessions")
        for same in (True, False):
            before = served.count("identify")
            mine = context("discord.sessions", "sessions", GObject.new(kind))
            other = mine if same else context("discord.sessions", "sessions", GObject.new(kind))
            with Source(served.info) as one, Source(served.info, **OTHER) as two:
                one.pipeline.set_context(mine)
                two.pipeline.set_context(other)
                one.play()
                one.wait_for("connected")
                two.play()
                two.wait_for("connected")
                expect(not given(one, "discord.sessions"), "it has been given some")
                count = served.count("identify") - before
                expect(count == 1 if same else count >= 2, f"{count} Identifies with {'one' if same else 'two'} objects")


run([(name[5:], function) for name, function in sorted(globals().items()) if name.startswith("test_")])
