"""The machines that can be compiled for: `targets.toml` as records."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from tinsmith.errors import ClientError, InternalError
from tinsmith.spec.request import CompileRequest, TargetPlatform

DEFAULT_ANDROID_API = 21
"""The oldest that ANDROID_PLATFORM allows; libraries for it run on every newer one."""

ACCELERATORS = ("INTEL_GRAPHICS", "MALI", "NVIDIA", "NNA")
"""TargetPlatformAccelerator, as the API spells it."""


@dataclass(frozen=True)
class Target:
    """One machine, as the compiler sees it."""

    name: str
    """`ml_c5` or `LINUX_ARM64_MALI`."""
    os: str
    """"linux", "android", "windows" or "apple"."""
    arch: str
    """"x86_64", "x86", "aarch64" or "arm"."""
    triple: str
    """Clang's target triple; on Android its API level is appended by the toolchain."""
    cpu: str
    """LLVM processor name."""
    features: tuple[str, ...]
    """LLVM features, `+name` or `-name`, changed after `cpu`."""
    float_abi: str
    """ARM 32-bit: "hard" (floats pass in VFP registers), "softfp" (they pass in integer registers) or
    "soft" (and no floating-point instructions); elsewhere ""."""
    variants: tuple[str, ...]
    """Processors, weakest first, that one library holds code for; empty: `cpu` alone."""
    accelerator: str | None
    """What the machine has beside its processor, or what the platform request named."""
    kind: str
    """"cloud" or "edge"."""
    android_api: int | None
    """Minimum API level; None outside Android."""
    emulator: str
    """How an x86-64 Linux host runs the library: "native" (also Windows' libraries, which the runner loads
    itself), "qemu-aarch64", "qemu-arm" or "none"."""
    listed: bool
    """The service's own table lists this combination."""
    source: str
    """Where the facts come from; see targets.toml."""
    notes: str

    @property
    def library(self) -> str:
        """File name of the compiled model."""
        return "compiled.dll" if self.os == "windows" else "compiled.so"

    @property
    def dlr_library(self) -> str:
        """File name of the DLR-compatible runtime library."""
        return "dlr.dll" if self.os == "windows" else "libdlr.so"

    @property
    def processors(self) -> tuple[str, ...]:
        """The processors that a program is compiled for: the variants, or the one processor."""
        return self.variants or (self.cpu,)


@cache
def devices() -> dict[str, Target]:
    """Every TargetDevice value by name, in the order of targets.toml."""
    table = _table()
    return {name: _target(name, row, table["system"]) for name, row in table["device"].items()}


@cache
def platforms() -> dict[str, Target]:
    """Every TargetPlatform combination by its name `Os_Arch` or `Os_Arch_Accelerator`."""
    table = _table()
    targets: dict[str, Target] = {}
    for name, row in table["platform"].items():
        plain = _target(name, row, table["system"])
        for accelerator in (None, *ACCELERATORS):
            listed = (accelerator or "") in row["accelerators"]
            full = f"{name}_{accelerator}" if accelerator else name
            targets[full] = replace(plain, name=full, accelerator=accelerator, listed=listed)
    return targets


def find(request: CompileRequest) -> Target:
    """The target that `request` names.

    Raises ClientError OutputConfiguration where no such device or platform exists.
    """
    if (request.device is None) == (request.platform is None):
        raise ClientError(
            "OutputConfiguration", "exactly one of TargetDevice and TargetPlatform must be given"
        )
    known = devices() if request.platform is None else platforms()
    target = known.get(request.target_name)
    if target is None:
        raise ClientError("OutputConfiguration", _unknown(request))
    return target


def _unknown(request: CompileRequest) -> str:
    if request.platform is None:
        return f"TargetDevice {request.device!r} is unknown; expected one of {', '.join(devices())}"
    return f"TargetPlatform {_spelled(request.platform)} is unknown; expected {', '.join(platforms())}"


def _spelled(platform: TargetPlatform) -> str:
    return "/".join(part for part in (platform.os, platform.arch, platform.accelerator) if part)


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files("tinsmith.spec").joinpath("targets.toml").read_text("utf-8"))


def _target(name: str, row: dict[str, Any], systems: dict[str, dict[str, str]]) -> Target:
    try:
        system = systems[row["system"]]
        os, _, machine = row["system"].partition("-")
        return Target(
            name=name,
            os=os,
            arch="arm" if machine in ("armhf", "armel") else machine,
            triple=system["triple"],
            cpu=row["cpu"],
            features=tuple(row.get("features", ())),
            float_abi=system.get("float_abi", ""),
            variants=tuple(row.get("variants", ())),
            accelerator=row.get("accelerator"),
            kind=row.get("kind", "edge"),
            android_api=row.get("android_api", DEFAULT_ANDROID_API) if os == "android" else None,
            emulator=system["emulator"],
            listed=True,
            source=row["source"],
            notes=row.get("notes", ""),
        )
    except KeyError as error:
        raise InternalError(f"targets.toml: {name} lacks {error}") from error
