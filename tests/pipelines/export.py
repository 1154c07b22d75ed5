#!/usr/bin/python3
"""What an editor opens, made from real recordings and read by readers of other people's making."""
import base64
import csv
import hashlib
import json
import os
import re
import subprocess
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from harness import LIMIT, Launch, Server, decode_to_pcm, expect, run

PROGRAM = Path(os.environ.get("DV_BUILD", "build")) / "gst/filesink/gst-discord-export"
ALL = "audacity+reaper+vtt+rttm+csv+html"
VOID = {"meta", "br"}


def record(directory, form, decrypt=(), export=ALL):
    with Server("--speakers", "2") as server:
        launch = Launch(
            server.source + ["!", "discorddecrypt", *decrypt, "!", "discordfilesink", f"location={directory}/%u.{form}",
                             f"index-location={directory}/call.jsonl", f"export={export}"], server.info["token"])
        try:
            launch.wait_for("discordvoicesrc-connected")
            server.talk_a_while()
            server.hush()
            launch.interrupt()
            launch.finish()
        finally:
            launch.close()
        return {s["user_id"] for s in server.info["speakers"]}


def index_lines(directory):
    return [json.loads(line) for line in (directory / "call.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]


class Page(HTMLParser):
    """Checks that every tag is closed in order; collects what the page refers to."""

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.names, self.rects, self.waves, self.script, self.policy = [], [], [], 0, 0, "", ""
        self.feed(text)
        self.close()
        expect(not self.open, f"not closed: {self.open}")

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        if tag not in VOID:
            self.open.append((tag, a.get("class")))
        self.sources += [a[k] for k in ("src", "href") if k in a]
        self.rects += a.get("class") == "spurt"
        self.waves += tag == "path" and len(a["d"]) > 20
        if a.get("http-equiv") == "Content-Security-Policy":
            self.policy = a["content"]
        if a.get("class") == "name":
            self.names.append("")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        expect(self.open and self.open[-1][0] == tag, f"</{tag}> inside {self.open}")
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == ("bdi", "name"):
            self.names[-1] += data
        if self.open and self.open[-1][0] == "script":
            self.script += data


def spoken(directory):
    """Seconds and number of spurts by user, pieces joined, as the index has them."""
    sums, ends, counts = {}, {}, {}
    for line in index_lines(directory):
        if line["type"] != "spurt":
            continue
        user = line["user"]
        sums[user] = sums.get(user, 0) + line["length"]
        joined = user in ends and abs(ends[user] - line["start"]) < 2.5e-6
        counts[user] = counts.get(user, 0) + (not joined)
        ends[user] = line["start"] + line["length"]
    return sums, counts


def check_tables(directory, users, out):
    sums, counts = spoken(directory)
    expect(set(sums) == users, f"spurts of {set(sums)}, not of {users}")
    expect(all(s >= 2 for s in sums.values()), f"150 packets each are 3 s of speech, not {sums}")
    total = sum(counts.values())
    with open(out / "call.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    speech = [r for r in rows if r["kind"] == "speech"]
    expect(len(speech) == total, f"{len(speech)} rows of speech, {total} spurts")
    moments = [datetime.fromisoformat(r["utc"]).timestamp() - float(r["start"]) for r in rows]
    expect(max(moments) - min(moments) < 0.05, f"zero of the recording by the time of day: {moments}")
    by_user = {u: sum(float(r["length"]) for r in speech if r["user"] == u) for u in users}
    expect(all(abs(by_user[u] - sums[u]) < 0.01 for u in users), f"csv {by_user}, index {sums}")
    turns = [line.split() for line in (out / "call.rttm").read_text(encoding="utf-8").split("\n")[:-1]]
    expect(len(turns) == total and all(len(t) == 10 and t[0] == "SPEAKER" and t[7] in users for t in turns), str(turns[:3]))
    labels = [line.split("\t") for line in (out / "call.labels.txt").read_text(encoding="utf-8").split("\n")[:-1]]
    expect(len(labels) == total and all(float(a) <= float(b) for a, b, _ in labels), str(labels[:3]))
    vtt = (out / "call.vtt").read_text()
    stamp = r"\d{2,}:[0-5]\d:[0-5]\d\.\d{3}"
    expect(re.fullmatch(rf"WEBVTT\n(\n\d+\n{stamp} --> {stamp}\n<v [^<>&\n]+>[^<>&\n]+\n)+", vtt), vtt[:400])
    expect(vtt.count("-->") == total, "not a cue for each spurt")


def check_projects(directory, users, out, form):
    files = {(directory / f"{u}.{form}").resolve() for u in users}
    listed = re.findall(r'^file "(.+)" offset [\d.]+$', (out / "call.lof").read_text(), re.M)
    expect({(out / f).resolve() for f in listed} == files, f"lof: {listed}")
    rpp = (out / "call.rpp").read_text()
    depth = 0
    for line in rpp.splitlines():
        depth += line.lstrip().startswith("<") - (line.strip() == ">")
        expect(depth >= 0, "more ends than blocks")
    expect(depth == 0, "a block without end")
    named = re.findall(r'^ +FILE "(.+)"$', rpp, re.M)
    expect({(out / f).resolve() for f in named} == files, f"rpp: {named}")
    lengths = {float(x) for x in re.findall(r"^ +LENGTH ([\d.]+)$", rpp, re.M)}
    samples = len(decode_to_pcm(next(iter(files))))
    expect(len(lengths) == 1 and abs(lengths.pop() - samples / 48000) < 0.1, "length of the items")


def check_page(directory, users, out, form, waves):
    text = (out / "call.html").read_text(encoding="utf-8")
    page = Page(text)
    expect(len(page.names) == len(users), f"names: {page.names}")
    files = {(out / unquote(s)).resolve() for s in page.sources}
    expect(files == {(directory / f"{u}.{form}").resolve() for u in users}, f"the page refers to {page.sources}")
    expect(page.rects == sum(spoken(directory)[1].values()), f"{page.rects} spurts drawn")
    expect(page.waves == len(users), f"{page.waves} waveforms")
    expect("://" not in text and "@import" not in text and "url(" not in text, "the page refers to something outside")
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    expect(f"script-src 'sha256-{digest}'" in page.policy, f"policy {page.policy} does not fit script {digest}")
    peaks = [line.get("peaks") for line in index_lines(directory) if line["type"] == "spurt"]
    loudness = [line.get("loudness") for line in index_lines(directory) if line["type"] == "track-closed"]
    expect(all(-70 < x < 0 for x in loudness) if waves else not any(loudness), f"loudness {loudness}")
    expect(all(peaks) if waves else not any(peaks), "peaks in the index")


def at_close(form, decrypt=(), waves=True):
    def test(directory):
        users = record(directory, form, decrypt)
        check_tables(directory, users, directory)
        check_projects(directory, users, directory, form)
        check_page(directory, users, directory, form, waves)
        expect(not list(directory.glob("*.part")), "something is not complete")
    return test


def by_program(directory):
    users = record(directory, "wav", export="0")
    expect(not (directory / "call.csv").exists(), "an export that nobody asked for")
    out = directory / "out put"
    out.mkdir()
    command = [str(PROGRAM), str(directory / "call.jsonl"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    expect(done.returncode == 0 and not done.stderr, f"{done.returncode}: {done.stderr}")
    expect(sorted(done.stdout.splitlines()) == sorted(str(p) for p in out.iterdir()), done.stdout)
    check_tables(directory, users, out)
    check_projects(directory, users, out, "wav")
    check_page(directory, users, out, "wav", True)
    (out / "call.html").unlink()
    one = subprocess.run([*command, "--format", "vtt"], capture_output=True, text=True, timeout=LIMIT)
    expect(one.returncode == 0 and not (out / "call.html").exists(), "--format vtt writes more than that")
    wrong = subprocess.run([*command, "--format", "doc"], capture_output=True, text=True, timeout=LIMIT)
    expect(wrong.returncode == 2 and "doc" in wrong.stderr, wrong.stderr)


if __name__ == "__main__":
    run([
        ("wav: all exports at the end of a recording parse and agree with the index", at_close("wav")),
        ("opus untouched: the same, without waveforms of what is not decoded",
         at_close("opus", ("decode=false",), waves=False)),
        ("gst-discord-export: the same afterwards, into another directory", by_program),
    ])
