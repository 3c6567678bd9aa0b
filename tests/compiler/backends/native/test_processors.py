from __future__ import annotations

import pytest

from tinsmith.compiler.backends.native import processors
from tinsmith.spec.options import REQUIRED, known_processors


@pytest.mark.slow
def test_every_known_name_compiles() -> None:
    """To bring the list up to date: `python -m tinsmith.compiler.backends.native.processors`."""
    installed = processors.survey()
    assert installed.keys() == known_processors().keys()
    for arch, known in known_processors().items():
        for kind, names in known.items():
            assert not set(names) - set(installed[arch][kind]), (arch, kind)


@pytest.mark.parametrize("arch", REQUIRED)
def test_required_features_are_features(arch: str) -> None:
    known = known_processors()[arch]["features"]
    assert [name for name in REQUIRED[arch] if name not in known and name != "64bit"] == []


@pytest.mark.parametrize(
    "name", ["soft-float", "64bit-mode", "reserve-x18", "retpoline", "mclass", "x32", "outline-atomics", "r5"]
)
def test_features_that_change_the_machine_are_foreign(name: str) -> None:
    assert processors.FOREIGN.fullmatch(name)


@pytest.mark.parametrize("name", ["neon", "avx512vl", "sse4.2", "v8a", "rcpc", "aes", "rdm", "mte", "ras"])
def test_instructions_are_not_foreign(name: str) -> None:
    assert not processors.FOREIGN.fullmatch(name)
