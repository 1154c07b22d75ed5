# SPDX-License-Identifier: LGPL-2.1-or-later
"""@discordjs/voice with @snazzah/davey as clients of the local server: both modes, both directions, end to end."""

import json
import os
import sys
import tempfile
import time
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "pipelines")]
from bot import LIMIT, SILENCE, Client, eventually, installed, tone  # noqa: E402
from server_selftest_client import Server  # noqa: E402

PROGRAM, MODULES = sys.argv[1:3]
if not installed(MODULES):
    print("skipped: tests/interop/install.sh has not put @discordjs/voice into", MODULES)
    sys.exit(77)


def sent_packets(path):
    """(user, SSRC, number, Opus packet) of what left for a listener, in the order of sending."""
    with open(path) as lines:
        whole = map(json.loads, (line for line in lines if line.endswith("\n")))
        return [(t["user"], t["ssrc"], t["seq"], t["opus"]) for t in whole if t["receivers"]]


def settle(server, client, port, truth):
    """All fall silent; waits until what was sent is at the client, or counted as thrown away by its socket."""
    server.command("stop-speaking")
    eventually(lambda: not any(s["talking"] for s in server.command("stats")["speakers"]), lambda: "still talking")
    server.command("stats")  # writes out what the truth still holds

    def count():
        return len(sent_packets(truth)), len(client.datagrams()), client.dropped(port)

    eventually(lambda: (n := count())[0] <= n[1] + n[2], lambda: ("sent, arrived, thrown away:", count()))
    return client.dropped(port)


def check_account(client, sent, dropped, gone):
    """
    Everything that was sent has a fate, and what was heard is exactly what was said. Before a speaker's first packet is
    heard the library may not know the number yet (op 5 comes over another socket) or not be asked to listen; of somebody
    who is gone it knows nothing any more. Nothing else is missing.
    """
    arrived = client.datagrams()
    rest = iter([p[1:3] for p in sent])
    for d in arrived:
        assert (d["ssrc"], d["seq"]) in rest, ("not sent, twice, or out of order", d)
    assert len(arrived) + dropped >= len(sent), (len(arrived), dropped, len(sent))
    opus = {p[1:3]: p[3] for p in sent}
    for user in sorted({p[0] for p in sent}):
        numbers = {p[1] for p in sent if p[0] == user}
        mine = [d for d in arrived if d["ssrc"] in numbers]
        said = [opus[d["ssrc"], d["seq"]] for d in mine if d["fate"] == "heard"]
        eventually(lambda: len(client.heard(user)) >= len(said), lambda: (user, len(client.heard(user)), len(said)))
        heard = client.heard(user)
        first = next((n for n, (a, b) in enumerate(zip(heard, said)) if a != b), min(len(heard), len(said)))
        assert heard == said, (user, len(heard), len(said), first, client.dave_log())
        fates = [d["fate"] for d in mine]
        begin = fates.index("heard")
        end = len(fates) - fates[::-1].index("heard")
        assert set(fates[:begin]) <= {"ssrc-unknown", "not-subscribed"}, (user, Counter(fates[:begin]), client.dave_log())
        assert set(fates[begin:end]) == {"heard"}, (user, Counter(fates[begin:end]), client.dave_log())
        assert set(fates[end:]) <= ({"ssrc-unknown"} if user in gone else set()), (user, Counter(fates[end:]))
        print(f"  {user}: {sum(p[0] == user for p in sent)} sent, {dict(Counter(fates))}, {dropped} thrown away in all",
              flush=True)


def check_receiving(mode, dave):
    """Each speaker as sent, packet by packet; epochs change meanwhile, and nothing undecipherable comes out."""
    with tempfile.TemporaryDirectory() as where:
        server = Server(PROGRAM, "--dave", dave, "--modes", mode, "--truth", where + "/truth",
                        "--faults", '{"padding":10,"extension":50}', "--option", "speak-delay-ms=1500")
        client = Client(server.info, server.info["token"], MODULES)
        server.wait("ready", user_id=client.user)
        port = server.wait("udp-discovered", user_id=client.user)["port"]
        if dave == "1":
            client.wait(lambda e: "Transition executed" in e.get("what", ""))
        users, gone = [s["user_id"] for s in server.info["speakers"]], []
        client.command("listen", users=users)
        for user in users:
            client.wait(lambda e: e["event"] == "heard" and e["user"] == user, 60)
        if dave == "1":
            late = server.command("add-user")["user_id"]
            client.command("listen", users=[late])
            server.wait("epoch", having=lambda e: late in e["members"])
            client.wait(lambda e: e["event"] == "heard" and e["user"] == late and e["opus"] != SILENCE, 60)
            gone.append(users[0])
            assert server.command("remove-user", user=users[0])["ok"]
            epoch = server.wait("epoch", having=lambda e: users[0] not in e["members"])["epoch"]
            server.wait("transition", epoch=epoch)
            before = len(client.heard(users[1]))
            client.wait(lambda e: e["event"] == "heard" and e["user"] == users[1], before + 60)
        dropped = settle(server, client, port, where + "/truth")
        check_account(client, sent_packets(where + "/truth"), dropped, gone)
        client.check()
        client.leave()
        server.stop()


def check_speaking(mode, dave):
    """One client speaks a tone, another one and the server's members hear it, packet by packet."""
    server = Server(PROGRAM, "--dave", dave, "--modes", mode, "--speak-at", "never")
    listener = Client(server.info, server.info["token"], MODULES)
    server.wait("ready", user_id=listener.user)
    speaker = Client(server.info, server.command("add-bot")["token"], MODULES)
    server.wait("ready", user_id=speaker.user)
    if dave == "1":
        for client in (listener, speaker):
            client.wait(lambda e: "Transition executed" in e.get("what", ""))
    listener.command("listen", users=[speaker.user])
    listener.wait(lambda e: e["event"] == "listening")
    packets = tone(440, 100)
    speaker.command("speak", packets=packets)
    speaker.wait(lambda e: e["event"] == "spoken")
    listener.wait(lambda e: e["event"] == "heard" and e["opus"] == packets[-1])
    # What follows the tone is on its way still: frames of silence.
    eventually(lambda: server.command("stats")["client_rtp"] == len(listener.datagrams()),
               lambda: (server.command("stats"), len(listener.datagrams())))
    fates = [d["fate"] for d in listener.datagrams()]
    unknown = fates.count("ssrc-unknown")  # the first packets may overtake the op 5 that names their SSRC
    assert fates == ["ssrc-unknown"] * unknown + ["heard"] * (len(fates) - unknown), fates
    assert [p for p in listener.heard(speaker.user) if p != SILENCE] == packets[unknown:], (unknown, fates)
    stats = server.command("stats")
    assert stats["client_rtp"] >= len(packets) and stats["client_rtp_bad"] == 0, stats
    if dave == "1":
        assert stats["client_frames_opened"] == stats["client_rtp"] and stats["client_frames_refused"] == 0, stats
    print(f"  {stats['client_rtp']} packets of the client, {unknown} of them before its number was known", flush=True)
    listener.check()
    speaker.check()
    speaker.leave()
    server.wait("leave", user_id=speaker.user)
    listener.leave()
    server.stop()


def hears_again(server, client, truth, mark, what):
    """From `mark` on the client hears what is said, in the clear, before long."""
    deadline = time.monotonic() + LIMIT
    while True:
        with client.changed:
            heard = [(e["user"], e["opus"]) for e in client.events[mark:] if e["event"] == "heard" and e["opus"] != SILENCE]
        server.command("stats")
        with open(truth) as lines:
            said = {(t["user"], t["opus"]) for t in map(json.loads, (line for line in lines if line.endswith("\n")))}
        good = [h for h in heard[-40:] if h in said]
        if len(heard) >= 40 and len(good) == 40:
            return
        assert time.monotonic() < deadline, (what, len(heard), len(good))
        time.sleep(0.2)


def check_recovery():
    """Refused commits, stale ones, versions up and down, an emptied and refilled channel: audio goes on."""
    with tempfile.TemporaryDirectory() as where:
        truth = where + "/truth"
        server = Server(PROGRAM, "--dave", "1", "--speakers", "2", "--truth", truth)
        client = Client(server.info, server.info["token"], MODULES)
        server.wait("ready", user_id=client.user)
        users = [s["user_id"] for s in server.info["speakers"]]
        client.command("listen", users=users)
        hears_again(server, client, truth, 0, "start")

        def step(what, *commands):
            mark = len(client.events)
            for command in commands:
                assert server.command(**command)["ok"], command
            hears_again(server, client, truth, mark, what)

        step("new epoch", {"cmd": "epoch"})
        step("damaged commit", {"cmd": "invalid-commit"}, {"cmd": "epoch"})
        assert server.wait("invalid-commit", user_id=client.user)
        step("stale commit", {"cmd": "stale-commit"})
        step("new group", {"cmd": "epoch", "how": "reset"})
        step("version 0", {"cmd": "downgrade"})
        server.wait("transition", version=0)
        step("version 1", {"cmd": "upgrade"})
        step("client's commit", {"cmd": "option", "commit-winner": "client"}, {"cmd": "epoch"})
        server.wait("epoch", committer=client.user)
        for user in users:
            assert server.command("remove-user", user=user)["ok"]
        server.wait("group-reset")
        guest = server.command("add-user")["user_id"]
        client.command("listen", users=[guest])
        step("refilled", {"cmd": "option", "commit-winner": "any"})
        client.leave()
        server.stop()


CHECKS = [(check, mode, dave) for dave in ("1", "0") for mode in ("gcm", "xchacha")
          for check in (check_receiving, check_speaking)]
start = time.monotonic()
check_recovery()
print(f"ok check_recovery ({time.monotonic() - start:.1f} s)", flush=True)
for check, mode, dave in CHECKS:
    start = time.monotonic()
    check(mode, dave)
    print(f"ok {check.__name__} {mode} dave={dave} ({time.monotonic() - start:.1f} s)", flush=True)
