#!/usr/bin/python3
"""The page of a recording in a real browser: Debian's Chromium, without a window, steered by WebDriver."""
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request

import hostile
from export import index_lines
from harness import LIMIT, Launch, Lines, Server, Skip, expect, run

NAMES = [n for n in hostile.KNOWN if "script" in n or "onerror" in n or "onclick" in n or "\n" in n or "double" in n]


class Browser:
    """One session of chromedriver (W3C WebDriver over HTTP)."""

    def __init__(self, directory):
        programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
        if None in programs:
            raise Skip("chromium and chromedriver are not installed (apt-get install chromium chromium-driver)")
        self.driver = subprocess.Popen([programs[1], "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            line = Lines(self.driver.stdout).wait_for(lambda l: "started successfully on port" in l, "chromedriver")
            port = re.search(r"on port (\d+)", line).group(1)
            self.base = f"http://127.0.0.1:{port}/session"
            options = {
                "binary": programs[0],
                "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio",
                         "--autoplay-policy=no-user-gesture-required", f"--user-data-dir={directory}/profile"],
            }
            capabilities = {"browserName": "chrome", "goog:chromeOptions": options, "timeouts": {"script": int(LIMIT * 1000)},
                            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
            answer = self.call("", {"capabilities": {"alwaysMatch": capabilities}})
            self.base += "/" + answer["sessionId"]
        except BaseException:
            self.driver.kill()
            raise

    def call(self, path, body=None, method=None):
        request = urllib.request.Request(self.base + path, method=method or "POST", data=json.dumps(body or {}).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=2 * LIMIT) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            expect(False, f"{path}: {error.read().decode()[:600]}")

    def script(self, text):
        return self.call("/execute/sync", {"script": text, "args": []})

    def until(self, condition):
        """Waits in the page until the expression is true; what it is not otherwise tells the time-out."""
        self.call("/execute/async", {"args": [], "script":
                  f"const done=arguments[0];const t=setInterval(()=>{{if({condition}){{clearInterval(t);done();}}}},50);"})

    def log(self, kind):
        return self.call("/se/log", {"type": kind})

    def close(self):
        try:
            self.call("", method="DELETE")
        finally:
            self.driver.terminate()
            self.driver.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def record(directory, form):
    with Server("--speakers", "2") as server:
        names = [s["name"] for s in server.info["speakers"]]
        for i, name in enumerate(NAMES):
            added = server.add_user(name=f"user{i}", **{"global-name": name})
            server.command("speak", user=added["user_id"])
        launch = Launch(
            server.source + ["!", "discorddecrypt", "!", "discordfilesink", f"location={directory}/%n.{form}",
                             f"index-location={directory}/call.jsonl", "export=html"], server.info["token"])
        try:
            launch.wait_for("discordvoicesrc-connected")
            server.talk_a_while(150)
            server.hush()
            launch.interrupt()
            launch.finish()
        finally:
            launch.close()
    return names + NAMES


def spurts_of(lines):
    """Number of spurts by user, pieces joined."""
    counts, ends = {}, {}
    for line in lines:
        if line["type"] == "spurt":
            joined = line["user"] in ends and abs(ends[line["user"]] - line["start"]) < 2.5e-6
            counts[line["user"]] = counts.get(line["user"], 0) + (not joined)
            ends[line["user"]] = line["start"] + line["length"]
    return counts


def page_of(form):
    def test(directory):
        names = record(directory, form)
        lines = index_lines(directory)
        closed = {line["user"]: line for line in lines if line["type"] == "track-closed"}
        users = {line["user"]: line["name"] for line in lines if line["type"] == "user" and line["user"] in closed}
        with Browser(directory) as browser:
            browser.call("/url", {"url": f"file://{directory}/call.html"})
            rows = browser.script("""
                return [...document.querySelectorAll('section')].map(s => ({
                  name: s.querySelector('bdi.name').textContent,
                  seen: s.querySelector('bdi.name').getClientRects().length,
                  user: s.querySelector('p').textContent.split(' ')[0],
                  spurts: [...s.querySelectorAll('rect.spurt')].map(r => r.getBoundingClientRect().width),
                  wave: s.querySelector('path').getBBox().height, audio: s.querySelectorAll('audio').length}))""")
            expect({r["user"]: r["name"] for r in rows} == users and sorted(r["name"] for r in rows) == sorted(names),
                   f"rows of {[r['name'][:20] for r in rows]}")
            expect({r["user"]: len(r["spurts"]) for r in rows} == spurts_of(lines), "the spurts drawn are not those of the index")
            expect(all(r["seen"] and min(r["spurts"]) > 0 and r["wave"] > 2 and r["audio"] == 1 for r in rows), f"{rows}")
            count = browser.script("""return [typeof window.hacked, document.querySelectorAll('script').length,
                document.querySelectorAll('img,iframe,object,embed,link,a').length, document.querySelectorAll('[onclick],[onerror]').length]""")
            expect(count == ["undefined", 1, 0, 0], f"names have become elements: {count}")
            # All play, in step, and the sound is decoded.
            browser.script("document.getElementById('play').click()")
            audio = "[...document.querySelectorAll('audio')]"
            browser.until(f"{audio}.some(a=>a.error)||{audio}.every(a=>a.currentTime>0.3&&a.readyState>=2)")
            played = browser.script(f"""return {audio}.map(a => [a.error && a.error.message, a.currentTime, a.duration,
                a.webkitAudioDecodedByteCount])""")
            expect(all(error is None and decoded > 0 for error, _, _, decoded in played), f"players: {played}")
            length = max(line["end"] for line in closed.values())
            expect(all(abs(duration - length) < 0.2 for _, _, duration, _ in played), f"{played}, not {length} s")
            now = browser.script("return document.getElementById('now').textContent")
            expect(re.fullmatch(r"\d\d:\d\d:\d\d", now), f"position {now!r}")
            # A click into a spurt goes there.
            browser.script("""const r=[...document.querySelectorAll('rect.spurt')].pop();window.target=+r.dataset.at;
                r.dispatchEvent(new MouseEvent('click',{bubbles:true}))""")
            browser.until(f"{audio}.every(a=>a.ended||a.currentTime>=window.target)")
            browser.script("if(document.getElementById('play').textContent==='Pause')document.getElementById('play').click()")
            browser.until(f"{audio}.every(a=>a.paused)")
            complaints = [e["message"] for e in browser.log("browser") if e["level"] in ("WARNING", "SEVERE")]
            expect(not complaints, f"console: {complaints}")
            asked = [m["params"]["request"]["url"] for m in (json.loads(e["message"])["message"] for e in browser.log("performance"))
                     if m["method"] == "Network.requestWillBeSent"]
            own = [u for u in asked if u.startswith(f"file://{directory}/")]
            foreign = [u for u in asked if not u.startswith(("file://" + str(directory), "data:", "chrome:"))]
            expect(len(own) > len(names) and not foreign, f"the page asked for {foreign}")
            print(f"# {form}: {len(rows)} rows, {len(own)} requests, all of them for the recording")
    return test


if __name__ == "__main__":
    run([(f"{form}: the page shows who spoke when and plays it; hostile names are text", page_of(form)) for form in ("wav", "opus")])
