"""Which processors and features the installed toolchain compiles for, per architecture.

`python -m tinsmith.compiler.backends.native.processors` prints what `spec/processors.json` holds: every name
is tried on a small program, so a customer's `mcpu` or `mattr` that passes the check also compiles.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from os import sched_getaffinity
from pathlib import Path
from tempfile import TemporaryDirectory

from tinsmith.compiler.backends.native import toolchain
from tinsmith.errors import InternalError

TRIPLES = {
    "x86_64": "x86_64-unknown-linux-gnu",
    "x86": "i686-unknown-linux-gnu",
    "aarch64": "aarch64-unknown-linux-gnu",
    "arm": "armv7a-unknown-linux-gnueabihf",
}

PROBE = """
#if defined(__arm__) && (__ARM_ARCH < 7 || __ARM_ARCH_PROFILE != 'A' || !defined(__ARM_FP))
#error "not an application processor of ARMv7 or later"
#endif
#if defined(__aarch64__) && __ARM_ARCH_PROFILE != 'A'
#error "not an application processor"
#endif
#if defined(__i386__) && !defined(__SSE2__)
#error "no SSE2"
#endif
typedef float vector __attribute__((vector_size(16)));
vector product(vector a, vector b) { return a * b; }
double sum(const float *values, unsigned long count)
{
    double total = 0;
    for (unsigned long i = 0; i < count; i++)
        total += values[i] < 1 ? 1 : (double)values[i];
    return total;
}
"""

FOREIGN = re.compile(
    r"\d+bit(-mode)?|64bit|soft-float|x32|all|egpr|ppx|push2pop2|[mr]class|noarm|big-endian-instructions"
    r"|execute-only|aapcs-frame-chain|outline-atomics|tagged-globals|m\d+|r\d+(plus)?|CONTEXTIDREL2"
    r"|(reserve|call-saved|read-tp|tpidr|tpidrro|retpoline|lvi|harden|inline-asm|cortex-[mr]).*"
)
"""Features that change the machine mode or the calling convention, or need code from elsewhere."""


def survey() -> dict[str, dict[str, list[str]]]:
    """Per architecture: the "cpus" and "features" that the probe compiles with, sorted."""
    with TemporaryDirectory() as name, ThreadPoolExecutor(len(sched_getaffinity(0))) as pool:
        folder = Path(name)
        (folder / "probe.c").write_text(PROBE)
        found = {}
        for arch, triple in TRIPLES.items():
            flag = "-march" if arch.startswith("x86") else "-mcpu"
            listed_cpus, listed_features = _names(folder, triple)
            cpus = [cpu for cpu in listed_cpus if "_" not in cpu]
            features = [feature for feature in listed_features if not FOREIGN.fullmatch(feature)]
            found[arch] = {
                "cpus": _compiling(pool, folder, triple, {cpu: [f"{flag}={cpu}"] for cpu in cpus}),
                "features": _compiling(
                    pool,
                    folder,
                    triple,
                    {f: ["-Xclang", "-target-feature", "-Xclang", f"+{f}"] for f in features},
                ),
            }
        return found


def _compiling(
    pool: ThreadPoolExecutor, folder: Path, triple: str, candidates: dict[str, list[str]]
) -> list[str]:
    tried = pool.map(lambda flags: _compiles(folder, triple, flags), candidates.values())
    return sorted(name for name, compiled in zip(candidates, tried, strict=True) if compiled)


def _compiles(folder: Path, triple: str, flags: list[str]) -> bool:
    command = [
        "clang",
        f"--target={triple}",
        "-O2",
        "-ffreestanding",
        "-Werror",
        "-c",
        "probe.c",
        "-o",
        "/dev/null",
    ]
    try:
        toolchain.run([*command, *flags], folder)
    except InternalError:
        return False
    return True


def _names(folder: Path, triple: str) -> tuple[list[str], list[str]]:
    """All processors and features that LLVM lists for the triple. The linker's code generator prints them."""
    toolchain.run(["clang", f"--target={triple}", "-emit-llvm", "-c", "probe.c", "-o", "probe.bc"], folder)
    text = toolchain.run(["ld.lld", "-shared", "-mllvm", "-mattr=help", "probe.bc", "-o", "probe.so"], folder)
    cpus, _, features = text.partition("Available features for this target:")
    return _listed(cpus), _listed(features)


def _listed(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line.startswith("  ") and " - " in line]


if __name__ == "__main__":
    print(json.dumps(survey(), indent=1))
