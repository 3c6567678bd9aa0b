"""Models and networks, and libraries that answer like them without the real backend."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinsmith.compiler.artifact.package import Package, package
from tinsmith.compiler.backends.native.build import compile_and_link
from tinsmith.compiler.backends.native.program import Program
from tinsmith.compiler.ir.model import Forest, Model, TensorSpec, Transform
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.evidence import collect
from tinsmith.spec.request import CompileRequest
from tinsmith.spec.targets import Target, devices, platforms
from tinsmith_runtime.manifest import Tensor

MakeModel = Callable[..., Model]
CompilePlainly = Callable[..., Path]
CompileNetwork = Callable[..., Program]

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


@pytest.fixture(scope="session")
def network() -> Network:
    """Several inputs and outputs of different types, one of a size that the run tells; see
    plain_network.c."""
    return plain_network()


@pytest.fixture(scope="session")
def compile_network() -> CompileNetwork:
    """Compiles `network` by plain_network.c into target.library of a folder; `misbehave` is C at the end of
    its tinsmith_run."""
    return network_library


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


WEIGHTS = np.array([[1, -2], [0.5, 3], [-1.25, 0.1]], np.float32)
BIAS = np.array([0.25, -8], np.float32)
TABLE = np.array([[1, 2], [-3, 0.5], [65504, 6e-8], [np.inf, np.nan], [-0.0, 7]], np.float16)
NETWORK_OUTPUTS = (
    Tensor("scores", "float32", (2, 2)),
    Tensor("rows", "float16", (4, 2)),
    Tensor("kept", "bool", (4,)),
    Tensor("found", "int64", (2, -1), (2, 6)),
)


def plain_network() -> Network:
    """See `network`."""
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["scores"]),
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("Not", ["mask"], ["kept"]),
        helper.make_node("NonZero", ["x"], ["found"]),
    ]
    inputs = [
        ("x", TensorProto.FLOAT, [2, 3]),
        ("ids", TensorProto.INT64, [4]),
        ("mask", TensorProto.BOOL, [4]),
    ]
    types = [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BOOL, TensorProto.INT64]
    graph = helper.make_graph(
        nodes,
        "plain",
        [helper.make_tensor_value_info(*spec) for spec in inputs],
        [
            helper.make_tensor_value_info(
                tensor.name, kind, [None if size < 0 else size for size in tensor.shape]
            )
            for tensor, kind in zip(NETWORK_OUTPUTS, types, strict=True)
        ],
        [
            numpy_helper.from_array(array, name)
            for name, array in (("weights", WEIGHTS), ("bias", BIAS), ("table", TABLE))
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model)
    return Network(
        framework="ONNX",
        producer="by hand",
        kind="plain",
        graph=onnx_ir.serde.deserialize_model(model),
        inputs=(
            TensorSpec("x", "float32", (2, 3)),
            TensorSpec("ids", "int64", (4,)),
            TensorSpec("mask", "bool", (4,)),
        ),
        outputs=tuple(TensorSpec(tensor.name, tensor.dtype, tensor.shape) for tensor in NETWORK_OUTPUTS),
    )


def network_library(network: Network, target: Target, folder: Path, misbehave: str = "") -> Program:
    """See `compile_network`."""
    inputs = [Tensor(spec.name, spec.dtype, spec.shape) for spec in network.inputs]
    description = json.dumps(
        {
            "inputs": [tensor.to_record() for tensor in inputs],
            "outputs": [tensor.to_record() for tensor in NETWORK_OUTPUTS],
        }
    )
    halves = ", ".join(str(bits) for bits in TABLE.view(np.uint16).ravel())
    header = [
        f"#define DESCRIPTION {json.dumps(description)}",
        f"#define MISBEHAVE {misbehave}",
        f"#define TABLE_ROWS {len(TABLE)}",
        f"static const float WEIGHTS[] = {{{', '.join(literals(WEIGHTS.ravel()))}}};",
        f"static const float BIAS[] = {{{', '.join(literals(BIAS))}}};",
        f"static const uint16_t TABLE[] = {{{halves}}};",
    ]
    (folder / "plain_network.h").write_text("\n".join(header) + "\n")
    source = folder / "plain_network.c"
    source.write_bytes((Path(__file__).parent / "c" / "plain_network.c").read_bytes())
    exports = ("tinsmith_abi_version", "tinsmith_describe", "tinsmith_run")
    compile_and_link([source], target, folder / target.library, exports=exports)
    return Program(folder, (), exports, {"by": "hand"}, NETWORK_OUTPUTS)
