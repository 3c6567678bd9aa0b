from __future__ import annotations

from pathlib import Path

import pytest

from bench import tune
from tinsmith.compiler.backends.native.networks.kernels.schedule import Schedule


def test_a_target_has_the_instructions_and_no_more() -> None:
    assert tune.target_of("sse2").cpu == "x86-64"
    assert tune.target_of("avx2").cpu == "haswell"
    assert tune.target_of("avx512").cpu == "skylake-avx512"
    with pytest.raises(SystemExit, match="neon is none of sse2, avx2, avx512"):
        tune.target_of("neon")


def test_a_table_is_added_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "FOLDER", tmp_path / "tuning")
    assert tune._stored("avx2") == ({}, {})
    table, gains = {"gemm 8>8, rows 9": Schedule(vectors=4)}, {"gemm 8>8, rows 9": 0.25}
    tune._write("avx2", table, gains)
    assert tune._stored("avx2") == (table, gains)
    assert (tmp_path / "tuning" / "avx2.toml").read_text().startswith("# Schedules")
