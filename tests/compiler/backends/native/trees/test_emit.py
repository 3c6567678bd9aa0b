"""The program that a model becomes."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinsmith.compiler.backends.native.trees.emit import EXPORTS, emit
from tinsmith.compiler.ir.model import Forest, Model
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.spec.targets import devices, platforms


def test_units_of_a_generic_and_of_a_named_processor(
    random_model: Callable[..., Model], shape_of: Any, tmp_path: Path
) -> None:
    model = random_model(shape_of())
    generic = emit(model, platforms()["LINUX_X86_64"], tmp_path)
    assert {unit.cpu for unit in generic.units} == {None, *platforms()["LINUX_X86_64"].variants}
    assert len({unit.object for unit in generic.units}) == len(generic.units)
    assert all((tmp_path / unit.source).is_file() for unit in generic.units)
    named = emit(model, devices()["ml_c5"], tmp_path)
    assert {unit.cpu for unit in named.units} == {None}
    assert not any(unit.defines for unit in named.units)
    assert generic.exports == named.exports == EXPORTS


def test_same_model_same_bytes(random_model: Callable[..., Model], shape_of: Any, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        emit(random_model(shape_of(categories=0.3)), platforms()["LINUX_X86_64"], tmp_path / name)
    first = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}


def test_c_text_does_not_grow_with_the_model(
    random_model: Callable[..., Model], shape_of: Any, tmp_path: Path
) -> None:
    sizes = []
    for trees in (2, 500):
        program = emit(random_model(shape_of(trees=trees)), platforms()["LINUX_X86_64"], tmp_path)
        sizes.append(sum(path.stat().st_size for path in tmp_path.glob("*.[ch]")))
    assert abs(sizes[1] - sizes[0]) < 200
    assert program.facts["table_bytes"] == (tmp_path / "model.bin").stat().st_size


def test_kernels_by_shape_and_target(
    random_model: Callable[..., Model], shape_of: Any, tmp_path: Path
) -> None:
    def kernels(target: str, **shape: Any) -> list[str]:
        known = {**devices(), **platforms()}
        kernels: list[str] = emit(random_model(shape_of(**shape)), known[target], tmp_path).facts["kernels"]
        return kernels

    assert kernels("LINUX_X86_64", depth=8) == ["walk", "bitslice", "bytes"]
    assert kernels("rasp4b", depth=8) == ["walk", "bitslice"]
    assert kernels("ml_c5", depth=8) == ["walk", "bitslice"]
    assert kernels("LINUX_X86_64", depth=14, stop=0.05) == ["walk", "gather"]
    assert kernels("LINUX_X86_64", depth=30, stop=0.45, trees=2) == ["walk", "bitslice"]


def test_description(random_model: Callable[..., Model], shape_of: Any, workshop: Any) -> None:
    model = replace(
        random_model(shape_of(outputs=2)), kind='a "kind" */ of /* a\nmodel\\', class_labels=("é", "b")
    )
    library, _ = workshop.compile(model, platforms()["LINUX_X86_64"])
    native = workshop.load(library).native
    native.tinsmith_describe.restype = ctypes.c_char_p
    text = json.loads(native.tinsmith_describe())
    assert text["kind"] == model.kind
    assert text["classes"] == ["é", "b"]
    assert text["input"] == {"name": "data", "dtype": "float32", "shape": [-1, 5]}
    assert text["body"]["trees"] == 9
    assert (native.tinsmith_abi_version(), native.tinsmith_output_type()) == (1, 1)


@pytest.mark.parametrize("wide", [False, True])
def test_unreachable_nodes_and_constant_splits(
    wide: bool, random_model: Callable[..., Model], rows_for: Any, shape_of: Any, workshop: Any
) -> None:
    """Cuts of NaN at the root, alone and in chains, and cuts that all numbers pass."""
    model = random_model(shape_of(trees=12, depth=5, wide=wide))
    assert isinstance(model.body, Forest)
    cut, default_left = model.body.cut.copy(), model.body.default_left.copy()
    roots = model.body.roots
    cut[roots[:8]] = np.nan
    cut[model.body.left[roots[:4]]] = np.nan
    cut[roots[8:10]] = -np.inf
    default_left[roots[:6]] = True
    default_left[roots[6:]] = False
    model = replace(model, body=replace(model.body, cut=cut, default_left=default_left))
    library, program = workshop.compile(model, platforms()["LINUX_X86_64"])
    rows = rows_for(model, 600, 3)
    expected = evaluate(model, rows).margin
    for kernel in program.facts["kernels"]:
        assert workshop.load(library, "", kernel)(rows).tobytes() == expected.tobytes()


@pytest.mark.parametrize("wide", [False, True])
def test_no_trees(wide: bool, random_model: Callable[..., Model], shape_of: Any, workshop: Any) -> None:
    model = random_model(shape_of(trees=1, wide=wide, outputs=2))
    assert isinstance(model.body, Forest)
    none = np.empty(0, np.int32)
    body = replace(model.body, roots=none, tree_output=none)
    library, program = workshop.compile(replace(model, body=body), platforms()["LINUX_X86_64"])
    for kernel in program.facts["kernels"]:
        got = workshop.load(library, "", kernel)(np.zeros((600, 5), np.float32))
        assert got.tobytes() == np.tile(body.base, (600, 1)).tobytes()
