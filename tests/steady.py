#!/usr/bin/env python3
"""Runs the tests over and over beside processes that spin, and counts: a test that fails once in a while fails here.

Every test program runs whole, its tests beside each other as `make test` has them; every file of the client tests runs by
itself. A round is one run of each, those that have failed before first. What has run is written down at once, so this can
be stopped at any time, and goes on where it was: the counts are of all that is written down, until --fresh.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from contextlib import contextmanager
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
CLIENTS = ROOT / "tests" / "clients"
HOME = ROOT / "target" / "steady"
RESULTS = HOME / "results.jsonl"

# The environment that cargo gives to the programs.
CONFIGURED = tomllib.loads((ROOT / ".cargo" / "config.toml").read_text())["env"]

# What waits for a time, a count or a process comes first; what is not named here, the units, comes last.
FIRST = ("dashboard.test.mjs", "doctor", "hostile", "behaviour", "proxies.test.mjs")

# A process that only spins, and ends with the one that has started it.
SPINNER = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1000000): pass
"""

# Far beyond the longest run: what takes longer hangs.
LIMIT = 1800


class Job(NamedTuple):
    """Something that is run: its name, its command and where."""

    name: str
    command: list
    folder: pathlib.Path


def programs():
    """The test programs of the workspace, built; they are run as cargo runs them."""
    cargo = os.environ.get("CARGO", "cargo")
    build = [cargo, "test", "--locked", "--workspace", "--no-run", "--message-format=json"]
    built = subprocess.run(build, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message["executable"] and message["profile"]["test"]:
            target, folder = message["target"], pathlib.Path(message["manifest_path"]).parent
            of_tests = folder == ROOT / "tests" and target["kind"] == ["test"]
            name = target["name"] if of_tests else f"{folder.name}/{target['kind'][0]}-{target['name']}"
            yield Job(name, [message["executable"]], folder)
    subprocess.run([cargo, "build", "--locked", "--workspace", "--bin", "tricast"], cwd=ROOT, check=True)


def files():
    """The unit tests of the page, and the files of the client tests."""
    yield Job("dashboard", ["./test.sh"], ROOT / "dashboard")
    for file in sorted(CLIENTS.glob("*.test.mjs")):
        yield Job(file.name, ["./run.sh", file.name], CLIENTS)


@contextmanager
def spinners(count):
    """Processes that spin, while this lasts."""
    # Each in a session of its own: Linux shares the processors among sessions, and would have them share one part.
    spin = [sys.executable, "-c", SPINNER]
    running = [subprocess.Popen(spin, start_new_session=True) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def verdicts(output):
    """The tests that passed and those that failed, by what cargo's programs and Node print."""
    passed, failed = [], []
    for name, verdict in re.findall(r"^test (\S+)(?: - should panic)? \.\.\. .*?(ok|FAILED)$", output, re.M):
        (passed if verdict == "ok" else failed).append(name)
    # Node's list of failures, at the end, names each once more; a group, named where it begins, is no test.
    output = output.split("✖ failing tests:")[0]
    groups = []
    for mark, name in re.findall(r"^ *([▶✔✖]) (.*?)(?: \([\d.]+ms\))?$", output, re.M):
        if mark == "▶":
            groups.append(name)
        elif name in groups:
            groups.remove(name)
        else:
            (passed if mark == "✔" else failed).append(" › ".join([*groups, name]))
    return passed, failed


def run(job):
    """Runs it once; what is written down of it, and what it said."""
    began = time.monotonic()
    process = subprocess.Popen(
        job.command, cwd=job.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True, env=CONFIGURED | os.environ,
    )
    try:
        output, _ = process.communicate(timeout=LIMIT)
    except BaseException as stopped:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        if not isinstance(stopped, subprocess.TimeoutExpired):
            raise
        output += f"\nsteady: cut after {LIMIT} s"
    passed, failed = verdicts(output)
    if process.returncode != 0 and not failed:
        failed = ["(the program itself)"]
    result = {"job": job.name, "seconds": round(time.monotonic() - began, 1), "passed": len(passed), "failed": failed}
    return result, output


def revision():
    """The commit that is run, and whether something has been changed since."""
    name = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(name, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()


def written():
    """What has run so far."""
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text().splitlines()]


def summary(results):
    """Prints the counts; whether nothing has failed."""
    for job in dict.fromkeys(result["job"] for result in results):
        own = [result for result in results if result["job"] == job]
        bad = sum(1 for result in own if result["failed"])
        longest = max(result["seconds"] for result in own)
        most = max(result["passed"] + len(result["failed"]) for result in own)
        print(f"{job:32} {len(own):4} runs of {most:3} tests, {bad:3} failed, {longest:6.1f} s the longest")
        for name, count in Counter(name for result in own for name in result["failed"]).most_common():
            on = sorted({result["revision"] for result in own if name in result["failed"]})
            print(f"    {count:3} times {name} ({', '.join(on)})")
    return not any(result["failed"] for result in results)


def main():
    """Goes on where it was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", help="programs and files by name, else all; behaviour:backlog runs the tests of behaviour with that in their names")
    parser.add_argument("--runs", type=int, default=20, help="of each (20)")
    parser.add_argument("--spinners", type=int, default=2, help="processes that spin beside them (2)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing more after so many")
    parser.add_argument("--counts", action="store_true", help="print the counts so far, and run nothing")
    parser.add_argument("--fresh", action="store_true", help="forget what has run")
    asked = parser.parse_args()
    if asked.fresh:
        RESULTS.unlink(missing_ok=True)
    if asked.counts:
        return 0 if summary(written()) else 1

    jobs = {job.name: job for job in (*programs(), *files())}
    for name in asked.only:
        program, _, words = name.partition(":")
        if program not in jobs:
            parser.error(f"{name} is not one of: {' '.join(jobs)}")
        if words:
            jobs[name] = Job(name, [*jobs[program].command, words], jobs[program].folder)
    jobs = [jobs[name] for name in asked.only or jobs]
    (HOME / "failures").mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + asked.minutes * 60
    with spinners(asked.spinners):
        while time.monotonic() < end:
            ran = Counter(result["job"] for result in written())
            bad = Counter(result["job"] for result in written() if result["failed"])
            rank = lambda job: (ran[job.name], -bad[job.name], FIRST.index(job.name) if job.name in FIRST else len(FIRST))
            job = min(jobs, key=rank)
            if ran[job.name] >= asked.runs:
                break
            result, output = run(job)
            result |= {"revision": revision(), "spinners": asked.spinners}
            with RESULTS.open("a") as file:
                file.write(json.dumps(result) + "\n")
            print(f"{job.name} {ran[job.name] + 1}: {result['seconds']} s, {result['passed']} passed, failed: {result['failed']}", flush=True)
            if result["failed"]:
                number = len(written())
                (HOME / "failures" / f"{number}-{job.name.replace('/', '-')}.txt").write_text(output)
    return 0 if summary(written()) else 1


def stop(*_):
    """Ends what runs, and the processes that spin."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, stop)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("steady: stopped; the same command goes on from here")
