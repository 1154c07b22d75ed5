"""Three people talk while something breaks: what every case of recovery must show."""
import json
import os
from collections import Counter
from dataclasses import dataclass

from audio import Reference, expect_exact, read_truth
from dave import talk_on
from harness import Server, expect
from inside import Pipeline, expect_closed
from timeline import PIECE, expect_one_timeline, read_tracks

LONG = bool(os.environ.get("DV_LONG"))
QUICK_BEATS = ("--option", "main-heartbeat-ms=700", "--option", "voice-heartbeat-ms=700")
BACK_WITHIN = 2_000_000_000  # ns of the server's clock
IDENTIFY_SPACING = 5_000_000_000


class Call:
    """Three people talk and are recorded; something happens; they talk on."""

    def __init__(self, directory, options=()):
        self.directory = directory
        self.server = Server("--dave", "1", "--speakers", "3", "--truth", str(directory / "truth.jsonl"),
                             "--reference", str(directory / "reference"), "--option", "rtcp-interval-ms=0",
                             "--option", "speak-delay-ms=50", "--option", "speak-stagger-ms=100", *options)
        self.pipeline = Pipeline(self.server, tail=f"discordfilesink location={directory}/%u.wav")
        self.fault_ns = self.back_ns = 0

    def __enter__(self):
        self.pipeline.play().wait_message("discordvoicesrc-connected")
        self.server.talk_a_while(45)
        return self

    def __exit__(self, *_):
        self.pipeline.stop()
        self.server.close()

    def events(self, name):
        """All events of the server of that name until now."""
        lines = (json.loads(line) for line in list(self.server.out.lines) if f'"{name}"' in line)
        return [e for e in lines if e.get("event") == name]

    def may_identify(self):
        """Until Discord itself would allow another Identify."""
        earliest = self.events("identify")[-1]["at_ns"] + IDENTIFY_SPACING
        self.server.stats_when(lambda s: s["at_ns"] > earliest, "the time of the next Identify")

    def fault(self, command, **fields):
        reply = self.server.ask(command, "reply", **fields)
        expect(reply["cmd"] == command and reply["ok"], f"the server says {reply}")
        self.fault_ns = self.fault_ns or reply["at_ns"]
        self.back_ns = reply["at_ns"]

    def back_with(self, event, **fields):
        """The service was not back before that event."""
        self.back_ns = self.server.event(event, **fields)["at_ns"]

    def talk_on(self):
        """Some more words."""
        talk_on(self.server, 50)

    def talk_on_when_back(self):
        """Longer than the service may take to be heard again."""
        self.server.stats_when(lambda s: s["at_ns"] > self.limit(), "the time to be back")
        talk_on(self.server, 90)

    def close(self):
        """Everybody falls silent, the recording ends, the accounts close."""
        self.server.hush()
        self.server.ask("stats", "stats")
        self.pipeline.end()
        self.expect_accounts()
        return [p for p in read_truth(self.directory / "truth.jsonl") if p.fault == "none"]

    def expect_accounts(self):
        expect_closed(self.pipeline.stats())
        source = self.pipeline.stats(self.pipeline.source)
        expect_closed({k: v for k, v in source.items() if k != "socket-drops"})
        ended = self.pipeline.named("discordvoicesrc-ended")
        expect(len(ended) == 1, f"{len(ended)} messages of the end")

    def limit(self):
        """Until when it must be heard again; while the machine stood still nobody could do anything."""
        until = self.back_ns + BACK_WITHIN
        for stall in self.events("stall"):
            if self.back_ns < stall["until_ns"] and stall["from_ns"] < until:
                until += stall["until_ns"] - max(stall["from_ns"], self.back_ns)
        return until


@dataclass
class Want:
    """What the source tells after the fault, in messages and counters."""

    says: str = ""  # in the text of a message that it reconnects; empty: there is none
    sessions: int = 1  # of the voice gateway, the first one included
    resumes: int = 0
    identifies: int = 1  # on the main gateway
    main_resumes: int = 0


def expect_told(pipeline, want: Want):
    lost = pipeline.named("discordvoicesrc-reconnecting")
    texts = [m.get_string("text") for m in lost]
    expect(any(want.says in t for t in texts) if want.says else not texts, f"it told of {texts}")
    if want.sessions == 1:
        expect(all(m.get_boolean("resume")[1] for m in lost), f"it gave up the voice session: {texts}")
    told = Counter()
    for m in pipeline.messages:
        name = m.get_name()
        if name == "discordvoicesrc-resumed":
            told["main resumed" if m.get_boolean("main-gateway")[1] else "resumed"] += 1
        elif name == "discordvoicesrc-connected":
            told["connected again" if m.get_boolean("again")[1] else "connected"] += 1
        elif name == "discordvoicesrc-healing":
            told["healing"] += 1
    wanted = Counter({"connected": 1, "connected again": want.sessions - 1, "resumed": want.resumes,
                      "main resumed": want.main_resumes})
    expect(told == wanted, f"told was {dict(told)}, wanted {dict(wanted)}; {texts}")
    stats = pipeline.stats(pipeline.source)
    counted = {"voice-sessions": want.sessions, "voice-resumes": want.resumes, "main-identifies": want.identifies,
               "main-resumes": want.main_resumes, "reconnects": len(lost), "heal-pings": 0, "heal-resumes": 0,
               "heal-sessions": 0}
    wrong = {k: stats[k] for k, v in counted.items() if stats[k] != v}
    expect(not wrong, f"counters {wrong}, wanted {counted}")


def expect_lossless(call, truth, tracks):
    """Every packet was delivered and every frame is in its file to the bit."""
    stats = call.pipeline.stats()
    expect(stats["delivered"] == len(truth), f"{len(truth)} packets were sent: {stats}")
    for user, track in tracks.items():
        expect_exact(track.recording, Reference.read(call.directory / "reference", user), user)


def expect_back(call, tracks):
    """What was said later than 2 s after the service was back is in the files, to the end."""
    limit, heard = call.limit(), []
    for user, track in tracks.items():
        later = [f for s in track.stretches if len(s.frames) >= PIECE for f in s.frames
                 if f.loud and f.packet.sent_ns > call.fault_ns]
        missing = [f.packet for f in later if not f.heard and f.packet.sent_ns > limit]
        expect(not missing, f"{user}: {len(missing)} frames sent up to "
               f"{(missing[-1].sent_ns - call.back_ns) / 1e9 if missing else 0:.2f} s after the service was back are missing")
        expect(sum(f.heard for f in later if f.packet.sent_ns > limit) > 10, f"{user}: too little was said to tell")
        heard += [f.packet.sent_ns for f in later if f.heard and f.packet.sent_ns > call.back_ns]
    return (min(heard) - call.back_ns) / 1e9


def check(call, want: Want, lossless=None):
    """The whole list: accounts, messages, counters, files, time."""
    lossless = want.sessions == 1 if lossless is None else lossless
    if lossless:
        call.talk_on()
    else:
        call.talk_on_when_back()
    truth = call.close()
    expect_told(call.pipeline, want)
    tracks = read_tracks(call.directory, call.directory / "reference", truth)
    error = expect_one_timeline(tracks, call.fault_ns)
    if lossless:
        expect_lossless(call, truth, tracks)
        print(f"# {len(truth)} packets, none lost; at most {error * 1000:.1f} ms off")
    else:
        back = expect_back(call, tracks)
        print(f"# heard again {back:.2f} s after the service was back; at most {error * 1000:.1f} ms off")


def survives(faults, want: Want, options=(), back=None, lossless=None):
    """`faults`: commands with their fields; `back`: the event that says that the service is back."""
    def test(directory):
        with Call(directory, options) as call:
            if want.identifies > 1 and not back:
                call.may_identify()
            for command, fields in faults:
                call.fault(command, **fields)
            for event, fields in back or []:
                call.back_with(event, **fields)
            check(call, want, lossless)
    return test


def ends(reason, *faults):
    """It is over, and nobody asked for more: EOS with the reason, files complete, no way back."""
    def test(directory):
        with Call(directory) as call:
            for command, fields in faults:
                call.fault(command, **fields)
            call.pipeline.wait_end()
            call.expect_accounts()
            ended = call.pipeline.named("discordvoicesrc-ended")[0]
            expect(ended.get_string("reason") == reason, f"{ended.get_string('reason')}: {ended.get_string('text')}")
            expect(not ended.get_boolean("fatal")[1], "it was told as an error")
            stats = call.server.ask("stats", "stats")
            expect(stats["voice_identifies"] == 1, f"it came back: {stats}")
            truth = [p for p in read_truth(directory / "truth.jsonl") if p.fault == "none"]
            tracks = read_tracks(directory, directory / "reference", truth)
            expect_one_timeline(tracks, 0)
            for user, track in tracks.items():
                expect_no_holes(user, track)
    return test


def expect_no_holes(user, track):
    """Up to the last that was heard everything was."""
    said = [f for s in track.stretches if s.at is not None for f in s.frames if f.loud]
    heard = [i for i, f in enumerate(said) if f.heard]
    expect(len(heard) > 20 and heard == list(range(len(heard))), f"{user}: of {len(said)} frames were heard {heard}")
