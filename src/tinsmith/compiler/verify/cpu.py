"""What this x86 processor can do, next to what a target's code needs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tinsmith.compiler.backends.native import toolchain
from tinsmith.spec.targets import Target

_CPUINFO = Path("/proc/cpuinfo")
_FLAGS = {
    "__SSE3__": "pni",
    "__SSSE3__": "ssse3",
    "__SSE4_1__": "sse4_1",
    "__SSE4_2__": "sse4_2",
    "__POPCNT__": "popcnt",
    "__AVX__": "avx",
    "__F16C__": "f16c",
    "__FMA__": "fma",
    "__AVX2__": "avx2",
    "__BMI__": "bmi1",
    "__BMI2__": "bmi2",
    "__LZCNT__": "abm",
    "__MOVBE__": "movbe",
    "__SSE4A__": "sse4a",
    "__AVX512F__": "avx512f",
    "__AVX512BW__": "avx512bw",
    "__AVX512CD__": "avx512cd",
    "__AVX512DQ__": "avx512dq",
    "__AVX512VL__": "avx512vl",
    "__AVX512IFMA__": "avx512ifma",
    "__AVX512VBMI__": "avx512vbmi",
    "__AVX512VBMI2__": "avx512_vbmi2",
    "__AVX512VNNI__": "avx512_vnni",
    "__AVX512BITALG__": "avx512_bitalg",
    "__AVX512VPOPCNTDQ__": "avx512_vpopcntdq",
    "__GFNI__": "gfni",
    "__VAES__": "vaes",
    "__VPCLMULQDQ__": "vpclmulqdq",
    "__AVX512BF16__": "avx512_bf16",
    "__AVX512FP16__": "avx512_fp16",
    "__AVXVNNI__": "avx_vnni",
    "__AVXVNNIINT8__": "avx_vnni_int8",
    "__AVXVNNIINT16__": "avx_vnni_int16",
    "__AVXIFMA__": "avx_ifma",
    "__AVXNECONVERT__": "avx_ne_convert",
    "__AVX10_1__": "avx10_1",
    "__AVX10_2__": "avx10_2",
    "__APX_F__": "apx",
    "__CMPCCXADD__": "cmpccxadd",
    "__FMA4__": "fma4",
    "__XOP__": "xop",
    "__TBM__": "tbm",
}
"""Clang's macro for a feature that its code generator uses -> the kernel's name for it. Some kernels keep the
newest ones to themselves: code for those is then taken for foreign, never executed by mistake."""
VARIANTS = {
    "sse2": (),
    "avx2": ("avx2", "fma", "bmi1", "bmi2", "abm", "movbe", "f16c"),
    "avx512": ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
    "vbmi": (
        *("avx512vbmi", "avx512_vbmi2", "avx512ifma", "avx512_vnni", "avx512_bitalg"),
        *("avx512_vpopcntdq", "gfni"),
    ),
}
"""Values of TINSMITH_ISA, weakest first, and what each needs beyond those before it."""


def lacking(target: Target) -> tuple[str, ...]:
    """Features that code compiled for `target.cpu` may use and this processor has not; only x86 has any."""
    if target.arch not in ("x86_64", "x86"):
        return ()
    macros = toolchain.macros(target.arch, target.cpu, target.features)
    needed = {_FLAGS[macro] for macro in macros if macro in _FLAGS}
    return tuple(sorted(needed - host_flags()))


def host_variants() -> list[str]:
    """The variants that this processor can execute, weakest first."""
    found = []
    for name, flags in VARIANTS.items():
        if not host_flags().issuperset(flags):
            break
        found.append(name)
    return found


def variants_to_execute(target: Target, emulated: bool) -> tuple[str, ...]:
    """The values of TINSMITH_ISA to try for `target`; none where its library has one variant only."""
    here = list(VARIANTS)[:1] if emulated else host_variants()
    return tuple(here[: len(target.variants)])


@cache
def host_flags() -> frozenset[str]:
    """What the kernel says of this processor; nothing where it says it elsewhere."""
    try:
        lines = _CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


def host_name() -> str:
    """The processor's name for people."""
    try:
        lines = _CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return "unknown"
    name = next((line for line in lines if line.startswith("model name")), "")
    return name.partition(":")[2].strip() or "unknown"
