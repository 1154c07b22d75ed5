#!/usr/bin/python3
"""The main gateway's connection breaks in every way while three people talk."""
from harness import run
from recovery_call import LONG, QUICK_BEATS, Want, survives

RESUMED = [("main-resume", {"ok": True})]
AGAIN = [("main-ready", {})]  # Discord itself wants a pause before: the service is back when it lets us in


def resumes(says, *faults, options=(), back=RESUMED):
    return survives(faults, Want(says, main_resumes=1), options, back)


def new_session(says, *faults, back=None):
    return survives(faults, Want(says, sessions=2, identifies=2), back=back)


TESTS = [
    ("cut (1006)", resumes("connection cut", ("cut-main", {}))),
    ("4000", resumes("4000", ("close-main", {"code": 4000}))),
    ("op 7", resumes("reconnect", ("reconnect", {}))),
    ("op 9 true", resumes("asks to resume", ("invalid-session", {"resumable": True}))),
    ("heartbeats not answered", resumes("heartbeat", ("freeze-main", {"seconds": 6}), options=QUICK_BEATS)),
    ("4007, bad seq", new_session("4007", ("close-main", {"code": 4007}))),
    ("4008, rate limited", new_session("4008", ("close-main", {"code": 4008}), back=AGAIN)),
    ("4009, session timed out", new_session("4009", ("close-main", {"code": 4009}))),
    ("op 9 false", new_session("invalid", ("invalid-session", {"resumable": False}), back=AGAIN)),
]
if LONG:
    FREEZE = ("freeze-main", {"seconds": 30})
    TESTS += [
        ("frozen for 30 s, between two heartbeats: nobody notices",
         survives([FREEZE], Want(), back=[("service-back", {})])),
        ("frozen for 30 s, a heartbeat is missed",
         resumes("heartbeat", FREEZE, options=("--option", "main-heartbeat-ms=10000"),
                 back=[*RESUMED, ("service-back", {})])),
    ]

run(TESTS)
