# SPDX-License-Identifier: LGPL-2.1-or-later
"""@discordjs/voice speaks a tone in an end-to-end encrypted call, the plugin records it: the tone, and nothing else."""

import os
import sys
import tempfile
from pathlib import Path

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "pipelines")]
from bot import SILENCE, Client, decode, eventually, installed, tone  # noqa: E402

MODULES = sys.argv[1]
if not installed(MODULES):
    print("skipped: tests/interop/install.sh has not put @discordjs/voice into", MODULES)
    sys.exit(77)

import numpy as np  # noqa: E402
from audio import Reference, expect_exact  # noqa: E402
from harness import Server, decode_to_pcm, expect  # noqa: E402
from inside import Pipeline, expect_closed  # noqa: E402

PACKETS = tone(440, 150)


def reference(silence):
    """The tone as libopus decodes it, frame by frame, and the frames of silence that the player sends behind it."""
    pieces = decode(PACKETS + [SILENCE] * silence)
    offsets = np.cumsum([0] + [len(p) // 4 for p in pieces])
    frames = [{"seq": n, "offset": int(offsets[n]), "samples": len(p) // 4} for n, p in enumerate(pieces)]
    return Reference(np.frombuffer(b"".join(pieces), "<i2").reshape(-1, 2), frames)


def recorded(mode, decrypt, directory):
    with Server("--dave", "1", "--modes", mode, "--speak-at", "never", "--option", "rtcp-interval-ms=0") as server:
        tail = f'discordfilesink location="{directory}/%u.wav"'
        with Pipeline(server, decrypt, tail) as pipeline:
            pipeline.play().wait_message("discordvoicesrc-connected")
            bot = Client(server.info, server.done("add-bot")["token"], MODULES)
            bot.wait(lambda e: "Transition executed" in e.get("what", ""))
            bot.command("speak", packets=PACKETS)
            bot.wait(lambda e: e["event"] == "spoken")
            server.stats_when(lambda s: s["client_rtp"] >= len(PACKETS), "all of the tone")
            bot.check()
            bot.leave()
            server.event("leave", user_id=bot.user)
            sent = server.ask("stats", "stats")["client_rtp"]
            eventually(lambda: pipeline.stats()["delivered"] >= sent, lambda: (sent, pipeline.stats()))
            pipeline.end()
            stats = pipeline.stats()
    expect_closed(stats)
    expect(stats["received"] == sent, f"{sent} packets were sent on: {stats}")
    expect(stats["delivered"] == sent, f"{sent} packets were sent on: {stats}")
    files = sorted(p.name for p in directory.glob("*.wav*"))
    expect(files == [f"{bot.user}.wav"], f"files: {files}")
    match = expect_exact(decode_to_pcm(directory / files[0]), reference(sent - len(PACKETS)), bot.user)
    print(f"  {sent} packets, {match.exact} of {match.frames} frames with sound to the bit, {match.foreign} foreign samples")


for cipher in ("gcm", "xchacha"):
    for options in ("", "max-workers=0"):
        with tempfile.TemporaryDirectory() as where:
            recorded(cipher, options, Path(where))
        print(f"ok recorded {cipher} {options or 'in a worker'}", flush=True)
