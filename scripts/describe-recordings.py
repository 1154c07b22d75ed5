#!/usr/bin/python3
"""Prints a table of recorded WAV files: file, speaker, duration, level, longest silence.

Usage: describe-recordings.py DIR [EVENTS]   (EVENTS: the local server's first line names its speakers)
"""
import json
import sys
import wave
from pathlib import Path

import numpy as np


def speakers(events: Path) -> dict[str, str]:
    try:
        with events.open() as lines:
            first = json.loads(lines.readline())
        return {str(s["user_id"]): s["name"] for s in first.get("speakers", [])}
    except (OSError, ValueError):
        return {}


def longest_silence(level: np.ndarray, window: float) -> float:
    longest = run = 0
    for quiet in level < 1e-4:
        run = run + 1 if quiet else 0
        longest = max(longest, run)
    return longest * window


def describe(path: Path) -> tuple[float, float, float]:
    with wave.open(str(path)) as wav:
        rate, channels, frames = wav.getframerate(), wav.getnchannels(), wav.getnframes()
        pcm = np.frombuffer(wav.readframes(frames), dtype="<i2").astype(np.float32) / 32768
    pcm = pcm.reshape(-1, channels).mean(axis=1) if len(pcm) else np.zeros(1, np.float32)
    window = rate // 100
    blocks = pcm[: len(pcm) // window * window].reshape(-1, window)
    power = (blocks**2).mean(axis=1) if len(blocks) else np.zeros(1)
    loud = power[power > 1e-8]
    level = 10 * np.log10(loud.mean()) if len(loud) else -np.inf
    return frames / rate, level, longest_silence(np.sqrt(power), 0.01)


def main() -> int:
    directory = Path(sys.argv[1])
    names = speakers(Path(sys.argv[2])) if len(sys.argv) > 2 else {}
    files = sorted(directory.glob("*.wav"))
    if not files:
        print(f"error: no recording in {directory}/", file=sys.stderr)
        return 1
    print(f"{'file':<36} {'speaker':<20} {'duration':>9} {'level':>10} {'longest silence':>16}")
    for path in files:
        try:
            duration, level, silence = describe(path)
        except (wave.Error, EOFError) as error:
            print(f"{path.name:<36} not a complete WAV file: {error}")
            continue
        speaker = names.get(path.stem, path.stem)
        print(f"{path.name:<36} {speaker:<20} {duration:>7.2f} s {level:>5.1f} dBFS {silence:>14.2f} s")
    return 0


sys.exit(main())
