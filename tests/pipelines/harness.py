"""What the pipeline tests share: the local server, gst-launch, audio, TAP.

Waiting is always for a condition with a generous limit; nothing here measures time.
"""
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

import numpy as np

LIMIT = 90.0  # seconds for any single condition, on a machine that may stand still for a while
SERVER = os.environ.get("DV_SERVER", "discord-voice-server")


class Failure(Exception):
    """A test's expectation was not met."""


class Skip(Exception):
    """What the test needs is not on this machine."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def wait_until(condition, what):
    """For conditions that nobody announces."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        expect(time.monotonic() < deadline, f"waited {LIMIT:.0f} s for {what}")
        time.sleep(0.01)


def workers_of(pid):
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", "gst-discord-worker"], capture_output=True, text=True)
    return [int(p) for p in found.stdout.split()]


class Lines:
    """Reads a stream in a thread; lets the test wait for a line."""

    def __init__(self, stream, echo=None):
        self.lines = []
        self._queue = queue.Queue()
        self._echo = echo
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream):
        for line in stream:
            line = line.rstrip("\n")
            self.lines.append(line)
            self._queue.put(line)
        self._queue.put(None)

    def wait_for(self, predicate, what, limit=LIMIT):
        deadline = time.monotonic() + limit
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise Failure(f"waited {limit:.0f} s for {what}; last lines: {self.lines[-8:]}") from None
            if line is None:
                self._queue.put(None)
                raise Failure(f"the process ended before {what}; last lines: {self.lines[-12:]}")
            if predicate(line):
                return line

    def join(self):
        self._thread.join(10)


class Server:
    """The local Discord voice server as a process, steered by JSON lines."""

    def __init__(self, *args):
        self.dir = tempfile.mkdtemp(prefix="dv-server-")
        self.process = subprocess.Popen(
            [SERVER, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr, text=True
        )
        self.out = Lines(self.process.stdout)
        self.info = self.event("listening")

    def event(self, name, **fields):
        def fits(line):
            try:
                event = json.loads(line)
            except ValueError:
                return False
            return event.get("event") == name and all(event.get(k) == v for k, v in fields.items())

        return json.loads(self.out.wait_for(fits, f"server event {name} {fields or ''}"))

    def event_since(self, line, name, fits):
        """The first event that fits among the lines from number `line` on; it may have come already."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            for text in self.out.lines[line:]:
                if f'"event":"{name}"' in text and fits(json.loads(text)):
                    return json.loads(text)
            time.sleep(0.02)
        raise Failure(f"waited {LIMIT:.0f} s for server event {name}; lines since: {self.out.lines[line:][-12:]}")

    def command(self, cmd, **fields):
        self.process.stdin.write(json.dumps({"cmd": cmd, **fields}) + "\n")
        self.process.stdin.flush()

    def done(self, cmd, **fields):
        """The reply to a command."""
        self.command(cmd, **fields)
        line = self.out.wait_for(lambda text: '"ok":' in text and json.loads(text).get("cmd") == cmd, f"reply to {cmd}")
        reply = json.loads(line)
        expect(reply["ok"], f"{cmd}: {reply}")
        return reply

    def ask(self, cmd, answer, **fields):
        self.command(cmd, **fields)
        return self.event(answer)

    def add_user(self, **fields):
        self.command("add-user", **fields)
        return self.event("reply", cmd="add-user")

    def stats_when(self, predicate, what):
        """Asks for statistics until they fit."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            stats = self.ask("stats", "stats")
            if predicate(stats):
                return stats
            time.sleep(0.2)
        raise Failure(f"waited {LIMIT:.0f} s for {what}; last statistics: {stats}")

    def talk_a_while(self, packets=150):
        """Until each speaker has sent so many packets."""
        return self.stats_when(
            lambda s: s["speakers"] and all(x["sent"] >= packets for x in s["speakers"]), f"{packets} packets each")

    def hush(self):
        """All speakers fall silent; returns when their last packet has left."""
        self.command("stop-speaking")
        self.stats_when(lambda s: not any(x["talking"] for x in s["speakers"]), "silence")
        time.sleep(0.5)  # what the faults hold back leaves within this

    @property
    def source(self):
        i = self.info
        return [
            "discordvoicesrc", "name=voice", f"gateway-url={i['gateway_url']}", f"ca-file={i['ca_file']}",
            f"guild-id={i['guild_id']}", f"channel-id={i['channel_id']}",
        ]

    def close(self):
        if self.process.poll() is None:
            try:
                self.process.stdin.close()
                self.process.wait(20)
            except (subprocess.TimeoutExpired, OSError):
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Launch:
    """gst-launch-1.0 with messages on stdout; ended by SIGINT as a person would."""

    def __init__(self, args, token, env=None, options=("-e", "-m"), pass_fds=()):
        environment = dict(os.environ, DISCORD_TOKEN=token or "", LC_ALL="C.UTF-8", **(env or {}))
        if token is None:
            environment.pop("DISCORD_TOKEN", None)
        self.process = subprocess.Popen(
            ["gst-launch-1.0", *options, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment, errors="replace", pass_fds=pass_fds,
        )
        self.out = Lines(self.process.stdout)

    def wait_for(self, text, limit=LIMIT):
        return self.out.wait_for(lambda line: text in line, repr(text), limit)

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def finish(self, expected=0):
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure(f"gst-launch did not end; last lines: {self.out.lines[-12:]}") from None
        self.out.join()
        if expected is not None:
            expect(code == expected, f"gst-launch ended with {code}; last lines: {self.out.lines[-20:]}")
        return "\n".join(self.out.lines)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def message_fields(text, name):
    """The fields of every element message NAME in the output of gst-launch -m, as strings."""
    found = []
    for line in text.splitlines():
        if name + "," not in line and name + ";" not in line:
            continue
        body = line.split(name, 1)[1]
        found.append(dict(re.findall(r"([a-z][a-z0-9-]*)=\([^)]*\)(\"(?:[^\"\\]|\\.)*\"|[^,;]*)", body)))
    return found


def numbers(structure_text):
    """Every `name=(guint64)N` of a printed structure, nested ones included: the first of a name wins."""
    out = {}
    for name, value in re.findall(r"([a-z][a-z0-9-]*)\\*=\\*\(guint64\\*\)(\d+)", structure_text):
        out.setdefault(name, int(value))
    return out


def decode_to_pcm(path):
    """Any audio file as S16 stereo 48 kHz, by stock elements."""
    raw = str(path) + ".raw"
    done = subprocess.run(
        ["gst-launch-1.0", "-q", "filesrc", f"location={path}", "!", "decodebin", "!", "audioconvert", "!",
         "audioresample", "!", "audio/x-raw,format=S16LE,rate=48000,channels=2", "!", "filesink", f"location={raw}"],
        capture_output=True, text=True, timeout=LIMIT,
    )
    expect(done.returncode == 0, f"{path} does not decode: {done.stderr[-400:]}")
    pcm = np.fromfile(raw, "<i2").reshape(-1, 2)
    os.unlink(raw)
    return pcm


def snr_db(reference, heard):
    reference, heard = reference.astype(np.float64), heard.astype(np.float64)
    noise = ((reference - heard) ** 2).sum()
    return np.inf if noise == 0 else 10 * np.log10((reference**2).sum() / noise)


def together(tests):
    """A test made of (name, function) pairs that mostly wait and need not do so one after the other."""
    def test(directory):
        failures = []

        def one(name, function, place):
            try:
                place.mkdir()
                function(place)
                print(f"# ok: {name}", flush=True)
            except Failure as failure:
                failures.append(f"{name}: {failure}")
            except Exception:
                failures.append(f"{name}: {traceback.format_exc()}")

        threads = [threading.Thread(target=one, args=(*pair, directory / str(n))) for n, pair in enumerate(tests)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(not failures, "\n".join(failures))
    return test


def run(tests):
    """Runs (name, function) pairs and reports TAP."""
    only = sys.argv[1:]
    failed = number = 0
    print(f"1..{len(tests)}", flush=True)
    for name, function in tests:
        if only and not any(word in name for word in only):
            continue
        number += 1
        directory = Path(tempfile.mkdtemp(prefix="dv-test-"))
        try:
            function(directory)
            print(f"ok {number} - {name}", flush=True)
        except Skip as why:
            print(f"ok {number} - {name} # SKIP {why}", flush=True)
        except Exception as error:  # a test's own mistakes are failures too
            failed += 1
            detail = str(error) if isinstance(error, Failure) else traceback.format_exc()
            print(f"not ok {number} - {name}")
            print("\n".join(f"# {line}" for line in detail.splitlines()), flush=True)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if failed else 0)
