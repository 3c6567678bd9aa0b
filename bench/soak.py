"""A long life at speed: thousands of short jobs through one service; its memory and open files must not grow.

    python -m bench.soak [--jobs 3000] [--queued 1000] [--page]

Jobs come by the API and are waited for, listed, tagged and deleted by it; a stand-in compiler makes their
artifacts. `--queued` of them wait at the same time. Exits with 1 when a job was lost or something grew.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from bench.service_process import REGION, Service, sleeper

PAGE = Path("docs/benchmarks-soak.md")
ALLOWED_MB = 12.0
"""Growth of the service's own process from the end of the first third to the end."""
ALLOWED_FILES = 4
PATIENCE = 120.0
"""Seconds in which some job must end."""


@dataclass
class Soak:
    """What became of the jobs, and MB and open files of the service's process over the time."""

    outcomes: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[int, float, int]] = field(default_factory=list)
    """Jobs so far, MB, open files."""
    seconds: float = 0.0

    def growth(self) -> tuple[float, int]:
        """MB and open files from the end of the first third to the end."""
        _, early_memory, early_files = self.samples[len(self.samples) // 3]
        _, memory, files = self.samples[-1]
        return memory - early_memory, files - early_files

    def problems(self, jobs: int) -> list[str]:
        """What a soak must not show."""
        found = []
        if self.outcomes != {"COMPLETED": jobs}:
            found.append(f"{dict(self.outcomes)}, expected {jobs} COMPLETED")
        memory, files = self.growth()
        if memory > ALLOWED_MB:
            found.append(f"memory grew by {memory:.1f} MB, at most {ALLOWED_MB:g} are allowed")
        if files > ALLOWED_FILES:
            found.append(f"open files grew by {files}, at most {ALLOWED_FILES} are allowed")
        return found


def soak(folder: Path, jobs: int, queued: int, concurrency: int = 2) -> Soak:
    """Runs `jobs` jobs, `queued` of them at a time in the queue."""
    found = Soak()
    began = time.monotonic()
    with Service(folder, concurrency) as service:
        client = _client(service)
        for first in range(0, jobs, queued):
            names = [f"soak-{index}" for index in range(first, min(first + queued, jobs))]
            for name in names:
                client.create_compilation_job(**sleeper(name, 0, 0.0).request)
            for name in names:
                found.outcomes[_end(client, name)] += 1
                if len(found.samples) * max(1, jobs // 60) <= sum(found.outcomes.values()):
                    _sample(service, found)
            _look_around(client, names)
        _sample(service, found)
    found.seconds = time.monotonic() - began
    return found


def _sample(service: Service, found: Soak) -> None:
    family = service.family
    found.samples.append((sum(found.outcomes.values()), family.resident(), family.open_files()))


def _end(client: Any, name: str) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        status: str = client.describe_compilation_job(CompilationJobName=name)["CompilationJobStatus"]
        if status in ("COMPLETED", "FAILED", "STOPPED"):
            return status
        time.sleep(0.05)
    return "never ended"


def _look_around(client: Any, names: list[str]) -> None:
    """The other operations, and the end of every other job."""
    for page in client.get_paginator("list_compilation_jobs").paginate(PaginationConfig={"PageSize": 100}):
        for job in page["CompilationJobSummaries"]:
            if job["CompilationJobName"] in names[::2]:
                client.add_tags(ResourceArn=job["CompilationJobArn"], Tags=[{"Key": "k", "Value": "v"}])
    for name in names[::2]:
        client.delete_compilation_job(CompilationJobName=name)


def _client(service: Service) -> Any:
    return boto3.client(
        "sagemaker",
        region_name=REGION,
        endpoint_url=service.endpoints.sagemaker,
        aws_access_key_id=service.credentials.access_key,
        aws_secret_access_key=service.credentials.secret_key,
        config=Config(proxies={}),
    )


def report(found: Soak, queued: int) -> str:
    """The page."""
    memory, files = found.growth()
    jobs = sum(found.outcomes.values())
    rows = [f"| {count} | {resident:.1f} | {opened} |" for count, resident, opened in found.samples]
    return f"""# A long life at speed

Made by `python -m bench.soak --jobs {jobs} --queued {queued} --page`; bench/soak.py says how. {queued:,} jobs
wait at a time; each is made, waited for and listed by the API, and every other one tagged and deleted, while
a stand-in compiler makes the artifacts.

{dict(found.outcomes)} in {found.seconds:.0f} s. From the first third to the end: {memory:+.1f} MB (at most
{ALLOWED_MB:g}), {files:+d} open files (at most {ALLOWED_FILES}).

| jobs | MB (RSS) | open files |
| --- | --- | --- |
{chr(10).join(rows)}
"""


def main() -> int:
    """Prints the page, and with --page writes it; 0 when all is well."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--queued", type=int, default=1000)
    parser.add_argument("--page", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = soak(Path(folder), options.jobs, options.queued)
    text = report(found, options.queued)
    print(text)
    if options.page:
        PAGE.write_text(text)
    problems = found.problems(options.jobs)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
