"""The numeric headers on every machine: the same results, vector code, no calls of other libraries."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinsmith.compiler.backends.native import networks, toolchain
from tinsmith.compiler.backends.native.build import compile_and_link
from tinsmith.spec.targets import Target, devices, platforms

Array = NDArray[Any]

HEADERS = Path(networks.__file__).parent / "c"
SOURCES = Path(__file__).parent / "c"
LINUX = platforms()["LINUX_X86_64"]
MACHINES = {
    "x86": platforms()["LINUX_X86"],
    "avx2": replace(LINUX, cpu="haswell", variants=()),
    "aarch64": platforms()["LINUX_ARM64"],
    "armhf": platforms()["LINUX_ARM_EABIHF"],
    "armhf-neon": devices()["rasp3b"],
    "armel-soft": platforms()["LINUX_ARM_EABI"],
}
OTHERS = {
    "android-arm": platforms()["ANDROID_ARM_EABI"],
    "android-x86": platforms()["ANDROID_X86"],
    "windows-x86_64": devices()["x86_win64"],
    "windows-x86": devices()["x86_win32"],
}
EMULATORS = {"qemu-aarch64": "qemu-aarch64-static", "qemu-arm": "qemu-arm-static"}

FUSED = {
    *("expf", "exp2f", "expm1f", "logf", "log1pf", "tanhf", "sinhf", "coshf", "asinhf", "acoshf", "atanhf"),
    *("sigmoidf", "softplusf", "erff"),
}
"""They fuse products and sums where the processor can; each is right within 2.5 units in the last place."""

SCALAR = {
    *("sin", "cos", "tan", "pow", "fmod", "mod", "fmodf", "modf"),
    *(
        f"{u}int{bits}_{verb}"
        for u in ("", "u")
        for bits in (8, 16, 32, 64)
        for verb in ("div", "mod", "fmod", "pow")
    ),
}
"""Functions that vectors do nothing for."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, compile_loops: Any) -> Any:
    return compile_loops(tmp_path_factory.mktemp("plain") / "plain.so", replace(LINUX, variants=()))


def samples(dtype: np.dtype[Any], count: int, seed: int) -> Array:
    """Edge values, random bits, and ordinary numbers; with seed 1 in another order."""
    random = np.random.RandomState(7)
    patterns = np.frombuffer(random.bytes(dtype.itemsize * count), dtype)
    if dtype.kind != "f":
        edges = np.array([0, 1, 2, 3, np.iinfo(dtype).max, np.iinfo(dtype).min], dtype)
        every = np.concatenate([edges, patterns])
    else:
        info = np.finfo(dtype)
        edges = np.array(
            [0, -0.0, 1, -1, 0.5, 2, 3, np.inf, -np.inf, np.nan, info.max, info.tiny / 4, 2**31], dtype
        )
        near = (random.randn(count) * 10.0 ** random.randint(-3, 4, count)).astype(dtype)
        every = np.concatenate([edges, patterns, near])
    return random.permutation(every) if seed else every


def literal(values: Array) -> str:
    word = f"uint{values.itemsize * 8}"
    return ", ".join(f"{value}u" if value < 2**32 else f"{value}ull" for value in values.view(word).tolist())


def cases(plain: Any, count: int) -> str:
    """cases.h: arguments and the results of x86-64 with SSE2."""
    kinds = {"float32": "FLOATS", "float64": "DOUBLES"}
    lines = ["enum kind { FLOATS, DOUBLES, INTEGERS };"]
    rows: list[str] = []
    arrays: dict[str, Array] = {}
    most = 0
    for number, function in enumerate(plain.functions.values()):
        inputs = [samples(function.source, count, seed) for seed in range(function.arguments)]
        result = plain(function.name, *inputs)
        most = max(most, result.nbytes)
        names = [f"{function.source.name}_{seed}" for seed in range(function.arguments)]
        arrays.update(zip(names, inputs, strict=True))
        arrays[f"result_{number}"] = result
        rows.append(
            f"{{ts_{function.name}_loop, {names[0]}, {names[-1]}, result_{number}, {len(result)}, "
            f"{result.itemsize}, {kinds.get(result.dtype.name, 'INTEGERS')}, "
            f"{5 if function.name in FUSED else 0}}},"
        )
    for name, values in arrays.items():
        word = f"uint{values.itemsize * 8}_t"
        lines.append(f"static const {word} {name}[] = {{{literal(values)}}};")
    lines += [f"enum {{ MOST_BYTES = {most} }};", "struct one_case {", "    loop *function;"]
    lines += [
        "    const void *a, *b, *result;",
        "    size_t count, size;",
        "    enum kind kind;",
        "    int64_t most;",
        "};",
    ]
    return "\n".join([*lines, "static const struct one_case cases[] = {", *rows, "};", ""])


def prepare(folder: Path) -> None:
    for path in (*HEADERS.glob("*.h"), *SOURCES.glob("*.[ch]")):
        shutil.copy(path, folder)


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_gives_the_same_results(name: str, plain: Any, tmp_path: Path) -> None:
    target = MACHINES[name]
    command = []
    if target.emulator in EMULATORS:
        found = shutil.which(EMULATORS[target.emulator])
        if found is None:
            pytest.skip(f"this machine has no {target.emulator}")
        command = [found]
    prepare(tmp_path)
    (tmp_path / "cases.h").write_text(cases(plain, 150))
    compile_and_link([tmp_path / "foreign.c"], target, tmp_path / "foreign", kind="executable")
    done = subprocess.run([*command, str(tmp_path / "foreign")], timeout=300, check=False)
    failed = [*plain.functions][done.returncode - 1] if done.returncode else ""
    assert (done.returncode, failed) == (0, "")


@pytest.mark.parametrize("name", OTHERS)
def test_a_library_needs_nothing_more(
    name: str, tmp_path: Path, compile_loops: Callable[[Path, Target], Any]
) -> None:
    compile_loops(tmp_path / OTHERS[name].library, OTHERS[name])


@pytest.mark.parametrize("cpu", ["haswell", "skylake-avx512"])
def test_loops_become_vector_code(cpu: str, plain: Any, tmp_path: Path) -> None:
    prepare(tmp_path)
    command = toolchain.compile_command(
        LINUX, tmp_path / "arithmetic.c", "arithmetic.o", cpu, (), (tmp_path,)
    )
    remarks = toolchain.run([*command, "-Rpass=loop-vectorize"], tmp_path)
    lines = (tmp_path / "arithmetic.c").read_text().splitlines()
    places = {int(line) for line in re.findall(r"arithmetic\.c:(\d+):\d+: remark: vectorized loop", remarks)}
    vectorised = {match[1] for place in places if (match := re.match(r"MAP2?\(ts_(\w+),", lines[place - 1]))}
    wide = {
        name for name in plain.functions if "int64" in name or name.endswith(("int32_from", "int32_fromf"))
    }
    assert set(plain.functions) - vectorised <= SCALAR | wide
