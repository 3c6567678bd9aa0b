"""The part that Ray and Slurm share, over a scheduler that starts processes of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

from tinsmith.settings import Placement
from tinsmith.worker.attempt import cause_of
from tinsmith.worker.engines.mailbox import Mailbox
from tinsmith.worker.engines.port import Active, Ended, EngineUnavailable
from tinsmith.worker.engines.remote import RemoteEngine

if TYPE_CHECKING:
    from tests.worker.engines.conftest import Rig

pytestmark = pytest.mark.parametrize("rig", ["processes"], indirect=True)


class Processes:
    """A scheduler that has no cluster."""

    poll = 0.1

    def __init__(self, keeps_orders: bool) -> None:
        self.keeps_orders = keeps_orders
        self.away = False
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.removed: list[str] = []

    def open(self) -> None: ...

    def submit(self, name: str, envelope: str, placement: Placement) -> None:
        program = (sys.executable, "-P", "-m", "tinsmith.worker.engines.node", name, str(os.getpid()))
        process = subprocess.Popen(program, stdin=subprocess.PIPE, start_new_session=True)
        self.processes[name] = process
        assert process.stdin is not None
        with process.stdin as stdin:
            stdin.write(envelope.encode())

    def states(self) -> Mapping[str, str | None]:
        if self.away:
            raise EngineUnavailable("the scheduler is away")
        codes = {name: process.poll() for name, process in self.processes.items()}
        return {name: None if code is None else cause_of(code) for name, code in codes.items()}

    def terminate(self, name: str) -> None:
        self.processes[name].terminate()

    def remove(self, name: str) -> None:
        """It has lost sight of the process and cannot kill it."""
        self.removed.append(name)

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture(params=[True, False], ids=["sealed", "plain"])
def scheduler(request: pytest.FixtureRequest) -> Processes:
    return Processes(request.param)


@pytest.fixture
def engine(rig: Rig, scheduler: Processes) -> Iterator[RemoteEngine]:
    options = rig.settings.engine
    assert options.mailbox
    engine = RemoteEngine(scheduler, Mailbox(rig.settings.s3, options.mailbox, options.work_dir), {})
    engine.open()
    yield engine
    engine.close()


def test_an_attempt_without_keys_runs_to_its_artifact(rig: Rig, engine: RemoteEngine) -> None:
    order = rig.order()
    engine.launch(order)
    end = rig.ended(engine, order.name)
    assert end.result is not None
    assert end.result.artifact_uri == f"s3://tinsmith-worker/{order.name}/m-ml_c5.tar.gz"
    log = rig.log(order.name)
    assert any(line.startswith("wrote ") for line in log)
    assert len(log) == len(set(log))
    assert list(rig.folder(order.name).parent.iterdir()) == []


@pytest.mark.parametrize("scheduler", [False], indirect=True)
def test_a_given_up_attempt_that_nobody_can_kill_ends_itself_before_it_uploads(
    rig: Rig, engine: RemoteEngine, scheduler: Processes
) -> None:
    order = rig.order(sleep=4)
    engine.launch(order)
    rig.compiling(order.name, engine)
    engine.discard(order.name)
    assert scheduler.removed == [order.name]
    rig.until(lambda: not rig.family(order.name))
    scheduler.processes[order.name].wait()
    listed = rig.objects.list_objects_v2(Bucket="tinsmith-worker", Prefix=order.name)
    assert listed["KeyCount"] == 0


@pytest.mark.parametrize("scheduler", [False], indirect=True)
def test_a_silent_scheduler_says_nothing_of_attempts(
    rig: Rig, engine: RemoteEngine, scheduler: Processes
) -> None:
    order = rig.order()
    engine.launch(order)
    scheduler.away = True
    scheduler.processes[order.name].wait()
    time.sleep(0.5)
    assert engine.status(order.name) == Active()
    with pytest.raises(EngineUnavailable):
        engine.adopt({})
    scheduler.away = False
    assert rig.ended(engine, order.name).result is not None


@pytest.mark.parametrize("scheduler", [False], indirect=True)
def test_an_attempt_that_the_scheduler_has_forgotten_is_lost(
    rig: Rig, engine: RemoteEngine, scheduler: Processes
) -> None:
    order = rig.order(sleep=600)
    engine.launch(order)
    process = scheduler.processes.pop(order.name)
    assert rig.ended_status(engine, order.name) == Ended(None, "the engine does not know it any more")
    engine.discard(order.name)
    process.wait()


@pytest.mark.parametrize("scheduler", [True], indirect=True)
def test_an_order_that_was_read_is_worth_nothing(
    rig: Rig, engine: RemoteEngine, scheduler: Processes, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever finds the batch script of an attempt cannot run it again, or read its keys."""
    envelopes = []
    submit = scheduler.submit

    def keep(name: str, envelope: str, placement: Placement) -> None:
        envelopes.append(envelope)
        submit(name, envelope, placement)

    scheduler.submit = keep  # type: ignore[method-assign]
    order = rig.order()
    engine.launch(order)
    rig.ended(engine, order.name)
    submit("again", envelopes[0], Placement())
    assert scheduler.processes["again"].wait() != 0
    assert "has been read before" in capfd.readouterr().err


@pytest.mark.parametrize("scheduler", [False], indirect=True)
def test_sigterm_ends_it(rig: Rig, engine: RemoteEngine) -> None:
    order = rig.order(sleep=600)
    engine.launch(order)
    rig.compiling(order.name, engine)
    engine.signal(order.name, signal.SIGTERM)
    assert rig.ended(engine, order.name) == Ended(None, "it ended with exit code 143")
    assert not rig.folder(order.name).exists()
