#!/usr/bin/python3
"""Voice credentials from a bot that lives elsewhere: the example programs, with their real libraries."""
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from audio import Reference, expect_exact
from harness import LIMIT, Launch, Lines, Server, Skip, decode_to_pcm, expect, run

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples"


def credentials(server):
    server.command("credentials")
    return json.loads(server.out.wait_for(lambda l: '"session_id"' in l and '"ok"' in l, "credentials"))


def check(server, directory, reference):
    server.ask("stats", "stats")
    for speaker in server.info["speakers"]:
        user = speaker["user_id"]
        expect_exact(decode_to_pcm(directory / f"{user}.wav"), Reference.read(reference, user), user)


def discord_py(directory):
    """The library's public hook, driven with the events its gateway would bring."""
    sys.path.insert(0, str(EXAMPLES))
    from discordpy_recorder import RecordingProtocol

    asked = []

    async def change_voice_state(**fields):
        asked.append(fields)

    async def record(server):
        c = credentials(server)
        RecordingProtocol.directory = str(directory)
        guild = SimpleNamespace(id=int(c["guild_id"]), change_voice_state=change_voice_state)
        client = SimpleNamespace(user=SimpleNamespace(id=int(c["user_id"])), loop=None,
                                 _connection=SimpleNamespace(_remove_voice_client=lambda _: None))
        channel = SimpleNamespace(id=int(c["channel_id"]), guild=guild,
                                  _get_voice_client_key=lambda: (guild.id, "guild_id"))
        protocol = RecordingProtocol(client, channel)
        protocol.voice.set_property("gateway-url", server.info["gateway_url"])
        protocol.voice.set_property("ca-file", server.info["ca_file"])
        await protocol.connect(timeout=30, reconnect=True)
        await protocol.on_voice_state_update({"session_id": c["session_id"], "channel_id": c["channel_id"]})
        await protocol.on_voice_server_update({"token": c["token"], "endpoint": c["endpoint"], "guild_id": c["guild_id"]})
        server.event("ready")
        server.talk_a_while(100)
        server.hush()
        await protocol.disconnect()

    reference = directory / "reference"
    with Server("--speakers", "2", "--dave", "1", "--reference", str(reference)) as server:
        asyncio.run(record(server))
        check(server, directory, reference)
    expect(asked[0]["channel"] is not None and asked[-1]["channel"] is None, f"the bot was asked {asked}")


def discord_js(directory):
    """A whole bot: the library's own gateway connection, and its adapter for voice."""
    modules = Path(os.environ["DV_NODE_MODULES"])
    if not (modules / "node_modules/discord.js").exists():
        raise Skip("discord.js is not installed (tests/interop/install.sh)")
    shutil.copy(EXAMPLES / "discordjs_recorder.mjs", directory)
    (directory / "node_modules").symlink_to(modules / "node_modules")
    reference = directory / "reference"
    with Server("--speakers", "2", "--dave", "1", "--reference", str(reference)) as server:
        i = server.info
        api = i["gateway_url"].replace("wss:", "https:") + "/api"
        bot = subprocess.Popen(
            ["node", "discordjs_recorder.mjs", i["channel_id"], str(directory), f"gateway-url={i['gateway_url']}",
             f"ca-file={i['ca_file']}"], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=dict(os.environ, DISCORD_TOKEN=i["token"], DISCORD_API=api, NODE_EXTRA_CA_CERTS=i["ca_file"]))
        said = Lines(bot.stdout)
        try:
            server.event("ready")
            server.talk_a_while(100)
            server.hush()
            bot.send_signal(signal.SIGINT)
            expect(bot.wait(LIMIT) == 0, f"the bot ended with {bot.returncode}: {said.lines[-10:]}")
        finally:
            if bot.poll() is None:
                bot.kill()
        check(server, directory, reference)


def json_lines(directory):
    """Credentials in parts, as JSON lines on a descriptor of gst-launch."""
    reference = directory / "reference"
    with Server("--speakers", "2", "--dave", "1", "--reference", str(reference)) as server:
        c = credentials(server)
        read, write = os.pipe()
        os.set_inheritable(read, True)
        i = server.info
        launch = Launch(
            ["discordvoicesrc", f"gateway-url={i['gateway_url']}", f"ca-file={i['ca_file']}", f"user-id={c['user_id']}",
             f"handover-fd={read}", "!", "discorddecrypt", "!", "discordfilesink", f"location={directory}/%u.wav"],
            None, pass_fds=(read,))
        try:
            os.close(read)
            for part in ({"guildId": c["guild_id"], "channelId": c["channel_id"]}, {"sessionId": c["session_id"]},
                         {"token": c["token"], "endpoint": c["endpoint"]}):
                os.write(write, (json.dumps(part) + "\n").encode())
            launch.wait_for("discordvoicesrc-connected")
            server.talk_a_while(100)
            server.hush()
            launch.interrupt()
            launch.finish()
        finally:
            os.close(write)
            launch.close()
        check(server, directory, reference)


run([
    ("discord.py: a VoiceProtocol hands over", discord_py),
    ("discord.js: its voice adapter hands over", discord_js),
    ("JSON lines on a descriptor", json_lines),
])
