# SPDX-License-Identifier: LGPL-2.1-or-later
"""@discordjs/voice with @snazzah/davey as clients of the local server: both modes, both directions, end to end."""

import ctypes
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "pipelines"))
from server_selftest_client import LIMIT, Server  # noqa: E402

PROGRAM, MODULES = sys.argv[1:3]
NODE = shutil.which("node")
if NODE is None or not os.path.isdir(MODULES + "/@discordjs/voice"):
    print("skipped: tests/interop/install.sh has not put @discordjs/voice into", MODULES)
    sys.exit(77)
SILENCE = "f8fffe"


class Client:
    """A node process with one @discordjs/voice connection."""

    def __init__(self, server, token):
        info = server.info
        self.process = subprocess.Popen(
            [NODE, HERE + "/voice_client.mjs", MODULES, info["gateway_url"], token, info["guild_id"], info["channel_id"]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "NODE_EXTRA_CA_CERTS": info["ca_file"]})
        self.events, self.changed = [], threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.user = self.wait(lambda e: e["event"] == "main-ready")["user"]

    def _read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            with self.changed:
                self.events.append(event)
                self.changed.notify_all()

    def command(self, do, **fields):
        self.process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        self.process.stdin.flush()

    def found(self, want):
        with self.changed:
            return [e for e in self.events if want(e)]

    def wait(self, want, count=1):
        with self.changed:
            good = self.changed.wait_for(lambda: sum(1 for e in self.events if want(e)) >= count, LIMIT)
            found = [e for e in self.events if want(e)]
            assert good, (count, len(found), [e for e in self.events if e["event"] != "heard"][-20:])
            return found[-1]

    def heard(self, user):
        return [e["opus"] for e in self.found(lambda e: e["event"] == "heard" and e["user"] == user)]

    def dave_log(self):
        return [e["what"] for e in self.found(lambda e: e["event"] == "debug" and "[DAVE]" in e["what"])][-30:]

    def check(self):
        errors = self.found(lambda e: e["event"] == "error")
        assert not errors, errors[:3]

    def leave(self):
        self.command("leave")
        assert self.process.wait(LIMIT) == 0


def tone(frequency, count):
    """`count` Opus packets of 20 ms."""
    opus = ctypes.CDLL("libopus.so.0")
    opus.opus_encoder_create.restype = ctypes.c_void_p
    encoder = ctypes.c_void_p(opus.opus_encoder_create(48000, 2, 2049, None))
    packets = []
    for n in range(count):
        samples = [int(9000 * math.sin(2 * math.pi * frequency * (n * 960 + i) / 48000)) for i in range(960)]
        pcm = (ctypes.c_int16 * 1920)(*[s for s in samples for _ in (0, 1)])
        out = ctypes.create_string_buffer(4000)
        size = opus.opus_encode(encoder, pcm, 960, out, 4000)
        assert size > 0
        packets.append(out.raw[:size].hex())
    return packets


def check_order(heard, said, client):
    """What was heard was said, in that order, nothing twice. The library's own socket may drop a few on a busy machine."""
    rest, at = iter(enumerate(said)), None
    first = None
    for packet in heard:
        at = next((n for n, p in rest if p == packet), None)
        assert at is not None, (packet[:40], packet in said, client.dave_log())
        first = at if first is None else first
    assert len(heard) >= 0.95 * (at - first + 1), (len(heard), first, at, client.dave_log())


def truth_of(path, user):
    with open(path) as lines:
        return [t["opus"] for t in map(json.loads, lines) if t["user"] == user]


def check_receiving(mode, dave):
    """Each speaker as sent; epochs change meanwhile, and nothing undecipherable comes out."""
    with tempfile.TemporaryDirectory() as where:
        server = Server(PROGRAM, "--dave", dave, "--modes", mode, "--truth", where + "/truth",
                        "--faults", '{"padding":10,"extension":50}', "--option", "speak-delay-ms=1500")
        client = Client(server, server.info["token"])
        server.wait("ready", user_id=client.user)
        if dave == "1":
            client.wait(lambda e: "Transition executed" in e.get("what", ""))
        users = [s["user_id"] for s in server.info["speakers"]]
        client.command("listen", users=users)
        for user in users:
            client.wait(lambda e: e["event"] == "heard" and e["user"] == user, 60)
        if dave == "1":
            late = server.command("add-user")["user_id"]
            client.command("listen", users=[late])
            server.wait("epoch", having=lambda e: late in e["members"])
            client.wait(lambda e: e["event"] == "heard" and e["user"] == late and e["opus"] != SILENCE, 60)
            assert server.command("remove-user", user=users[0])["ok"]
            epoch = server.wait("epoch", having=lambda e: users[0] not in e["members"])["epoch"]
            server.wait("transition", epoch=epoch)
            before = len(client.heard(users[1]))
            client.wait(lambda e: e["event"] == "heard" and e["user"] == users[1], before + 60)
        client.check()
        client.leave()
        server.stop()
        for user in users:
            heard = client.heard(user)
            assert len(heard) >= 60, (user, len(heard))
            check_order(heard, truth_of(where + "/truth", user), client)


def check_speaking(mode, dave):
    """One client speaks a tone, another one and the server's members hear it, packet by packet."""
    server = Server(PROGRAM, "--dave", dave, "--modes", mode, "--speak-at", "never")
    listener = Client(server, server.info["token"])
    server.wait("ready", user_id=listener.user)
    speaker = Client(server, server.command("add-bot")["token"])
    server.wait("ready", user_id=speaker.user)
    if dave == "1":
        for client in (listener, speaker):
            client.wait(lambda e: "Transition executed" in e.get("what", ""))
    listener.command("listen", users=[speaker.user])
    listener.wait(lambda e: e["event"] == "listening")
    packets = tone(440, 100)
    speaker.command("speak", packets=packets)
    speaker.wait(lambda e: e["event"] == "spoken")
    listener.wait(lambda e: e["event"] == "heard" and e["opus"] == packets[-1])
    heard = [p for p in listener.heard(speaker.user) if p != SILENCE]
    # The first packets may overtake the op 5 that names their SSRC.
    assert len(heard) >= 90 and heard == packets[-len(heard):], (len(heard), len(packets))
    stats = server.command("stats")
    assert stats["client_rtp"] >= 100 and stats["client_rtp_bad"] == 0, stats
    if dave == "1":
        assert stats["client_frames_opened"] >= 100 and stats["client_frames_refused"] == 0, stats
    listener.check()
    speaker.check()
    speaker.leave()
    server.wait("leave", user_id=speaker.user)
    listener.leave()
    server.stop()


def hears_again(server, client, truth, mark, what):
    """From `mark` on the client hears what is said, in the clear, before long."""
    deadline = time.monotonic() + LIMIT
    while True:
        with client.changed:
            heard = [(e["user"], e["opus"]) for e in client.events[mark:] if e["event"] == "heard" and e["opus"] != SILENCE]
        server.command("stats")
        with open(truth) as lines:
            said = {(t["user"], t["opus"]) for t in map(json.loads, (line for line in lines if line.endswith("\n")))}
        good = [h for h in heard[-40:] if h in said]
        if len(heard) >= 40 and len(good) == 40:
            return
        assert time.monotonic() < deadline, (what, len(heard), len(good))
        time.sleep(0.2)


def check_recovery():
    """Refused commits, stale ones, versions up and down, an emptied and refilled channel: audio goes on."""
    with tempfile.TemporaryDirectory() as where:
        truth = where + "/truth"
        server = Server(PROGRAM, "--dave", "1", "--speakers", "2", "--truth", truth)
        client = Client(server, server.info["token"])
        server.wait("ready", user_id=client.user)
        users = [s["user_id"] for s in server.info["speakers"]]
        client.command("listen", users=users)
        hears_again(server, client, truth, 0, "start")

        def step(what, *commands):
            mark = len(client.events)
            for command in commands:
                assert server.command(**command)["ok"], command
            hears_again(server, client, truth, mark, what)

        step("new epoch", {"cmd": "epoch"})
        step("damaged commit", {"cmd": "invalid-commit"}, {"cmd": "epoch"})
        assert server.wait("invalid-commit", user_id=client.user)
        step("stale commit", {"cmd": "stale-commit"})
        step("new group", {"cmd": "epoch", "how": "reset"})
        step("version 0", {"cmd": "downgrade"})
        server.wait("transition", version=0)
        step("version 1", {"cmd": "upgrade"})
        step("client's commit", {"cmd": "option", "commit-winner": "client"}, {"cmd": "epoch"})
        server.wait("epoch", committer=client.user)
        for user in users:
            assert server.command("remove-user", user=user)["ok"]
        server.wait("group-reset")
        guest = server.command("add-user")["user_id"]
        client.command("listen", users=[guest])
        step("refilled", {"cmd": "option", "commit-winner": "any"})
        client.leave()
        server.stop()


CHECKS = [(check, mode, dave) for dave in ("1", "0") for mode in ("gcm", "xchacha")
          for check in (check_receiving, check_speaking)]
start = time.monotonic()
check_recovery()
print(f"ok check_recovery ({time.monotonic() - start:.1f} s)", flush=True)
for check, mode, dave in CHECKS:
    start = time.monotonic()
    check(mode, dave)
    print(f"ok {check.__name__} {mode} dave={dave} ({time.monotonic() - start:.1f} s)", flush=True)
