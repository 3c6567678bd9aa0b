from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.worker.engines.slurm_cluster import SlurmCluster
from tinsmith.errors import InternalError
from tinsmith.settings import Placement
from tinsmith.worker.engines import make_engine
from tinsmith.worker.engines.port import Active, Ended, EngineUnavailable
from tinsmith.worker.engines.slurm import SlurmScheduler

if TYPE_CHECKING:
    from tests.worker.engines.conftest import Rig

pytestmark = pytest.mark.parametrize("rig", ["slurm"], indirect=True)


def test_a_dead_node_is_a_cause_and_leaves_nobody(rig: Rig, slurm: SlurmCluster) -> None:
    """slurmd and its steps die, as with the machine; Slurm itself must not run the job again."""
    engine = rig.engine()
    order = rig.order(sleep=600, children=1)
    engine.launch(order)
    rig.compiling(order.name, engine)
    slurm.kill("slurmd")
    for pid in slurm.steps():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    rig.until(lambda: not rig.family(order.name), patience=10)
    slurm.start("slurmd")
    end = rig.ended(engine, order.name)
    assert end == Ended(None, "its node failed")
    slurm.resume()
    assert rig.log(order.name).count("compiling") == 1


def test_attempts_outlive_the_controller_of_slurm(rig: Rig, slurm: SlurmCluster) -> None:
    engine = rig.engine()
    order = rig.order(sleep=3)
    engine.launch(order)
    rig.compiling(order.name, engine)
    slurm.kill("slurmctld")
    try:
        with pytest.raises(EngineUnavailable, match="Unable to contact slurm controller"):
            engine.launch(rig.order("job-1-1"))
        assert engine.status(order.name) == Active()
    finally:
        slurm.start("slurmctld")
    end = rig.ended(engine, order.name)
    assert end.result is not None
    assert rig.log(order.name).count("compiling") == 1


def test_an_attempt_runs_where_its_target_asks_for(rig: Rig) -> None:
    """The node has the feature x86."""
    options = replace(rig.settings.engine, placements={"ml_c5": Placement(2, 1 << 30, {}, {"arch": "x86"})})
    engine = make_engine(replace(rig.settings, engine=options), rig.owner)
    engine.open()
    rig.engines.append(engine)
    order = rig.order()
    engine.launch(order)
    assert rig.ended(engine, order.name).result is not None
    for placement in (Placement(labels={"arch": "arm64"}), Placement(slurm=("--partition=none",))):
        options = replace(rig.settings.engine, placements={"ml_c5": placement})
        engine = make_engine(replace(rig.settings, engine=options), rig.owner)
        engine.open()
        rig.engines.append(engine)
        with pytest.raises(OSError, match="sbatch: error"):
            engine.launch(rig.order())


def test_without_its_commands_there_is_no_slurm(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "which", lambda command: None if command == "squeue" else command)
        with pytest.raises(InternalError, match="no squeue here"):
            SlurmScheduler("rig", "python").open()


def test_a_job_that_waits_in_slurm_is_stopped(rig: Rig, slurm: SlurmCluster) -> None:
    slurm.run("scontrol", "update", "partitionname=main", "state=down")
    try:
        engine = rig.engine()
        order = rig.order()
        engine.launch(order)
        time.sleep(2)
        assert engine.status(order.name) == Active()
        engine.signal(order.name, signal.SIGTERM)
        assert rig.ended(engine, order.name) == Ended(None, "it was cancelled in Slurm")
    finally:
        slurm.run("scontrol", "update", "partitionname=main", "state=up")
