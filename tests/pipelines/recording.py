#!/usr/bin/python3
"""The command lines of the README against the local server: one correct file for each speaker."""
import numpy as np

from audio import Reference, expect_exact, read_truth
from harness import Launch, Server, decode_to_pcm, expect, message_fields, run

def record(directory, tail, server_args=(), speakers=3):
    """Records until every speaker has said something, stops the speakers, ends as Ctrl-C does."""
    truth, reference = directory / "truth.jsonl", directory / "reference"
    with Server("--speakers", str(speakers), "--truth", str(truth), "--reference", str(reference), *server_args) as server:
        launch = Launch(server.source + tail, server.info["token"])
        try:
            launch.wait_for("discordvoicesrc-connected")
            server.talk_a_while()
            server.hush()
            launch.interrupt()
            output = launch.finish()
        finally:
            launch.close()
        server.ask("stats", "stats")  # writes out what the truth still holds
        users = [s["user_id"] for s in server.info["speakers"]]
    return users, truth, reference, output


def wav_is_exact(directory):
    users, _, reference, output = record(
        directory, ["!", "discorddecrypt", "!", "discordfilesink", f"location={directory}/%u.wav"])
    for user in users:
        expect_exact(decode_to_pcm(directory / f"{user}.wav"), Reference.read(reference, user), user)
    files = sorted(p.name for p in directory.glob("*.wav*"))
    expect(files == sorted(f"{u}.wav" for u in users), f"files: {files}")
    expect(len(message_fields(output, "discordvoicesrc-ended")) == 1, "not exactly one message of the end")


def tracks_share_one_zero(directory):
    users, truth, reference, _ = record(
        directory, ["!", "discorddecrypt", "!", "discordfilesink", f"location={directory}/%u.wav"])
    sent = {(p.user, p.seq): p.sent_ns for p in read_truth(truth)}
    offsets, lengths = [], set()
    for user in users:
        pcm = decode_to_pcm(directory / f"{user}.wav")
        lengths.add(len(pcm))
        m = expect_exact(pcm, Reference.read(reference, user), user)
        seq, at = next(iter(m.positions.items()))
        offsets.append(at / 48000 - sent[user, seq] / 1e9)
    spread = max(offsets) - min(offsets)
    expect(len(lengths) == 1, f"the tracks differ in length: {lengths}")
    expect(spread < 0.5, f"tracks are {spread * 1000:.0f} ms apart")
    print(f"# starts differ by {spread * 1000:.1f} ms from when they were sent")


def other_format(form, options=(), decrypt=()):
    def test(directory):
        users, _, reference, _ = record(
            directory,
            ["!", "discorddecrypt", *decrypt, "!", "discordfilesink", f"format={form}", *options,
             f"location={directory}/%u.{form}"])
        for user in users:
            pcm = decode_to_pcm(directory / f"{user}.{form}")
            ref = Reference.read(reference, user)
            if form == "flac":
                expect_exact(pcm, ref, user)
            else:
                heard = float(np.sqrt((pcm.astype(np.float64) ** 2).mean()))
                expect(len(pcm) > 48000 and heard > 10, f"{user}: {len(pcm)} samples, level {heard:.1f}")
    return test


def first_speaker_by_stock_elements(directory):
    users, _, reference, _ = record(
        directory,
        ["!", "discorddecrypt", "!", "rtpjitterreorder", "name=r", "r.", "!", "audioconvert", "!", "wavenc", "!",
         "filesink", f"location={directory}/first.wav"], speakers=1)
    expect_exact(decode_to_pcm(directory / "first.wav"), Reference.read(reference, users[0]), users[0])


def first_speaker_as_ogg(directory):
    record(
        directory,
        ["!", "discorddecrypt", "decode=false", "!", "rtpjitterreorder", "name=r", "r.", "!", "rtpopusdepay", "!",
         "opusparse", "!", "oggmux", "!", "filesink", f"location={directory}/first.ogg"], speakers=1)
    expect(len(decode_to_pcm(directory / "first.ogg")) > 48000, "the Ogg file is too short")


def in_process(directory):
    users, _, reference, _ = record(
        directory, ["!", "discorddecrypt", "max-workers=0", "!", "discordfilesink", f"location={directory}/%u.wav"])
    for user in users:
        expect_exact(decode_to_pcm(directory / f"{user}.wav"), Reference.read(reference, user), user)


def xchacha(directory):
    users, _, reference, _ = record(
        directory, ["!", "discorddecrypt", "!", "discordfilesink", f"location={directory}/%u.wav"],
        server_args=("--modes", "xchacha"))
    for user in users:
        expect_exact(decode_to_pcm(directory / f"{user}.wav"), Reference.read(reference, user), user)


run([
    ("wav: each speaker's own speech, to the bit, and nothing else", wav_is_exact),
    ("wav: tracks start at one zero and are equally long", tracks_share_one_zero),
    ("mp3", other_format("mp3")),
    ("flac: to the bit", other_format("flac")),
    ("opus, untouched", other_format("opus", decrypt=("decode=false",))),
    ("opus, from PCM", other_format("opus")),
    ("stock elements behind rtpjitterreorder", first_speaker_by_stock_elements),
    ("decode=false into rtpopusdepay and oggmux", first_speaker_as_ogg),
    ("decryption in this process", in_process),
    ("XChaCha20-Poly1305", xchacha),
])
