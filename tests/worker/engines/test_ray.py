from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.faults.places import commands
from tests.worker.engines.ray_cluster import RayCluster
from tinsmith.settings import Placement
from tinsmith.worker.engines import make_engine
from tinsmith.worker.engines.port import Active, Ended, EngineUnavailable
from tinsmith.worker.engines.ray import RayScheduler

if TYPE_CHECKING:
    from tests.worker.engines.conftest import Rig

pytestmark = pytest.mark.parametrize("rig", ["ray"], indirect=True)


def test_a_dead_node_is_a_cause(rig: Rig, ray: RayCluster) -> None:
    engine = rig.engine()
    order = rig.order(sleep=600, children=1)
    engine.launch(order)
    rig.compiling(order.name, engine)
    try:
        ray.kill_node()
        end = rig.ended(engine, order.name)
    finally:
        ray.add_node()
    # Ray may hear of the worker's death before that of its node.
    assert end in (Ended(None, "its Ray node died"), Ended(None, "its Ray worker died"))


def test_a_dead_actor_is_a_cause(rig: Rig) -> None:
    engine = rig.engine()
    order = rig.order(sleep=600, children=1)
    engine.launch(order)
    rig.compiling(order.name, engine)
    (actor,) = [pid for pid, command in commands() if b"ray::Runner" in command]
    os.kill(actor, signal.SIGKILL)
    assert rig.ended(engine, order.name) == Ended(None, "its Ray worker died")


def test_attempts_outlive_our_process_in_the_cluster(rig: Rig) -> None:
    engine = rig.engine()
    order = rig.order(sleep=3)
    engine.launch(order)
    rig.compiling(order.name, engine)
    for pid, command in commands():
        if b"engines.ray_driver" in command:
            os.kill(pid, signal.SIGKILL)
    end = rig.ended(engine, order.name)
    assert end.result is not None
    assert rig.log(order.name).count("compiling") == 1


def test_an_attempt_begins_without_our_process_in_the_cluster(rig: Rig) -> None:
    """It dies before the actor is up."""
    engine = rig.engine()
    order = rig.order()
    engine.launch(order)
    for pid, command in commands():
        if b"engines.ray_driver" in command:
            os.kill(pid, signal.SIGKILL)
    assert rig.ended(engine, order.name).result is not None


def test_an_interpreter_that_is_not_there_is_a_cause(rig: Rig) -> None:
    options = replace(rig.settings.engine, python="/nowhere/python")
    engine = make_engine(replace(rig.settings, engine=options), rig.owner)
    engine.open()
    rig.engines.append(engine)
    order = rig.order()
    engine.launch(order)
    assert rig.ended(engine, order.name) == Ended(None, "it ended with exit code 127")


def test_an_attempt_runs_where_its_target_asks_for(rig: Rig) -> None:
    """The node has the label arch=x86 and no resource called jetson."""
    here = Placement(labels={"arch": "x86"}, cpus=2)
    nowhere = (Placement(labels={"arch": "arm64"}), Placement(resources={"jetson": 1}), Placement(cpus=64))
    for number, placement in enumerate((here, *nowhere)):
        options = replace(rig.settings.engine, placements={"ml_c5": placement})
        engine = make_engine(replace(rig.settings, engine=options), rig.owner)
        engine.open()
        rig.engines.append(engine)
        order = rig.order()
        engine.launch(order)
        if number == 0:
            assert rig.ended(engine, order.name).result is not None
        else:
            time.sleep(3)
            assert engine.status(order.name) == Active()
            assert rig.process(order.name) is None
            engine.discard(order.name)


def test_a_cluster_that_is_away_is_said_to_be(rig: Rig) -> None:
    scheduler = RayScheduler("rig", "python", "127.0.0.1:9")
    with pytest.raises(EngineUnavailable, match=r"Ray at 127\.0\.0\.1:9"):
        scheduler.states()
    scheduler.close()
