"""Compares what was recorded with what the local server says it sent."""
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness import expect

RATE = 48000


@dataclass
class Packet:
    user: str
    ssrc: int
    seq: int
    rtp: int
    sent_ns: int
    due_ns: int
    spurt: int
    fault: str
    opus: bytes
    silence: bool
    duplicated: bool
    wall: float  # time of day, seconds since 1970


def read_truth(path: Path) -> list[Packet]:
    """Every packet that was on its way to a listener, in the order of sending."""
    packets = []
    for line in path.read_text().splitlines():
        try:
            p = json.loads(line)
        except ValueError:
            continue  # the server may be writing the last line
        if p["receivers"] == 0:
            continue
        packets.append(
            Packet(p["user"], p["ssrc"], p["seq"], p["rtp"], p["sent_ns"], p["due_ns"], p["spurt"], p["fault"],
                   bytes.fromhex(p["opus"]), p["silence"], p["duplicated"], p["wall_ms"] / 1000))
    return packets


@dataclass
class Reference:
    """One speaker's PCM as a perfect receiver decodes it, frame by frame."""

    pcm: np.ndarray
    frames: list[dict] = field(default_factory=list)

    @staticmethod
    def read(directory: Path, user: str, ssrc: int | str = "*") -> "Reference":
        return Reference.load(next(directory.glob(f"{user}-{ssrc}.s16")))

    @staticmethod
    def load(base: Path) -> "Reference":
        pcm = np.fromfile(base, "<i2").reshape(-1, 2)
        frames = [json.loads(line) for line in base.with_suffix(".jsonl").read_text().splitlines() if line.endswith("}")]
        return Reference(pcm, frames)

    def frame(self, f: dict) -> np.ndarray:
        return self.pcm[f["offset"] : f["offset"] + f["samples"]]


@dataclass
class Match:
    frames: int  # frames with sound that were sent
    exact: int  # of these, found bit-identical, in order
    foreign: int  # samples with sound outside of everything that was found
    positions: dict  # seq -> first sample in the recording


def match(recording: np.ndarray, reference: Reference) -> Match:
    """Finds the reference's frames in the recording, in order, to the bit."""
    data = np.ascontiguousarray(recording).tobytes()
    covered = np.zeros(len(recording), bool)
    sounding = exact = 0
    at = 0
    positions = {}
    for f in reference.frames:
        pcm = reference.frame(f)
        wanted = np.ascontiguousarray(pcm).tobytes()
        loud = bool(np.abs(pcm.astype(np.int32)).max(initial=0) > 0)
        if loud:
            sounding += 1
        if data[at * 4 : at * 4 + len(wanted)] == wanted and positions:
            found = at
        elif loud:
            byte = data.find(wanted, at * 4)
            while byte != -1 and byte % 4 != 0:
                byte = data.find(wanted, byte + 1)
            if byte == -1:
                continue
            found = byte // 4
        else:
            continue
        if loud:
            exact += 1
        positions[f["seq"]] = found
        at = found + f["samples"]
        covered[found:at] = True
    foreign = int((np.abs(recording.astype(np.int32)).max(axis=1) > 0)[~covered].sum()) if len(recording) else 0
    return Match(sounding, exact, foreign, positions)


def expect_exact(recording: np.ndarray, reference: Reference, who: str) -> Match:
    m = match(recording, reference)
    expect(m.frames > 20, f"{who}: only {m.frames} frames with sound were sent")
    expect(m.exact == m.frames, f"{who}: {m.exact} of {m.frames} frames are bit-identical to libopus' decode")
    expect(m.foreign == 0, f"{who}: {m.foreign} samples with sound are not this speaker's")
    return m
