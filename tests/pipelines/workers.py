#!/usr/bin/python3
"""Workers are killed, stopped and left behind while people talk."""
import os
import pty
import signal

from audio import Reference, expect_exact, read_truth
from harness import Launch, Lines, Server, decode_to_pcm, expect, run, wait_until, workers_of
from inside import Pipeline, expect_closed


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


def ctrl_c_in_a_terminal(directory):
    """Ctrl-C goes to all processes in the terminal's foreground: not to workers, or the last words would be lost."""
    truth, reference = directory / "truth.jsonl", directory / "reference"
    with Server("--speakers", "3", "--truth", str(truth), "--reference", str(reference)) as server:
        command = ["gst-launch-1.0", "-e", "-m", *server.source, "!", "discorddecrypt", "latency=1000", "!",
                   "discordfilesink", f"location={directory}/%u.wav"]
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ.update(DISCORD_TOKEN=server.info["token"], LC_ALL="C.UTF-8")
            os.execvp(command[0], command)
        try:
            lines = Lines(terminal_lines(terminal))
            lines.wait_for(lambda line: "discordvoicesrc-connected" in line, "the connection")
            server.talk_a_while()
            expect(workers_of(pid), "there is no worker")
            server.hush()
            os.write(terminal, b"\x03")
            wait_until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT), "gst-launch to end")
        finally:
            if not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
        lines.join()
        expect(status == 0, f"gst-launch ended with status {status}: {lines.lines[-12:]}")
        expect(not any("worker-restarted" in line for line in lines.lines), "a worker was replaced")
        server.ask("stats", "stats")
        for speaker in server.info["speakers"]:
            user = speaker["user_id"]
            expect_exact(decode_to_pcm(directory / f"{user}.wav"), Reference.read(reference, user), user)


def terminal_lines(terminal):
    """Lines from the master side of a terminal, until the other side is closed."""
    rest = b""
    while True:
        try:
            more = os.read(terminal, 65536)
        except OSError:
            break
        if not more:
            break
        *lines, rest = (rest + more).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
    yield rest.decode(errors="replace")


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
    ("Ctrl-C in a terminal loses nothing", ctrl_c_in_a_terminal),
    ("the host is killed: its workers end", nothing_stays),
])
