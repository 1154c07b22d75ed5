#!/usr/bin/python3
"""People join and leave in quick succession while three talk: nothing authentic is lost.

DV_LONG=1 takes the long form: 100 joins and 100 leaves within 60 s of what the three say.
"""
import json
import os
from collections import deque

from dave import call, expect_nothing_lost
from harness import expect, run

TURNS = 100 if os.environ.get("DV_LONG") else 12
APART = 0.57  # seconds of the call between two joins
STAYING = 4  # who joined last
FIRST_WORD = 10  # packets that somebody says before leaving


class Turnover:
    """
    Takes people in and out. The call's own clock, of its newest packet, sets the pace, but the next change waits until
    all members have followed the one before.
    """

    def __init__(self, server, truth):
        self.server, self.truth = server, truth
        self.here, self.joined = deque(), []

    def media_time(self):
        with open(self.truth, "rb") as file:
            file.seek(-min(file.seek(0, os.SEEK_END), 16384), os.SEEK_END)
            whole = file.read().split(b"\n")[1:-1]
        return max(json.loads(line)["due_ns"] for line in whole) / 1e9

    def join(self):
        before = len(self.server.out.lines)
        user = self.server.done("add-user")["user_id"]
        self.here.append(user)
        self.joined.append(user)
        self.followed(before, lambda epoch: user in epoch["members"])

    def leave(self):
        user = self.here.popleft()
        self.server.stats_when(
            lambda s: any(x["user_id"] == user and x["sent"] >= FIRST_WORD for x in s["speakers"]), "the first word")
        before = len(self.server.out.lines)
        self.server.done("remove-user", user=user)
        self.followed(before, lambda epoch: user not in epoch["members"])

    def followed(self, before, change):
        epoch = self.server.event_since(before, "epoch", change)["epoch"]
        self.server.event_since(before, "transition", lambda event: event["epoch"] == epoch)

    def run(self):
        start = self.media_time()
        for turn in range(TURNS):
            self.join()
            if len(self.here) > STAYING:
                self.leave()
            self.server.stats_when(lambda _: self.media_time() >= start + APART * (turn + 1), "the call to go on")
        while self.here:
            self.leave()
        return self.media_time() - start


def joins_and_leaves(directory):
    done = {}

    def during(server, _):
        turnover = Turnover(server, directory / "truth.jsonl")
        done["seconds"] = turnover.run()
        done["joined"] = turnover.joined
        done["late"] = sum('"event":"transition-timeout"' in line for line in server.out.lines)

    truth, heard, stats, messages = call(directory, during)
    expect_nothing_lost(truth, heard, stats)
    got = set(heard)
    lengths = []
    for user in done["joined"]:
        said = [p for p in truth if p.user == user]
        expect(len(said) >= FIRST_WORD, f"{user} said {len(said)} packets only")
        missing = [p.seq for p in said if (p.ssrc, p.seq, p.opus) not in got]
        expect(not missing, f"{user} said {len(said)} packets from {said[0].seq} on; missing: {missing[:20]}")
        lengths.append(len(said))
    epochs = [m for m in messages if m.get_name() == "discordvoicesrc-epoch"]
    print(f"# {TURNS} joins and leaves in {done['seconds']:.1f} s of the call, {len(epochs)} messages of epochs, "
          f"{done['late']} transitions that somebody was late for; "
          f"received {stats['received']}, delivered {stats['delivered']}, not entitled {stats['drop-not-entitled']}; "
          f"joiners' packets {sum(lengths)}, {min(lengths)} to {max(lengths)} each, all heard")


if __name__ == "__main__":
    run([("people join and leave in quick succession", joins_and_leaves)])
