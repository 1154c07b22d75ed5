#!/usr/bin/python3
"""A recording that goes on while something breaks all the time: nothing is lost, and nothing grows.

DV_SOAK_MINUTES=360 takes six hours and prints a line a minute; without it, each disturbance happens once.
"""
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from dave import talk_on
from harness import Lines, Server, expect, run, wait_until, workers_of
from inside import expect_closed

MINUTES = float(os.environ.get("DV_SOAK_MINUTES", 0))
APART_NS = 5_000_000_000 if MINUTES else 1_000_000_000  # of the call, between two disturbances
VISITOR = "4242"
MOST_GROWTH_KIB = 4096
RECORDER = Path(__file__).with_name("soak_recorder.py")


class Recorder:
    """The recording in a process of its own, which says its counters on demand."""

    def __init__(self, server, directory):
        tail = f"discorddecrypt name=decrypt max-workers=2 latency=1000 ! discordfilesink format=opus location={directory}/%u.opus"
        self.process = subprocess.Popen(
            [sys.executable, str(RECORDER), " ".join(server.source) + " ! " + tail], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env=dict(os.environ, DISCORD_TOKEN=server.info["token"]))
        self.out = Lines(self.process.stdout)

    def say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def stats(self):
        self.say("stats")
        return json.loads(self.out.wait_for(lambda line: line.startswith('{"voice"'), "the counters"))

    def end(self):
        self.say("end")
        self.out.wait_for(lambda line: line == "end", "the end of the recording")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def size(self):
        """KiB of all its processes, and descriptors and threads of the host."""
        pids = [self.process.pid, *workers_of(self.process.pid)]
        proc = f"/proc/{self.process.pid}"
        return {"kib": sum(pss_kib(pid) for pid in pids), "descriptors": len(os.listdir(proc + "/fd")),
                "threads": len(os.listdir(proc + "/task"))}


def pss_kib(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    except OSError:
        return 0  # it has just been killed


class Disturbances:
    """Each breaks one thing and waits until all is well again. None of them costs a packet."""

    def __init__(self, server, recorder):
        self.server, self.recorder = server, recorder
        self.random = random.Random(1)
        self.all = [self.kill_worker, self.stop_worker, self.cut_voice, self.cut_main, self.new_epoch, self.rejoin,
                    self.visit]

    def hit_worker(self, number):
        host = self.recorder.process.pid
        wait_until(lambda: workers_of(host), "a worker")
        victim = self.random.choice(workers_of(host))
        os.kill(victim, number)
        wait_until(lambda: victim not in workers_of(host), "the worker to be replaced")

    def kill_worker(self):
        self.hit_worker(signal.SIGKILL)

    def stop_worker(self):
        self.hit_worker(signal.SIGSTOP)

    def after(self, event, command, fits=lambda e: True, **fields):
        before = len(self.server.out.lines)
        self.server.done(command, **fields)
        return self.server.event_since(before, event, fits)

    def cut_voice(self):
        self.after("resume", "cut-voice", lambda e: e["ok"])

    def cut_main(self):
        self.after("main-resume", "cut-main", lambda e: e["ok"])

    def new_epoch(self):
        self.after("transition", "epoch", how="readd")

    def rejoin(self):
        user = self.random.choice(self.server.info["speakers"])["user_id"]
        self.after("transition", "ssrc-change", user=user, rejoin=True)
        talk_on(self.server, 20)

    def visit(self):
        self.after("transition", "add-user", user=VISITOR, name="Visitor")
        talk_on(self.server, 50)
        self.after("transition", "remove-user", user=VISITOR)


def goes_on(directory):
    options = ("--option", "rtcp-interval-ms=0", "--option", "speak-delay-ms=50")
    with Server("--dave", "1", "--speakers", "4", *options) as server:
        recorder = Recorder(server, directory)
        try:
            recorder.out.wait_for(lambda line: line == "discordvoicesrc-connected", "the connection")
            server.talk_a_while(60)
            sizes, times = disturb(server, recorder)
            server.hush()
            sessions = server.stats_when(lambda s: received(recorder) >= sent_to(s), "all packets to arrive")
            recorder.end()
            stats = recorder.stats()
            recorder.say("quit")
            expect(recorder.process.wait(60) == 0, "the recorder ended badly")
        finally:
            recorder.close()
    judge(directory, stats, sent_to(sessions), sizes, times)


def sent_to(stats):
    return max(s["sent_datagrams"] for s in stats["sessions"])


def received(recorder):
    voice = recorder.stats()["voice"]
    return voice["received"] + voice["socket-drops"]


def disturb(server, recorder):
    disturbances = Disturbances(server, recorder)
    times = {deed.__name__: 0 for deed in disturbances.all}
    ends = time.monotonic() + MINUTES * 60
    minute, sizes = 0, []
    while not all(times.values()) or time.monotonic() < ends:
        least = min(times.values())
        deed = disturbances.random.choice([d for d in disturbances.all if times[d.__name__] == least])
        now = server.ask("stats", "stats")["at_ns"]
        deed()
        times[deed.__name__] += 1
        server.stats_when(lambda s: s["at_ns"] > now + APART_NS, "the call to go on")
        sizes.append(recorder.size())
        if MINUTES and len(sizes) >= 12 * (minute + 1):
            minute += 1
            voice = recorder.stats()["voice"]
            print(f"# {minute}: {voice['received']} received, {sizes[-1]}, {sum(times.values())} disturbances", flush=True)
    return sizes, times


def judge(directory, stats, sent, sizes, times):
    voice, decrypt = stats["voice"], stats["decrypt"]
    print(f"# {sent} packets sent, {decrypt['delivered']} delivered; {sum(times.values())} disturbances: {times}")
    print(f"# from {sizes[0]} to {sizes[-1]}, at most {max(s['kib'] for s in sizes)} KiB")
    expect_closed(decrypt)
    expect(voice["received"] == sent, f"{sent} were sent: {voice}")
    drops = {k: v for k, v in decrypt.items() if k.startswith("drop-") and v and k != "drop-not-entitled"}
    expect(not drops and decrypt["received"] == sent, f"{drops} were dropped, {decrypt['received']} of {sent} received")
    files = sorted(directory.glob("*"))
    expect(len(files) == 5 and all(f.suffix == ".opus" for f in files), f"files: {files}")
    lengths = {last_granule(f) for f in files}
    expect(len(lengths) == 1, f"the tracks differ in length: {lengths}")
    if MINUTES < 10:
        return
    # Decoders and tracks come into being at first, and one worker more or less changes the sum.
    half = len(sizes) // 2
    for what, growth in (("kib", MOST_GROWTH_KIB), ("descriptors", 8), ("threads", 2)):
        early, late = (max(s[what] for s in part) for part in (sizes[12:half], sizes[half:]))
        expect(late <= early + growth, f"{what} grew from {early} to {late}")


def last_granule(path):
    with open(path, "rb") as file:
        file.seek(-min(file.seek(0, os.SEEK_END), 65536), os.SEEK_END)
        tail = file.read()
    return int.from_bytes(tail[tail.rindex(b"OggS") + 6:][:8], "little")


if __name__ == "__main__":
    run([("all goes on", goes_on)])
