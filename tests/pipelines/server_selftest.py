# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks the local voice server with a client of its own: the whole join, both modes, faults, resume."""

import json
import os
import sys
import tempfile
import urllib.error
import urllib.request
import ssl

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server_selftest_client import Closed, Gateway, Server, join, main_session  # noqa: E402

PROGRAM = sys.argv[1]
MODES = ("aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize")
SILENCE = b"\xf8\xff\xfe"


def read_truth(path):
    with open(path) as lines:
        return [json.loads(line) for line in lines]


def heard(packets, ssrc):
    return sum(1 for p in packets if p.ssrc == ssrc)


def closed_code(gateway):
    try:
        while True:
            gateway.receive()
    except Closed as end:
        return end.code


def check_rest(server):
    context = ssl.create_default_context(cafile=server.info["ca_file"])
    base = server.info["gateway_url"].replace("wss", "https") + "/api/v10/gateway"
    url = json.load(urllib.request.urlopen(base, context=context))["url"]
    assert url == server.info["gateway_url"], url
    request = urllib.request.Request(base + "/bot", headers={"Authorization": "Bot " + server.info["token"]})
    assert json.load(urllib.request.urlopen(request, context=context))["session_start_limit"]["total"] == 1000
    try:
        urllib.request.urlopen(urllib.request.Request(base + "/bot", headers={"Authorization": "Bot x"}), context=context)
        raise AssertionError("a wrong token was accepted")
    except urllib.error.HTTPError as error:
        assert error.code == 401


def check_wrong_token(server):
    main = Gateway(server.info["gateway_url"], "/?v=10&encoding=json", server.info["ca_file"])
    main.send(2, {"token": "wrong", "intents": 129, "properties": {}})
    assert closed_code(main) == 4004


def check_call(mode):
    """Three speakers, each packet as the truth file tells, in order, with RTCP and pings beside them."""
    with tempfile.TemporaryDirectory() as where:
        truth = where + "/truth.jsonl"
        server = Server(PROGRAM, "--truth", truth, "--dave", "0", "--option", "rtcp-interval-ms=300", "--reference", where)
        check_rest(server)
        check_wrong_token(server)
        main, ready, guild = main_session(server)
        members = {m["user"]["id"]: m["user"]["username"] for m in guild["members"]}
        speakers = {s["user_id"]: s for s in server.info["speakers"]}
        assert set(speakers) <= set(members) and ready["user"]["id"] in members, members
        voice, described = join(server, main, ready, mode)
        assert described["dave_protocol_version"] == 0
        there = [u for m in voice.messages if m["op"] == 11 for u in m["d"]["user_ids"]]
        assert set(there) == set(speakers), voice.messages
        voice.ping(7)
        rtp, rtcp, pongs = [], [], []
        while len(pongs) == 0 or len(rtcp) < 8 or min(heard(rtp, s["ssrc"]) for s in speakers.values()) < 50:
            more, reports, answers, bad = voice.receive(30)
            assert bad == 0
            rtp, rtcp, pongs = rtp + more, rtcp + reports, pongs + answers
        assert (0x1337F00D, 7) in pongs, pongs
        assert {data[1] for data in rtcp} >= {200, 201}
        users = {}
        while len(users) < 3:
            message = voice.gateway.until(5)
            users[message["d"]["ssrc"]] = message["d"]["user_id"]
        assert {users[p.ssrc] for p in rtp} == set(speakers)
        server.command("stop-speaking")
        server.command("stats")
        sent = {(t["ssrc"], t["seq"]): t for t in read_truth(truth)}
        for packet in rtp:
            line = sent[packet.ssrc, packet.seq]
            assert packet.pt == 120 and packet.rtp == line["rtp"] and packet.payload.hex() == line["opus"]
            assert line["user"] == users[packet.ssrc] and line["receivers"] == 1
        for ssrc in users:
            mine = [p for p in rtp if p.ssrc == ssrc]
            steps = [(b.seq - a.seq) & 0xFFFF for a, b in zip(mine, mine[1:])]
            assert all(1 <= step < 100 for step in steps) and sum(steps) <= 1.05 * len(steps) + 1, steps
        pcm = [n for n in os.listdir(where) if n.endswith(".s16")]
        assert len(pcm) == 3 and all(os.path.getsize(where + "/" + n) % 4 == 0 for n in pcm)
        server.stop()


def check_faults():
    """What the switches promise is in the truth file and on the wire."""
    with tempfile.TemporaryDirectory() as where:
        truth = where + "/truth.jsonl"
        faults = {"loss": 5, "reorder": 5, "duplicate": 2, "padding": 10, "extension": 50, "csrc": 5, "seed": 3,
                  "start-seq": 65500, "start-rtp": 4294960000}
        server = Server(PROGRAM, "--truth", truth, "--faults", json.dumps(faults))
        main, ready, _ = main_session(server)
        voice, _ = join(server, main, ready, MODES[0])
        rtp, _, _, bad = voice.receive(600)
        assert bad == 0
        server.command("stats")
        lines = read_truth(truth)
        kinds = {line["fault"] for line in lines}
        assert {"none", "dropped", "reordered", "duplicated"} <= kinds, kinds
        sent = {(t["ssrc"], t["seq"]): t for t in lines if t["fault"] != "dropped"}
        got = {}
        for packet in rtp:
            line = sent[packet.ssrc, packet.seq]
            assert packet.payload.hex() == line["opus"] and packet.padding == line["padding"]
            got[packet.ssrc, packet.seq] = got.get((packet.ssrc, packet.seq), 0) + 1
        assert max(got.values()) == 2 and any(seq < 100 for _, seq in got) and any(seq > 65000 for _, seq in got)
        order = [p.seq for p in rtp if p.ssrc == rtp[0].ssrc]
        assert any(((b - a) & 0xFFFF) > 0x8000 for a, b in zip(order, order[1:])), "nothing was reordered"
        assert server.command("garbage", kind="forged", count=20)["sent"] == 20
        for _ in range(50):
            bad += voice.receive(10)[3]
            if bad == 20:
                break
        assert bad == 20, bad
        server.stop()


def check_sessions():
    """Resume of both gateways, refusals, moves, full channels."""
    server = Server(PROGRAM)
    main, ready, _ = main_session(server)
    voice, _ = join(server, main, ready, MODES[1])
    voice.gateway.until(5)
    seen = voice.gateway.seq
    voice.gateway.ws.cut()
    server.wait("closed", gateway="voice")
    user = server.command("add-user", name="Late")["user_id"]
    voice.resume(seen)
    assert voice.gateway.until(9)["d"] is None
    missed = voice.gateway.until(11)
    assert missed["d"]["user_ids"] == [user] and voice.gateway.seq != seen
    voice.gateway.send(3, {"t": 42, "seq_ack": voice.gateway.seq})
    assert voice.gateway.until(6)["d"]["t"] == 42
    assert len(voice.receive(50)[0]) >= 50
    newest = main.seq
    main.ws.cut()
    server.wait("closed", gateway="main")
    server.command("rename-user", user=user, nick="Later")
    main = Gateway(ready["resume_gateway_url"], "/?v=10&encoding=json", server.info["ca_file"])
    main.until(10)
    main.send(6, {"token": server.info["token"], "session_id": ready["session_id"], "seq": newest})
    replayed = []
    main.until(0, "RESUMED", seen=replayed)
    assert any(m["t"] == "VOICE_STATE_UPDATE" and m["d"]["member"]["nick"] == "Later" for m in replayed)
    assert len(voice.receive(50)[0]) >= 50, "media did not survive the resume"
    assert server.command("close-voice", code=4006)["ok"]
    assert closed_code(voice.gateway) == 4006
    voice.resume(voice.gateway.seq or -1)
    assert closed_code(voice.gateway) == 4006
    main.send(4, {"guild_id": server.info["guild_id"], "channel_id": None, "self_mute": True, "self_deaf": False})
    main.until(0, "VOICE_STATE_UPDATE")
    voice, _ = join(server, main, ready, MODES[1])
    assert server.command("move", endpoint="other", **{"null-ms": 50})["ok"]
    assert main.until(0, "VOICE_SERVER_UPDATE")["d"]["endpoint"] is None
    assert main.until(0, "VOICE_SERVER_UPDATE")["d"]["endpoint"] not in (None, voice.endpoint)
    assert closed_code(voice.gateway) == 4014
    assert server.command("invalid-session")["ok"]
    assert main.until(9)["d"] is False
    assert server.command("stats")["identifies"] == 1
    server.stop()


for name, check, arguments in (("call gcm", check_call, MODES[:1]), ("call xchacha", check_call, MODES[1:]),
                               ("faults", check_faults, ()), ("sessions", check_sessions, ())):
    check(*arguments)
    print("ok", name, flush=True)
