"""How much one service takes: creates, describes, pages of a long list, memory; beside moto_server.

    python -m bench.service_load [--jobs 100000] [--seconds 3] [--rounds 3] [--connections 8 16] [--page]

The service is as `tinsmith serve` runs it, on SQLite with every create on the disk before its reply, with
signed requests, and with a store that already holds many jobs. Its one worker is busy with a job that sleeps:
creates are not measured against compilers. Both services are loaded in turn, from a process of its own.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench.http_load import Plan, Result
from bench.service_process import Family, Service, filled
from tinsmith.storage.embedded import BUCKET

PAGE = Path("docs/benchmarks-service.md")
MOTO = Path(".venv-bench-service/bin/moto_server")
CONNECTIONS = (8, 16)
"""Side by side: with more, the rate grows a little, and each waits longer for its turn."""
PAGE_SIZE = 100
REGION = "us-east-1"


@dataclass
class Measured:
    """One kind of request at one server, over all rounds."""

    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    cpu: float = 0.0
    """Seconds of the server's processors."""

    def add(self, result: Result, cpu: float) -> None:
        """One more round."""
        self.rates.append(len(result.latencies) / result.seconds)
        self.latencies += result.latencies
        self.cpu += cpu

    @property
    def rate(self) -> float:
        """Requests a second: the median of the rounds."""
        return median(self.rates)

    def percentile(self, percent: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.latencies)
        return 1e3 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    def row(self, name: str) -> str:
        """Of the table."""
        each = 1e6 * self.cpu / len(self.latencies)
        rounds = " ".join(f"{rate:,.0f}" for rate in self.rates)
        times = f"{self.percentile(50):.2f} | {self.percentile(99):.2f}"
        return f"| {name} | {self.rate:,.0f} | {rounds} | {times} | {each:,.0f} |"


@dataclass(frozen=True)
class Server:
    """Where to send requests, and as whom."""

    name: str
    port: int
    credentials: Credentials
    family: Family

    def request(self, operation: str, body: dict[str, Any]) -> bytes:
        """One signed HTTP request."""
        content = json.dumps(body).encode()
        headers = {
            "Host": f"127.0.0.1:{self.port}",
            "X-Amz-Target": f"SageMaker.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
        }
        url = f"http://127.0.0.1:{self.port}/"
        signed = AWSRequest(method="POST", url=url, data=content, headers=headers)
        SigV4Auth(self.credentials, "sagemaker", REGION).add_auth(signed)
        lines = [f"{name}: {value}" for name, value in signed.headers.items()]
        head = "\r\n".join(["POST / HTTP/1.1", *lines, f"Content-Length: {len(content)}"])
        return head.encode() + b"\r\n\r\n" + content

    def load(
        self, requests: list[bytes], connections: int, seconds: float, repeat: bool, into: Measured
    ) -> int:
        """Loads the server from another process; the number of replies, which were all successes."""
        plan = Plan("127.0.0.1", self.port, requests, connections, seconds, repeat)
        before = self.family.cpu()
        done = subprocess.run(
            [sys.executable, "-m", "bench.http_load"],
            input=pickle.dumps(plan),
            capture_output=True,
            check=True,
        )
        result: Result = pickle.loads(done.stdout)
        into.add(result, self.family.cpu() - before)
        if set(result.statuses) != {200}:
            raise RuntimeError(f"{self.name}: {result.statuses} {result.sample!r}")
        return len(result.latencies)


def create_body(name: str) -> dict[str, Any]:
    """A request as users send it."""
    return {
        "CompilationJobName": name,
        "RoleArn": "arn:aws:iam::000000000000:role/tinsmith",
        "InputConfig": {
            "S3Uri": f"s3://{BUCKET}/models/churn/model.tar.gz",
            "Framework": "XGBOOST",
            "DataInputConfig": '{"data": [1, 30]}',
        },
        "OutputConfig": {"S3OutputLocation": f"s3://{BUCKET}/compiled/", "TargetDevice": "ml_c5"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 900},
    }


@contextmanager
def moto() -> Iterator[Server]:
    """moto_server with nothing in it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [MOTO, "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield Server("moto_server", port, Credentials("testing", "testing"), Family(process.pid))
    finally:
        process.terminate()
        process.wait()


Key = tuple[str, str, int]
"""Server, kind of request, connections."""


def creates_and_describes(
    servers: list[Server], connections: Sequence[int], seconds: float, rounds: int
) -> dict[Key, Measured]:
    """Every server in turn, round by round; describes ask for the jobs that the round created."""
    measured: dict[Key, Measured] = defaultdict(Measured)
    for number in range(rounds):
        for width in connections:
            made = {}
            for server in servers:
                limit = int(seconds * (2500 if server.name == "Tinsmith" else 800))
                names = [f"load-{number}-{width}-{index}" for index in range(limit)]
                requests = [server.request("CreateCompilationJob", create_body(name)) for name in names]
                count = server.load(requests, width, seconds, False, measured[server.name, "create", width])
                made[server.name] = names[: max(1, count - width)]
            for server in servers:
                asked = [{"CompilationJobName": name} for name in made[server.name][:2000]]
                requests = [server.request("DescribeCompilationJob", body) for body in asked]
                server.load(requests, width, seconds, True, measured[server.name, "describe", width])
    return measured


def pages(server: Server, body: dict[str, Any], most: int) -> list[float]:
    """Seconds for each page of a list, one after the other, up to `most` of them."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    token, seconds = None, []
    connection.connect()
    while len(seconds) < most:
        asked = body | {"MaxResults": PAGE_SIZE} | ({"NextToken": token} if token else {})
        request = server.request("ListCompilationJobs", asked)
        began = time.perf_counter()
        connection.sock.sendall(request)
        response = http.client.HTTPResponse(connection.sock, method="POST")
        response.begin()
        reply = json.loads(response.read())
        seconds.append(time.perf_counter() - began)
        if response.status != 200:
            raise RuntimeError(reply)
        token = reply.get("NextToken")
        if token is None:
            break
    connection.close()
    return seconds


LISTS: dict[str, dict[str, Any]] = {
    "all, by creation time": {},
    "newest first": {"SortOrder": "Descending"},
    "by name": {"SortBy": "Name"},
    "by status": {"SortBy": "Status"},
    "FAILED ones (1 %)": {"StatusEquals": "FAILED"},
    "NameContains, 1 % of the names": {"NameContains": "-77"},
}


def main() -> None:
    """Measures, prints, and with --page writes the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    parser.add_argument("--page", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = report(Path(folder), options.jobs, options.connections, options.seconds, options.rounds)
    print(text)
    if options.page:
        PAGE.write_text(text)


def report(folder: Path, jobs: int, connections: Sequence[int], seconds: float, rounds: int) -> str:
    """The page."""
    filled(folder, jobs)
    load_before = os.getloadavg()[0]
    with Service(folder) as service, moto() as peer:
        memory = service.idle_memory()
        service.occupy()
        key = service.credentials
        server = Server("Tinsmith", service.port, Credentials(key.access_key, key.secret_key), service.family)
        listed = {name: pages(server, body, 1 + jobs // PAGE_SIZE) for name, body in LISTS.items()}
        measured = creates_and_describes([server, peer], connections, seconds, rounds)
        after = service.family.pss_of_service()
    return _text(jobs, seconds, load_before, memory, listed, measured, after)


def _text(
    jobs: int,
    seconds: float,
    load: float,
    memory: dict[str, float],
    listed: dict[str, list[float]],
    measured: dict[Key, Measured],
    after: float,
) -> str:
    rows = [measured[key].row(" | ".join(map(str, key))) for key in sorted(measured, key=_kind_first)]
    ratios = [
        f"{each.rate / measured['moto_server', kind, width].rate:.1f} times in {kind}s on {width} connections"
        for (name, kind, width), each in measured.items()
        if name == "Tinsmith"
    ]
    lists = [
        f"| {name} | {len(times)} | {1e3 * median(times):.1f} | "
        f"{1e3 * sorted(times)[int(0.99 * (len(times) - 1))]:.1f} | {1e3 * max(times):.1f} |"
        for name, times in listed.items()
    ]
    memories = [f"| {part} | {size:.0f} |" for part, size in memory.items()]
    return f"""# Load on one service

Made by `make bench-service`; bench/service_load.py says how. The client is a process of its own on the same
machine ({os.cpu_count()} cores), whose load average was {load:.1f} before the run: what others take of it is
missing below, while the CPU time of a request is not theirs.

{seconds:g} s a round, the servers in turn; the store held {jobs:,} jobs before.

| | request | connections | requests/s (median) | rounds | p50 ms | p99 ms | CPU of the server, µs a request |
| --- | --- | --- | --- | --- | --- | --- | --- |
{chr(10).join(rows)}

Tinsmith against moto_server: {", ".join(ratios)}. moto_server keeps its jobs in memory and checks no
signature.

## Pages of {PAGE_SIZE} jobs of {jobs:,}

| list | pages | p50 ms | p99 ms | max ms |
| --- | --- | --- | --- | --- |
{chr(10).join(lists)}

## Memory when idle, MB (PSS)

| | |
| --- | --- |
{chr(10).join(memories)}
| all but SeaweedFS, after the load | {after:.0f} |
"""


def _kind_first(key: Key) -> tuple[bool, str, int]:
    name, kind, width = key
    return name != "Tinsmith", kind, width


if __name__ == "__main__":
    main()
