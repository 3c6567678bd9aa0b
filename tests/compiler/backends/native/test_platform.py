"""The operating system layer, on this machine: threads, forks, unloading, environment."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tinsmith.compiler.backends.native import build
from tinsmith.compiler.backends.native.program import Program, Unit
from tinsmith.spec.targets import platforms

EXPORTS = ("run", "share", "stress", "nest", "masks", "limit", "set_limit", "isa", "allocation", "refuses")

PROLOGUE = """
import ctypes, json, os, signal, sys, threading, time
from pathlib import Path

def load(path=sys.argv[1]):
    library = ctypes.CDLL(path)
    library.stress.restype = ctypes.c_long
    library.stress.argtypes = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_uint64]
    library.run.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_size_t, ctypes.c_uint, ctypes.c_void_p]
    library.masks.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.nest.argtypes = [ctypes.c_size_t]
    library.share.argtypes = [ctypes.c_void_p] + [ctypes.c_size_t] * 2
    library.share.restype = ctypes.c_long
    return library

def visit(library, parts, wait_for=0, hold=None):
    visits, threads = (ctypes.c_uint * parts)(), (ctypes.c_long * parts)()
    library.run(visits, threads, parts, wait_for, hold)
    assert list(visits) == [1] * parts, list(visits)
    return len(set(threads))

def tasks():
    return len(os.listdir("/proc/self/task"))

def unload(library):
    handle = library._handle
    close = ctypes.CDLL(None).dlclose
    close.argtypes = [ctypes.c_void_p]
    assert close(handle) == 0

def answer(**values):
    print(json.dumps(values))
"""

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    shutil.copy(Path(__file__).parent / "c" / "pool.c", folder)
    target = platforms()["LINUX_X86_64"]
    build.build(Program(folder, (Unit("pool.c", "pool.o"),), EXPORTS, {}), target, folder / "pool.so")
    return folder / "pool.so"


@pytest.fixture
def run(library: Path) -> Run:
    """Runs a script in a process of its own and gives the values that it calls `answer` with."""

    def in_process(script: str, **environment: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", PROLOGUE + script, str(library)],
            env={**os.environ, "TINSMITH_NUM_THREADS": "4", **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        values: dict[str, Any] = json.loads(done.stdout)
        return values

    return in_process


def test_parts_run_at_the_same_time_on_as_many_threads_as_allowed(run: Run) -> None:
    found = run("library = load(); answer(threads=visit(library, 4, wait_for=4), tasks=tasks())")
    assert found["threads"] == 4


@pytest.mark.parametrize("parts", [0, 1, 2, 3, 4, 5, 1000])
def test_every_part_runs_once(run: Run, parts: int) -> None:
    assert run(f"answer(threads=visit(load(), {parts}))")["threads"] <= 4


@pytest.mark.parametrize(
    ("value", "limit"),
    [("1", 1), ("2", 2), ("3", 3), ("256", 256), ("999", 256), ("99999999999", 256)],
)
def test_thread_limit(run: Run, value: str, limit: int) -> None:
    assert run("answer(limit=load().limit())", TINSMITH_NUM_THREADS=value)["limit"] == limit


def test_the_program_settles_the_limit_once(run: Run) -> None:
    script = "l = load(); answer(set=[l.set_limit(n) & 1 for n in (0, -1, 257, 3, 3, 4)], limit=l.limit())"
    assert run(script, TINSMITH_NUM_THREADS="2") == {"set": [0, 0, 0, 1, 1, 0], "limit": 3}
    script = "l = load(); l.limit(); answer(set=[l.set_limit(n) & 1 for n in (3, 2)], limit=l.limit())"
    assert run(script, TINSMITH_NUM_THREADS="2") == {"set": [0, 1], "limit": 2}


@pytest.mark.parametrize("value", ["", "0", "-1", "4 ", "four", "0x4", "9" * 40])
def test_other_values_mean_the_cpus_of_the_process(run: Run, value: str) -> None:
    script = "os.sched_setaffinity(0, {cpu}); answer(limit=load().limit())"
    for cpu in (min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))):
        assert run(script.replace("cpu", str(cpu)), TINSMITH_NUM_THREADS=value)["limit"] == 1
    cpus = len(os.sched_getaffinity(0))
    assert run("answer(limit=load().limit())", TINSMITH_NUM_THREADS=value)["limit"] == cpus


@pytest.mark.parametrize(
    ("text", "granted"),
    [
        ("max 100000\n", None),
        ("50000 100000\n", 1),
        ("100000 100000\n", 1),
        ("100001 100000\n", 2),
        ("99900000 100000\n", None),
        ("", None),
        ("0 100000\n", None),
        ("100000\n", None),
        ("100000 0\n", None),
        ("9" * 60, None),
        (None, None),
    ],
)
def test_processor_time_granted_to_the_container(
    run: Run, tmp_path: Path, text: str | None, granted: int | None
) -> None:
    quota, library = tmp_path / "cpu.max", tmp_path / "pool.so"
    if text is not None:
        quota.write_text(text)
    target = platforms()["LINUX_X86_64"]
    sources = [Path(__file__).parent / "c" / "pool.c", *build.platform_sources(target)]
    build.compile_and_link(sources, target, library, exports=EXPORTS, defines=(f'CPU_QUOTA_FILE="{quota}"',))
    found = run(f"answer(limit=load({str(library)!r}).limit())", TINSMITH_NUM_THREADS="")
    cpus = len(os.sched_getaffinity(0))
    assert found["limit"] == min(cpus, granted or cpus)


def test_every_item_is_in_one_range(run: Run) -> None:
    script = """
library = load()
wrong = 0
for items in (0, 1, 2, 3, 7, 64, 1001):
    for threads in (0, 1, 2, 3, 4, 9):
        for _ in range(20):
            visits = (ctypes.c_uint * items)()
            wrong += library.share(visits, items, threads) + (list(visits) != [1] * items)
answer(wrong=wrong)
"""
    assert run(script) == {"wrong": 0}


def test_one_thread_makes_no_others(run: Run) -> None:
    script = "before = tasks(); threads = visit(load(), 100); answer(threads=threads, more=tasks() - before)"
    assert run(script, TINSMITH_NUM_THREADS="1") == {"threads": 1, "more": 0}


SPINS = pytest.mark.parametrize("spin", ["0", "300"])
"""Microseconds; with more threads than CPUs the pool does not spin unless it is told to."""


@pytest.mark.parametrize("spin", ["", "0", "50000"])
def test_workers_sleep_between_calls(run: Run, spin: str) -> None:
    script = """
library = load()
visit(library, 4, wait_for=4)
time.sleep(0.3)
def stats():
    return [(task / "stat").read_text().rsplit(")")[-1].split() for task in Path("/proc/self/task").iterdir()]
states = [stat[0] for stat in stats()]
def used():
    return sum(int(stat[11]) + int(stat[12]) for stat in stats())
before = used()
time.sleep(0.5)
answer(sleeping=states.count("S"), workers=tasks() - 1, ticks=used() - before)
"""
    found = run(script, TINSMITH_SPIN_MICROSECONDS=spin)
    assert found["workers"] == 3
    assert found["sleeping"] >= 3
    assert found["ticks"] <= 2  # a spinning worker would use 50


@SPINS
def test_calls_from_many_threads(run: Run, spin: str) -> None:
    script = """
library = load()
wrong = []
def work(seed):
    wrong.append(library.stress(400, 37, seed))
threads = [threading.Thread(target=work, args=(i * 10**6,)) for i in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
answer(wrong=sum(wrong), calls=len(wrong))
"""
    assert run(script) == {"wrong": 0, "calls": 8}


def test_a_second_caller_does_not_wait_for_the_first(run: Run) -> None:
    script = """
library = load()
visit(library, 4, wait_for=4)
hold = ctypes.c_uint(1)
first = threading.Thread(target=visit, args=(library, 4, 0, ctypes.addressof(hold)))
first.start()
time.sleep(0.2)
threads = visit(library, 50)
answer(threads=threads, first_still_runs=first.is_alive())
hold.value = 0
first.join()
"""
    assert run(script) == {"threads": 1, "first_still_runs": True}


def test_calls_inside_a_task_run_on_its_thread(run: Run) -> None:
    assert run("answer(inner=load().nest(11))") == {"inner": 77}


def test_two_models_in_one_process(run: Run, library: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.so"
    shutil.copy(library, other)
    script = f"""
one, two = load(), load({str(other)!r})
threads = (visit(one, 4, wait_for=4), visit(two, 4, wait_for=4))
first = threading.Thread(target=one.stress, args=(500, 20, 1))
first.start()
wrong = two.stress(500, 20, 2)
first.join()
answer(threads=threads, wrong=wrong)
"""
    assert run(script) == {"threads": [4, 4], "wrong": 0}


@SPINS
def test_workers_end_when_the_library_is_unloaded(run: Run, spin: str, library: Path) -> None:
    script = """
before = tasks()
seen = []
for _ in range(40):
    library = load()
    assert visit(library, 4, wait_for=4) == 4
    seen.append(tasks() - before)
    unload(library)
mapped = sys.argv[1] in Path("/proc/self/maps").read_text()
answer(seen=sorted(set(seen)), after=tasks() - before, mapped=mapped)
"""
    assert run(script, TINSMITH_SPIN_MICROSECONDS=spin) == {"seen": [3], "after": 0, "mapped": False}


def test_unloading_without_a_call(run: Run) -> None:
    script = "before = tasks()\nfor _ in range(20): unload(load())\nanswer(after=tasks() - before)"
    assert run(script) == {"after": 0}


@SPINS
def test_exit_with_calls_in_flight(run: Run, spin: str) -> None:
    script = """
library = load()
for seed in range(4):
    threading.Thread(target=library.stress, args=(10**9, 16, seed), daemon=True).start()
time.sleep(0.2)
answer(ready=True)
sys.stdout.flush()
ctypes.CDLL(None).exit(0)
"""
    assert run(script, TINSMITH_SPIN_MICROSECONDS=spin) == {"ready": True}


def test_fork_makes_its_own_pool(run: Run) -> None:
    script = """
library = load()
visit(library, 4, wait_for=4)
children = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        threads = visit(library, 4, wait_for=4)
        unload(library)
        os._exit(0 if threads == 4 and tasks() == 1 else 1)
    children.append(os.waitpid(child, 0)[1])
answer(children=children, threads=visit(library, 4, wait_for=4))
"""
    assert run(script) == {"children": [0] * 5, "threads": 4}


@SPINS
def test_fork_in_the_middle_of_calls(run: Run, spin: str) -> None:
    script = """
import warnings
warnings.simplefilter("ignore")
library = load()
stop = False
def work(seed):
    while not stop:
        assert library.stress(20, 16, seed) == 0
threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
for thread in threads: thread.start()
status = []
for _ in range(30):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        right = library.stress(20, 16, 5) == 0 and visit(library, 4, wait_for=4) == 4
        os._exit(0 if right else 1)
    status.append(os.waitpid(child, 0)[1])
stop = True
for thread in threads: thread.join()
answer(failed=[s for s in status if s])
"""
    assert run(script) == {"failed": []}


def test_grandchildren(run: Run) -> None:
    script = """
library = load()
visit(library, 4, wait_for=4)
def descend(depth):
    if depth == 0:
        return
    child = os.fork()
    if child == 0:
        assert visit(library, 4, wait_for=4) == 4
        descend(depth - 1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
descend(4)
answer(threads=visit(library, 4, wait_for=4))
"""
    assert run(script) == {"threads": 4}


def test_signals_are_left_to_the_programs_own_threads(run: Run) -> None:
    script = """
library = load()
masks = (ctypes.c_uint64 * 4)()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
library.masks(masks, 4)
mine = signal.pthread_sigmask(signal.SIG_BLOCK, [])
answer(masks=[hex(mask) for mask in sorted(masks)], mine=sorted(int(s) for s in mine))
"""
    found = run(script)
    own, *workers = found["masks"]
    assert int(own, 16) == 1 << (signal.SIGUSR1 - 1)
    assert found["mine"] == [signal.SIGUSR1]
    for mask in workers:
        blocked = int(mask, 16)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPROF, signal.SIGCHLD):
            assert blocked >> (number - 1) & 1


def test_no_thread_can_be_made(run: Run) -> None:
    script = """
import resource
library = load()
resource.setrlimit(resource.RLIMIT_AS, (0, resource.RLIM_INFINITY))
threads = visit(library, 10)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
answer(threads=threads)
"""
    assert run(script) == {"threads": 1}


@pytest.mark.parametrize(
    ("value", "highest"),
    [("sse2", 0), ("avx2", 1), ("avx512", 2), ("vbmi", 3), ("", 3), ("AVX2", 3), ("avx", 3), ("a" * 100, 3)],
)
def test_instruction_set_is_capped(run: Run, value: str, highest: int) -> None:
    flags = set(Path("/proc/cpuinfo").read_text().partition("flags")[2].split("\n")[0].split())
    levels = [
        {"avx2", "bmi1", "bmi2", "fma", "f16c", "movbe", "abm"},
        {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"},
        {
            "avx512vbmi",
            "avx512_vbmi2",
            "avx512ifma",
            "avx512_vnni",
            "avx512_bitalg",
            "avx512_vpopcntdq",
            "gfni",
        },
    ]
    best = next((i for i, needed in enumerate(levels) if not needed <= flags), 3)
    assert run("answer(isa=load().isa())", TINSMITH_ISA=value)["isa"] == min(best, highest)


@pytest.mark.parametrize("bytes_", [0, 1, 63, 64, 65, 4096, 100_001])
def test_memory_is_aligned_and_apart(library: Path, bytes_: int) -> None:
    allocation = ctypes.CDLL(str(library)).allocation
    allocation.argtypes, allocation.restype = [ctypes.c_size_t] * 2, ctypes.c_long
    assert allocation(bytes_, 40) == 0


@pytest.mark.parametrize("bytes_", [2**64 - 1, 2**64 - 64, 2**64 - 80, 2**62])
def test_too_much_memory_is_refused(library: Path, bytes_: int) -> None:
    refuses = ctypes.CDLL(str(library)).refuses
    refuses.argtypes = [ctypes.c_size_t]
    assert refuses(bytes_) == 1


def test_a_process_without_threads_runs_serially(tmp_path: Path) -> None:
    """A static program without a C library: the pthread functions are absent."""
    source = Path(__file__).parent / "c" / "alone.c"
    target = platforms()["LINUX_X86_64"]
    program = tmp_path / "alone"
    build.compile_and_link([source, *build.platform_sources(target)], target, program, kind="executable")
    assert subprocess.run([program], check=False).returncode == 45
