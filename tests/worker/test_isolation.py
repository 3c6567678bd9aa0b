"""A job through a whole service: what it sees, what it leaves, and what comes of taking too much."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.worker.conftest import Service
from tinsmith.jobs.job import Status
from tinsmith.worker.cgroup import find

SNOOP = """
import glob, os, sys
from pathlib import Path

def say(*words):
    print(*words, file=sys.stderr)

say("environ", dict(os.environ))
for name in os.listdir("/proc/self/fd"):
    try:
        say("descriptor", name, os.readlink(f"/proc/self/fd/{name}"))
    except OSError:
        continue
for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
    try:
        say(path, Path(path).read_bytes().replace(b"\\0", b" ").decode(errors="replace"))
    except OSError:
        continue
work = Path(sys.argv[1])
for folder, _, files in os.walk(work.parent.parent):
    for file in files:
        try:
            say(folder, file, (Path(folder) / file).read_bytes()[:4000])
        except OSError:
            continue
say("request", (work / "request.json").read_text())
say("snooped")
"""


def test_no_key_of_the_store_is_seen_or_kept(service: Service, tarball: bytes, tmp_path: Path) -> None:
    program = tmp_path / "snoop.py"
    program.write_text(SNOOP)
    program.chmod(0o644)
    sandbox = replace(service.settings.sandbox, read_only=(program,))
    command = (sys.executable, "-I", "-B", str(program))
    service.settings = replace(service.settings, compiler=command, sandbox=sandbox)
    service.start()
    key = service.submit(service.put("model.tar.gz", tarball))
    job = service.wait(key)
    service.stop()
    said = "\n".join(service.log(key))
    assert job.status is Status.FAILED
    assert "snooped" in said
    assert "ZIG_GLOBAL_CACHE_DIR" in said
    assert '"framework": "XGBOOST"' in said

    keys = service.settings.s3
    assert keys.secret_access_key
    assert keys.access_key_id
    for secret in (keys.secret_access_key, keys.access_key_id):
        assert secret not in said
        assert secret not in json.dumps(
            [job.request, job.failure_reason, *map(str, service.store.events(key))]
        )
        for folder, _, files in os.walk(service.settings.data_dir):
            for file in files:
                content = (Path(folder) / file).read_bytes()
                assert secret.encode() not in content, f"{folder}/{file}"


HOARDS = {
    "the compiler itself": "hoard = b'x' * (200 << 20)",
    "a process of it, whose end it does not mind": (
        "import os\nif os.fork() == 0: hoard = b'x' * (200 << 20)\nelse: os.wait()"
    ),
    "all of them together": (
        "import os\nchildren = [os.fork() for _ in range(3)]\nhoard = b'x' * (40 << 20)\n"
        "import time; time.sleep(3)"
    ),
}


@pytest.mark.skipif(find()[0] is None, reason=f"no cgroup here: {find()[1]}")
@pytest.mark.parametrize("hoard", HOARDS.values(), ids=HOARDS)
def test_a_job_that_takes_all_its_memory_fails_with_the_reason_and_is_not_run_again(
    service: Service, tarball: bytes, hoard: str
) -> None:
    sandbox = replace(service.settings.sandbox, max_memory=128 << 20)
    command = (sys.executable, "-I", "-B", "-c", hoard)
    service.settings = replace(service.settings, compiler=command, sandbox=sandbox)
    service.start()
    job = service.wait(service.submit(service.put("model.tar.gz", tarball)))
    assert job.status is Status.FAILED
    assert job.failure_reason == (
        "InternalError: The compiler was ended, it needed more than 134217728 bytes of memory."
    )
    assert job.attempt == 1


def test_the_log_of_a_job_names_the_layers(service: Service, tarball: bytes) -> None:
    service.start()
    key = service.submit(service.put("model.tar.gz", tarball))
    service.wait(key)
    (line,) = [line for line in service.log(key) if line.startswith("sandbox: ")]
    assert {"rlimits", "no_new_privs", "seccomp"} <= set(line.split())


def test_the_work_folder_is_gone_with_all_that_it_held(service: Service, tarball: bytes) -> None:
    service.start()
    key = service.submit(service.put("model.tar.gz", tarball), {"files": 20})
    assert service.wait(key).status is Status.COMPLETED
    service.stop()
    assert list(service.settings.work_dir.iterdir()) == []


def test_a_killed_service_leaves_nothing_to_the_next(service: Service) -> None:
    """What a crash left is removed before anything else is done."""
    left = service.settings.work_dir / "job-1"
    (left / "work" / "input").mkdir(parents=True)
    (left / "work" / "input" / "model.json").write_text("a customer's model")
    service.start()
    service.stop()
    assert list(service.settings.work_dir.iterdir()) == []
