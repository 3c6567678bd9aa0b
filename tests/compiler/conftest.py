"""Models, and libraries that answer like them without the real backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinsmith.compiler.artifact.package import Package, package
from tinsmith.compiler.backends.native.build import compile_and_link
from tinsmith.compiler.ir.model import Forest, Model, TensorSpec, Transform
from tinsmith.compiler.verify.evidence import collect
from tinsmith.spec.request import CompileRequest
from tinsmith.spec.targets import Target, devices, platforms

MakeModel = Callable[..., Model]
CompilePlainly = Callable[..., Path]

EXPORTS = (
    *("tinsmith_abi_version", "tinsmith_num_features", "tinsmith_num_outputs", "tinsmith_num_margins"),
    *("tinsmith_output_type", "tinsmith_describe", "tinsmith_predict"),
)

PLAIN = r"""
#pragma GCC visibility push(default)
#include "tinsmith.h"
#pragma GCC visibility pop
#include "plain.h"

int32_t tinsmith_abi_version(void) { return TINSMITH_ABI_VERSION; }
int64_t tinsmith_num_features(void) { return FEATURES; }
int64_t tinsmith_num_outputs(void) { return OUTPUTS; }
int64_t tinsmith_num_margins(void) { return OUTPUTS; }
int32_t tinsmith_output_type(void) { return sizeof(real) == 8 ? TINSMITH_FLOAT64 : TINSMITH_FLOAT32; }
const char *tinsmith_describe(void) { return "{\"output\": {\"dtype\": \"float32\", \"name\": \"answer\"}}"; }

static int leaf_of(int node, const float *row)
{
    while (feature[node] >= 0) {
        float x = row[feature[node]];
        int goes_left = x != x ? default_left[node] : (cut[node] != cut[node] || x < cut[node]);
        node = goes_left ? left[node] : right[node];
    }
    return leaf[node];
}

int32_t tinsmith_predict(const float *rows, int64_t count, int64_t stride, void *out, uint32_t flags)
{
    (void)flags;
    MISBEHAVE
    real *sum = out;
    for (int64_t row = 0; row < count; row++, sum += OUTPUTS) {
        for (int k = 0; k < OUTPUTS; k++)
            sum[k] = base[k];
        for (int tree = 0; tree < TREES; tree++)
            sum[column[tree]] += values[leaf_of(roots[tree], rows + row * stride)];
    }
    return TINSMITH_OK;
}
"""


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """A forest of complete trees with random cuts; margins are predictions."""
    return forest_model


@pytest.fixture(scope="session")
def compile_plainly() -> CompilePlainly:
    """Compiles a model by a few lines of C; `misbehave` is C at the start of its tinsmith_predict."""
    return plain_library


@pytest.fixture(scope="session")
def x86_64() -> Target:
    """This machine."""
    return platforms()["LINUX_X86_64"]


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory, make_model: MakeModel, x86_64: Target) -> Package:
    """A tarball of `make_model()` for this machine."""
    folder = tmp_path_factory.mktemp("packed")
    model = make_model()
    request = CompileRequest("XGBOOST", "model", device="ml_m5")
    library = plain_library(model, devices()["ml_eia2"], folder)
    return package(request, model, x86_64, library, collect(model), folder)


def forest_model(
    trees: int = 9,
    depth: int = 3,
    features: int = 5,
    outputs: int = 1,
    dtype: Any = np.float32,
    transform: Transform = Transform.IDENTITY,
    seed: int = 0,
) -> Model:
    """See `make_model`."""
    random = np.random.RandomState(seed)
    inner, leaves = 2**depth - 1, 2**depth
    size = inner + leaves
    place = np.tile(np.arange(size), trees)
    start = np.repeat(np.arange(trees) * size, size)
    is_leaf = place >= inner
    total = trees * size
    left = np.where(is_leaf, -1, start + 2 * place + 1)
    forest = Forest(
        num_features=features,
        num_outputs=outputs,
        feature=np.where(is_leaf, -1, random.randint(features, size=total)).astype(np.int32),
        cut=np.where(is_leaf, 0, random.randn(total)).astype(np.float32),
        left=left.astype(np.int32),
        right=np.where(is_leaf, -1, left + 1).astype(np.int32),
        default_left=random.randint(2, size=total).astype(np.bool_),
        category=np.full(total, -1, np.int32),
        outside_right=np.zeros(total, np.bool_),
        leaf=np.where(is_leaf, np.cumsum(is_leaf) - 1, -1).astype(np.int32),
        leaf_values=random.randn(trees * leaves, 1).astype(dtype),
        roots=(np.arange(trees) * size).astype(np.int32),
        tree_output=(np.arange(trees) % outputs).astype(np.int32),
        base=random.randn(outputs).astype(dtype),
    )
    return Model(
        framework="XGBOOST",
        producer="xgboost 3.2.0",
        kind="gbtree reg:squarederror",
        input=TensorSpec("data", "float32", (-1, features)),
        output=TensorSpec("answer", np.dtype(dtype).name, (-1,) if outputs == 1 else (-1, outputs)),
        body=forest,
        transform=transform,
    )


def plain_library(model: Model, target: Target, folder: Path, misbehave: str = "") -> Path:
    """See `compile_plainly`."""
    forest = model.body
    assert isinstance(forest, Forest)
    real = "double" if forest.accumulator == np.float64 else "float"
    header = [
        f"typedef {real} real;",
        f"#define MISBEHAVE {misbehave}",
        f"#define FEATURES {forest.num_features}",
        f"#define OUTPUTS {forest.num_outputs}",
        f"#define TREES {len(forest.roots)}",
        *(
            f"static const {kind} {name}[] = {{{', '.join(literals(array))}}};"
            for kind, name, array in (
                ("int", "feature", forest.feature),
                ("float", "cut", forest.cut),
                ("int", "left", forest.left),
                ("int", "right", forest.right),
                ("int", "default_left", forest.default_left.astype(np.int32)),
                ("int", "leaf", forest.leaf),
                ("int", "roots", forest.roots),
                ("int", "column", forest.tree_output),
                ("real", "values", forest.leaf_values.ravel()),
                ("real", "base", forest.base),
            )
        ),
    ]
    (folder / "plain.h").write_text("\n".join(header) + "\n")
    source = folder / "plain.c"
    source.write_text(PLAIN)
    library = folder / target.library
    compile_and_link([source], target, library, exports=EXPORTS)
    return library


def literals(array: np.ndarray[Any, Any]) -> list[str]:
    """C initialisers of exactly these numbers."""
    if array.dtype.kind != "f":
        return [str(number) for number in array.tolist()]
    suffix = "f" if array.dtype == np.float32 else ""
    return [
        f"{float(number).hex()}{suffix}" if np.isfinite(number) else '__builtin_nanf("")' for number in array
    ]
