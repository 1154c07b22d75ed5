#!/usr/bin/python3
"""The README's first command, and the pages of the elements."""
import os
import re
import subprocess
from pathlib import Path

from harness import expect, run

ROOT = Path(__file__).resolve().parents[2]


def quick_start(directory):
    recordings = directory / "recordings"
    done = subprocess.run(
        [str(ROOT / "docs/quickstart.sh")], capture_output=True, text=True, timeout=600,
        env=dict(os.environ, BUILD=os.environ["DV_BUILD"], RECORDINGS=str(recordings), SECONDS_TO_RECORD="4"))
    expect(done.returncode == 0, done.stdout[-800:] + done.stderr[-800:])
    rows = re.findall(r"^(\d+)\.wav +(\S+) +([\d.]+) s +(-?[\d.]+) dBFS +([\d.]+) s", done.stdout, re.M)
    expect(len(rows) == 3, done.stdout)
    for _, speaker, seconds, level, _ in rows:
        expect(float(seconds) > 3 and float(level) > -60, f"{speaker}: {seconds} s, {level} dBFS")
    lines = [l for l in done.stdout.splitlines() if "gst-launch-1.0" in l]
    expect(len(lines) == 1, "it does not print one line of gst-launch-1.0")


def element_pages(_):
    done = subprocess.run(
        ["/usr/bin/python3", str(ROOT / "scripts/document-elements.py"), str(ROOT / "docs/elements"), "--check"],
        capture_output=True, text=True, timeout=120)
    expect(done.returncode == 0, done.stdout + done.stderr)


def links_of_the_documents_lead_somewhere(_):
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text()):
            expect((page.parent / target).exists(), f"{page.name} links to {target}, which is not there")


run([
    ("quickstart.sh records three speakers", quick_start),
    ("element pages are what GStreamer introspects", element_pages),
    ("links in the documents lead somewhere", links_of_the_documents_lead_somewhere),
])
