#!/usr/bin/env python3
"""Runs the Autobahn test suite against every way of delivery, and reads its report: its exit status says nothing.

The gateway has no echo mode and needs none: who speaks on a raw WebSocket hears itself, through decoder,
log, format and delivery as everybody else does.
"""

import asyncio
import json
import os
import pathlib
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import urlsplit

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / "target" / "autobahn"

# Large messages in bursts, all of which a reader that is a moment late finds in the log; no pings of ours in between.
SETTINGS = {
    "TRICAST__BIND": "127.0.0.1:0",
    "TRICAST__ADMIN__BIND": "127.0.0.1:0",
    "TRICAST__WS__COMPRESSION": "true",
    "TRICAST__LIMITS__MESSAGE_BYTES": "32MiB",
    "TRICAST__HISTORY__BYTES": "512MiB",
    "TRICAST__HISTORY__MEMORY": "2GiB",
    "TRICAST__HISTORY__MESSAGES": "100000",
    "TRICAST__STREAM__HEARTBEAT": "1h",
    "TRICAST__LOGGING__LEVEL": "warn",
}

GOOD = {"OK", "INFORMATIONAL"}

# tokio-tungstenite checks UTF-8 at the end of a frame, where the suite would like it at the first bad byte.
GENERIC_MAY_BE_NON_STRICT = frozenset({"6.4.3", "6.4.4"})


def start(delivery):
    """A gateway of this build, and the port that it tells."""
    program = ROOT / "target" / "debug" / "tricast"
    environment = {**os.environ, **SETTINGS, "TRICAST__DELIVERY": delivery}
    gateway = subprocess.Popen([program], env=environment, stdout=subprocess.PIPE, text=True)
    line = gateway.stdout.readline()
    if not line.startswith("tricast listening on "):
        raise SystemExit(f"the gateway does not start: {line!r}")
    url = line.removeprefix("tricast listening on ").split(",")[0]
    return gateway, urlsplit(url).port


def fuzz(name, port, cases):
    """Lets the suite loose on a port; its verdicts by case."""
    outdir = HOME / "reports" / name.replace(" ", "-")
    url = f"ws://127.0.0.1:{port}/ws/autobahn?format=raw"
    spec = {
        "outdir": str(outdir),
        "servers": [{"agent": outdir.name, "url": url}],
        "cases": cases,
        "exclude-cases": [],
    }
    spec_file = HOME / f"{outdir.name}.json"
    spec_file.write_text(json.dumps(spec))
    index = outdir / "index.json"
    index.unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(HOME / "lib")}
    command = [HOME / "python", HOME / "lib/bin/wstest", "-m", "fuzzingclient", "-s", spec_file]
    with open(HOME / f"{outdir.name}.log", "w") as log:
        subprocess.run(command, env=environment, stdout=log, stderr=log, timeout=1200, check=True)
    return json.loads(index.read_text())[outdir.name]


def bad(case, verdict, may_be_non_strict=frozenset()):
    """What is wrong with a verdict, if something is. Both the answers and the end of a connection are judged."""
    for aspect in ("behavior", "behaviorClose"):
        if verdict[aspect] == "NON-STRICT" and case in may_be_non_strict:
            continue
        if verdict[aspect] not in GOOD:
            return f"{case} {aspect} {verdict[aspect]}"
    return None


def summary(verdicts):
    """Verdicts by section."""
    sections = defaultdict(Counter)
    for case, verdict in verdicts.items():
        sections[int(case.split(".")[0])][verdict["behavior"]] += 1
    for section, counts in sorted(sections.items()):
        told = ", ".join(f"{count} {word.lower()}" for word, count in sorted(counts.items()))
        yield f"  {section:>3}: {told}"


async def tamper(port):
    """A relay that turns every `*` of an echo into `+`."""

    async def pump(reader, writer, change):
        while data := await reader.read(65536):
            writer.write(change(data))
            await writer.drain()
        writer.close()

    async def serve(reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        near = pump(reader, far_writer, lambda data: data)
        far = pump(far_reader, writer, lambda data: data.replace(b"*", b"+"))
        await asyncio.gather(near, far, return_exceptions=True)

    return await asyncio.start_server(serve, "127.0.0.1", 0)


async def control(port):
    """The suite over a relay that breaks echoes: a reader of its report has to see that."""
    relay = await tamper(port)
    relay_port = relay.sockets[0].getsockname()[1]
    verdicts = await asyncio.to_thread(fuzz, "broken", relay_port, ["1.1.*"])
    relay.close()
    return verdicts


class Job(NamedTuple):
    """Cases for a way of delivery, and how many there are of them."""

    name: str
    delivery: str
    cases: list
    count: int
    may_be_non_strict: frozenset = frozenset()


RFC_6455 = [f"{section}.*" for section in range(1, 11)]

# The sections on compression (12 and 13) take most of the time. They are shared out between the ways of delivery that
# offer it, because nothing in it depends on the way. Those that take longest come first, and none takes as long as all
# others.
JOBS = [
    Job("io_uring 12.3", "io_uring", ["12.3.*", "12.4.*"], 36),
    Job("io_uring 13.3", "io_uring", ["13.3.*", "13.4.*", "13.5.*"], 54),
    Job("io_uring 12.1", "io_uring", ["12.1.*", "12.2.*"], 36),
    Job("epoll 13.1", "epoll", ["13.1.*", "13.2.*"], 36),
    Job("io_uring 12.5", "io_uring", ["12.5.*"], 18),
    Job("epoll 13.6", "epoll", ["13.6.*", "13.7.*"], 36),
    Job("io_uring", "io_uring", RFC_6455, 301),
    Job("epoll", "epoll", RFC_6455, 301),
    Job("generic", "generic", RFC_6455, 301, GENERIC_MAY_BE_NON_STRICT),
]


def run(job):
    """A job's verdicts, and what is wrong with them."""
    gateway, port = start(job.delivery)
    try:
        verdicts = fuzz(job.name, port, job.cases)
        wrong = (bad(case, verdict, job.may_be_non_strict) for case, verdict in verdicts.items())
        failures = [f"{job.name}: {what}" for what in wrong if what]
        if len(verdicts) != job.count:
            failures.append(f"{job.name}: {len(verdicts)} cases ran, there are {job.count}")
        if gateway.poll() is not None:
            failures.append(f"{job.name}: the gateway has ended with {gateway.returncode}")
        return verdicts, failures
    finally:
        gateway.terminate()
        gateway.wait(timeout=30)


def negative_control():
    """What is wrong with the report's reader, if something is."""
    gateway, port = start("epoll")
    try:
        broken = asyncio.run(control(port))
    finally:
        gateway.terminate()
        gateway.wait(timeout=30)
    caught = [case for case, verdict in broken.items() if bad(case, verdict)]
    print(f"negative control: {len(caught)} of {len(broken)} runs with broken echoes were caught")
    return [] if len(caught) >= 5 else ["the negative control: broken echoes passed"]


def main(names):
    """All jobs, or those with these names."""
    jobs = [job for job in JOBS if not names or job.name in names]
    failures = negative_control()
    counted = 0
    with ThreadPoolExecutor(max_workers=2) as workers:
        for job, (verdicts, wrong) in zip(jobs, workers.map(run, jobs)):
            print(f"autobahn, {job.name}: {len(verdicts)} cases")
            print("\n".join(summary(verdicts)), flush=True)
            failures += wrong
            counted += len(verdicts)
    for failure in failures[:50]:
        print(f"FAILED {failure}; see {HOME.relative_to(ROOT)}/reports")
    print(f"{counted - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
