"""Random ensembles and rows, and compiled libraries with one kernel forced."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.program import Program
from tinsmith.compiler.backends.native.trees.emit import emit
from tinsmith.compiler.ir.model import Encoding, Forest, Model, TensorSpec, Transform
from tinsmith.compiler.verify.cpu import lacking
from tinsmith.spec.targets import Target, platforms

MARGIN = 1
OK = 0
FLOAT64 = 11

CUTS = np.array(
    [0, -0.0, 1, -1, 1e-42, -1e-42, np.inf, -np.inf, np.nan, 3.4028235e38, 0.5, 2.5, 7], np.float32
)
CODES = np.array([0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 100, 2**24 - 1])
VALUES = np.array([-np.inf, -3, -0.0, 1, 2.5, 7, 9, 100, 1e30], np.float32)


@dataclass(frozen=True)
class Shape:
    """What a random ensemble looks like."""

    seed: int = 0
    features: int = 5
    outputs: int = 1
    trees: int = 9
    depth: int = 6
    """Most levels of splits."""
    stop: float = 0.2
    """Chance that a node below the root is a leaf."""
    wide: bool = False
    """Float64 sums."""
    vector: bool = False
    """A leaf has a value for every output."""
    categories: float = 0.0
    """Share of categorical splits."""
    encoded: bool = False
    """One feature is read as a position."""
    cuts: int = 12
    """Ordinary cuts beside the special ones."""


class Library:
    """tinsmith_predict of one copy of a library, so that it reads the environment anew."""

    def __init__(self, path: Path) -> None:
        self.native = ctypes.CDLL(str(path))
        for name in ("features", "outputs", "margins"):
            getattr(self.native, f"tinsmith_num_{name}").restype = ctypes.c_int64
        self.native.tinsmith_predict.argtypes = [
            *(ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64),
            *(ctypes.c_void_p, ctypes.c_uint32),
        ]
        wide = self.native.tinsmith_output_type() == FLOAT64
        self.dtype = np.dtype(np.float64 if wide else np.float32)

    def __call__(self, rows: NDArray[np.float32], flags: int = MARGIN) -> NDArray[np.float64]:
        """Margins or predictions of `rows`, whose second axis is contiguous."""
        columns = self.native.tinsmith_num_margins() if flags else self.native.tinsmith_num_outputs()
        out = np.full((len(rows), columns), 77, self.dtype)
        stride = rows.strides[0] // 4
        status = self.native.tinsmith_predict(rows.ctypes.data, len(rows), stride, out.ctypes.data, flags)
        assert status == OK
        return out


@dataclass
class Workshop:
    """Compiles models and loads the libraries."""

    folder: Path
    _names: count[int] = field(default_factory=count)

    def compile(self, model: Model, target: Target) -> tuple[Path, Program]:
        """The library of `model`, and the program that it was built from."""
        folder = self.folder / f"model{next(self._names)}"
        folder.mkdir()
        program = emit(model, target, folder)
        library = folder / target.library
        build(program, target, library)
        return library, program

    def load(self, library: Path, isa: str = "", kernel: str = "") -> Library:
        """`library` with the given instruction set and kernel forced; empty: its own choice."""
        copy = library.with_name(f"copy{next(self._names)}.so")
        shutil.copy(library, copy)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TINSMITH_ISA", isa)
            patch.setenv("TINSMITH_KERNEL", kernel)
            loaded = Library(copy)
            # The environment is read by the first prediction.
            loaded(np.zeros((1, loaded.native.tinsmith_num_features()), np.float32))
        return loaded

    def discard(self, library: Path) -> None:
        """Removes a library and its program; what is loaded stays loaded."""
        shutil.rmtree(library.parent)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Compiles and loads."""
    return Workshop(tmp_path_factory.mktemp("libraries"))


@pytest.fixture(scope="session")
def processors() -> dict[str, Target]:
    """By instruction set: Linux targets of one x86-64 processor that this machine can be."""
    generic = platforms()["LINUX_X86_64"]
    names = dict(zip(("sse2", "avx2", "avx512", "vbmi"), generic.variants, strict=True))
    targets = {isa: replace(generic, cpu=cpu, variants=()) for isa, cpu in names.items()}
    return {isa: target for isa, target in targets.items() if not lacking(target)}


@pytest.fixture(scope="session")
def random_model() -> Callable[[Shape], Model]:
    """Makes an ensemble of some shape."""
    return make_model


@pytest.fixture(scope="session")
def rows_for() -> Callable[[Model, int, int], NDArray[np.float32]]:
    """Makes rows: (model, how many, seed) -> rows on, beside and between its cuts, missing, infinite ..."""
    return make_rows


@pytest.fixture(scope="session")
def shape_of() -> type[Shape]:
    """The class Shape, which a test module cannot import."""
    return Shape


class _Nodes:
    """Node columns that grow."""

    def __init__(self) -> None:
        self.rows: list[list[float]] = []

    def add(self) -> int:
        """Feature, cut, left, right, default left, category, outside right, leaf: of a leaf without value."""
        self.rows.append([-1, 0.0, -1, -1, 0, -1, 0, -1])
        return len(self.rows) - 1


def make_model(shape: Shape) -> Model:
    """A random ensemble; the same for the same shape."""
    draw = np.random.default_rng(shape.seed)
    pool = np.concatenate([CUTS, draw.normal(size=shape.cuts).astype(np.float32)])
    nodes = _Nodes()
    categories: list[NDArray[np.int32]] = []
    roots = [nodes.add() for _ in range(shape.trees)]
    work = [(root, 0) for root in roots]
    leaves = 0
    while work:
        number, level = work.pop()
        node = nodes.rows[number]
        if level >= shape.depth or (level and draw.random() < shape.stop):
            node[7] = leaves
            leaves += 1
            continue
        node[0], node[1] = float(draw.integers(shape.features)), float(draw.choice(pool))
        node[4] = float(draw.integers(2))
        if draw.random() < shape.categories:
            node[5], node[6] = len(categories), float(draw.integers(2))
            categories.append(np.unique(draw.choice(CODES, draw.integers(6))).astype(np.int32))
        node[2], node[3] = nodes.add(), nodes.add()
        work += [(int(node[2]), level + 1), (int(node[3]), level + 1)]
    return _model(shape, draw, np.array(nodes.rows), np.array(roots), tuple(categories), leaves)


def _model(
    shape: Shape,
    draw: np.random.Generator,
    nodes: NDArray[np.float64],
    roots: NDArray[np.int64],
    categories: tuple[NDArray[np.int32], ...],
    leaves: int,
) -> Model:
    kind = np.dtype(np.float64 if shape.wide else np.float32)
    vector = shape.vector and shape.outputs > 1
    values = draw.normal(size=(leaves, shape.outputs if vector else 1)).astype(kind)
    values[draw.random(leaves) < 0.02] = -0.0
    encodings: tuple[Encoding, ...] = ()
    if shape.encoded:
        some = np.sort(draw.choice(VALUES, draw.integers(1, len(VALUES)), replace=False))
        encodings = (Encoding(int(draw.integers(shape.features)), some),)
    integers = np.delete(nodes, 1, axis=1).astype(np.int32)
    feature, left, right, default_left, category, outside, leaf = integers.T
    forest = Forest(
        num_features=shape.features,
        num_outputs=shape.outputs,
        feature=feature,
        cut=nodes[:, 1].astype(np.float32),
        left=left,
        right=right,
        default_left=default_left.astype(bool),
        category=category,
        outside_right=outside.astype(bool),
        leaf=leaf,
        leaf_values=values,
        roots=roots.astype(np.int32),
        tree_output=draw.integers(0, 1 if vector else shape.outputs, shape.trees).astype(np.int32),
        base=draw.normal(size=shape.outputs).astype(kind),
        categories=categories,
        divisor=1.0 if shape.trees == 1 else float(draw.choice([1, shape.trees])),
        encodings=encodings,
    )
    row = TensorSpec("data", "float32", (-1, shape.features))
    out = TensorSpec("margin", kind.name, (-1, shape.outputs))
    return Model("XGBOOST", "none", "random", row, out, forest, Transform.IDENTITY)


def make_rows(model: Model, how_many: int, seed: int) -> NDArray[np.float32]:
    """Rows of values on and beside the cuts of `model`, codes, numbers around zero, and missing values."""
    assert isinstance(model.body, Forest)
    draw = np.random.default_rng(seed)
    cut = model.body.cut[model.body.feature >= 0]
    points = np.concatenate(
        [cut, CUTS, VALUES, CODES.astype(np.float32), np.array([-0.5, 1.5, 2**24], np.float32)]
    )
    with np.errstate(over="ignore", under="ignore"):
        beside = [np.nextafter(points, np.float32(way)) for way in (np.inf, -np.inf)]
    rows = draw.choice(np.concatenate([points, *beside]), (how_many, model.body.num_features))
    kind = draw.random(rows.shape)
    rows = np.where(kind < 0.1, np.nan, np.where(kind > 0.7, draw.normal(size=rows.shape) * 2, rows))
    return rows.astype(np.float32)
