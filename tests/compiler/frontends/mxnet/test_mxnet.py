"""From a folder to a Network: files, inputs, labels, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.compiler.frontends.mxnet.conftest import Symbol, evaluate, params_file
from tinsmith.compiler import frontends
from tinsmith.compiler.frontends.mxnet import read
from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network
from tinsmith.spec.request import CompileRequest

Problems = Callable[..., tuple[str, ...]]


def checkpoint(symbol: Symbol, label: str = "softmax_label") -> Symbol:
    """A small network for pictures as a Module saves it."""
    x = symbol.variable("data")
    conv = symbol("Convolution", "conv", x, symbol.param("conv_weight", 4, 3, 3, 3), symbol.param("conv_bias", 4),  # noqa: E501
                  kernel="(3, 3)", num_filter=4)  # fmt: skip
    pool = symbol("Pooling", "pool", conv, global_pool=True, pool_type="avg", kernel="(1, 1)")
    dense = symbol(
        "FullyConnected",
        "fc",
        pool,
        symbol.param("fc_weight", 5, 4),
        symbol.param("fc_bias", 5),
        num_hidden=5,
    )
    symbol("SoftmaxOutput", "softmax", dense, symbol.variable(label))
    return symbol


PICTURE = '{"data": [2, 3, 8, 8]}'


def test_the_framework_has_a_reader() -> None:
    assert frontends.load("MXNET").__module__ == "tinsmith.compiler.frontends.mxnet"


def test_a_checkpoint(symbol: Symbol, read_net: Callable[..., Network]) -> None:
    network = read_net(checkpoint(symbol).files(), PICTURE)
    assert network.framework == "MXNET"
    assert network.inputs == (TensorSpec("data", "float32", (2, 3, 8, 8)),)
    assert network.outputs == (TensorSpec("softmax_output", "float32", (2, 5)),)
    assert network.files == ("net-symbol.json", "net-0001.params")
    assert network.warnings == ()
    assert {node.name for node in network.graph.graph} >= {"conv", "pool", "fc", "softmax"}


@pytest.mark.parametrize(
    "config", ['{"data": [2, 3, 8, 8], "softmax_label": [2]}', "{'data': [2,3,8,8], 'label': [1]}"]
)
def test_labels_are_accepted_and_left_out(
    symbol: Symbol, read_net: Callable[..., Network], config: str
) -> None:
    network = read_net(checkpoint(symbol).files(), config)
    assert [spec.name for spec in network.inputs] == ["data"]
    (warning,) = network.warnings
    assert "is a label, which only training needs; left out" in warning


def test_shapes_without_names(symbol: Symbol, read_net: Callable[..., Network]) -> None:
    assert read_net(checkpoint(symbol).files(), "[[2, 3, 8, 8]]").inputs[0].shape == (2, 3, 8, 8)


def test_inputs_in_the_order_of_the_symbol(symbol: Symbol, read_net: Callable[..., Network]) -> None:
    b, a = symbol.variable("b"), symbol.variable("a")
    symbol("elemwise_sub", "difference", a, b)
    network = read_net(symbol.files(), '{"a": [3], "b": [3]}')
    assert [spec.name for spec in network.inputs] == ["b", "a"]


def test_config_derived_from_stated_shapes(symbol: Symbol, read_net: Callable[..., Network]) -> None:
    symbol("relu", "r", symbol.variable("data", __shape__="(2, 7)", __dtype__=2))
    assert read_net(symbol.files()).inputs == (TensorSpec("data", "float16", (2, 7)),)


def test_the_type_of_the_parameters_is_that_of_the_input(
    symbol: Symbol, read_net: Callable[..., Network]
) -> None:
    x = symbol("Flatten", "flat", symbol.variable("data"))
    symbol("FullyConnected", "fc", x, symbol.param("w", 5, 4, dtype="float16"), no_bias=True, num_hidden=5)
    network = read_net(symbol.files(), '{"data": [2, 4]}')
    assert (network.inputs[0].dtype, network.outputs[0].dtype) == ("float16", "float16")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('{"data": [2, 8, 8, 3]}', "Input shapes should be provided in NCHW format. Found [2, 8, 8, 3], expected [?, 3, ?, ?]"),  # noqa: E501
        ('{"image": [2, 3, 8, 8]}', "DataInputConfig names 'image', which is no input of the model; its inputs are 'data'"),  # noqa: E501
        ('{"data": [2, 4, 8, 8]}', "the input 'data' has the shape [2, 4, 8, 8], expected [?, 3, ?, ?]"),
        ('{"data": [2, 3, 64]}', "expected [?, 3, ?, ?]: 4 dimensions, not 3"),
        ('{"data": [null, 3, 8, 8]}', "expected a dimension (a whole number), found null"),
        ('{"data": [-1, 3, 8, 8]}', "a network is compiled for fixed sizes"),
        (None, 'the input \'data\' (float32 [?, 3, ?, ?]) has no fixed size. Please override by providing a DataInputConfig such as {"data": [1, 3, 1, 1]}'),  # noqa: E501
        ('{"data": [2, 3, 2, 2]}', "node 'conv' (Convolution): would give the shape"),
        ('{"data": [1000000, 3, 1000, 1000]}', "has 3000000000000 elements"),
        ('{"conv_weight": [4, 3, 3, 3], "data": [2, 3, 8, 8]}', "names 'conv_weight', which is a constant of the model"),  # noqa: E501
    ],
)  # fmt: skip
def test_what_a_config_may_get_wrong(
    symbol: Symbol, problems: Problems, config: str | None, words: str
) -> None:
    assert any(words in problem for problem in problems(checkpoint(symbol).files(), config)), config


def test_all_unknown_operators_at_once(symbol: Symbol, problems: Problems) -> None:
    x = symbol("_sample_multinomial", "draw", symbol.variable("data"))
    symbol("relu", "r", symbol("Custom", "mine", symbol("Custom", "yours", x)))
    (problem,) = problems(symbol.files(), '{"data": [1]}', area="OperatorNotImplemented")
    assert problem == (
        "net-symbol.json: The following operators are not supported for frontend MXNET: "
        "_sample_multinomial (node 'draw'); Custom (node 'yours', 'mine')"
    )


def test_all_forms_that_are_not_compiled(symbol: Symbol, problems: Problems) -> None:
    x = symbol.variable("data")
    a = symbol("Activation", "a", x, act_type="snake")
    b = symbol("Pooling", "b", x, kernel="(2, 2)", pooling_convention="same")
    symbol("elemwise_add", "c", a, b)
    found = problems(symbol.files(), '{"data": [1, 2, 4, 4]}', area="OperatorNotImplemented")
    assert [problem.split(";")[0] for problem in found] == [
        "net-symbol.json: node 'a' (Activation): act_type is 'snake'",
        "net-symbol.json: node 'b' (Pooling): pooling_convention is 'same'",
    ]


def test_parameters_that_are_missing_or_do_not_fit(symbol: Symbol, problems: Problems) -> None:
    checkpoint(symbol)
    files = {"n-symbol.json": symbol.json()}
    del symbol.params["fc_bias"]
    (problem,) = problems({**files, "n.params": params_file(symbol.params)}, PICTURE)
    assert (
        problem == "n-symbol.json: the parameter 'fc_bias' of node 'fc' (FullyConnected) is not in n.params"
    )
    wrong = {**symbol.params, "fc_bias": np.ones(5, np.float32), "fc_weight": np.ones((5, 9), np.float32)}
    (problem,) = problems({**files, "n.params": params_file(wrong)}, PICTURE)
    assert "its weight has the shape [5, 9], expected [5, 4]" in problem


def test_attributes_that_are_no_numbers(symbol: Symbol, problems: Problems) -> None:
    x = symbol.variable("data")
    for name, value in (("a", "__import__('os')"), ("b", "(3"), ("c", "True")):
        x = symbol("expand_dims", name, x, axis=value)
    first, *_ = problems(symbol.files(), '{"data": [1]}')
    assert "axis is \"__import__('os')\", expected numbers" in first


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"net-symbol.json": None}, "No valid Mxnet model file -symbol.json found"),
        ({"net-0001.params": None}, "Exactly one .params file is allowed for MXNet model; found none"),
        ({"other.params": b""}, "Only one parameter file is allowed for MXNet model"),
        (
            {"b-symbol.json": b""},
            "Exactly one -symbol.json file is allowed for MXNet model; found b-symbol.json, net-symbol.json",
        ),
    ],
)
def test_files(symbol: Symbol, problems: Problems, change: dict[str, bytes | None], words: str) -> None:
    files = {**checkpoint(symbol).files(), **change}
    found = problems({name: content for name, content in files.items() if content is not None}, PICTURE)
    assert any(problem.startswith(words) for problem in found)


def test_other_files_do_not_matter(symbol: Symbol, read_net: Callable[..., Network]) -> None:
    files = {f"model/{name}": content for name, content in checkpoint(symbol).files().items()}
    files |= {
        "code/x-symbol.json": b"",
        ".x.params": b"",
        "hyperparams.json": b"{}",
        "model/synset.txt": b"a",
    }
    assert read_net(files, PICTURE).files == ("model/net-symbol.json", "model/net-0001.params")


def test_heads_within_the_network_and_of_variables(symbol: Symbol, read_net: Callable[..., Network]) -> None:
    x = symbol.variable("data")
    cut = symbol("SliceChannel", "cut", x, num_outputs=2, axis=1)
    network = read_net(symbol.files([cut, 1], x, symbol("relu", "r", [cut, 0])), '{"data": [1, 4]}')
    assert [spec.name for spec in network.outputs] == ["cut_output1", "data", "r_output"]
    values = np.array([[1, -2, 3, -4]], np.float32)
    found = evaluate(network, values)
    for value, expected in zip(found, ([[3, -4]], values, [[1, 0]]), strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("name", "config", "tolerance"),
    [
        ("mxnet-digits-lenet", '{"data":[8,1,8,8]}', 1e-5),
        ("mxnet-digits-mobilenetv2", '{"data":[4,3,32,32]}', 1e-4),
    ],
)
def test_real_models(corpus: Path, name: str, config: str, tolerance: float) -> None:
    if not (corpus / name).exists():
        pytest.skip(f"the corpus has no {name}: run `make corpus-fetch`")
    request = CompileRequest("MXNET", "m", device="ml_c5", data_input_config=config)
    network = read(corpus / name / "files", request)
    recorded = Path(__file__).parents[3] / "corpus" / "reference" / f"{name}.npz"
    if not recorded.exists():
        pytest.skip(f"no recorded outputs of {name}")
    with np.load(recorded) as reference:
        (found,) = evaluate(network, reference["s0_in0"])
        np.testing.assert_allclose(found, reference["s0_out0"], rtol=1e-3, atol=tolerance)
