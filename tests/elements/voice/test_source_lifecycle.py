# SPDX-License-Identifier: LGPL-2.1-or-later
"""discordvoicesrc over many lives: nothing left behind, nothing waited for, nothing given away."""
import base64
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from source import Gst, Launch, Source, check_one_end, expect, run, server  # noqa: E402

IDS = {"guild_id": "81384788765712384", "channel_id": "81384788765712385"}


def threads():
    names = []
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/comm") as comm:
                names.append(comm.read().strip())
        except FileNotFoundError:
            pass
    return names


def own_threads():
    return sorted(name for name in threads() if name.startswith("discord-"))


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_a_hundred_lives_leave_nothing_behind(directory):
    with server("--speakers", "1") as served, Source(served.info) as source:
        for life in range(100):
            source.messages.clear()
            source.buffers.clear()
            source.events.clear()
            source.play()
            # Some lives end in the middle of connecting, some in the call, some by end of stream.
            if life % 3 != 0:
                source.wait_for("connected")
            if life % 3 == 2:
                source.wait_for_buffers(1)
                source.end()
            source.stop()
            check_one_end(source, "left")
            expect(not source.errors(), f"life {life}: {source.errors()}")
            # The kernel forgets a joined thread a moment later.
            source.wait(f"the end of the threads of life {life}", lambda: not own_threads())
            if life == 9:
                before = descriptors()
        expect(descriptors() <= before, f"{before} descriptors became {descriptors()}")
        expect(len(threads()) < 40, f"threads: {threads()}")


def test_ready_and_playing_in_turns(directory):
    with server("--speakers", "1") as served, Source(served.info) as source:
        for _ in range(20):
            source.pipeline.set_state(Gst.State.READY)
            source.play()
        source.wait_for("connected")
        source.wait_for_buffers(5)
        source.stop()
        expect(len(source.named("ended")) == 20, "one end for each life")


def test_stop_in_the_middle_of_connecting(directory):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        url = f"wss://localhost:{listener.getsockname()[1]}"
        with Source(None, gateway_url=url, token="a.b", timeout=3600 * Gst.SECOND, **IDS) as source:
            for _ in range(10):
                source.play()
                source.stop()  # would last an hour if it waited for the peer
            expect(len(source.named("ended")) == 10 and not source.errors(), "ten ends, no error")


def test_threads_do_not_grow_with_speakers_or_sources(directory):
    with server("--speakers", "1") as served:
        served.command("add-guild", guild="555", channel="556", speakers=6)
        served.out.wait_for(lambda line: '"cmd":"add-guild"' in line, "the second guild")
        with Source(served.info) as one, Source(served.info, guild_id="555", channel_id="556") as two:
            one.play()
            one.wait_for("connected")
            expect(own_threads() == ["discord-net", "discord-udp"], f"{own_threads()}")
            two.play()
            two.wait_for("speaking", 6)
            expect(own_threads() == ["discord-net", "discord-udp", "discord-udp"], f"{own_threads()}")


def spellings(raw):
    return [raw.hex(), raw.hex().upper(), base64.b64encode(raw).decode().rstrip("="),
            ", ".join(str(b) for b in raw), ",".join(str(b) for b in raw)]


def test_no_secret_in_logs_messages_and_graphs(directory):
    with server("--speakers", "1") as served:
        token = served.info["token"]
        env = {"GST_DEBUG": "*:9", "GST_DEBUG_NO_COLOR": "1", "GST_DEBUG_FILE": str(directory / "log"),
               "GST_DEBUG_DUMP_DOT_DIR": str(directory), "G_MESSAGES_DEBUG": "all"}
        launch = Launch([*served.source, "max-dave-version=0", "!", "fakesink"], token, env, ("-e", "-m", "-v"))
        try:
            launch.wait_for("discordvoicesrc-speaking")
            launch.interrupt()
            output = launch.finish()
        finally:
            launch.close()
        texts = {"output": output}
        for path in directory.iterdir():
            texts[path.name] = path.read_text(errors="replace")
        expect(any(name.endswith(".dot") for name in texts) and len(texts["log"]) > 100000, f"files {list(texts)}")
        identify = next(e for e in served.events() if e["event"] == "voice-identify")
        described = next(e for e in served.events() if e["event"] == "session-description")
        secrets = {"token": token.encode(), "voice token": identify["token"].encode(),
                   "session id": identify["session_id"].encode(), "key": bytes.fromhex(described["secret_key"])}
        for what, raw in secrets.items():
            expect(len(raw) >= 16, f"the {what} is worth looking for")
            forms = spellings(raw) if what == "key" else [raw.decode(), *spellings(raw)]
            for name, text in texts.items():
                expect(not any(form in text for form in forms), f"the {what} is in {name}")


run([(name[5:], function) for name, function in sorted(globals().items()) if name.startswith("test_")])
