#!/usr/bin/python3
"""The command lines of the README against the local server: one correct file for each speaker."""
import json
from collections import defaultdict

import numpy as np

from audio import RATE, Reference, expect_exact, read_truth
from export import index_lines
from harness import Launch, Server, decode_to_pcm, expect, message_fields, run
from timeline import ON_TIME, TOLERANCE


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


def wall_time(anchors, rtp):
    """Of an RTP time, by the anchor before it; times of RTP wrap."""
    behind = [((rtp - a["rtp"] + 2**31) % 2**32 - 2**31, a) for a in anchors]
    ticks, anchor = next((b for b in reversed(behind) if b[0] >= 0), behind[0])
    return anchor["unix"] + ticks / RATE


def check_anchors(lines, packets):
    anchors, late, errors = defaultdict(list), defaultdict(float), []
    for line in lines:
        if line["type"] == "anchor":
            anchors[line["ssrc"]].append(line)
    for p in packets:
        late[p.ssrc, p.spurt] = max(late[p.ssrc, p.spurt], (p.sent_ns - p.due_ns) / 1e9 - ON_TIME)
    expect(set(anchors) == {p.ssrc for p in packets}, f"anchors of {set(anchors)}")
    for ssrc, own in anchors.items():
        expect(len({(a["session"], a["user"]) for a in own}) == 1, f"SSRC {ssrc} is that of several: {own}")
        expect(all(b["at"] - a["at"] >= 1 for a, b in zip(own, own[1:])), f"SSRC {ssrc}: anchors too often: {own}")
        errors += [(wall_time(own, p.rtp) - p.sent_ns / 1e9, p) for p in packets if p.ssrc == ssrc]
    offset = float(np.median([e for e, _ in errors]))
    wrong = [(p.user, p.seq, round((e - offset) * 1000, 1)) for e, p in errors
             if abs(e - offset) > TOLERANCE + late[p.ssrc, p.spurt]]
    expect(not wrong, f"{len(wrong)} of {len(errors)} packets were not sent when the anchors say, by ms: {wrong[:5]}")
    ahead = float(np.median([wall_time(anchors[p.ssrc], p.rtp) - p.wall for p in packets]))
    expect(-TOLERANCE < ahead < 0.1, f"the time of day of the anchors is {ahead * 1000:.1f} ms off")
    worst = max(abs(e - offset) for e, _ in errors)
    print(f"# {len(errors)} packets, {sum(map(len, anchors.values()))} anchors, worst error {worst * 1000:.1f} ms")


def check_quality(lines, reason):
    """The figures of each track are the sums of its lines; each length is cut to a microsecond."""
    sums, counts = defaultdict(float), defaultdict(int)
    for line in lines:
        if line["type"] in ("spurt", "gap"):
            key = line["track"], line.get("reason", "speech")
            sums[key] += line["length"]
            counts[key] += 1
    closed = [line for line in lines if line["type"] == "track-closed"]
    for line in closed:
        for kind in ("speech", "lost", "concealed"):
            key = line["track"], kind
            expect(abs(line[f"{kind}-length"] - sums[key]) <= 1e-6 * (counts[key] + 1), f"{line}, but {kind}: {sums[key]}")
        gaps = {kind: counts[line["track"], kind] for kind in ("lost", "concealed")}
        expect({kind: line[kind] for kind in gaps} == gaps and line["gaps"] == sum(gaps.values()), f"{line}, but gaps {gaps}")
    expect(sum(line[reason] for line in closed) > 0, f"nothing was {reason}: {closed}")


def index_of_a_lossy_call(form, decrypt, reason):
    def test(directory):
        users, truth, _, _ = record(
            directory, ["!", "discorddecrypt", *decrypt, "!", "discordfilesink", f"location={directory}/%u.{form}",
                        f"index-location={directory}/call.jsonl"],
            server_args=("--faults", json.dumps({"loss": 5, "seed": 3, "start-rtp": 4294967000})))
        lines = index_lines(directory)
        check_anchors(lines, [p for p in read_truth(truth) if p.fault == "none"])
        check_quality(lines, reason)
        expect({line["user"] for line in lines if line["type"] == "track-closed"} == set(users), "not a track for each")
    return test


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
    ("index: wall clock of every packet, quality of every track", index_of_a_lossy_call("wav", (), "concealed")),
    ("index: the same of untouched Opus", index_of_a_lossy_call("opus", ("decode=false",), "lost")),
])
