"""What the compiler calls on its own (copies, divisions, soft floats, stack probes), on every machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.build import compile_and_link, platform_sources
from tinsmith.spec.targets import Target, devices, platforms

EMULATORS = {
    "native": ("",),
    "qemu-aarch64": ("qemu-aarch64-static", "qemu-aarch64"),
    "qemu-arm": ("qemu-arm-static", "qemu-arm"),
}
WINE = {"x86_64": ("wine64", "wine")}
"""Runs whole Windows programs; of 64 bits, as Debian's package has it."""

MACHINES = {
    "x86_64": platforms()["LINUX_X86_64"],
    "x86": platforms()["LINUX_X86"],
    "aarch64": platforms()["LINUX_ARM64"],
    "armhf": platforms()["LINUX_ARM_EABIHF"],
    "armhf-neon": devices()["rasp3b"],
    "armel-soft": platforms()["LINUX_ARM_EABI"],
    "armel-softfp": replace(platforms()["LINUX_ARM_EABI"], float_abi="softfp", features=("+neon",)),
    "armel-thumb": replace(platforms()["LINUX_ARM_EABI"], features=("+thumb-mode",)),
    "android-arm": platforms()["ANDROID_ARM_EABI"],
    "windows-x86_64": devices()["x86_win64"],
    "windows-x86": devices()["x86_win32"],
}

ORDERS = (np.less, np.less_equal, np.equal, np.greater, np.greater_equal, np.not_equal)


def emulator(target: Target) -> list[str]:
    """The command before the program. Skips where there is none."""
    windows = target.os == "windows"
    for name in WINE.get(target.arch, ()) if windows else EMULATORS[target.emulator]:
        if not name:
            return []
        if found := shutil.which(name):
            return [found]
    pytest.skip(f"this machine has no {'wine' if windows else target.emulator} for {target.arch}")


def declared(name: str, kind: str, values: NDArray[Any]) -> str:
    suffix = {"uint64_t": "u", "uint32_t": "u"}.get(kind, "")
    texts = [f"{value}{suffix}" if value != -(2**63) else "INT64_MIN" for value in values.tolist()]
    return f"static volatile const {kind} {name}[COUNT] = {{{', '.join(texts)}}};"


def operands(kind: Any, word: Any, random: np.random.RandomState) -> tuple[NDArray[Any], NDArray[Any]]:
    info = np.finfo(kind)
    edges = [0.0, -0.0, 1.0, -1.5, info.max, -info.max, info.tiny, info.smallest_subnormal, np.inf, -np.inf]
    fixed = np.array([*edges, np.nan, 0.1, 3.0, info.eps, info.tiny / 2, 1 + float(info.eps)], kind)
    left, right = (grid.ravel() for grid in np.meshgrid(fixed, fixed))
    patterns = np.frombuffer(random.bytes(word(0).nbytes * 600), word).view(kind)
    near = (random.randn(600) * 2.0 ** random.randint(-30, 30, 600)).astype(kind)
    with np.errstate(all="ignore"):
        one = np.concatenate([left, patterns[:300], near[:300]])
        two = np.concatenate([right, patterns[300:], near[300:]])
    return one, two


def header() -> str:
    random = np.random.RandomState(11)
    lines = ["#include <stdint.h>"]
    for label, kind, word, name in (
        ("single", np.float32, np.uint32, "uint32_t"),
        ("double", np.float64, np.uint64, "uint64_t"),
    ):
        a, b = operands(kind, word, random)
        if label == "single":
            lines.append(f"#define COUNT {len(a)}")
        with np.errstate(all="ignore"):
            results = {"a": a, "b": b, "sum": a + b, "difference": a - b, "product": a * b, "quotient": a / b}
            order = sum(order(a, b).astype(np.int64) << bit for bit, order in enumerate(ORDERS))
            other = a.astype(np.float64 if label == "single" else np.float32)
        lines += [declared(f"{label}_{key}", name, value.view(word)) for key, value in results.items()]
        lines.append(declared(f"{label}_order", "int32_t", np.asarray(order)))
        lines.append(
            declared("widened", "uint64_t", other.view(np.uint64))
            if label == "single"
            else declared("narrowed", "uint32_t", other.view(np.uint32))
        )
        count = len(a)
    longs = np.frombuffer(random.bytes(8 * count), np.int64) >> random.randint(0, 64, count)
    longs[:8] = [0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1, -(2**24) - 1, 2**62 + 2**38]
    lines.append(declared("longs", "int64_t", longs))
    for label, values in (("long", longs), ("unsigned", longs.view(np.uint64))):
        lines.append(declared(f"single_of_{label}", "uint32_t", values.astype(np.float32).view(np.uint32)))
        lines.append(declared(f"double_of_{label}", "uint64_t", values.astype(np.float64).view(np.uint64)))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", MACHINES)
def test_machine(name: str, tmp_path: Path) -> None:
    target = MACHINES[name]
    command = emulator(target)
    shutil.copy(Path(__file__).parent / "c" / "machine.c", tmp_path)
    (tmp_path / "cases.h").write_text(header())
    program = tmp_path / ("machine.exe" if target.os == "windows" else "machine")
    system = platform_sources(target) if target.os == "windows" else []
    compile_and_link([tmp_path / "machine.c", *system], target, program, kind="executable")
    environment = {**os.environ, "WINEDEBUG": "-all", "TINSMITH_NUM_THREADS": "3", "TINSMITH_ISA": "sse2"}
    done = subprocess.run(
        [*command, str(program)], env=environment, capture_output=True, timeout=300, check=False
    )
    assert (done.returncode, done.stderr[-500:] if not command else b"") == (0, b"")
