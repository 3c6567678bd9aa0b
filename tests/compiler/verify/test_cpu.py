from __future__ import annotations

from dataclasses import replace

import pytest

from tinsmith.compiler.verify import cpu
from tinsmith.spec.targets import Target, devices, platforms

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
