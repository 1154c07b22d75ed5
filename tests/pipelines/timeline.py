"""Where each spurt of speech sits in a recording, compared with when the local server says it was due."""
import struct
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from audio import RATE, Packet, Reference
from harness import expect, snr_db

FRAME = 960
TOLERANCE = 0.020  # seconds
ON_TIME = 0.006  # the server looks every 5 ms whether something is due
WARM_UP = 8  # frames that a fresh decoder needs to sound like one that has run all along
PROBE = 12  # frames that are looked for
PIECE = WARM_UP + PROBE  # the least that can be found
LOUD = 300  # of a frame that must be heard
AUDIBLE = 10  # on average, to be looked for


def read_wav(path: Path) -> np.ndarray:
    """S16 stereo of 48 kHz; a file of another kind is an error."""
    data = path.read_bytes()
    expect(data[:4] == b"RIFF" and data[8:12] == b"WAVE", f"{path.name} is no WAV file")
    at, form = 12, None
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if name == b"fmt ":
            form = struct.unpack_from("<HHIIHH", data, at + 8)
        if name == b"data":
            expect(form is not None and form[1:3] == (2, RATE) and form[5] == 16, f"{path.name}: format {form}")
            expect(at + 8 + size <= len(data), f"{path.name} is shorter than its header says")
            return np.frombuffer(data, "<i2", size // 2, at + 8).reshape(-1, 2)
        at += 8 + size + size % 2
    expect(False, f"{path.name} has no data")


@dataclass
class Frame:
    packet: Packet
    pcm: np.ndarray
    loud: bool
    heard: bool = False


@dataclass
class Stretch:
    """Frames of one speaker that follow one another without a gap."""

    frames: list[Frame] = field(default_factory=list)
    at: int | None = None  # sample in the recording
    fresh: bool = False  # may begin with a new decoder
    late: float = 0.0  # how much later than due the server sent what decides the place, in seconds

    @property
    def due(self):
        return self.frames[0].packet.due_ns / 1e9


def stretches(packets: list[Packet], references: dict[int, Reference]) -> list[Stretch]:
    """One speaker's speech as it was sent to us, cut where something is missing, and into short pieces."""
    pcm = {}
    for ssrc, reference in references.items():
        for f in reference.frames:
            pcm[ssrc, f["seq"]] = reference.frame(f)
    found, last = [], None
    for p in packets:
        follows = last is not None and (p.ssrc, p.seq, p.rtp) == (
            last.ssrc, (last.seq + 1) % 65536, (last.rtp + FRAME) % 2**32)
        if not follows:
            found.append(Stretch(fresh=last is not None and (p.ssrc != last.ssrc or p.seq != (last.seq + 1) % 65536)))
        sound = pcm[p.ssrc, p.seq]
        rms = float(np.sqrt((sound.astype(np.float64) ** 2).mean()))
        found[-1].frames.append(Frame(p, sound, rms > LOUD))
        last = p
    tell_late(found)
    return [piece for stretch in found for piece in pieces(stretch)]


def tell_late(found: list[Stretch]) -> None:
    """A spurt's place is decided by its own packets, and it can not begin before the end of the one before."""
    own = [max((f.packet.sent_ns - f.packet.due_ns) / 1e9 for f in s.frames) for s in found]
    for i, s in enumerate(found):
        s.late = max(0.0, max(own[max(0, i - 1) : i + 1]) - ON_TIME)


def pieces(stretch: Stretch) -> list[Stretch]:
    frames, count = stretch.frames, max(1, len(stretch.frames) // PIECE)
    cuts = [len(frames) * i // count for i in range(count + 1)]
    return [Stretch(frames[a:b], fresh=stretch.fresh and a == 0, late=stretch.late) for a, b in zip(cuts, cuts[1:])]


def mono(pcm):
    return pcm.astype(np.float64).sum(axis=1)


def locate(recording: np.ndarray, stretch: Stretch, expected: float, width: float) -> None:
    """Finds the loudest part of the stretch by correlation, within `width` seconds of `expected`."""
    first = WARM_UP if stretch.fresh else 0
    levels = [float(np.abs(f.pcm.astype(np.int32)).mean()) for f in stretch.frames]
    if len(levels) < first + PROBE:
        return
    begin = max(range(first, len(levels) - PROBE + 1), key=lambda i: sum(levels[i : i + PROBE]))
    if sum(levels[begin : begin + PROBE]) / PROBE < AUDIBLE:
        return
    probe = mono(np.concatenate([f.pcm for f in stretch.frames[begin : begin + PROBE]]))
    offset = begin * FRAME
    low = max(0, int((expected - width) * RATE) + offset)
    window = mono(recording[low : int((expected + width) * RATE) + offset + len(probe)])
    if len(window) < len(probe):
        return
    size = 1 << (len(window) + len(probe)).bit_length()
    products = np.fft.irfft(np.fft.rfft(window, size) * np.conj(np.fft.rfft(probe, size)), size)
    products = products[: len(window) - len(probe) + 1]
    energy = np.concatenate(([0.0], np.cumsum(window**2)))
    scale = np.sqrt((energy[len(probe) :] - energy[: -len(probe)])[: len(products)] * (probe**2).sum())
    likeness = products / np.maximum(scale, 1.0)
    best = int(likeness.argmax())
    if likeness[best] > 0.9:
        stretch.at = low + best - offset


def mark_heard(recording: np.ndarray, stretch: Stretch, at: int) -> None:
    for i, f in enumerate(stretch.frames):
        here = recording[at + i * FRAME : at + (i + 1) * FRAME]
        f.heard = len(here) == FRAME and (np.array_equal(here, f.pcm) or snr_db(f.pcm, here) > 6.0)


@dataclass
class Track:
    recording: np.ndarray
    stretches: list[Stretch]


def first_sound(track: Track) -> float:
    """Offset of the recording's clock against the server's, by the first frame with sound."""
    frame = next(f for s in track.stretches for f in s.frames if f.loud)
    at = track.recording.tobytes().find(frame.pcm.tobytes())
    expect(at >= 0 and at % 4 == 0, "the first words are not in the recording")
    return at / 4 / RATE - frame.packet.due_ns / 1e9


def read_tracks(directory: Path, references: Path, truth: list[Packet]) -> dict[str, Track]:
    """One file for each who spoke, all equally long, and every stretch of speech looked for in it."""
    spoken = defaultdict(list)
    for p in truth:
        spoken[p.user].append(p)
    names = sorted(p.stem for p in directory.glob("*.wav"))
    expect(names == sorted(spoken), f"files of {names}, spoken have {sorted(spoken)}")
    tracks = {}
    for user, packets in spoken.items():
        packets.sort(key=lambda p: p.due_ns)
        own = {int(p.stem.split("-")[1]): Reference.load(p) for p in references.glob(f"{user}-*.s16")}
        tracks[user] = Track(read_wav(directory / f"{user}.wav"), stretches(packets, own))
    lengths = {len(t.recording) for t in tracks.values()}
    expect(len(lengths) == 1, f"the tracks differ in length: {lengths}")
    return tracks


def place(tracks: dict[str, Track]) -> tuple[float, float]:
    """Finds every piece; gives the one offset of the recording's clock against the server's, and how uncertain it is."""
    rough = float(np.median([first_sound(t) for t in tracks.values()]))
    pieces = [(t, s) for t in tracks.values() for s in t.stretches]
    slack = 0.25 + max(s.late for _, s in pieces)
    offsets = []
    for track, s in pieces:
        locate(track.recording, s, s.due + rough, slack)
        if s.at is not None:
            mark_heard(track.recording, s, s.at)
            offsets.append((s.late, s.at / RATE - s.due))
    expect(offsets, "nothing that was said is in the recording")
    least = min(late for late, _ in offsets)
    return float(np.median([offset for late, offset in offsets if late == least])), least


def expect_one_timeline(tracks: dict[str, Track], fault_ns: int) -> float:
    """All that was said sits where it was said, before and after the fault; gives the greatest error in seconds."""
    offset, doubt = place(tracks)
    worst = 0.0
    for user, track in tracks.items():
        found = [s for s in track.stretches if s.at is not None]
        for s in found:
            error = s.at / RATE - s.due - offset
            expect(-TOLERANCE - doubt <= error <= TOLERANCE + s.late,
                   f"{user}: what was said at {s.due:.3f} is {error * 1000:+.1f} ms off"
                   f" ({(s.frames[0].packet.sent_ns - fault_ns) / 1e9:+.2f} s from the fault, sent {s.late * 1000:.0f} ms late)")
            worst = max(worst, abs(error))
        expect(any(s.frames[-1].packet.sent_ns > fault_ns for s in found),
               f"{user}: nothing that was said after the fault is in the recording")
    return worst
