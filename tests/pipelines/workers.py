#!/usr/bin/python3
"""Workers are killed, stopped and left behind while people talk."""
import os
import signal
import subprocess
import time

from audio import read_truth
from harness import LIMIT, Failure, Launch, Server, expect, run
from inside import Pipeline, expect_closed


def workers_of(pid):
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", "gst-discord-worker"], capture_output=True, text=True)
    return [int(p) for p in found.stdout.split()]


def wait_until(predicate, what):
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if predicate():
            return
        time.sleep(0.1)
    raise Failure(f"waited {LIMIT:.0f} s for {what}")


def under(signal_number, times):
    def test(directory):
        truth = directory / "truth.jsonl"
        with Server("--speakers", "4", "--truth", str(truth), "--option", "rtcp-interval-ms=0") as server:
            with Pipeline(server, "max-workers=2 latency=1000") as pipeline:
                pipeline.play().wait_message("discordvoicesrc-connected")
                server.talk_a_while(60)
                hit = 0
                for turn in range(times):
                    before = workers_of(os.getpid())
                    expect(before, "there is no worker")
                    victim = before[turn % len(before)]
                    os.kill(victim, signal_number)
                    hit += 1
                    server.talk_a_while(60 + 60 * (turn + 1))
                    wait_until(lambda: victim not in workers_of(os.getpid()), "the worker to be replaced")
                server.hush()
                server.ask("stats", "stats")
                pipeline.end()
                stats = pipeline.stats()
                sent = read_truth(truth)
                expect_closed(stats)
                expect(stats["delivered"] == len(sent),
                       f"{len(sent)} were sent, {stats['delivered']} delivered: {stats}")
                print(f"# {hit} workers, {len(sent)} packets, all delivered")
    return test


def nothing_stays(_):
    with Server("--speakers", "2") as server:
        launch = Launch(server.source + ["!", "discorddecrypt", "!", "fakesink"], server.info["token"])
        try:
            launch.wait_for("discordvoicesrc-connected")
            server.talk_a_while(60)
            workers = workers_of(launch.process.pid)
            expect(workers, "there is no worker")
            launch.process.kill()
            launch.process.wait()
        finally:
            launch.close()
        wait_until(lambda: not any(os.path.exists(f"/proc/{w}") for w in workers), "the workers to end")


run([
    ("kill -9 of workers: nothing is lost", under(signal.SIGKILL, 3)),
    ("a worker that stands still is replaced, nothing is lost", under(signal.SIGSTOP, 1)),
    ("the host is killed: its workers end", nothing_stays),
])
