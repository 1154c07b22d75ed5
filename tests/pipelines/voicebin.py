#!/usr/bin/python3
"""discordvoicebin and discord://: what players hear, who they are told of, and where credentials come from."""
import ctypes
import os
import re
import subprocess
import time

import gi
import numpy as np

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

from audio import Reference, match  # noqa: E402
from harness import LIMIT, Launch, Lines, Server, expect, run  # noqa: E402

S16 = "audio/x-raw,format=S16LE,rate=48000,channels=2"
# Longer than machines stand still: what comes late has to be in the mix all the same.
PATIENCE = 5000
G_TYPE_STRING = 16 << 2


def runs(reference):
    """The reference as pieces that are one behind the other in RTP time."""
    piece, end = [], None
    for f in reference.frames:
        if end is not None and f["rtp"] != end:
            yield np.concatenate(piece)
            piece = []
        piece.append(reference.frame(f))
        end = (f["rtp"] + f["samples"]) & 0xFFFFFFFF
    if piece:
        yield np.concatenate(piece)


def place(recording, piece, start):
    """Where in the recording, from `start` on, the piece fits best: by cross-correlation."""
    a = recording[start:].sum(axis=1, dtype=np.float64)
    b = piece.sum(axis=1, dtype=np.float64)
    expect(len(a) >= len(b), f"the recording ends {len(b) - len(a)} samples too early")
    size = 1 << (len(a) + len(b)).bit_length()
    product = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    return start + int(np.argmax(product[: len(a) - len(b) + 1]))


def expect_sum(recording, reference_dir, users):
    """
    The recording is the sum of what the users said, and nothing else. A machine that stands still may cost a packet
    (drop-overload), which is then concealed: a few of them are tolerated, a speaker or a spurt is not.
    """
    total = np.zeros(recording.shape, np.int64)
    placed = []
    for user in users:
        at = 0
        for piece in runs(Reference.read(reference_dir, user)):
            if not piece.any():
                continue
            at = place(recording, piece, at)
            total[at : at + len(piece)] += piece
            placed.append((user, at, len(piece)))
            at += len(piece)
    sum_of_all = np.clip(total, -32768, 32767)
    error = np.abs(recording - sum_of_all).max(axis=1)
    sounding = int((np.abs(sum_of_all).max(axis=1) > 0).sum())
    wrong = int((error > 2).sum())
    print(f"# {sounding} samples with sound, {wrong} of {len(recording)} differ from the sum by more than 2, at most {error.max()}")
    expect(sounding > 48000, f"only {sounding} samples with sound")
    expect(wrong <= sounding // 20, f"{wrong} samples from {np.argmax(error > 2)} on are not the sum of the speakers, placed at {placed}")


def environment(info):
    return {"DISCORD_GATEWAY_URL": info["gateway_url"], "DISCORD_CA_FILE": info["ca_file"]}


def uri(info):
    return f"discord://{info['guild_id']}/{info['channel_id']}"


def talking(directory, speakers):
    return Server("--speakers", str(speakers), "--truth", str(directory / "truth.jsonl"), "--reference",
                  str(directory / "reference"))


def hear(directory, tail, speakers, users):
    """Runs gst-launch until everybody has said something; what it wrote to heard.raw must be the sum."""
    with talking(directory, speakers) as server:
        launch = Launch(tail(server.info), server.info["token"])
        try:
            launch.wait_for("discordvoicesrc-connected")
            server.talk_a_while(100)
            server.hush()
            everything_is_out(directory / "heard.raw")
            launch.interrupt()
            launch.finish()
        finally:
            launch.close()
        server.ask("stats", "stats")
        everybody = [s["user_id"] for s in server.info["speakers"]]
    expect_sum(whole_frames(directory / "heard.raw"), directory / "reference", users(everybody))


def everything_is_out(path):
    """The sink of a live mix plays on: wait until the sound is followed by a second of silence."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        pcm = np.fromfile(path, "<i2") if path.exists() else np.zeros(0)
        sounding = np.flatnonzero(pcm)
        if len(sounding) and len(pcm) - sounding[-1] > 2 * 48000:
            return
        time.sleep(0.2)
    expect(False, f"{path}: no sound, or it does not end")


def bin_options(info):
    return [f"gateway-url={info['gateway_url']}", f"ca-file={info['ca_file']}", f"guild-id={info['guild_id']}",
            f"channel-id={info['channel_id']}"]


def to_file(directory):
    return ["!", "audioconvert", "!", "audioresample", "!", S16, "!", "filesink", "buffer-mode=unbuffered",
            f"location={directory}/heard.raw"]


def mixed(directory):
    def tail(info):
        first, second, third, _ = (s["user_id"] for s in info["speakers"])
        return ["discordvoicebin", "mix=true", f"mix-latency={PATIENCE}", f"allow-users={first},{second},{third}",
                f"deny-users={third}", *bin_options(info), *to_file(directory)]

    hear(directory, tail, speakers=4, users=lambda all_: all_[:2])


def give_text(context, field, text):
    """A field of a context. Python's own way writes into a copy."""
    gst = ctypes.CDLL("libgstreamer-1.0.so.0")
    gst.gst_context_writable_structure.restype = ctypes.c_void_p
    structure = gst.gst_context_writable_structure(ctypes.c_void_p(hash(context)))
    gst.gst_structure_set(ctypes.c_void_p(structure), field, ctypes.c_size_t(G_TYPE_STRING),
                          ctypes.c_char_p(text), None)


class Player:
    """A pipeline in this process; messages are taken where one waits for them."""

    def __init__(self, pipeline, token_file=None):
        self.pipeline, self.collections, self.seen = pipeline, [], []
        self.bus = pipeline.get_bus()
        self.token_file = token_file
        self.bus.set_sync_handler(self.on_sync)

    def on_sync(self, _bus, message):
        if self.token_file and message.type == Gst.MessageType.NEED_CONTEXT:
            found, kind = message.parse_context_type()
            if found and kind == "discord.credentials":
                context = Gst.Context.new(kind, True)
                give_text(context, b"token-file", self.token_file.encode())
                message.src.set_context(context)
        return Gst.BusSyncReply.PASS

    def pump(self):
        while message := self.bus.timed_pop(100 * Gst.MSECOND):
            if message.type == Gst.MessageType.ERROR:
                error, debug = message.parse_error()
                expect(False, f"{message.src.get_name()}: {error.message} ({debug})")
            if message.type == Gst.MessageType.STREAM_COLLECTION:
                collection = message.parse_stream_collection()
                streams = [collection.get_stream(i) for i in range(collection.get_size())]
                self.collections.append((message.src, streams))
            structure = message.get_structure()
            self.seen.append(structure.get_name() if structure else message.type.first_value_nick)

    def wait(self, predicate, what):
        deadline = time.monotonic() + LIMIT
        while not predicate():
            expect(time.monotonic() < deadline, f"waited for {what}; messages: {self.seen[-10:]}")
            self.pump()

    def close(self):
        self.pipeline.set_state(Gst.State.NULL)


def play(directory, make, token_file=None):
    """Plays discord:// in this process until everybody has said something; it must be the sum."""
    with talking(directory, 3) as server:
        info = server.info

        def setup(_player, source):
            expect(source.get_factory().get_name() == "discordvoicebin", f"{source} plays discord://")
            for name, value in (("gateway-url", info["gateway_url"]), ("ca-file", info["ca_file"]), ("mix-latency", PATIENCE)):
                source.set_property(name, value)
            if not token_file:
                source.set_property("token", info["token"])

        pipeline, player = make()
        player.set_property("uri", uri(info))
        player.connect("source-setup", setup)
        if token_file:
            token_file.write_text(info["token"] + "\n")
        p = Player(pipeline, token_file=token_file and str(token_file))
        try:
            pipeline.set_state(Gst.State.PLAYING)
            p.wait(lambda: "discordvoicesrc-connected" in p.seen, "the connection")
            server.talk_a_while(100)
            server.hush()
            p.pump()
            everything_is_out(directory / "heard.raw")
        finally:
            p.close()
        server.ask("stats", "stats")
        users = [s["user_id"] for s in info["speakers"]]
    expect_sum(whole_frames(directory / "heard.raw"), directory / "reference", users)


def whole_frames(path):
    pcm = np.fromfile(path, "<i2")
    return pcm[: len(pcm) // 2 * 2].reshape(-1, 2)


def playbin3(directory):
    def make():
        player = Gst.ElementFactory.make("playbin3")
        player.set_property("audio-sink", Gst.parse_bin_from_description(" ".join(to_file(directory)[1:]), True))
        return player, player

    play(directory, make, token_file=directory / "token")


def uridecodebin3(directory):
    def make():
        pipeline, player = Gst.Pipeline(), Gst.ElementFactory.make("uridecodebin3")
        sink = Gst.parse_bin_from_description(" ".join(to_file(directory)[1:]), True)
        pipeline.add(player)
        pipeline.add(sink)
        player.connect("pad-added", lambda _player, pad: pad.link(sink.get_static_pad("sink")))
        return pipeline, player

    play(directory, make)


def gst_play(directory):
    """A player sets no properties. Its mix waits 0.24 s only, so this looks for some of the speech, not for all."""
    heard = directory / "heard.raw"
    with talking(directory, 1) as server:
        process = subprocess.Popen(
            ["gst-play-1.0", "--no-interactive", "--use-playbin3", "--audiosink", " ".join(to_file(directory)[1:]), uri(server.info)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env=dict(os.environ, LC_ALL="C.UTF-8", DISCORD_TOKEN=server.info["token"],
                     **environment(server.info)))
        out = Lines(process.stdout)
        deadline = time.monotonic() + LIMIT
        try:
            while not heard.exists() or np.count_nonzero(np.fromfile(heard, "<i2")) < 2 * 96000:
                expect(process.poll() is None and time.monotonic() < deadline, f"no sound; {out.lines[-5:]}")
                time.sleep(0.2)
        finally:
            process.kill()
            process.wait()
        expect(not any("ERROR" in line for line in out.lines), f"{out.lines[-5:]}")
        server.ask("stats", "stats")
        user = server.info["speakers"][0]["user_id"]
    found = match(whole_frames(heard), Reference.read(directory / "reference", user))
    print(f"# {found.exact} of {found.frames} frames heard to the bit")
    expect(found.exact >= 25, f"{found.exact} frames are what was said")


def titles(streams):
    found = []
    for stream in streams:
        tags = stream.get_tags()
        found.append(tags.get_string("title")[1] if tags else None)
    return sorted(found, key=str)


def collections(mix):
    def test(_directory):
        with Server("--speakers", "2") as server:
            info = server.info
            pipeline = Gst.Pipeline()
            bin_ = Gst.ElementFactory.make("discordvoicebin")
            pipeline.add(bin_)
            bin_.set_property("mix", mix)
            for name in ("gateway_url", "ca_file", "guild_id", "channel_id", "token"):
                bin_.set_property(name.replace("_", "-"), info[name])

            def added(_bin, pad):
                sink = Gst.ElementFactory.make("fakesink")
                sink.set_property("sync", False)
                sink.set_property("async", False)
                pipeline.add(sink)
                sink.sync_state_with_parent()
                pad.link(sink.get_static_pad("sink"))

            bin_.connect("pad-added", added)
            p = Player(pipeline)
            told = lambda: titles(p.collections[-1][1]) if p.collections else None  # noqa: E731
            names = sorted(s["name"] for s in info["speakers"])
            try:
                pipeline.set_state(Gst.State.PLAYING)
                p.wait(lambda: told() == names, f"streams of {names}, not {told()}")
                added_user = server.add_user(name="grace", **{"global-name": "Grace"})
                server.command("speak", user=added_user["user_id"])
                p.wait(lambda: told() == sorted([*names, "Grace"]), f"one more stream, not {told()}")
                server.command("remove-user", user=info["speakers"][0]["user_id"])
                left = sorted([info["speakers"][1]["name"], "Grace"])
                p.wait(lambda: told() == left, f"streams of {left}, not {told()}")
                streams = p.collections[-1][1]
                expect(all(s.get_stream_type() == Gst.StreamType.AUDIO for s in streams), "streams that are no audio")
                expect(len({s.get_stream_id() for s in streams}) == 2, "stream ids are not unique")
            finally:
                p.close()
    return test


def refused(_directory):
    token = "MTIzNDU2Nzg5.Gabcde.secretsecretsecret"
    for bad in (f"discord://{token}@1/2", f"discord://1/2?token={token}", f"discord://1/2#{token}"):
        try:
            Gst.Element.make_from_uri(Gst.URIType.SRC, bad)
            expect(False, f"{bad} was taken")
        except GLib.Error as error:
            expect("DISCORD_TOKEN" in error.message and "secret" not in error.message, error.message)
    for bad in ("discord://", "discord://1", "discord:///2", "discord://1/", "discord://one/2", "discord://1/2/3",
                "discord://1/-2", "discord://99999999999999999999999/2"):
        try:
            Gst.Element.make_from_uri(Gst.URIType.SRC, bad)
            expect(False, f"{bad} was taken")
        except GLib.Error as error:
            expect("discord://GUILD/CHANNEL" in error.message, f"{bad}: {error.message}")
    element = Gst.Element.make_from_uri(Gst.URIType.SRC, "discord://123/456/")
    expect(element.get_uri() == "discord://123/456" and element.get_property("mix"), f"{element.get_uri()}")
    with Server("--speakers", "1") as server:
        launch = Launch(["discordvoicebin", "mix=true", *bin_options(server.info), "!", "fakesink"], None)
        try:
            output = launch.finish(expected=None)
        finally:
            launch.close()
        told = [line for line in output.splitlines() if "No bot token" in line]
        expect(launch.process.returncode != 0 and told and re.search("DISCORD_TOKEN.*token-file", told[0]), output[-400:])


Gst.init(None)
run([
    ("mix: the sum of what those say who are allowed and not denied", mixed),
    ("playbin3: hears the sum; the token comes from a GstContext", playbin3),
    ("uridecodebin3: hears the sum", uridecodebin3),
    ("gst-play-1.0: hears the channel", gst_play),
    ("stream collections: a stream for each speaker, as they come and go", collections(False)),
    ("stream collections: with mix, too", collections(True)),
    ("bad URIs, tokens in URIs and no token at all are told clearly", refused),
])
