from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tinsmith.errors import InternalError
from tinsmith.settings import EngineOptions, Machine, Placement, SandboxOptions
from tinsmith.worker.engines.options import engine_options, limited, placement_of

FILE = """
mailbox = "s3://jobs/mailbox"
ray_address = "head:6379"

[placement.default]
cpus = 2

[placement.aarch64]
cpus = 0.5

[placement.XGBOOST]
disk = 7
max_memory = 17179869184
max_folder = 5
max_cpus = 0.5

[machine]
memory = 4096

[placement.ml_c6g]
memory = 1024
labels = { arch = "arm64" }
resources = { jetson = 1 }
slurm = ["--partition=arm"]
"""


def test_a_file_says_everything_about_an_engine(tmp_path: Path) -> None:
    path = tmp_path / "engine.toml"
    path.write_text(FILE)
    arm = Placement(1, 1024, {"jetson": 1}, {"arch": "arm64"}, ("--partition=arm",))
    forest = Placement(disk=7, max_memory=16 << 30, max_folder=5, max_cpus=0.5)
    expected = {"default": Placement(2), "aarch64": Placement(0.5), "ml_c6g": arm, "XGBOOST": forest}
    options = engine_options("ray", path)
    assert options == EngineOptions(
        "ray", "s3://jobs/mailbox", expected, Machine(memory=4096), ray_address="head:6379"
    )
    assert engine_options("slurm", None) == EngineOptions("slurm")


@pytest.mark.parametrize(
    ("output", "key"),
    [
        ({"TargetDevice": "ml_c6g"}, "ml_c6g"),
        ({"TargetDevice": "rasp4b"}, "default"),
        ({"TargetDevice": "ml_g5g"}, "default"),
        ({"TargetPlatform": {"Os": "LINUX", "Arch": "ARM64"}}, "aarch64"),
        ({"TargetPlatform": {"Os": "LINUX", "Arch": "ARM64", "Accelerator": "MALI"}}, "aarch64"),
        ({"TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}}, "default"),
    ],
)
def test_the_nearest_placement_counts(tmp_path: Path, output: dict[str, object], key: str) -> None:
    path = tmp_path / "engine.toml"
    path.write_text(FILE)
    placements = engine_options("ray", path).placements
    assert placement_of({"OutputConfig": output}, placements) == placements[key]


def test_a_framework_counts_after_the_target_and_before_the_architecture(tmp_path: Path) -> None:
    path = tmp_path / "engine.toml"
    path.write_text(FILE)
    placements = engine_options("local", path).placements
    for target, key in (("ml_c6g", "ml_c6g"), ("sbe_c", "XGBOOST"), ("ml_c5", "XGBOOST")):
        request = {"InputConfig": {"Framework": "XGBOOST"}, "OutputConfig": {"TargetDevice": target}}
        assert placement_of(request, placements) == placements[key]


def test_limits_of_a_placement_replace_those_of_the_sandbox() -> None:
    own = SandboxOptions(max_memory=8 << 30, max_address_space=8 << 30, max_folder=3, max_cpus=None)
    assert limited(own, Placement(4, 1 << 30, disk=9)) == own
    more = limited(own, Placement(max_memory=9 << 30, max_cpus=1.5))
    assert (more.max_memory, more.max_address_space, more.max_folder, more.max_cpus) == (
        9 << 30,
        9 << 30,
        3,
        1.5,
    )
    less = limited(own, Placement(max_memory=1 << 30, max_folder=1))
    assert (less.max_memory, less.max_address_space, less.max_folder) == (1 << 30, 8 << 30, 1)
    assert (
        limited(replace(own, max_address_space=None), Placement(max_memory=9 << 30)).max_address_space is None
    )


def test_without_a_default_one_processor_is_asked_for() -> None:
    assert placement_of({"OutputConfig": {"TargetDevice": "ml_c5"}}, {}) == Placement(cpus=1)


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "engine.toml"
    path.write_text(
        """
        mailbox = 3
        nodes = 2
        [placement.ml_c5]
        cpus = "many"
        memory = 1.5
        resources = { gpu = "one" }
        labels = { arch = 64 }
        slurm = "--partition=arm"
        gpus = 1
        disk = -1
        max_memory = 0
        max_cpus = true
        [placement.ml_c99]
        [machine]
        memory = "all"
        nodes = 2
        """
    )
    with pytest.raises(InternalError) as raised:
        engine_options("ray", path)
    said = str(raised.value)
    for problem in (
        "mailbox: expected a text, found 3",
        "nodes: expected one of mailbox",
        "placement.ml_c5.cpus: expected a number, found 'many'",
        "placement.ml_c5.memory: expected a number of bytes, found 1.5",
        "placement.ml_c5.resources: expected a table of numbers",
        "placement.ml_c5.labels: expected a table of texts",
        "placement.ml_c5.slurm: expected a list of texts",
        "placement.ml_c5.gpus: expected one of cpus",
        "placement.ml_c5.disk: expected a number of bytes, found -1",
        "placement.ml_c5.max_memory: expected a number of bytes, found 0",
        "placement.ml_c5.max_cpus: expected a number, found True",
        "machine.memory: expected a number of bytes, found 'all'",
        "machine.nodes: expected one of cpus, memory, disk",
        "placement.ml_c99: neither a target",
    ):
        assert problem in said


@pytest.mark.parametrize("text", ["= 3", "placement = 3", "machine = 3"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "engine.toml"
    path.write_text(text)
    with pytest.raises(InternalError, match=r"engine\.toml"):
        engine_options("ray", path)
    with pytest.raises(InternalError, match=r"none\.toml"):
        engine_options("ray", tmp_path / "none.toml")
