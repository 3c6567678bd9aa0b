from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable

from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.store import NameInUse, Store

NewJob = Callable[..., Job]

CLAIM_ALL = """
import sys
from tinsmith.jobs.store import Store
store = Store.open(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
while (job := store.claim(sys.argv[2], 1000, 2000.0)) is not None:
    print(job.key.name, job.attempt, flush=True)
"""

ADD_FOREVER = """
import sys
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.store import Store
store = Store.open(sys.argv[1])
for index in range(10**6):
    name = f"{sys.argv[2]}-{index}"
    key = JobKey("000000000000", "us-east-1", name)
    arn = "arn:aws:sagemaker:us-east-1:000000000000:compilation-job/" + name
    store.add(Job(key, arn, {}, Status.STARTING, 1, 0, 1.0, 1.0), {"n": name})
    print(name, flush=True)
"""


def python(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_threads_claim_every_job_once(store: Store, new_job: NewJob) -> None:
    for index in range(200):
        store.add(new_job(f"j{index}"), {})
    taken: list[str] = []
    start = threading.Barrier(8)

    def work(owner: str) -> None:
        start.wait()
        while (job := store.claim(owner, 1000, 2000.0)) is not None:
            taken.append(job.key.name)

    threads = [threading.Thread(target=work, args=(f"w{index}",)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(f"j{index}" for index in range(200))
    assert Counter(event.kind for event in store.events()) == {"created": 200, "claimed": 200}


def test_threads_add_each_name_once_and_tell_the_others(store: Store, new_job: NewJob) -> None:
    outcomes: list[tuple[str, str]] = []
    start = threading.Barrier(8)

    def work(index: int) -> None:
        start.wait()
        for name in range(40):
            job = new_job(f"j{name}", inference=str(index))
            try:
                store.add(job, {"owner": str(index)})
                outcomes.append((job.key.name, "added"))
            except NameInUse:
                outcomes.append((job.key.name, "in use"))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = Counter(outcomes)
    for name in range(40):
        job = store.get(new_job(f"j{name}").key)
        assert (counts[job.key.name, "added"], counts[job.key.name, "in use"]) == (1, 7)
        assert store.tags(job.arn) == {"owner": job.request["inference"]}
    assert Counter(event.kind for event in store.events()) == {"created": 40}


def test_one_thread_adds_many_without_waiting(store: Store, new_job: NewJob) -> None:
    store.changed.clear()
    added = [store.add_soon(new_job(f"j{index % 30}"), {"n": str(index)}) for index in range(40)]
    refused = [future for future in added if isinstance(future.exception(timeout=60), NameInUse)]
    assert len(refused) == 10
    assert store.changed.is_set()
    assert Counter(event.kind for event in store.events()) == {"created": 30}
    assert store.claim("w", 30.0, 2000.0) is not None


def test_processes_open_a_new_database_at_once_and_claim_every_job_once(url: str, new_job: NewJob) -> None:
    workers = [python(CLAIM_ALL, url, f"w{index}") for index in range(4)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    store = Store.open(url)
    for index in range(200):
        store.add(new_job(f"j{index}"), {})
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    outputs = [worker.communicate()[0].splitlines() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0, 0]
    assert sorted(line for lines in outputs for line in lines) == sorted(
        f"j{index} 1" for index in range(200)
    )
    store.close()


def test_a_killed_writer_leaves_whole_transactions(url: str, store: Store) -> None:
    acknowledged: list[str] = []
    for life in ("a", "b", "c"):
        writer = python(ADD_FOREVER, url, life)
        assert writer.stdout is not None
        for _ in range(40):
            acknowledged.append(writer.stdout.readline().strip())
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged += [
            line.strip() for line in writer.communicate()[0].splitlines(keepends=True) if line[-1] == "\n"
        ]
    events = store.events(limit=100_000)
    present = {event.key.name for event in events}
    assert set(acknowledged) <= present
    assert len(events) == len(present)
    for name in present:
        assert store.get(JobKey("000000000000", "us-east-1", name)).status is Status.STARTING
        arn = f"arn:aws:sagemaker:us-east-1:000000000000:compilation-job/{name}"
        assert store.tags(arn) == {"n": name}
