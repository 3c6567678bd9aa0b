"""Every kernel in every instruction set gives the margins of the reference, bit by bit."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinsmith.compiler.ir.model import Forest, Linear, Model, TensorSpec
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.compiler.verify.cpu import host_variants
from tinsmith.spec.targets import platforms

BATCHES = (0, 1, 2, 15, 16, 17, 63, 64, 65, 511, 512, 513, 1000)

SHAPES: dict[str, dict[str, Any]] = {
    "one leaf": {"trees": 1, "depth": 0},
    "leaves alone": {"trees": 70, "depth": 0, "outputs": 3},
    "one split": {"trees": 1, "depth": 1, "stop": 0.0},
    "complete": {"trees": 30, "depth": 6, "stop": 0.0, "cuts": 40},
    "mixed depths": {"trees": 40, "depth": 8, "stop": 0.2, "features": 9},
    "seven levels": {"trees": 12, "depth": 7, "stop": 0.0, "cuts": 300},
    "eight levels": {"trees": 9, "depth": 8, "stop": 0.0, "cuts": 2000, "features": 3},
    "classes": {"trees": 35, "depth": 6, "outputs": 7},
    "vector leaves": {"trees": 20, "depth": 7, "outputs": 5, "vector": True},
    "float64": {"trees": 33, "depth": 8, "wide": True, "stop": 0.1},
    "float64 vectors": {"trees": 17, "depth": 6, "wide": True, "outputs": 3, "vector": True},
    "categories": {"trees": 25, "depth": 6, "categories": 0.4},
    "encoded": {"trees": 25, "depth": 6, "categories": 0.3, "encoded": True, "features": 3},
    "unbalanced": {"trees": 20, "depth": 25, "stop": 0.42, "cuts": 100},
    "deep": {"trees": 11, "depth": 14, "stop": 0.08, "cuts": 500},
    "deep float64 vectors": {
        "trees": 9,
        "depth": 18,
        "stop": 0.13,
        "wide": True,
        "outputs": 4,
        "vector": True,
    },
    "deep categories": {"trees": 9, "depth": 12, "stop": 0.05, "categories": 0.3, "wide": True},
    "many features": {"trees": 40, "depth": 5, "features": 203, "cuts": 500},
    "more slots than one table": {"trees": 60, "depth": 6, "features": 90, "cuts": 500},
}


def same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Equal but for the bits of NaN."""
    integer = np.int32 if a.dtype == np.float32 else np.int64
    equal = (a.view(integer) == b.view(integer)) | (np.isnan(a) & np.isnan(b))
    return a.dtype == b.dtype and a.shape == b.shape and bool(equal.all())


@pytest.mark.parametrize("name", SHAPES)
def test_every_kernel_of_the_generic_library(
    name: str,
    workshop: Any,
    random_model: Callable[..., Model],
    rows_for: Callable[..., NDArray[np.float32]],
    shape_of: Any,
) -> None:
    model = random_model(shape_of(seed=len(name), **SHAPES[name]))
    library, program = workshop.compile(model, platforms()["LINUX_X86_64"])
    rows = rows_for(model, 1000, 1)
    expected = evaluate(model, rows).margin
    for isa in host_variants():
        for kernel in program.facts["kernels"]:
            predict = workshop.load(library, isa, kernel)
            for batch in BATCHES:
                assert same_bits(predict(rows[:batch]), expected[:batch]), (isa, kernel, batch)
    workshop.discard(library)


def test_rows_may_lie_apart(
    workshop: Any,
    random_model: Callable[..., Model],
    rows_for: Callable[..., NDArray[np.float32]],
    shape_of: Any,
) -> None:
    for shape in (shape_of(features=7), shape_of(features=7, depth=14, stop=0.05, cuts=300)):
        model = random_model(shape)
        library, program = workshop.compile(model, platforms()["LINUX_X86_64"])
        rows = rows_for(model, 600, 2)
        apart = np.full((600, 12), 9e9, np.float32)
        apart[:, 2:9] = rows
        expected = evaluate(model, rows).margin
        for isa in host_variants():
            for kernel in program.facts["kernels"]:
                assert same_bits(workshop.load(library, isa, kernel)(apart[:, 2:9]), expected), (isa, kernel)


def test_rows_end_where_their_memory_ends(
    workshop: Any,
    random_model: Callable[..., Model],
    rows_for: Callable[..., NDArray[np.float32]],
    shape_of: Any,
) -> None:
    """Nothing is read behind the last row: it ends at an inaccessible page."""
    libc = ctypes.CDLL(None, use_errno=True)
    size = mmap.PAGESIZE * 8
    memory = mmap.mmap(-1, size + mmap.PAGESIZE)
    guard = np.frombuffer(memory, np.uint8)[size:]
    assert libc.mprotect(ctypes.c_void_p(guard.ctypes.data), mmap.PAGESIZE, 0) == 0
    for features in (1, 2, 3, 5, 16, 17):
        model = random_model(shape_of(features=features, cuts=200, trees=20))
        library, program = workshop.compile(model, platforms()["LINUX_X86_64"])
        for batch in (1, 3, 17, 130):
            rows = np.frombuffer(memory, np.float32, size // 4)[-batch * features :].reshape(batch, features)
            rows[:] = rows_for(model, batch, 3)
            expected = evaluate(model, rows).margin
            for isa in host_variants():
                for kernel in program.facts["kernels"]:
                    assert same_bits(workshop.load(library, isa, kernel)(rows), expected), (isa, kernel)
    libc.mprotect(ctypes.c_void_p(guard.ctypes.data), mmap.PAGESIZE, 3)


def test_wide_nodes(
    workshop: Any,
    random_model: Callable[..., Model],
    rows_for: Callable[..., NDArray[np.float32]],
    shape_of: Any,
) -> None:
    """A step and a slot that do not fit one link: 2^17 slots, more than 2^13 nodes in a tree."""
    deep = random_model(shape_of(depth=16, stop=0.02, cuts=3000, trees=2, features=6))
    assert isinstance(deep.body, Forest)
    spread = np.arange(deep.body.feature.size, dtype=np.int32) % 70_000
    body = replace(
        deep.body, num_features=70_000, feature=np.where(deep.body.feature >= 0, spread, -1).astype(np.int32)
    )
    model = replace(deep, body=body, input=TensorSpec("data", "float32", (-1, 70_000)))
    library, program = workshop.compile(model, platforms()["LINUX_X86_64"])
    assert "#define TS_NODE_LAYOUT 2" in (program.directory / "model.h").read_text()
    rows = rows_for(model, 70, 4)
    expected = evaluate(model, rows).margin
    for isa in host_variants():
        for kernel in program.facts["kernels"]:
            assert same_bits(workshop.load(library, isa, kernel)(rows), expected), (isa, kernel)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_linear(kind: Any, workshop: Any) -> None:
    draw = np.random.default_rng(5)
    body = Linear(draw.normal(size=(11, 3)).astype(kind), draw.normal(size=3).astype(kind))
    row = TensorSpec("data", "float32", (-1, 11))
    out = TensorSpec("margin", np.dtype(kind).name, (-1, 3))
    model = Model("XGBOOST", "none", "gblinear", row, out, body)
    library, _ = workshop.compile(model, platforms()["LINUX_X86_64"])
    rows = draw.normal(size=(700, 11)).astype(np.float32)
    rows[draw.random(rows.shape) < 0.2] = np.nan
    rows[0] = np.inf
    rows[1] = 1e-42
    for isa in host_variants():
        assert same_bits(workshop.load(library, isa)(rows), evaluate(model, rows).margin)


def test_threads_share_large_batches(
    workshop: Any,
    random_model: Callable[..., Model],
    rows_for: Callable[..., NDArray[np.float32]],
    shape_of: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = random_model(shape_of(trees=60, depth=8, outputs=2))
    library, _ = workshop.compile(model, platforms()["LINUX_X86_64"])
    rows = rows_for(model, 20_011, 6)
    expected = evaluate(model, rows).margin
    for threads in ("1", "3"):
        monkeypatch.setenv("TINSMITH_NUM_THREADS", threads)
        predict = workshop.load(library)
        assert same_bits(predict(rows), expected)
        assert same_bits(predict(rows), expected)


def test_bad_arguments(workshop: Any, random_model: Callable[..., Model], shape_of: Any) -> None:
    library, _ = workshop.compile(random_model(shape_of()), platforms()["LINUX_X86_64"])
    predict = workshop.load(library).native.tinsmith_predict
    rows, out = np.zeros((2, 5), np.float32), np.zeros(2, np.float32)
    bad = 2
    assert predict(rows.ctypes.data, -1, 5, out.ctypes.data, 0) == bad
    assert predict(rows.ctypes.data, 2, 4, out.ctypes.data, 0) == bad
    assert predict(None, 2, 5, out.ctypes.data, 0) == bad
    assert predict(rows.ctypes.data, 2, 5, None, 0) == bad
    assert predict(rows.ctypes.data, 2, 5, out.ctypes.data, 2) == bad
    assert predict(None, 0, 5, None, 0) == 0


def test_unknown_kernel_is_ignored(
    workshop: Any,
    random_model: Callable[..., Model],
    rows_for: Callable[..., NDArray[np.float32]],
    shape_of: Any,
) -> None:
    model = random_model(shape_of())
    library, _ = workshop.compile(model, platforms()["LINUX_X86_64"])
    rows = rows_for(model, 40, 7)
    assert same_bits(workshop.load(library, "", "no such")(rows), evaluate(model, rows).margin)
