"""The operator's file about an engine (`tinsmith serve --engine-config`), and what each target needs of it.

    mailbox = "s3://jobs/mailbox"            # see EngineOptions for these four
    python = "/opt/tinsmith/bin/python"
    work_dir = "/scratch"
    ray_address = "head:6379"

    [placement.default]                      # whatever has no table of its own
    cpus = 1
    memory = 2147483648                      # bytes that a job is expected to need

    [placement.ml_c6g]                       # a TargetDevice or a TargetPlatform such as LINUX_ARM64,
    labels = { arch = "arm64" }              # else a framework, else x86_64, x86, aarch64 or arm
    resources = { jetson = 1 }
    slurm = ["--partition=arm"]

    [placement.TENSORFLOW]
    memory = 8589934592
    disk = 17179869184                       # bytes
    max_memory = 12884901888                 # bytes that it may take at most; so max_folder and max_cpus:
    max_cpus = 2                             # see SandboxOptions

    [machine]                                # of the engine "local": what its jobs share together;
    cpus = 8                                 # what is not here is what is found on this machine
    memory = 34359738368
    disk = 100000000000

One table is for one job, whole; nothing of another one is added. Ray takes labels as its label selector and
resources as its custom resources. Slurm takes the values of labels as features that a node must have
(--constraint), resources as --gres, and the options under `slurm`. The engine "local" lets a job wait until
the cpus, memory and disk that it asks for are not asked for by others.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinsmith.errors import InternalError
from tinsmith.settings import EngineOptions, Machine, Placement, SandboxOptions
from tinsmith.spec.frameworks import FRAMEWORKS
from tinsmith.spec.targets import devices, platforms

DEFAULT = "default"
_TEXTS = ("mailbox", "python", "work_dir", "ray_address")
_SIZES = ("memory", "disk", "max_memory", "max_folder")
_LIMITS = ("max_memory", "max_folder", "max_cpus")
_KINDS = {
    "cpus": "a number",
    "max_cpus": "a number",
    **dict.fromkeys(_SIZES, "a number of bytes"),
    "resources": "a table of numbers",
    "labels": "a table of texts",
    "slurm": "a list of texts",
}


def engine_options(kind: str, path: Path | None) -> EngineOptions:
    """The engine `kind` with what the file at `path` says.

    Raises InternalError with everything that is wrong in the file.
    """
    if path is None:
        return EngineOptions(kind)
    try:
        file = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InternalError(f"{path}: {error}") from None
    if problems := list(_problems(file)):
        raise InternalError(f"{path}: {'; '.join(problems)}")
    placements = {name: _placement(table) for name, table in file.pop("placement", {}).items()}
    machine = Machine(**file.pop("machine", {}))
    return EngineOptions(kind, placements=placements, machine=machine, **file)


def placement_of(request: Mapping[str, Any], placements: Mapping[str, Placement]) -> Placement:
    """What `placements` say of the job `request`: of its target, framework, architecture, or all."""
    output = request.get("OutputConfig", {})
    platform = output.get("TargetPlatform")
    name = output.get("TargetDevice")
    if platform:
        parts = (platform["Os"], platform["Arch"], platform.get("Accelerator"))
        name = "_".join(part for part in parts if part)
    target = devices().get(name) or platforms().get(name)
    framework = request.get("InputConfig", {}).get("Framework")
    for key in (name, framework, target.arch if target else "", DEFAULT):
        if key in placements:
            return placements[key]
    return Placement()


def limited(sandbox: SandboxOptions, placement: Placement) -> SandboxOptions:
    """`sandbox` with the limits of `placement`."""
    limits = {name: getattr(placement, name) for name in _LIMITS}
    limits = {name: limit for name, limit in limits.items() if limit is not None}
    sandbox = replace(sandbox, **limits)
    if sandbox.max_address_space is not None and sandbox.max_address_space < sandbox.max_memory:
        sandbox = replace(sandbox, max_address_space=sandbox.max_memory)
    return sandbox


def _problems(file: Mapping[str, Any]) -> Iterator[str]:
    for key, value in file.items():
        if key not in (*_TEXTS, "placement", "machine"):
            yield f"{key}: expected one of {', '.join(_TEXTS)}, placement, machine"
        elif key in _TEXTS and not isinstance(value, str):
            yield f"{key}: expected a text, found {value!r}"
    yield from _machine_problems(file.get("machine", {}))
    tables = file.get("placement", {})
    if not isinstance(tables, dict):
        yield f"placement: expected tables, found {tables!r}"
        return
    targets = devices() | platforms()
    known = {DEFAULT, *FRAMEWORKS, *targets} | {target.arch for target in targets.values()}
    for name, table in tables.items():
        if name not in known:
            yield f"placement.{name}: neither a target, a framework, an architecture nor {DEFAULT!r}"
        if not isinstance(table, dict):
            yield f"placement.{name}: expected a table, found {table!r}"
            continue
        for key, value in table.items():
            if key not in _KINDS:
                yield f"placement.{name}.{key}: expected one of {', '.join(_KINDS)}"
            elif (expected := _expected(key, value)) is not None:
                yield f"placement.{name}.{key}: expected {expected}, found {value!r}"


def _machine_problems(table: object) -> Iterator[str]:
    if not isinstance(table, dict):
        yield f"machine: expected a table, found {table!r}"
        return
    for key, value in table.items():
        if key not in ("cpus", "memory", "disk"):
            yield f"machine.{key}: expected one of cpus, memory, disk"
        elif (expected := _expected(key, value)) is not None:
            yield f"machine.{key}: expected {expected}, found {value!r}"


def _expected(key: str, value: Any) -> str | None:
    """What should stand at `key`; None when `value` is that."""
    match key, value:
        case _, bool():
            pass
        case "cpus", int() | float() if value >= 0:
            return None
        case "max_cpus", int() | float() if value > 0:
            return None
        case (("memory" | "disk"), int()) if value >= 0:
            return None
        case (("max_memory" | "max_folder"), int()) if value > 0:
            return None
        case "resources", dict() if all(isinstance(each, int | float) for each in value.values()):
            return None
        case "labels", dict() if all(isinstance(each, str) for each in value.values()):
            return None
        case "slurm", list() if all(isinstance(each, str) for each in value):
            return None
    return _KINDS[key]


def _placement(table: Mapping[str, Any]) -> Placement:
    return Placement(**(dict(table) | {"slurm": tuple(table.get("slurm", ()))}))
