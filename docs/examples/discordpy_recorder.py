#!/usr/bin/python3
"""A discord.py bot that keeps its own gateway and hands voice over to discordvoicesrc.

Usage: DISCORD_TOKEN=… discordpy_recorder.py CHANNEL_ID DIRECTORY
"""
import json
import os
import sys

import discord
import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

Gst.init(None)


class RecordingProtocol(discord.VoiceProtocol):
    """What discord.py calls with the voice events; pass it as `cls` to `channel.connect`."""
    directory = "."

    def __init__(self, client, channel):
        super().__init__(client, channel)
        self.pipeline = Gst.parse_launch(
            f"discordvoicesrc name=voice user-id={client.user.id} ! discorddecrypt ! "
            f'discordfilesink location="{self.directory}/%u.wav"')
        self.voice = self.pipeline.get_by_name("voice")

    async def on_voice_state_update(self, data):
        self.hand_over(sessionId=data["session_id"], channelId=data["channel_id"])

    async def on_voice_server_update(self, data):
        self.hand_over(token=data["token"], endpoint=data["endpoint"], guildId=data["guild_id"])

    def hand_over(self, **fields):
        """Lavalink's names; what is not named keeps its value, null takes it away."""
        self.voice.emit("update-voice", json.dumps(fields))

    async def connect(self, *, timeout, reconnect, self_deaf=False, self_mute=True):
        self.pipeline.set_state(Gst.State.PLAYING)
        await self.channel.guild.change_voice_state(channel=self.channel, self_mute=self_mute, self_deaf=self_deaf)

    async def disconnect(self, *, force=False):
        await self.channel.guild.change_voice_state(channel=None)
        self.pipeline.send_event(Gst.Event.new_eos())
        self.pipeline.get_bus().timed_pop_filtered(10 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        self.pipeline.set_state(Gst.State.NULL)
        self.cleanup()


if __name__ == "__main__":
    bot = discord.Client(intents=discord.Intents(guilds=True, voice_states=True))
    RecordingProtocol.directory = sys.argv[2]

    @bot.event
    async def on_ready():
        await bot.get_channel(int(sys.argv[1])).connect(cls=RecordingProtocol)

    bot.run(os.environ["DISCORD_TOKEN"])
