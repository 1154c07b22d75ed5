#!/usr/bin/python3
"""Sockets drop, servers move, sessions die, while three people talk: audio comes back, the account closes."""
import json

from audio import read_truth
from dave import tail_is_there, talk_on
from faults import expect_all_in_order
from harness import Server, expect, run
from inside import Pipeline, expect_closed

QUICK_BEATS = ("--option", "main-heartbeat-ms=700", "--option", "voice-heartbeat-ms=700")


class Call:
    """Three people talk; something happens; they talk on."""

    def __init__(self, directory, options=()):
        self.truth = directory / "truth.jsonl"
        self.server = Server("--dave", "1", "--speakers", "3", "--truth", str(self.truth),
                             "--option", "rtcp-interval-ms=0", *options)
        self.pipeline = Pipeline(self.server, "decode=false", "rtpjitterreorder name=reorder latency=3000", collect=True)

    def __enter__(self):
        self.pipeline.play().wait_message("discordvoicesrc-connected")
        self.server.talk_a_while(60)
        return self

    def __exit__(self, *_):
        self.pipeline.stop()
        self.server.close()

    def finish(self):
        talk_on(self.server, 100)
        self.server.hush()
        self.server.ask("stats", "stats")
        self.pipeline.end()
        stats = self.pipeline.stats()
        expect_closed(stats)
        ended = self.pipeline.named("discordvoicesrc-ended")
        expect(len(ended) == 1, f"{len(ended)} messages of the end")
        return read_truth(self.truth), list(self.pipeline.packets), stats


def resumes(command, event, options=(), **fields):
    """The control connection is lost and resumed; not one frame is."""
    def test(directory):
        with Call(directory, options) as call:
            call.server.command(command, **fields)
            call.server.event(event, ok=True)
            truth, heard, stats = call.finish()
            sent = [p for p in truth if p.fault == "none"]
            first = {}
            for ssrc, seq, payload in heard:
                first.setdefault(ssrc, (seq, payload))
            entitled, seen = [], set()
            for p in sent:  # what was sealed before the welcome was never ours
                if (p.seq, p.opus) == first.get(p.ssrc):
                    seen.add(p.ssrc)
                if p.ssrc in seen:
                    entitled.append(p)
            expect_all_in_order(entitled, heard)
            expect(not call.pipeline.named("discordvoicesrc-connected")[1:], "it made a new session instead of resuming")
    return test


def new_session(command, options=(), **fields):
    """The voice session is lost for good: a new one, on the same timeline."""
    def test(directory):
        with Call(directory, options) as call:
            call.server.command(command, **fields)
            call.pipeline.wait_message("discordvoicesrc-connected")
            truth, heard, _ = call.finish()
            tail_is_there(truth, heard)
    return test


def ends(command, reason, **fields):
    """It is over, and nobody asked for more: EOS with the reason."""
    def test(directory):
        with Call(directory) as call:
            call.server.command(command, **fields)
            call.pipeline.wait_end()
            ended = call.pipeline.named("discordvoicesrc-ended")
            expect(len(ended) == 1, f"{len(ended)} messages of the end")
            expect(reason in ended[0].get_string("reason") + ended[0].get_string("text"),
                   f"{ended[0].get_string('reason')}: {ended[0].get_string('text')}")
            expect_closed(call.pipeline.stats())
    return test


def two_guilds_one_token(directory):
    with Server("--dave", "1", "--speakers", "2") as server:
        server.command("add-guild", guild="91384788765712384", channel="91384788765712385", speakers=2)
        first = Pipeline(server)
        second = Pipeline(server)
        second.source.set_property("guild-id", "91384788765712384")
        second.source.set_property("channel-id", "91384788765712385")
        with first, second:
            first.play().wait_message("discordvoicesrc-connected")
            second.play().wait_message("discordvoicesrc-connected")
            server.talk_a_while(60)
            stats = server.hush() or server.ask("stats", "stats")
            expect(stats["identifies"] == 1, f"{stats['identifies']} Identifies for one token")
            for pipeline in (first, second):
                pipeline.end()
                expect_closed(pipeline.stats())
                expect(pipeline.stats()["delivered"] > 30, f"{pipeline.stats()}")


run([
    ("voice: cut (1006)", resumes("cut-voice", "resume")),
    ("voice: 4015, server crashed", resumes("close-voice", "resume", code=4015)),
    ("voice: heartbeats not answered", resumes("freeze-voice", "resume", QUICK_BEATS, seconds=6)),
    ("main: cut (1006)", resumes("cut-main", "main-resume")),
    ("main: 4000", resumes("close-main", "main-resume", code=4000)),
    ("main: op 7", resumes("reconnect", "main-resume")),
    ("main: op 9 true", resumes("invalid-session", "main-resume", resumable=True)),
    ("main: heartbeats not answered", resumes("freeze-main", "main-resume", QUICK_BEATS, seconds=6)),
    ("voice: 4006, session no longer valid", new_session("close-voice", code=4006)),
    ("voice: 4009, session timed out", new_session("close-voice", code=4009)),
    ("voice: 4011, server not found", new_session("close-voice", code=4011)),
    ("voice: cut, and resume is refused", new_session("cut-voice", ("--option", "voice-resume=false"))),
    ("server move: other endpoint, 4014", new_session("move", endpoint="other", close=4014)),
    ("server move: other endpoint, 4022", new_session("move", endpoint="other", close=4022)),
    ("server move: the same endpoint, new token", new_session("move", endpoint="same", close=0)),
    ("server move: no endpoint at first", new_session("move", **{"endpoint": "other", "null-ms": 700})),
    ("main: op 9 false", new_session("invalid-session", resumable=False)),
    ("main: 4007, bad seq", new_session("close-main", code=4007)),
    ("main: 4009, session timed out", new_session("close-main", code=4009)),
    ("kicked", ends("kick", "kicked")),
    ("the channel is deleted", ends("delete-channel", "channel-deleted")),
    ("two guilds, one token: one Identify", two_guilds_one_token),
])
