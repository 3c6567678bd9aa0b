"""What the controller relies on, the same for every engine, each for real."""

from __future__ import annotations

import base64
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tinsmith.worker.engines.port import Ended
from tinsmith.worker.order import AttemptResult

if TYPE_CHECKING:
    from tests.worker.engines.conftest import Rig

NAP = 613
CONTROLLER = """
import base64, pickle, signal, sys
from tinsmith.worker.engines import make_engine
settings, owner, orders = pickle.loads(base64.b64decode(sys.stdin.readline()))
engine = make_engine(settings, owner)
engine.open()
engine.adopt({})
for order in orders:
    engine.launch(order)
print("launched", flush=True)
signal.pause()
"""


def controller(rig: Rig, *orders: object) -> subprocess.Popen[str]:
    """A controller in a process of its own, which has launched `orders` and can be killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(base64.b64encode(pickle.dumps((rig.settings, rig.owner, orders))).decode() + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "launched\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.mark.sample
def test_an_attempt_runs_and_its_result_and_its_log_come_back(
    rig: Rig, artifact_of: Callable[[str], tuple[bytes, str]]
) -> None:
    engine = rig.engine()
    order = rig.order(derived="{}")
    engine.launch(order)
    end = rig.ended(engine, order.name)
    uri = f"s3://tinsmith-worker/{order.name}/m-ml_c5.tar.gz"
    assert end.result == AttemptResult(1, uri, artifact_of("m")[1], "{}"), (end, rig.log(order.name))
    log = rig.log(order.name)
    assert "compiling" in log
    assert f"wrote {uri}" in log
    assert len(log) == len(set(log))
    engine.discard(order.name)
    assert not rig.folder(order.name).exists()


def test_a_refusal_is_a_result(rig: Rig) -> None:
    engine = rig.engine()
    order = rig.order(fail="ClientError: no")
    engine.launch(order)
    assert rig.ended(engine, order.name).result == AttemptResult(1, failure_reason="ClientError: no")


def test_an_unknown_attempt_has_ended_and_harms_nobody(rig: Rig) -> None:
    engine = rig.engine()
    status = engine.status("job-00-1")
    assert isinstance(status, Ended)
    assert status.result is None
    assert "unknown" in status.cause
    engine.signal("job-00-1", signal.SIGTERM)
    engine.signal("job-00-1", signal.SIGKILL)
    engine.discard("job-00-1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_an_attempt_with_all_its_processes(rig: Rig, number: int) -> None:
    engine = rig.engine()
    nap = NAP + os.getpid()
    order = rig.order(sleep=600, children=2, nap=nap, ignore_sigterm=number == signal.SIGKILL)
    engine.launch(order)
    rig.compiling(order.name, engine)
    engine.signal(order.name, number)
    end = rig.ended(engine, order.name)
    assert end.result is None
    assert end.cause
    rig.until(lambda: not sleepers(nap))


def test_an_attempt_is_stopped_before_it_has_begun(rig: Rig) -> None:
    engine = rig.engine()
    order = rig.order(sleep=600)
    engine.launch(order)
    engine.signal(order.name, signal.SIGTERM)
    assert rig.ended(engine, order.name).result is None


@pytest.mark.sample
def test_a_crash_has_a_cause(rig: Rig) -> None:
    engine = rig.engine()
    nap = NAP + os.getpid()
    order = rig.order(sleep=600, children=2, nap=nap)
    engine.launch(order)
    os.kill(rig.compiling(order.name, engine).pid, signal.SIGKILL)
    assert rig.ended(engine, order.name) == Ended(None, "it was killed by signal 9")
    rig.until(lambda: not sleepers(nap))


def test_a_killed_compiler_is_a_cause(rig: Rig) -> None:
    engine = rig.engine()
    order = rig.order(signal=int(signal.SIGKILL))
    engine.launch(order)
    assert rig.ended(engine, order.name) == Ended(None, "the compiler was killed")


@pytest.mark.sample
def test_a_lost_controller_is_succeeded(rig: Rig) -> None:
    """Attempts that survive it go on and none runs twice; the others are dead."""
    order = rig.order(sleep=0.5)
    lost = controller(rig, order)
    rig.until(lambda: rig.compilers(order.name))
    for pid in rig.compilers(order.name):
        os.kill(pid, signal.SIGSTOP)
    before = rig.process(order.name)
    kill(lost)
    engine = rig.engine()
    adopted = engine.adopt({order.name: order.log})
    if not engine.survives:
        assert set(adopted) == set()
        rig.until(lambda: not rig.family(order.name))
        return
    assert set(adopted) == {order.name}
    engine.launch(order)
    assert rig.process(order.name) == before
    for pid in rig.compilers(order.name):
        os.kill(pid, signal.SIGCONT)
    end = rig.ended(engine, order.name)
    assert end.result is not None
    assert end.result.failure_reason is None
    log = rig.log(order.name)
    assert log.count("compiling") == 1
    assert len(log) == len(set(log))


def test_a_result_that_nobody_saw_is_taken_over(rig: Rig) -> None:
    order = rig.order()
    lost = controller(rig, order)
    if rig.kind == "local":
        rig.until(lambda: (rig.folder(order.name) / "result.json").exists())
    else:
        rig.until(lambda: rig.process(order.name) is not None)
        rig.until(lambda: rig.process(order.name) is None)
    kill(lost)
    engine = rig.engine()
    assert set(engine.adopt({order.name: order.log})) == {order.name}
    end = rig.ended(engine, order.name)
    assert end.result is not None
    assert end.result.artifact_uri is not None


def test_what_the_store_does_not_know_is_ended_by_the_next_controller(rig: Rig) -> None:
    order = rig.order(sleep=600)
    lost = controller(rig, order)
    rig.until(lambda: rig.process(order.name) is not None)
    kill(lost)
    engine = rig.engine()
    assert set(engine.adopt({})) == set()
    rig.until(lambda: not rig.family(order.name))


@pytest.mark.sample
def test_the_secrets_of_an_order_are_nowhere_to_be_seen(rig: Rig) -> None:
    """Not in arguments, environments or files: of this machine's processes, the attempt and the engine."""
    engine = rig.engine()
    order = rig.order(sleep=600)
    engine.launch(order)
    rig.compiling(order.name, engine)
    secret = rig.settings.s3.secret_access_key
    assert secret
    assert secret in order.to_json()
    assert [str(path) for path in places(rig) if holds(path, secret.encode())] == []
    engine.signal(order.name, signal.SIGKILL)
    rig.ended(engine, order.name)


def places(rig: Rig) -> Iterator[Path]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield from (entry / "cmdline", entry / "environ")
    folders = [rig.settings.logs_dir, rig.settings.work_dir, Path(rig.settings.engine.work_dir or "")]
    for folder in (*folders, *rig.written):
        yield from (path for path in folder.rglob("*") if path.is_file())


def holds(path: Path, secret: bytes) -> bool:
    try:
        return secret in path.read_bytes()
    except OSError:
        return False


def sleepers(nap: int) -> int:
    """Grandchildren that the stand-in compiler sent into sessions of their own, for `nap` seconds."""
    count = 0
    for entry in Path("/proc").iterdir():
        try:
            wanted = f"/bin/sleep\0{nap}\0".encode()
            count += entry.name.isdigit() and (entry / "cmdline").read_bytes() == wanted
        except OSError:
            continue
    return count
