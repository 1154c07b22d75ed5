#!/usr/bin/python3
"""Who is who over the whole life of a call: each word lands in the file of the person who said it."""
import json
import os
import time

import numpy as np

from audio import Reference, expect_exact
from harness import LIMIT, Failure, Server, decode_to_pcm, expect, run, together
from inside import Pipeline, expect_closed

LONG = os.environ.get("DV_LONG") == "1"
PACKETS = 90  # of each speaker between two events


class Disturbed(Exception):
    """Packets waited for a name in vain: they do for two seconds, and the machine stood still just then."""


def undisturbed(test):
    """Tries again after a disturbance; what is lost each time is a fault."""
    def attempts(directory):
        for turn in range(3):
            place = directory / f"turn-{turn}"
            place.mkdir()
            try:
                return test(place)
            except Disturbed as why:
                print(f"# disturbed: {why}", flush=True)
        raise Failure("packets before the name were lost each time")
    return attempts


class Recorded:
    """A call that is recorded into a WAV file per user, with an index of who is who."""

    def __init__(self, directory, speakers=2, dave=1, options=()):
        self.directory = directory
        self.reference = directory / "reference"
        self.index = directory / "call.jsonl"
        self.server = Server("--dave", str(dave), "--speakers", str(speakers), "--reference", str(self.reference),
                             "--option", "rtcp-interval-ms=0", *options)
        self.users = [s["user_id"] for s in self.server.info["speakers"]]
        self.pipeline = Pipeline(self.server, "", f"discordfilesink location={directory}/%u.wav index-location={self.index}")
        self.stats = {}

    def __enter__(self):
        self.pipeline.play().wait_message("discordvoicesrc-connected")
        return self

    def __exit__(self, *_):
        self.pipeline.stop()
        self.server.close()

    def do(self, cmd, **fields):
        reply = self.server.ask(cmd, "reply", **fields)
        expect(reply["ok"], f"{cmd}: {reply}")
        return reply

    def talk(self, packets=PACKETS):
        """Until each of those who talk has sent so many packets more."""
        had = {s["user_id"]: s["sent"] for s in self.server.ask("stats", "stats")["speakers"]}
        self.server.stats_when(
            lambda now: now["speakers"] and all(s["sent"] >= had.get(s["user_id"], 0) + packets
                                                for s in now["speakers"] if s["talking"] or not had.get(s["user_id"])),
            f"{packets} packets more")

    def all_out(self):
        """Everybody is silent, and what they said has left the decryption."""
        self.server.hush()
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            sent = sum(s["sent_datagrams"] for s in self.server.ask("stats", "stats")["sessions"])
            if self.pipeline.stats(self.pipeline.source)["received"] >= sent and self.pipeline.stats()["pending"] == 0:
                return
            time.sleep(0.1)
        raise Failure(f"something stays behind: {self.pipeline.stats()}")

    def finish(self):
        self.server.hush()
        self.server.ask("stats", "stats")
        self.pipeline.end()
        self.stats = self.pipeline.stats()
        expect_closed(self.stats)
        if self.stats["drop-unknown-user"]:
            raise Disturbed(f"{self.stats['drop-unknown-user']} packets")

    def lines(self, kind):
        return [line for line in map(json.loads, self.index.read_text().splitlines()) if line["type"] == kind]

    def wait_line(self, kind, **fields):
        """Waits for a line of the index."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            for line in self.lines(kind):
                if all(line.get(k) == v for k, v in fields.items()):
                    return line
            time.sleep(0.1)
        raise Failure(f"no line {kind} {fields}; there are {self.lines(kind)}")

    def said(self, user, *ssrcs):
        """What a user said, on one SSRC after the other; one that is used again begins a new numbering."""
        parts, frames, offset = [], [], 0
        for ssrc, times in {s: ssrcs.count(s) for s in ssrcs}.items():
            if not list(self.reference.glob(f"{user}-{ssrc}.s16")):
                continue  # changed again before the next word
            one = Reference.read(self.reference, user, ssrc)
            turns = sum((f["seq"] - before["seq"]) % 65536 != 1 for before, f in zip(one.frames, one.frames[1:]))
            expect(turns < times, f"{user} changed the numbering {turns} times on {ssrc}, which was taken {times} times")
            frames += [dict(f, offset=f["offset"] + offset, seq=(ssrc, f["seq"])) for f in one.frames]
            parts.append(one.pcm)
            offset += len(one.pcm)
        return Reference(np.concatenate(parts), sorted(frames, key=lambda f: f["due_ns"]))

    def file(self, user):
        return decode_to_pcm(self.directory / f"{user}.wav")

    def expect_files(self, users):
        files = sorted(p.name for p in self.directory.glob("*.wav*"))
        expect(files == sorted(f"{u}.wav" for u in users), f"files: {files}, not one for each of {users}")


def ssrcs_of(call):
    return {s["user_id"]: s["ssrc"] for s in call.server.ask("stats", "stats")["speakers"]}


@undisturbed
def new_number_and_rejoin(directory):
    """Same person, another SSRC, with and without leaving: one file, to the bit."""
    with Recorded(directory) as call:
        call.talk()
        user, other = call.users
        numbers = [ssrcs_of(call)[user]]
        for turn in range(6 if LONG else 2):
            numbers.append(call.do("ssrc-change", user=user, rejoin=turn % 2 == 1)["ssrc"])
            call.talk()
        call.finish()
        call.expect_files(call.users)
        expect_exact(call.file(user), call.said(user, *numbers), user)
        expect_exact(call.file(other), call.said(other, ssrcs_of(call)[other]), other)
        bound = [(line["user"], line["ssrc"]) for line in call.lines("ssrc")]
        expect([s for u, s in bound if u == user] == numbers, f"{numbers} are not told as {user}'s: {bound}")


@undisturbed
def number_of_somebody_who_left(directory):
    """An SSRC is used again by another person, who was never in the call before."""
    with Recorded(directory, dave=0) as call:
        call.talk()
        user, other = call.users
        number = ssrcs_of(call)[user]
        stays = ssrcs_of(call)[other]
        call.all_out()
        call.do("remove-user", user=user)
        # What comes before that is still taken for the last words of who has left.
        call.wait_line("left", user=user)
        added = call.do("add-user", name="Zoe")
        new = added["user_id"]
        call.do("ssrc-change", user=new, ssrc=number)
        call.do("speak")
        call.talk()
        call.finish()
        call.expect_files([user, other, new])
        expect_exact(call.file(user), call.said(user, number), user)
        expect_exact(call.file(new), call.said(new, added["ssrc"], number), new)
        expect_exact(call.file(other), call.said(other, stays), other)


@undisturbed
def number_is_taken_over(directory):
    """An SSRC goes to somebody else while both talk, and the news of it is late: every word is its speaker's."""
    with Recorded(directory, options=("--option", "speaking-after=5")) as call:
        call.talk()
        a, b = call.users
        numbers = {user: [ssrc] for user, ssrc in ssrcs_of(call).items()}
        for _turn in range(5 if LONG else 1):
            call.do("ssrc-takeover", **{"from": a, "to": b})
            for user, ssrc in ssrcs_of(call).items():
                numbers[user].append(ssrc)
            call.talk()
            a, b = b, a
        call.finish()
        call.expect_files(call.users)
        for user, ssrcs in numbers.items():
            expect_exact(call.file(user), call.said(user, *ssrcs), user)


def names(directory):
    """Nick, else global name, else user name; what changes is told, whatever it looks like."""
    with Recorded(directory) as call:
        user = call.users[0]
        new = call.do("add-user", name="quiet.user", **{"global-name": "The Global One", "nick": "Nick of the guild"})["user_id"]
        call.talk()
        call.wait_line("user", user=new, name="Nick of the guild")
        ugly = "../../etc/\u202epasswd\n<b>&\"'"
        for fields, shown in (({"nick": "Captain"}, "Captain"), ({"nick": ""}, "The Global One"),
                              ({"global-name": "Somebody else"}, "Somebody else"), ({"nick": ugly}, ugly)):
            call.do("rename-user", user=new, **fields)
            call.wait_line("user", user=new, name=shown)
        call.do("rename-user", user=user, nick="Ada of the guild")
        call.wait_line("user", user=user, name="Ada of the guild")
        call.finish()
        call.expect_files([*call.users, new])
        told = [line["name"] for line in call.lines("user") if line["user"] == new]
        expect(told == ["Nick of the guild", "Captain", "The Global One", "Somebody else", ugly], f"names: {told}")


@undisturbed
def words_before_the_name(directory):
    """Packets that come before it is known whose they are wait, and are placed where they belong."""
    with Recorded(directory, options=("--option", "speaking-after=15")) as call:
        call.talk()
        numbers = ssrcs_of(call)
        call.finish()
        call.expect_files(call.users)
        for user, ssrc in numbers.items():
            expect_exact(call.file(user), call.said(user, ssrc), user)


@undisturbed
def video_is_not_audio(directory):
    """Camera and retransmission share the port; nothing of them reaches a file."""
    with Recorded(directory, dave=0) as call:
        call.talk(20)
        for user in call.users:
            call.do("video", user=user)
        sent = call.do("garbage", kind="video", count=300)["sent"]
        expect(sent == 300, f"{sent} packets of video were sent")
        call.talk()
        call.do("video", on=False)
        call.talk(20)
        numbers = ssrcs_of(call)
        call.finish()
        expect(call.stats["drop-not-audio"] == sent, f"not all of the video was taken for what it is: {call.stats}")
        call.expect_files(call.users)
        for user, ssrc in numbers.items():
            expect_exact(call.file(user), call.said(user, ssrc), user)


run([
    ("the same person with another SSRC, and after coming back: one file", new_number_and_rejoin),
    ("an SSRC that changes hands while both talk", number_is_taken_over),
    ("who is who before, during and after a call", together([
        ("an SSRC of somebody who left, used by another person", number_of_somebody_who_left),
        ("names, and what becomes of them", names),
        ("words that come before it is known who speaks", words_before_the_name),
        ("video and retransmission", video_is_not_audio)])),
])
