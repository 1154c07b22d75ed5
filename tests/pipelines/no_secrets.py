#!/usr/bin/python3
"""No secret shows anywhere a person or another process could look."""
import base64
import os
import subprocess
from pathlib import Path

from harness import Launch, Server, expect, run


def forms(secret: bytes):
    """How a secret could look in a text."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield base64.b64encode(secret).rstrip(b"=")
    yield ", ".join(map(str, secret)).encode()
    yield ",".join(map(str, secret)).encode()


def descendants(pid):
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    for child in children:
        yield int(child)
        yield from descendants(int(child))


def nothing_shows(directory):
    log, dots = directory / "debug.log", directory / "dots"
    dots.mkdir()
    with Server("--speakers", "2") as server:
        token = server.info["token"]
        launch = Launch(
            server.source + ["!", "discorddecrypt", "!", "discordfilesink", f"location={directory}/%u.wav"], token,
            env={"GST_DEBUG": "*:4,discord*:9,rtpjitterreorder:9,GST_EVENT:9,GST_CAPS:9", "GST_DEBUG_FILE": str(log),
                 "GST_DEBUG_DUMP_DOT_DIR": str(dots)},
            options=("-e", "-m", "-v"))
        try:
            launch.wait_for("discordvoicesrc-connected")
            server.talk_a_while(60)
            pids = [launch.process.pid, *descendants(launch.process.pid)]
            expect(len(pids) > 1, "there is no worker process")
            seen = b""
            for pid in pids:
                seen += Path(f"/proc/{pid}/cmdline").read_bytes()
            for pid in pids[1:]:
                seen += Path(f"/proc/{pid}/environ").read_bytes()
            secrets = [token.encode()]
            for answer in server.ask("secrets", "secrets")["secrets"]:
                secrets.append(bytes.fromhex(answer))
            launch.interrupt()
            launch.finish()
        finally:
            launch.close()
    seen += "\n".join(launch.out.lines).encode()
    seen += log.read_bytes()
    for dot in dots.glob("*.dot"):
        seen += dot.read_bytes()
    expect(len(seen) > 10000, "there was nothing to look at")
    expect(len(secrets) > 1, "the server told no key")
    for number, secret in enumerate(secrets):
        for form in forms(secret):
            expect(form not in seen, f"secret {number} shows as {form[:6]!r}…")
    print(f"# {len(secrets)} secrets, {len(seen)} bytes, {len(pids)} processes looked at")


run([("logs, dot files, -v, command lines and environments show no token and no key", nothing_shows)])
