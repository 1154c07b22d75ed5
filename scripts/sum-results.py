#!/usr/bin/python3
"""Adds up what the test programs reported and closes with `N passed, N failed`.

Usage: sum-results.py BUILDDIR            the sum
       sum-results.py --failed BUILDDIR   only the names of the tests that failed at first

Counts are taken from each program's own report (doctest, Check, TAP);
a program without one counts as one test. A program that failed counts at least one failure.
What was skipped has neither passed nor failed: it is listed with its reason, and counted apart.
"""
import json
import re
import sys
from pathlib import Path

ANSI = re.compile(r"\x1b\[[0-9;]*m")
DOCTEST = re.compile(r"test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed")
CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.M)
TAP = re.compile(r"^(not )?ok\b(.*)$", re.M)
REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|:\d+: runtime error: ")
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
        return len(found) - failed - len(skips(text)), failed
    return 1, 0


def skips(output: str) -> list[str]:
    """What a TAP program skipped: names with reasons."""
    return re.findall(r"^ok\b *\d* *-? *(.* # SKIP.*)$", ANSI.sub("", output), re.M)


def read(log: Path) -> dict[str, dict]:
    tests = (json.loads(line) for line in log.read_text().splitlines()) if log.exists() else ()
    return {test["name"]: test for test in tests}


def said(test: dict) -> list[str]:
    return ANSI.sub("", test.get("stdout", "") + test.get("stderr", "")).splitlines()


def has_failed(test: dict) -> bool:
    """Also when a sanitizer reported a process of the test whose end was not the test's."""
    return test["result"] not in ("OK", "EXPECTEDFAIL", "SKIP") or any(map(REPORT.search, said(test)))


def complaints(test: dict) -> list[str]:
    """The lines that tell why, else the last ones."""
    lines = said(test)
    told = [l for l in lines if re.search(r"not ok|ERROR|FAILED|:[FE]:|CHECK\(|^#|Sanitizer|runtime error", l)]
    return (told or lines)[-40:]


def main() -> int:
    args = [a for a in sys.argv[1:] if a != "--failed"]
    logs = Path(args[0]) / "meson-logs"
    first = read(logs / "tests.json")
    if "--failed" in sys.argv:
        print(" ".join(name.split(" / ")[-1] for name, test in first.items() if has_failed(test)))
        return 0
    second = read(logs / "again.json") if any(map(has_failed, first.values())) else {}

    passed = failed = skipped = 0
    for name, test in sorted(first.items()):
        if has_failed(test) and name in second:
            print(f"repeated {name}: {test['result']} at first, then {second[name]['result']}; it had said:")
            print("\n".join(f"    {line}" for line in complaints(test)))
            test = second[name]
        output = "\n".join(said(test))
        if test["result"] == "SKIP":
            skipped += 1
            reason = next((l for l in said(test) if "SKIP" in l.upper()), "").strip()
            print(f"skipped  {name}  {reason}")
            continue
        good, bad = counts(output)
        for what in skips(output):
            skipped += 1
            print(f"skipped  {name}: {what}")
        if has_failed(test):
            bad, good = max(bad, 1), good if bad else 0
            print(f"FAILED   {name:<44} {bad} failed ({test['result']}, {test['duration']:.1f} s)")
            print("\n".join(f"    {line}" for line in complaints(test)))
        else:
            print(f"ok       {name:<44} {good:>5} tests {test['duration']:8.1f} s")
        passed, failed = passed + good, failed + bad
    if not first:
        print("no test ran; see tests.log in the build folder")
        failed += 1
    if skipped:
        print(f"{skipped} tests or test programs were skipped (reasons above)")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
