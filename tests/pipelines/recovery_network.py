#!/usr/bin/python3
"""Servers move, media paths change, and what should be connected to is not there, while three people talk."""
import time

from harness import LIMIT, expect, run
from recovery_call import LONG, Call, Want, check, survives

BACK = [("service-back", {})]
RESUMED_LATER = [*BACK, ("resume", {"ok": True})]
MAIN_RESUMED_LATER = [*BACK, ("main-resume", {"ok": True})]
NAT = ("--option", "nat=true")


def away(command, what, **fields):
    """That part of the service is away for 2 s."""
    return (command, {"what": what, "seconds": 2, **fields})


def resumes(*faults, main=False):
    want = Want("connection cut", **({"main_resumes": 1} if main else {"resumes": 1}))
    return survives(faults, want, back=MAIN_RESUMED_LATER if main else RESUMED_LATER)


def new_session(says, *faults, options=(), back=None):
    return survives(faults, Want(says, sessions=2), options, back)


def connect_failures(call, name):
    """Waits until the source has failed to connect."""
    end = time.monotonic() + LIMIT
    while call.pipeline.stats(call.pipeline.source)[name] == 0:
        expect(time.monotonic() < end, "no attempt to connect has failed")
        time.sleep(0.05)


def voice_name_unknown(directory):
    """The new server's name can not be resolved; then comes one that can."""
    with Call(directory) as call:
        call.fault("move", endpoint="voice.invalid:443", close=4014)
        connect_failures(call, "voice-connect-failures")
        call.fault("move", endpoint="other", close=0)
        check(call, Want("changes", sessions=2))


def main_name_unknown(directory):
    """The host that READY names for a Resume can not be resolved; the other door is open."""
    with Call(directory, ("--option", "resume-host=gateway.invalid")) as call:
        call.fault("cut-main")
        connect_failures(call, "main-connect-failures")
        call.back_with("main-resume", ok=True)
        check(call, Want("connection cut", main_resumes=1))


EXPIRED, FOREIGN = {"certificate": "expired"}, {"certificate": "unknown-ca"}
TESTS = [
    ("move: the same endpoint, new token", new_session("changes", ("move", {"endpoint": "same", "close": 0}))),
    ("move: no endpoint at first",
     survives([("move", {"endpoint": "other", "null-ms": 700, "close": 4014})], Want("another one is being found", sessions=2),
              back=BACK)),
    ("move: another region, everybody has another SSRC",
     new_session("changes", ("move", {"endpoint": "other", "region": "rotterdam", "close": 4014}))),
    ("move: another UDP address behind the same endpoint",
     new_session("changes", ("move", {"endpoint": "same", "media": True, "close": 0}))),
    ("UDP: silence of 3 s, nothing is given up",
     survives([("silence-udp", {"seconds": 3})], Want(), back=BACK, lossless=False)),
    ("UDP: our address changes, the server follows",
     survives([("nat-rebind", {})], Want(), NAT, lossless=False)),
    ("UDP: our address changes, the server does not follow",
     new_session("address has changed", ("nat-rebind", {}), options=(*NAT, "--option", "udp-follow=false"))),
    ("voice: name not known", voice_name_unknown),
    ("voice: refused, then resumed", resumes(away("refuse", "voice"), ("cut-voice", {}))),
    ("voice: refused, for a new session",
     new_session("4009", away("refuse", "voice"), ("close-voice", {"code": 4009}), back=BACK)),
    ("voice: certificate expired, then resumed", resumes(away("break-tls", "voice", **EXPIRED), ("cut-voice", {}))),
    ("voice: no TLS, for a new session",
     new_session("4006", away("break-tls", "voice"), ("close-voice", {"code": 4006}), back=BACK)),
    ("main: name not known", main_name_unknown),
    ("main: refused", resumes(away("refuse", "main"), ("cut-main", {}), main=True)),
    ("main: certificate of another authority", resumes(away("break-tls", "main", **FOREIGN), ("cut-main", {}), main=True)),
]
if LONG:
    TESTS += [
        ("UDP: silence of 25 s", new_session("over UDP", ("silence-udp", {"seconds": 25}), back=BACK)),
        ("voice: certificate for a new session",
         new_session("4006", away("break-tls", "voice", **FOREIGN), ("close-voice", {"code": 4006}), back=BACK)),
        ("main: no TLS", resumes(away("break-tls", "main"), ("cut-main", {}), main=True)),
        ("both gateways refused for 20 s",
         survives([("refuse", {"what": "voice", "seconds": 20}), ("refuse", {"what": "main", "seconds": 20}),
                   ("cut-voice", {}), ("cut-main", {})], Want("connection cut", resumes=1, main_resumes=1),
                  back=[("main-resume", {"ok": True})])),
    ]

run(TESTS)
