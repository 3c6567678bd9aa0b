"""Every operator against what MXNet itself computes (recorded.npz, made by record.py)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.compiler.frontends.mxnet.cases import CASES, RECORDED, Case, arrays, names, symbol
from tests.compiler.frontends.mxnet.conftest import evaluate, params_file
from tinsmith.compiler.frontends.mxnet.node import RULES
from tinsmith.compiler.ir.network import Network


@pytest.mark.parametrize("name", CASES)
def test_like_mxnet(read_net: Callable[..., Network], name: str) -> None:
    case = CASES[name]
    given = arrays(name, case)
    data = names(case)[: len(case.data)]
    params = {key: value for key, value in given.items() if key not in data}
    types = dict(zip(data, (given[key].dtype.name for key in data), strict=True))
    files = {"n-symbol.json": typed(case, types), "n-0000.params": params_file(params)}
    network = read_net(files, json.dumps({key: list(given[key].shape) for key in data}) if data else None)
    found = evaluate(network, *(given[spec.name] for spec in network.inputs))
    for index, value in enumerate(found):
        with np.load(RECORDED) as recorded:
            expected = recorded[f"{name}/{index}"]
        assert value.shape == expected.shape
        assert value.dtype == expected.dtype
        np.testing.assert_allclose(value, expected, rtol=2e-5, atol=2e-6)


def typed(case: Case, types: dict[str, str]) -> bytes:
    """The symbol, whose inputs state their element types as Gluon does."""
    document = json.loads(symbol(case))
    numbers = {"float32": 0, "float64": 1, "float16": 2, "int32": 4, "int64": 6}
    for node in document["nodes"]:
        if node["name"] in types:
            node["attrs"] = {"__dtype__": str(numbers[types[node["name"]]])}
    return json.dumps(document).encode()


def test_every_operator_has_a_case() -> None:
    covered = {case.op for case in CASES.values()}
    rules: dict[Any, set[str]] = {}
    for name, rule in RULES.items():
        rules.setdefault(rule, set()).add(name)
    bare = [sorted(group) for group in rules.values() if covered.isdisjoint(group)]
    assert bare == []
