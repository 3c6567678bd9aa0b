"""A sample of `make breadth` at the smallest size: what the frontends read, and one whole compilation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.breadth.keras_applications import BYTES, FORMS, UNIT, Architecture, built, save
from tests.breadth.runner import Built, Entry, Execute, compile_and_run, judge, read_and_run
from tinsmith.spec.toolchains import TOOLCHAINS

MOBILE = Architecture("MobileNetV2", 32, UNIT)
EFFICIENT = Architecture("EfficientNetB0", 32, BYTES)
SAMPLE = {MOBILE: tuple(FORMS), EFFICIENT: ("frozen", "h5", "keras")}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if TOOLCHAINS["tensorflow"].installed() is None:
        pytest.skip("run `tinsmith toolchain install tensorflow`")
    return tmp_path_factory.mktemp("applications")


def check(architecture: Architecture, form: str, folder: Path, execute: Execute) -> None:
    """Builds all forms of the sample once; one of them agrees."""
    own = folder / architecture.name
    own.mkdir(exist_ok=True)

    def build(folder: Path) -> Built:
        save(architecture, SAMPLE[architecture], folder)
        return built(architecture, form, folder)

    entry = Entry(FORMS[form][0], architecture.name, form, build)
    found = judge(entry, own, execute)
    assert found.agrees, found.line(entry)


@pytest.mark.parametrize(
    ("architecture", "form"),
    [pytest.param(one, form, id=f"{one.name}-{form}") for one, forms in SAMPLE.items() for form in forms],
)
def test_what_is_read_answers_like_the_framework(architecture: Architecture, form: str, folder: Path) -> None:
    check(architecture, form, folder, read_and_run)


def test_what_is_compiled_does(folder: Path) -> None:
    check(MOBILE, "int8", folder, compile_and_run)
