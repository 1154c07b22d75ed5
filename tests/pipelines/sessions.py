#!/usr/bin/python3
"""Many guilds on one token, ends that are final, sessions that go deaf and heal, certificates that are refused."""
import json
import os
import socket
import ssl
import threading
import time
from pathlib import Path

from audio import Reference, expect_exact
from harness import LIMIT, Failure, Server, decode_to_pcm, expect, run, together
from inside import Gst, Pipeline, expect_closed

LONG = os.environ.get("DV_LONG") == "1"
FIRST_GUILD = 91384788765712384


def events(server, name):
    """All events of that name so far."""
    server.ask("stats", "stats")  # what was told before the answer has been read by now
    return [e for e in map(json.loads, list(server.out.lines)) if e.get("event") == name]


def wait_until(condition, what):
    deadline = time.monotonic() + LIMIT
    while not condition():
        expect(time.monotonic() < deadline, f"waited {LIMIT:.0f} s for {what}")
        time.sleep(0.05)


def two_recordings(directory):
    reference = directory / "reference"
    with Server("--dave", "1", "--speakers", "2", "--reference", str(reference)) as server:
        server.command("add-guild", guild=str(FIRST_GUILD), channel=str(FIRST_GUILD + 1), speakers=2)
        first = Pipeline(server, "", f"discordfilesink location={directory}/first-%u.wav")
        second = Pipeline(server, "", f"discordfilesink location={directory}/second-%u.wav")
        second.source.set_property("guild-id", str(FIRST_GUILD))
        second.source.set_property("channel-id", str(FIRST_GUILD + 1))
        with first, second:
            first.play().wait_message("discordvoicesrc-connected")
            second.play().wait_message("discordvoicesrc-connected")
            server.talk_a_while(120)
            server.hush()
            stats = server.ask("stats", "stats")
            expect(stats["identifies"] == 1, f"{stats['identifies']} Identifies for one token")
            for pipeline in (first, second):
                pipeline.end()
                expect_closed(pipeline.stats())
            inside = {s["user_id"] for s in server.info["speakers"]}
            for speaker in stats["speakers"]:
                user, name = speaker["user_id"], "first" if speaker["user_id"] in inside else "second"
                expect_exact(decode_to_pcm(directory / f"{name}-{user}.wav"), Reference.read(reference, user), user)
            expect(len(list(directory.glob("*.wav*"))) == 4, f"{sorted(directory.glob('*.wav*'))}")


def many_guilds(count):
    """All sources share one main session, whose requests keep to the limit: more than that closes with 4008."""
    def test(_):
        with Server("--dave", "0", "--speakers", "0") as server:
            # Hundreds of certificates would only show how fast TLS is; the limit is on the main gateway.
            pipeline = Gst.Pipeline()
            bus = pipeline.get_bus()
            info = server.info
            for n in range(count):
                guild = FIRST_GUILD + 2 * n
                server.command("add-guild", guild=str(guild), channel=str(guild + 1))
                source = Gst.ElementFactory.make("discordvoicesrc")
                sink = Gst.ElementFactory.make("fakesink")
                for name, value in (("guild-id", str(guild)), ("channel-id", str(guild + 1)), ("token", info["token"]),
                                    ("gateway-url", info["gateway_url"]), ("ca-file", info["ca_file"]),
                                    ("max-dave-version", 0), ("timeout", 80 * Gst.SECOND)):
                    source.set_property(name, value)
                pipeline.add(source)
                pipeline.add(sink)
                source.link(sink)
            connected = set()
            try:
                pipeline.set_state(Gst.State.PLAYING)
                deadline = time.monotonic() + 2 * LIMIT
                while len(connected) < count:
                    message = bus.timed_pop_filtered(100 * Gst.MSECOND, Gst.MessageType.ELEMENT | Gst.MessageType.ERROR)
                    expect(time.monotonic() < deadline, f"{len(connected)} of {count} are connected")
                    if message is None:
                        continue
                    expect(message.type != Gst.MessageType.ERROR, f"{message.src.get_name()}: an error")
                    if message.get_structure().get_name() == "discordvoicesrc-connected":
                        connected.add(message.src.get_name())
                joins = [e for e in events(server, "voice-state-request") if e["channel_id"] != "0"]
                stats = server.ask("stats", "stats")
            finally:
                pipeline.set_state(Gst.State.NULL)
            expect(stats["identifies"] == 1, f"{stats['identifies']} Identifies")
            expect(stats["resumes"] == 0 and stats["connections"] == 1, f"connected anew: {stats}")
            expect(len(joins) == count and len({e["guild_id"] for e in joins}) == count, f"{len(joins)} joins")
            expect(stats["voice_identifies"] == count, f"{stats['voice_identifies']} voice sessions")
            expect(not events(server, "main-refused"), f"refused: {events(server, 'main-refused')}")
    return test


def wait_error(pipeline):
    """The text of the one error; nothing else may follow it."""
    errors = []
    deadline = time.monotonic() + LIMIT
    while not errors or not pipeline.named("discordvoicesrc-ended"):
        expect(time.monotonic() < deadline, "no error came")
        message = pipeline.bus.timed_pop_filtered(100 * Gst.MSECOND, Gst.MessageType.ELEMENT | Gst.MessageType.ERROR)
        if message is None:
            continue
        if message.type == Gst.MessageType.ERROR:
            errors.append(message.parse_error()[0].message)
        else:
            pipeline.messages.append(message.get_structure().copy())
    pipeline.stop()
    while message := pipeline.bus.pop_filtered(Gst.MessageType.ERROR):
        errors.append(message.parse_error()[0].message)
    expect(len(errors) == 1, f"{len(errors)} errors: {errors}")
    return errors[0]


class Tries:
    """How often anything was begun on a server, counted from now on."""

    NAMES = ("identifies", "voice_identifies", "connections", "resumes", "voice_resumes")

    def __init__(self, server):
        self.server = server
        self.before = self.count()

    def count(self):
        stats = self.server.ask("stats", "stats")
        return [stats[name] for name in self.NAMES]

    def expect(self, wanted, what):
        since = [now - before for now, before in zip(self.count(), self.before)]
        expect(since == wanted, f"{what}: {dict(zip(self.NAMES, since))}")


def final(command, reasons):
    """A close code after which nothing is tried again: one error that says why, one Identify in all."""
    def test(_):
        with Server("--dave", "0", "--speakers", "1") as server:
            for code, (reason, word) in reasons.items():
                tries = Tries(server)
                with Pipeline(server, "max-workers=0", "fakesink sync=false") as pipeline:
                    pipeline.play().wait_message("discordvoicesrc-connected")
                    server.command(command, code=code)
                    text = wait_error(pipeline)
                ended = pipeline.named("discordvoicesrc-ended")
                expect(len(ended) == 1 and ended[0].get_boolean("fatal")[1], f"{code}: {len(ended)} ends")
                expect(ended[0].get_string("reason") == reason, f"{code}: {ended[0].get_string('reason')}")
                expect(word in text and str(code) in text, f"{code}: {text}")
                tries.expect([1, 1, 1, 0, 0], f"{code}: it tried again")
    return test


def deafened(_):
    """Deafened by a moderator: a warning, silence that is not healed, and sound again when it is over."""
    with Server("--dave", "1", "--speakers", "2") as server, Pipeline(server, "", "fakesink sync=false") as pipeline:
        pipeline.play().wait_message("discordvoicesrc-connected")
        server.talk_a_while(30)
        server.command("server-deafen", on=True)
        pipeline.wait_message("discordvoicesrc-deafened")
        warning = pipeline.bus.timed_pop_filtered(int(LIMIT * Gst.SECOND), Gst.MessageType.WARNING)
        expect(warning is not None and "deafened" in warning.parse_warning()[0].message, "no warning on the bus")
        before = pipeline.stats(pipeline.source)
        # Two pings take longer than all steps of healing.
        wait_until(lambda: pipeline.stats(pipeline.source)["udp-pings"] >= before["udp-pings"] + 2, "two pings")
        server.command("server-deafen", on=False)
        wait_until(lambda: pipeline.stats()["delivered"] > before["received"] + 50, "sound")
        server.hush()
        pipeline.end()
        told = pipeline.named("discordvoicesrc-deafened")
        expect([m.get_boolean("deaf")[1] for m in told] == [True, False], f"{len(told)} messages")
        expect(not pipeline.named("discordvoicesrc-healing"), "silence was healed")
        expect_closed(pipeline.stats())


class Deaf:
    """Somebody speaks and nothing can be heard; what was done about it."""

    def __init__(self, break_it):
        self.server = Server("--dave", "1", "--speakers", "1", "--speak-at", "never", "--option", "rtcp-interval-ms=0")
        with self.server as server, Pipeline(server, "", "fakesink sync=false") as pipeline:
            pipeline.play().wait_message("discordvoicesrc-connected")
            server.event("ready")
            break_it(server)
            wait_until(lambda: pipeline.stats()["delivered"] >= 100, "sound")
            server.hush()
            pipeline.end()
            self.stats = pipeline.stats(pipeline.source)
            self.steps = [m.get_value("step") for m in pipeline.named("discordvoicesrc-healing")]
            self.connected = len(pipeline.named("discordvoicesrc-connected"))
            expect_closed(pipeline.stats())


def heals_by(steps, break_it):
    """Each step is a message and a counter, and the last of them is the one that helps."""
    def test(_):
        seen = []
        for _turn in range(3):
            deaf = Deaf(break_it)
            counters = [deaf.stats[f"heal-{k}"] for k in ("pings", "resumes", "sessions")]
            expect([deaf.steps.count(n) for n in (1, 2, 3)] == counters, f"messages {deaf.steps}, counters {counters}")
            expect(counters[steps - 1] >= 1 or steps == 1, f"back without step {steps}: {deaf.steps}")
            seen.append(deaf.steps)
            # Steps are two seconds apart: a machine that stands still meanwhile may see another one, or a
            # ping that was due anyway.
            if deaf.steps == list(range(1, steps + 1)):
                expect(deaf.connected == (2 if steps == 3 else 1), f"{deaf.connected} sessions")
                expect(deaf.stats["voice-resumes"] == (1 if steps > 1 else 0), f"{deaf.stats}")
                return
        raise Failure(f"steps: {seen}")
    return test


def way_is_forgotten(server):
    # Right behind a ping that was due anyway: the next one is five seconds away.
    pings = server.ask("stats", "stats")["pings"]
    wait_until(lambda: server.ask("stats", "stats")["pings"] > pings, "a ping")
    server.command("forget-path")
    server.command("speak")


def name_is_lost(server):
    server.command("withhold", op=5)
    server.command("speak")


def key_is_lost(server):
    server.command("lose-key")
    server.command("speak")


def silence_is_not_healed(_):
    with Server("--dave", "1", "--speakers", "2", "--option", "rtcp-interval-ms=0") as server, \
            Pipeline(server, "", "fakesink sync=false") as pipeline:
        pipeline.play().wait_message("discordvoicesrc-connected")
        server.talk_a_while(30)
        server.hush()
        before = pipeline.stats(pipeline.source)["udp-pings"]
        wait_until(lambda: pipeline.stats(pipeline.source)["udp-pings"] >= before + (6 if LONG else 2), "pings")
        pipeline.end()
        expect(not pipeline.named("discordvoicesrc-healing"), "silence was healed")
        stats = pipeline.stats(pipeline.source)
        expect(stats["heal-pings"] + stats["heal-resumes"] + stats["heal-sessions"] == 0, f"{stats}")


class Listener:
    """Speaks TLS with a certificate of the local server's making and counts what comes through it."""

    def __init__(self, directory):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_ciphers("DEFAULT@SECLEVEL=0")  # weak certificates are for the client to refuse
        self.context.load_cert_chain(directory / "server.pem", directory / "server.key")
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.connections, self.received = 0, b""
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"wss://localhost:{self.socket.getsockname()[1]}"

    def serve(self):
        while True:
            try:
                raw, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            try:
                with self.context.wrap_socket(raw, server_side=True) as secure:
                    while data := secure.recv(4096):
                        self.received += data
                        if b"\r\n\r\n" in self.received:
                            break
            except OSError:
                pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(LIMIT)


def certificates_of_the_main_gateway(_):
    """Refused before anything is sent: not one byte comes through the TLS layer."""
    for kind in ("good", "expired", "not-yet-valid", "wrong-host", "self-signed", "unknown-ca", "weak"):
        with Server("--certificate", kind) as server:
            listener = Listener(Path(server.info["ca_file"]).parent)
            server.info["gateway_url"] = listener.url
            with Pipeline(server, "max-workers=0", "fakesink sync=false") as pipeline:
                pipeline.play()
                text = wait_error(pipeline)
            listener.close()
            expect(listener.connections >= 1, f"{kind}: nobody came")
            if kind == "good":  # so the listener would have seen it
                expect(listener.received.startswith(b"GET /?v=10"), f"{listener.received[:80]}")
                continue
            expect(listener.received == b"", f"{kind}: {listener.received[:80]} was sent")
            expect("certificate" in text, f"{kind}: {text}")
            expect(pipeline.named("discordvoicesrc-ended")[0].get_string("reason") == "tls-failed", kind)
            print(f"# {kind}: {text}")


def certificates_of_the_voice_server(_):
    """The same of the server that the main gateway names: no Identify, so no token, comes there."""
    with Server("--dave", "0", "--speakers", "1") as server:
        for kind in ("expired", "not-yet-valid", "wrong-host", "self-signed", "unknown-ca", "weak"):
            server.ask("move", "reply", endpoint="other", certificate=kind)  # from now on; nobody is there yet
            tries = Tries(server)
            with Pipeline(server, "max-workers=0", "fakesink sync=false") as pipeline:
                pipeline.play()
                text = wait_error(pipeline)
            expect("certificate" in text and "nothing was sent" in text, f"{kind}: {text}")
            tries.expect([1, 0, 1, 0, 0], kind)


def addresses(_):
    """What the main gateway may not name as a voice server is refused, and nothing is sent."""
    with Server("--dave", "0", "--speakers", "1") as server:
        for endpoint in ("https://localhost:443", "localhost:443/path", "user@localhost:443", "localhost:0",
                         "localhost:65536", "local host:443", "10.1.2.3:443", "localhost:443?x=1", "-bad-.example"):
            tries = Tries(server)
            with Pipeline(server, "max-workers=0", "fakesink sync=false") as pipeline:
                pipeline.play().wait_message("discordvoicesrc-connected")
                server.command("move", endpoint=endpoint, close=0)
                text = wait_error(pipeline)
            expect("address" in text, f"{endpoint!r}: {text}")
            expect(pipeline.named("discordvoicesrc-ended")[0].get_string("reason") == "bad-endpoint", endpoint)
            tries.expect([1, 1, 1, 0, 0], endpoint)


run([
    ("two guilds, one token: one Identify, two recordings", two_recordings),
    ("fifty guilds, one token: one Identify, requests within the limit", many_guilds(50)),
    *([("more guilds than a minute has requests", many_guilds(130))] if LONG else []),
    ("close codes of the voice gateway that are final", final("close-voice", {
        4012: ("protocol-error", "unknown protocol"), 4016: ("no-encryption-mode", "encryption mode"),
        4017: ("dave-required", "max-dave-version"), 4021: ("rate-limited", "rate limited")})),
    ("close codes of the main gateway that are final", final("close-main", {
        4004: ("bad-token", "token"), 4010: ("main-refused", "invalid shard"), 4011: ("main-refused", "guilds"),
        4012: ("main-refused", "version"), 4013: ("main-refused", "intents"), 4014: ("main-refused", "intents")})),
    ("deaf sessions heal by the step that helps, quiet ones are left alone", together([
        ("nothing comes over UDP: a ping heals", heals_by(1, way_is_forgotten)),
        ("a name is lost: a resume heals", heals_by(2, name_is_lost)),
        ("a key is lost: a new session heals", heals_by(3, key_is_lost)),
        ("silence is not healed", silence_is_not_healed),
        ("deafened by a moderator", deafened)])),
    ("bad certificates of the main gateway", certificates_of_the_main_gateway),
    ("bad certificates of the voice server", certificates_of_the_voice_server),
    ("addresses that are no voice server's", addresses),
])
