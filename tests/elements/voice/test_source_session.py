# SPDX-License-Identifier: LGPL-2.1-or-later
"""discordvoicesrc against the local server: joining, receiving, pausing, leaving, ending."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from source import Gst, Source, check_one_end, expect, run, server  # noqa: E402
from server_selftest_client import main_session  # noqa: E402


def test_receives_and_leaves_properly_at_eos(directory):
    with server() as served, Source(served.info) as source:
        expect(source.pipeline.set_state(Gst.State.PAUSED) == Gst.StateChangeReturn.NO_PREROLL, "a live source")
        source.play()
        connected = source.wait_for("connected")
        expect(connected.get_value("dave-version") == 0, "DAVE is off in this call")
        source.wait_for_buffers(100)
        source.wait_for("speaking", 3)
        expect({s.get_string("name") for s in source.named("speaker-joined")} == {"Ada", "Bruno", "Chiara"}, "who is there")
        source.end()
        stats = check_one_end(source, "left")
        expect(stats["delivered"] == len(source.buffers), "not every datagram counted as delivered came out")
        source.stop()
        expect(served.closes() == {"main": 1000, "voice": 1000}, "both gateways close with 1000")
        expect(served.count("leave") == 1, "op 4 with a null channel")
        check_one_end(source, "left")
        expect(not source.errors(), "no error")
        pts = [p for p, _ in source.buffers]
        expect(all(p != Gst.CLOCK_TIME_NONE for p in pts), "every datagram has its arrival time")
        first = source.events
        expect(first[:3] == ["stream-start", "caps", "segment"], f"events begin with {first[:4]}")
        expect("discord-key-store" in first, "the key store goes downstream")
        expect(sum(e.startswith("rtp-source-info-") for e in first) >= 3, "who is who goes downstream")


def test_stop_without_eos_leaves_properly(directory):
    with server() as served, Source(served.info) as source:
        source.play()
        source.wait_for_buffers(10)
        source.stop()
        expect(served.closes() == {"main": 1000, "voice": 1000}, "both gateways close with 1000")
        check_one_end(source, "left")


def test_paused_discards_and_counts(directory):
    with server() as served, Source(served.info) as source:
        source.play()
        source.wait_for_buffers(50)
        source.element.emit("pause")
        expect(source.element.get_property("paused"), "the signal sets the property")
        source.wait("discarded datagrams", lambda: source.stats()["drop-paused"] >= 50)
        before = len(source.buffers)
        source.wait("more discarded", lambda: source.stats()["drop-paused"] >= 100)
        expect(len(source.buffers) - before <= 32, "datagrams came out while paused")
        source.element.emit("resume")
        count = len(source.buffers)
        source.wait_for_buffers(count + 50)
        source.end()
        check_one_end(source, "left")


def test_state_paused_keeps_the_session_and_drops_media(directory):
    with server() as served, Source(served.info) as source:
        source.pipeline.set_state(Gst.State.PAUSED)
        source.wait_for("connected")
        source.wait("dropped datagrams", lambda: source.stats()["drop-not-playing"] >= 50)
        expect(not source.buffers, "nothing flows in PAUSED")
        source.play()
        source.wait_for_buffers(50)
        source.pipeline.set_state(Gst.State.PAUSED)
        source.play()
        count = len(source.buffers)
        source.wait_for_buffers(count + 50)
        expect(len(source.named("connected")) == 1, "the session goes on")
        source.end()
        check_one_end(source, "left")


def test_both_transport_modes(directory):
    with server() as served:
        for wanted in ("aes256-gcm", "xchacha20"):
            with Source(served.info) as source:
                Gst.util_set_object_arg(source.element, "encryption-mode", wanted)
                source.play()
                expect(source.wait_for("connected").get_string("mode") == wanted, f"mode {wanted}")
                source.wait_for_buffers(10)


def test_kicked_is_end_of_stream_with_the_reason(directory):
    with server() as served, Source(served.info) as source:
        source.play()
        source.wait_for_buffers(10)
        served.command("kick")
        source.wait_for_eos()
        check_one_end(source, "kicked")
        expect(not source.errors(), "a kick is no error")
        source.stop()
        expect(served.count("join") == 1, "no rejoin")


def test_moved_by_a_moderator(directory):
    for follow in (True, False):
        with server() as served, Source(served.info, follow=follow) as source:
            served.command("add-channel", channel="81384788765719999")
            source.play()
            source.wait_for_buffers(10)
            served.command("move-channel", channel="81384788765719999")
            if follow:
                expect(source.wait_for("moved").get_value("to") == 81384788765719999, "where to")
                source.wait_for("connected", 2)
                source.end()
                check_one_end(source, "left")
            else:
                source.wait_for_eos()
                check_one_end(source, "moved-away")


def test_resume_of_the_voice_gateway_loses_nothing(directory):
    with server() as served, Source(served.info) as source:
        source.play()
        source.wait_for_buffers(50)
        served.command("cut-voice")
        source.wait_for("reconnecting")
        source.wait_for("resumed")
        count = len(source.buffers)
        source.wait_for_buffers(count + 50)
        expect(len(source.named("connected")) == 1, "media ran on in the same session")
        source.end()
        stats = check_one_end(source, "left")
        expect(stats["voice-resumes"] == 1 and stats["drop-not-playing"] == 0, f"stats {stats}")


def test_new_voice_session_keeps_the_stream(directory):
    with server() as served, Source(served.info) as source:
        source.play()
        source.wait_for_buffers(50)
        served.command("close-voice", code=4006)
        again = source.wait_for("connected", 2)
        expect(again.get_boolean("again")[1], "the second session continues the first")
        count = len(source.buffers)
        source.wait_for_buffers(count + 50)
        source.end()
        check_one_end(source, "left")


def test_two_guilds_one_token_one_identify(directory):
    with server() as served:
        served.command("add-guild", guild="555", channel="556", speakers=1)
        with Source(served.info) as one, Source(served.info, guild_id="555", channel_id="556") as two:
            one.play()
            two.play()
            one.wait_for_buffers(20)
            two.wait_for_buffers(20)
            expect(served.count("identify") == 1, "one Identify for both")
            one.end()
            one.stop()
            count = len(two.buffers)
            two.wait_for_buffers(count + 20)
            two.end()
            two.stop()
            check_one_end(one, "left")
            check_one_end(two, "left")
            expect(served.count("identify") == 1, "still one")


def test_second_source_in_the_same_guild_is_refused(directory):
    with server() as served, Source(served.info) as one, Source(served.info) as two:
        one.play()
        one.wait_for_buffers(5)
        two.play()
        error = two.wait_for_error()
        expect(error.matches(Gst.ResourceError.quark(), Gst.ResourceError.BUSY), str(error))
        check_one_end(two, "guild-in-use", fatal=True)
        count = len(one.buffers)
        one.wait_for_buffers(count + 20)


class Bot:
    """A bot that lives elsewhere: it has the main gateway, the source has the voice."""

    def __init__(self, info):
        self.info = info
        self.main, ready, _ = main_session(type("Served", (), {"info": info}))
        self.user = ready["user"]["id"]

    def join(self):
        """Op 4 twice, for fresh credentials; returns what a bot would hand over, with Lavalink's names."""
        for channel in (None, self.info["channel_id"]):
            self.main.send(4, {"guild_id": self.info["guild_id"], "channel_id": channel,
                               "self_mute": True, "self_deaf": False})
        facts = {"guildId": self.info["guild_id"], "channelId": self.info["channel_id"], "userId": self.user}
        while "token" not in facts or "sessionId" not in facts:
            message = self.main.receive()
            own = message.get("t") == "VOICE_STATE_UPDATE" and message["d"]["user_id"] == self.user
            if own and message["d"]["channel_id"]:
                facts["sessionId"] = message["d"]["session_id"]
            elif message.get("t") == "VOICE_SERVER_UPDATE":
                facts["token"], facts["endpoint"] = message["d"]["token"], message["d"]["endpoint"]
        return facts

    def source(self, **properties):
        return Source(None, gateway_url=self.info["gateway_url"], ca_file=self.info["ca_file"], max_dave_version=0,
                      user_id=self.user, **properties)


def test_hand_over_by_properties(directory):
    with server() as served:
        bot = Bot(served.info)
        facts = bot.join()
        with bot.source(guild_id=facts["guildId"], channel_id=facts["channelId"], endpoint=facts["endpoint"],
                        session_id=facts["sessionId"], voice_token=facts["token"]) as source:
            payloads = []
            source.element.connect("send-gateway-payload", lambda _, text: payloads.append(json.loads(text)))
            source.play()
            source.wait_for("connected")
            source.wait_for_buffers(20)
            source.end()
            source.stop()
            check_one_end(source, "left")
            expect(served.count("identify") == 1, "the source opened no main gateway")
            expect(payloads == [{"op": 4, "d": {"guild_id": facts["guildId"], "channel_id": None,
                                                "self_mute": False, "self_deaf": False}}], f"payloads {payloads}")


def test_hand_over_by_signal_and_by_lines(directory):
    read, write = os.pipe()
    with server() as served:
        bot = Bot(served.info)
        for by_lines in (False, True):
            with bot.source(handover_fd=read) as source:
                source.play()
                text = json.dumps(bot.join())
                if by_lines:
                    os.write(write, b"not json\n\n" + text[:20].encode())
                    os.write(write, text[20:].encode() + b"\n")
                else:
                    expect(not source.element.emit("update-voice", "{"), "no JSON")
                    expect(source.element.emit("update-voice", text), "credentials")
                source.wait_for("connected")
                source.wait_for_buffers(20)
                source.end()
    os.close(read)
    os.close(write)


def test_hand_over_refuses_a_bad_endpoint(directory):
    with server() as served, Source(None, gateway_url=served.info["gateway_url"], ca_file=served.info["ca_file"],
                                    user_id="3", guild_id="1", channel_id="2", session_id="s", voice_token="t",
                                    endpoint="evil.example/path") as source:
        source.play()
        error = source.wait_for_error()
        expect("address" in error.message, error.message)
        check_one_end(source, "bad-endpoint", fatal=True)


run([(name[5:], function) for name, function in sorted(globals().items()) if name.startswith("test_")])
