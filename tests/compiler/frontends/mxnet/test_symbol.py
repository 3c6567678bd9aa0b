"""Symbols in the spellings of several versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.compiler.frontends.mxnet.conftest import Symbol, evaluate, params_file
from tinsmith.compiler.frontends.mxnet.symbol import parse
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.shaping.findings import Findings
from tinsmith.errors import ClientError


@pytest.mark.parametrize("key", ["param", "attr", "attrs"])
def test_attributes_by_their_three_names(read_net: Callable[..., Network], key: str) -> None:
    symbol = Symbol(key)
    x = symbol.variable("data")
    symbol("slice_axis", "cut", x, axis=1, begin=1, end="None")
    (found,) = evaluate(read_net(symbol.files(), '{"data": [1, 3]}'), np.ones((1, 3), np.float32))
    assert found.shape == (1, 2)


def test_states_that_were_no_inputs_before_version_0_9(read_net: Callable[..., Network]) -> None:
    symbol = Symbol("param")
    x = symbol.variable("data")
    gamma, beta = symbol.param("bn_gamma", 3), symbol.param("bn_beta", 3)
    layer = symbol("BatchNorm", "bn", x, gamma, beta, eps=0.001, fix_gamma=False)
    symbol("Activation", "act", layer, act_type="relu")
    mean, variance = np.array([1, 2, 3], np.float32), np.array([4, 9, 16], np.float32)
    states = {"bn_moving_mean": mean, "bn_moving_var": variance}
    files = {"n-symbol.json": symbol.json(), "n-0001.params": params_file({**symbol.params, **states})}
    picture = np.random.default_rng(0).normal(size=(2, 3, 2, 2)).astype(np.float32)
    (found,) = evaluate(read_net(files, '{"data": [2, 3, 2, 2]}'), picture)
    columns = (
        row[:, None, None] for row in (mean, variance, symbol.params["bn_gamma"], symbol.params["bn_beta"])
    )
    m, v, g, b = columns
    np.testing.assert_allclose(
        found, np.maximum((picture - m) / np.sqrt(v + 0.001) * g + b, 0), rtol=1e-4, atol=1e-6
    )


def test_references_of_two_numbers_and_the_version() -> None:
    document = {
        "nodes": [
            {"op": "null", "name": "data", "inputs": []},
            {"op": "relu", "name": "r", "inputs": [[0, 0]]},
        ],
        "heads": [[1, 0], [1, 0, 0]],
        "attrs": {"mxnet_version": ["int", 10801]},
    }
    graph = parse(json.dumps(document).encode(), Findings("n"))
    assert graph.version == "1.8.1"
    assert graph.heads == ((1, 0),)
    assert graph.nodes[1].inputs == ((0, 0),)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "expected a JSON object with nodes and heads"),
        ({}, "it has no list of nodes"),
        ({"nodes": [7], "heads": [[0, 0, 0]]}, "node 0: expected an object with the texts op and name"),
        ({"nodes": [{"op": "null", "name": "d", "inputs": []}], "heads": []}, "it has no heads"),
        (
            {"nodes": [{"op": "null", "name": "d", "inputs": []}], "heads": [[3, 0, 0]]},
            "heads: reads [3, 0, 0]",
        ),
        (
            {"nodes": [{"op": "relu", "name": "r", "inputs": [[0, 0, 0]]}], "heads": [[0, 0, 0]]},
            "node 0 ('r'): reads [0, 0, 0], expected an output of one of the nodes before it. Possible "
            "cycles in the graph",
        ),
        ({"nodes": [{"op": "null", "name": "d", "attrs": 3}], "heads": [[0, 0, 0]]}, "attrs is no object"),
    ],
)
def test_what_is_no_symbol(document: Any, words: str) -> None:
    with pytest.raises(ClientError) as caught:
        parse(json.dumps(document).encode(), Findings("n-symbol.json"))
    assert any(words in problem for problem in caught.value.problems)
    assert all(problem.startswith("n-symbol.json: ") for problem in caught.value.problems)


def test_no_json() -> None:
    for content in (b"", b"{", b"\xff\xfe", b"[" * 100_000):
        with pytest.raises(ClientError, match="no JSON, or cut or damaged"):
            parse(content, Findings("n"))
