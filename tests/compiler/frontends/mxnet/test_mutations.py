"""Damaged files end in a network or a ClientError, in little time."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.compiler.frontends.mutating import damaged
from tests.compiler.frontends.mxnet.cases import CASES, arrays, names, symbol
from tests.compiler.frontends.mxnet.conftest import params_file
from tinsmith.compiler.ir.network import Network
from tinsmith.errors import ClientError

AREAS = ("InputConfiguration", "OperatorNotImplemented")
SECONDS = 5.0  # of processor time
VALUES = (
    "0",
    "-1",
    "1",
    "(3,)",
    "()",
    "(2,2)",
    "65536",
    "1000000000000",
    "1e30",
    "nan",
    "x",
    "",
    "None",
    "True",
    "(",
)
CHOSEN = [name for name, case in CASES.items() if case.attributes]


@pytest.mark.parametrize("seed", range(300))
def test_damaged_files(read_net: Callable[..., Network], seed: int) -> None:
    rng = random.Random(seed)
    name = CHOSEN[(seed * 7) % len(CHOSEN)]
    case = CASES[name]
    given = arrays(name, case)
    data = names(case)[: len(case.data)]
    config = json.dumps({key: list(given[key].shape) for key in data}) if data else None
    text = symbol(case).encode()
    content = params_file({key: value for key, value in given.items() if key not in data})
    if seed % 3 == 0:
        text = damaged(text, rng)
    elif seed % 3 == 1:
        text = json.dumps(changed(json.loads(text), rng)).encode()
    else:
        content = damaged(content, rng)
    start = time.process_time()
    found: ClientError | None = None
    try:
        read_net({"n-symbol.json": text, "n-0000.params": content}, config)
    except ClientError as error:
        found = error
    assert found is None or (found.problems and found.area in AREAS)
    assert time.process_time() - start < SECONDS


def changed(document: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Attributes with values that they ought not to have, inputs of other nodes, other operators."""
    node = document["nodes"][-1]
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind = rng.choice(("value", "value", "value", "gone", "input", "op", "head"))
        if kind == "value":
            node["attrs"][rng.choice(list(node["attrs"]) or ["axis"])] = rng.choice(VALUES)
        elif kind == "gone" and node["attrs"]:
            del node["attrs"][rng.choice(list(node["attrs"]))]
        elif kind == "input" and node["inputs"]:
            node["inputs"][rng.randrange(len(node["inputs"]))] = [rng.randrange(4), rng.randrange(3), 0]
        elif kind == "op":
            node["op"] = rng.choice(list(CASES.values())).op
        elif kind == "head":
            document["heads"] = [[rng.randrange(5), rng.randrange(3), 0]]
    return document
