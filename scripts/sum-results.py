#!/usr/bin/python3
"""Adds up what the test programs reported and closes with `N passed, N failed`.

Usage: sum-results.py BUILDDIR MESON_STATUS. Counts are taken from each program's own report (doctest, Check, TAP);
a program without one counts as one test. A program that failed counts at least one failure.
"""
import json
import re
import sys
from pathlib import Path

ANSI = re.compile(r"\x1b\[[0-9;]*m")
DOCTEST = re.compile(r"test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed")
CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.M)
TAP = re.compile(r"^(not )?ok\b(.*)$", re.M)
PLAIN = re.compile(r"^(\d+) passed, (\d+) failed", re.M)


def counts(output: str) -> tuple[int, int]:
    text = ANSI.sub("", output)
    if found := DOCTEST.findall(text):
        return sum(int(f[1]) for f in found), sum(int(f[2]) for f in found)
    if found := CHECK.findall(text):
        bad = sum(int(f[1]) + int(f[2]) for f in found)
        return sum(int(f[0]) for f in found) - bad, bad
    if found := PLAIN.findall(text):
        return int(found[-1][0]), int(found[-1][1])
    if found := TAP.findall(text):
        failed = sum(1 for no, rest in found if no and "# TODO" not in rest)
        return len(found) - failed, failed
    return 1, 0


def main() -> int:
    build, meson_status = Path(sys.argv[1]), int(sys.argv[2])
    log = build / "meson-logs" / "testlog.json"
    passed = failed = skipped = 0
    lines = log.read_text().splitlines() if log.exists() else []
    for line in lines:
        test = json.loads(line)
        result = test["result"]
        output = test.get("stdout", "") + test.get("stderr", "")
        if result == "SKIP":
            skipped += 1
            reason = next((l for l in output.splitlines() if "SKIP" in l.upper()), "").strip()
            print(f"skipped  {test['name']}  {reason}")
            continue
        good, bad = counts(output)
        if result in ("OK", "EXPECTEDFAIL"):
            passed, failed = passed + good, failed + bad
            print(f"ok       {test['name']:<44} {good:>5} tests {test['duration']:8.1f} s")
        else:
            bad = max(bad, 1)
            passed, failed = passed + good - (1 if good == 1 and bad == 1 else 0), failed + bad
            print(f"{result:<8} {test['name']:<44} {bad} failed, {test['duration']:.1f} s")
            for said in ANSI.sub("", output).splitlines()[-60:]:
                print(f"    {said}")
    if not lines:
        print((build / "tests.log").read_text()[-4000:] if (build / "tests.log").exists() else "no tests ran")
        failed += 1
    elif meson_status != 0 and failed == 0:
        print(f"meson test ended with {meson_status}")
        failed += 1
    if skipped:
        print(f"{skipped} test programs were skipped (reasons above)")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
