# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bot on @discordjs/voice as a process of its own, and what it says."""

import ctypes
import json
import math
import os
import shutil
import subprocess
import threading
import time

LIMIT = 60.0
HERE = os.path.dirname(os.path.abspath(__file__))
NODE = shutil.which("node")
SILENCE = "f8fffe"
OPUS = ctypes.CDLL("libopus.so.0")
OPUS.opus_encoder_create.restype = OPUS.opus_decoder_create.restype = ctypes.c_void_p


def installed(modules):
    return NODE is not None and os.path.isdir(modules + "/@discordjs/voice")


def eventually(condition, what):
    """Waits for something that is on its way; returns its first true value."""
    deadline = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)
    return found


class Client:
    """A node process with one @discordjs/voice connection."""

    def __init__(self, info, token, modules):
        self.process = subprocess.Popen(
            [NODE, HERE + "/voice_client.mjs", modules, info["gateway_url"], token, info["guild_id"], info["channel_id"]],
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

    def datagrams(self):
        """Audio datagrams in the order of their arrival, with what became of them."""
        return self.found(lambda e: e["event"] == "datagram")

    def dropped(self, port):
        """Datagrams that found the socket full, by the kernel's count."""
        with open("/proc/net/udp") as table:
            rows = [line.split() for line in list(table)[1:]]
        return sum(int(row[-1]) for row in rows if int(row[1].split(":")[1], 16) == port)

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
    encoder = ctypes.c_void_p(OPUS.opus_encoder_create(48000, 2, 2049, None))
    packets = []
    for n in range(count):
        samples = [int(9000 * math.sin(2 * math.pi * frequency * (n * 960 + i) / 48000)) for i in range(960)]
        pcm = (ctypes.c_int16 * 1920)(*[s for s in samples for _ in (0, 1)])
        out = ctypes.create_string_buffer(4000)
        size = OPUS.opus_encode(encoder, pcm, 960, out, 4000)
        assert size > 0
        packets.append(out.raw[:size].hex())
    return packets


def decode(packets):
    """What a receiver that loses nothing makes of them: S16 stereo at 48 kHz, one piece for each packet."""
    decoder = ctypes.c_void_p(OPUS.opus_decoder_create(48000, 2, None))
    pieces, pcm = [], (ctypes.c_int16 * (2 * 5760))()
    for packet in map(bytes.fromhex, packets):
        samples = OPUS.opus_decode(decoder, packet, len(packet), pcm, 5760, 0)
        assert samples > 0
        pieces.append(bytes(pcm)[:4 * samples])
    return pieces
