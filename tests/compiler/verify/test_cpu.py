from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tinsmith.compiler.backends.native import toolchain
from tinsmith.compiler.verify import cpu
from tinsmith.spec.options import known_processors
from tinsmith.spec.targets import Target, devices, platforms

NEVER_GENERATED = """
__ADX__ __AES__ __CLDEMOTE__ __CLFLUSHOPT__ __CLWB__ __CLZERO__ __CRC32__ __ENQCMD__ __FSGSBASE__
__GCC_HAVE_SYNC_COMPARE_AND_SWAP_16 __HRESET__ __INVPCID__ __KL__ __LAHF_SAHF__ __LWP__ __MOVDIR64B__
__MOVDIRI__ __MOVRS__ __MWAITX__ __PCLMUL__ __PCONFIG__ __PKU__ __PREFETCHI__ __PRFCHW__ __PTWRITE__
__RDPID__ __RDPRU__ __RDRND__ __RDSEED__ __SERIALIZE__ __SGX__ __SHA512__ __SHA__ __SHSTK__ __SM3__
__SM4__ __TSXLDTRK__ __UINTR__ __USERMSR__ __WAITPKG__ __WBNOINVD__ __WIDEKL__ __XSAVEC__ __XSAVEOPT__
__XSAVES__ __XSAVE__
__AMX_AVX512__ __AMX_BF16__ __AMX_COMPLEX__ __AMX_FP16__ __AMX_FP8__ __AMX_INT8__ __AMX_MOVRS__ __AMX_TF32__
__AMX_TILE__ __AVX512VP2INTERSECT__
__AVX10_1_512__ __AVX10_2_512__ __CCMP__ __EGPR__ __NDD__ __NF__ __PPX__ __PUSH2POP2__ __ZU__
"""
"""What C without intrinsics never becomes; in the last line, what comes with another feature."""
HASWELL = frozenset(
    (
        *("pni", "ssse3", "sse4_1", "sse4_2", "popcnt", "avx", "f16c"),
        *("fma", "avx2", "bmi1", "bmi2", "abm", "movbe"),
    )
)


def on(flags: frozenset[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "host_flags", lambda: flags)


def test_every_machine_has_the_baseline(x86_64: Target) -> None:
    assert cpu.lacking(replace(x86_64, cpu="x86-64")) == ()
    assert cpu.lacking(platforms()["LINUX_X86"]) == ()


def test_names_what_an_older_processor_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    on(HASWELL, monkeypatch)
    assert cpu.lacking(devices()["ml_m4"]) == ()
    assert cpu.lacking(devices()["ml_c5"]) == ("avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")
    on(frozenset(), monkeypatch)
    assert "avx2" in cpu.lacking(devices()["ml_m4"])


def test_features_of_the_target_count(x86_64: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    on(frozenset(), monkeypatch)
    assert cpu.lacking(replace(x86_64, cpu="x86-64", features=("+avx2",))) != ()
    assert cpu.lacking(replace(x86_64, cpu="x86-64", features=())) == ()


@pytest.mark.parametrize(
    ("name", "flag"), [("alderlake", "avx_vnni"), ("cooperlake", "avx512_bf16"), ("bdver2", "xop")]
)
def test_one_feature_less_is_told(
    name: str, flag: str, x86_64: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = replace(x86_64, cpu=name)
    everything = frozenset(cpu._FLAGS.values())
    on(everything, monkeypatch)
    assert cpu.lacking(target) == ()
    on(everything - {flag}, monkeypatch)
    assert cpu.lacking(target) == (flag,)


def test_every_feature_of_every_processor_is_known() -> None:
    """Code for a processor with an unknown feature would be executed where it has no right to run."""
    names = [name for name in known_processors()["x86_64"]["cpus"] if name not in ("x86-64", "generic")]
    with ThreadPoolExecutor(2) as pool:
        macros = set().union(*pool.map(lambda name: toolchain.macros("x86_64", name, ()), names))
    features = {
        macro for macro in macros - toolchain.macros("x86_64", "x86-64", ()) if macro == macro.upper()
    }
    assert features - cpu._FLAGS.keys() == set(NEVER_GENERATED.split())


def test_arm_is_not_judged() -> None:
    assert cpu.lacking(platforms()["LINUX_ARM64"]) == ()


@pytest.mark.parametrize(
    ("flags", "variants"),
    [
        (frozenset(), ["sse2"]),
        (HASWELL, ["sse2", "avx2"]),
        (HASWELL - {"fma"}, ["sse2"]),
        (HASWELL | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}, ["sse2", "avx2", "avx512"]),
        (frozenset(flag for needed in cpu.VARIANTS.values() for flag in needed), list(cpu.VARIANTS)),
    ],
)
def test_variants_of_a_processor(
    flags: frozenset[str], variants: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on(flags, monkeypatch)
    assert cpu.host_variants() == variants
