#!/usr/bin/python3
"""Every pipeline of the README runs as it stands there, and so do the example programs."""
import os
import re
import shlex
import subprocess
from pathlib import Path

from harness import LIMIT, Launch, Server, expect, run

ROOT = Path(__file__).resolve().parents[2]


def pipelines():
    lines = (ROOT / "README.md").read_text().splitlines()
    return [l for l in lines if l.startswith("gst-launch-1.0") and "channel-id=CHANNEL" in l]


def as_written(line):
    def test(directory):
        with Server("--speakers", "2") as server:
            i = server.info
            text = line.replace("GUILD", i["guild_id"]).replace("CHANNEL", i["channel_id"]).replace("DIR/", f"{directory}/")
            args = shlex.split(text)[1:]
            args = [a for a in args if a != "-e"]
            at = args.index("discordvoicesrc") + 1
            args[at:at] = [f"gateway-url={i['gateway_url']}", f"ca-file={i['ca_file']}"]
            launch = Launch(args, i["token"])
            try:
                launch.wait_for("discordvoicesrc-connected")
                server.talk_a_while(100)
                launch.interrupt()
                launch.finish()
            finally:
                launch.close()
        files = [f for f in directory.iterdir() if f.is_file()]
        expect(files and all(f.stat().st_size > 4000 for f in files), f"{[(f.name, f.stat().st_size) for f in files]}")
        expect(not [f for f in files if f.suffix == ".part"], "a file was left incomplete")
    return test


def example(command):
    def test(_):
        with Server("--speakers", "2") as server:
            i = server.info
            done = subprocess.run(
                [*command, i["guild_id"], i["channel_id"], "6", i["gateway_url"], i["ca_file"]], capture_output=True,
                text=True, timeout=LIMIT, env=dict(os.environ, DISCORD_TOKEN=i["token"]))
        expect(done.returncode == 0, done.stderr[-600:])
        expect(done.stdout.count("speaking: ") >= 2, done.stdout)
        for speaker in i["speakers"]:
            expect(speaker["user_id"] in done.stdout, f"{speaker} is missing in {done.stdout}")
    return test


def examples_are_short(_):
    for path in (ROOT / "docs/examples").iterdir():
        if path.is_file():
            lines = len(path.read_text().splitlines())
            expect(lines <= 80, f"{path.name} has {lines} lines")


run([(line.split("! ", 1)[1], as_written(line)) for line in pipelines()] + [
    ("who_speaks.py", example(["/usr/bin/python3", str(ROOT / "docs/examples/who_speaks.py")])),
    ("who_speaks.cpp", example([os.environ["DV_WHO_SPEAKS"]])),
    ("examples are at most 80 lines", examples_are_short),
])
