#!/usr/bin/python3
"""Hostile names through the recorder and the export program: nothing leaves the directory, every name comes back exactly."""
import csv
import html
import json
import os
import re
import stat
import subprocess
from pathlib import Path

import hostile
from dave import talk_on
from export import PROGRAM, Page, index_lines
from harness import LIMIT, Launch, Server, expect, run

TAGS = {"flac": ["metaflac", "--no-utf8-convert", "--show-tag=TITLE"], "opus": ["opusinfo"]}


def private_files(directory, allowed=()):
    """Every file is directly in the directory, with mode 0600."""
    for path in directory.rglob("*"):
        mode = path.lstat().st_mode
        expect(stat.S_ISREG(mode) and path.parent == directory, f"{path} is no file of this directory")
        expect(stat.S_IMODE(mode) == 0o600 or path.name in allowed, f"{path} has mode {stat.S_IMODE(mode):o}")


def check_exports(out, names):
    """`names`: by user id. Every speaker has spoken at least once."""
    text = (out / "call.html").read_text(encoding="utf-8")
    page = Page(text)
    expect(sorted(page.names) == sorted(names.values()), "names of the page")
    expect(text.count("<script") == 1 and len(page.sources) == len(names), "the page has more elements than it should")
    with open(out / "call.csv", newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file, strict=True) if r["kind"] == "speech"]
    expect({r["user"]: r["name"] for r in rows} == names, "names of the CSV")
    cues = re.findall(r"^<v ([^<>&\n]*(?:&[#a-z0-9]+;[^<>&\n]*)*)>", (out / "call.vtt").read_bytes().decode(), re.M)
    expect(sorted(set(map(html.unescape, cues))) == sorted(set(names.values())), "names of the WebVTT")
    rpp = (out / "call.rpp").read_bytes().decode()
    noted = dict(re.findall(r"^    \|track \d+ user (\d+) name (\".*\")$", rpp, re.M))
    expect({u: json.loads(n) for u, n in noted.items()} == names, "names of the Reaper project")
    depth = 0
    for line in rpp.split("\n"):
        depth += line.lstrip(" ").startswith("<") - (line.strip(" ") == ">")
    expect(depth == 0, "a name opens or closes a block of the Reaper project")
    plain = {"".join(" " if ord(c) < 32 or ord(c) == 127 else c for c in n) for n in names.values()}
    labels = [line.split("\t") for line in (out / "call.labels.txt").read_bytes().decode().split("\n")[:-1]]
    expect(all(len(label) == 3 for label in labels) and {label[2] for label in labels} == plain, "names of Audacity's labels")
    turns = [line.split(" ") for line in (out / "call.rttm").read_text().split("\n")[:-1]]
    expect(all(len(t) == 10 for t in turns) and {t[7] for t in turns} == set(names), "speakers of the RTTM")


def exported(directory):
    names = {str(7000 + i): name for i, name in enumerate(hostile.names(300))}
    lines = [{"type": "recording", "version": 1, "start-unix": 1000, "location": f"{directory}/%n.wav", "extension": "wav"}]
    for i, (user, name) in enumerate(names.items()):
        track = {"track": i + 1, "user": user}
        lines += [{"type": "user", "user": user, "name": name},
                  {"type": "track-opened", **track, "ssrc": i, "name": name, "file": f"{directory}/{user}.wav", "start": 0},
                  {"type": "spurt", **track, "start": i, "length": 1.5}]
    lines.append({"type": "end", "reason": "eos", "duration": 400})
    index = directory / "call.jsonl"
    index.write_text("".join(json.dumps(line) + "\n" for line in lines))
    index.chmod(0o600)
    done = subprocess.run([str(PROGRAM), str(index)], capture_output=True, text=True, timeout=LIMIT)
    expect(done.returncode == 0 and not done.stderr, f"{done.returncode}: {done.stderr}")
    private_files(directory)
    check_exports(directory, names)


def tag_of(path, form):
    done = subprocess.run([*TAGS[form], str(path)], capture_output=True, timeout=LIMIT,
                          env=dict(os.environ, LC_ALL="C.UTF-8"))
    text = done.stdout.decode("utf-8", "replace")
    return text.split("TITLE=", 1)[1] if "TITLE=" in text else text.split("title=", 1)[-1]


def recorded(form):
    def test(directory):
        inside = directory / "inside"
        inside.mkdir()
        with Server("--speakers", "1") as server:
            names = {server.info["speakers"][0]["user_id"]: server.info["speakers"][0]["name"]}
            for i, name in enumerate(n for n in hostile.KNOWN if len(n) <= 100):
                added = server.add_user(name=f"user{i}", **{"global-name": name})
                names[added["user_id"]] = name
                server.command("speak", user=added["user_id"])
            launch = Launch(server.source + [
                "!", "discorddecrypt", "!", "discordfilesink", f"location={inside}/%n.{form}",
                f"index-location={inside}/call.jsonl", "export=audacity+reaper+vtt+rttm+csv+html"], server.info["token"])
            try:
                launch.wait_for("discordvoicesrc-connected")
                talk_on(server, 150)  # some have been speaking since before the recorder came
                server.hush()
                launch.interrupt()
                launch.finish()
            finally:
                launch.close()
        private_files(inside)
        expect([p.name for p in directory.iterdir()] == ["inside"], "something was written outside of the directory")
        lines = index_lines(inside)
        told = {line["user"]: line["name"] for line in lines if line["type"] == "user"}
        wrong = [(name, told.get(user)) for user, name in names.items() if told.get(user) != name]
        expect(not wrong, f"names of the index: {wrong}")
        check_exports(inside, names)
        files = {line["user"]: Path(line["file"]) for line in lines if line["type"] == "track-closed"}
        expect(set(files) == set(names) and len(set(files.values())) == len(names), "not a file for each")
        for user, name in names.items():
            tag = tag_of(files[user], form)
            expect(tag.startswith(name) and tag[len(name):len(name) + 1] in ("", "\n", "\r"), f"tag of {name!r}: {tag[:60]!r}")
    return test


if __name__ == "__main__":
    run([
        ("300 hostile names come back exactly from all exports", exported),
        ("FLAC: hostile names in files, tags, index and exports", recorded("flac")),
    ])
