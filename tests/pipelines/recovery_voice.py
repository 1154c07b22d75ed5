#!/usr/bin/python3
"""The voice gateway's connection breaks in every way while three people talk."""
from harness import run
from recovery_call import LONG, QUICK_BEATS, Want, ends, survives

RESUMED = [("resume", {"ok": True})]


def resumes(says, *faults, options=(), back=RESUMED):
    return survives(faults, Want(says, resumes=1), options, back)


def new_session(says, *faults, options=(), back=None):
    return survives(faults, Want(says, sessions=2), options, back)


def moved(code):
    return new_session(str(code), ("move", {"endpoint": "other", "close": code, "after-ms": 500}), back=[("service-back", {})])


TESTS = [
    ("cut (1006)", resumes("connection cut", ("cut-voice", {}))),
    ("4015, server crashed", resumes("4015", ("close-voice", {"code": 4015}))),
    ("heartbeats not answered", resumes("heartbeats", ("freeze-voice", {"seconds": 6}), options=QUICK_BEATS)),
    ("4006, session no longer valid", new_session("4006", ("close-voice", {"code": 4006}))),
    ("4009, session timed out", new_session("4009", ("close-voice", {"code": 4009}))),
    ("4011, server not found", new_session("4011", ("close-voice", {"code": 4011}))),
    ("cut, and resume is refused",
     new_session("4006", ("cut-voice", {}), options=("--option", "voice-resume=false"))),
    ("4014, then the server that it has moved to", moved(4014)),
    ("4022, then the server that it has moved to", moved(4022)),
    ("4014, kicked", ends("kicked", ("kick", {"code": 4014}))),
    ("4022, kicked while alone", ends("kicked", ("kick", {"code": 4022}))),
    ("4022, the channel is deleted", ends("channel-deleted", ("delete-channel", {}))),
]
if LONG:
    TESTS += [
        ("frozen for 30 s",
         resumes("heartbeats", ("freeze-voice", {"seconds": 30}), back=[*RESUMED, ("service-back", {})])),
        ("4014, and nobody says why", new_session("4014", ("close-voice", {"code": 4014}), back=[("leave", {})])),
        ("4022, and nobody says why", ends("call-terminated", ("close-voice", {"code": 4022}))),
    ]

run(TESTS)
