"""Networks that the zoos of MXNet and GluonCV exported, against MXNet (zoo/*.npz, by record_zoo.py)."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from tests.compiler.frontends.mxnet.conftest import evaluate, params_file
from tests.compiler.frontends.mxnet.zoo import FOLDER, NETWORKS, picture, weight
from tinsmith.compiler.ir.network import Network


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_like_mxnet(read_net: Callable[..., Network], name: str) -> None:
    with np.load(FOLDER / f"{name}.npz") as recorded:
        document = json.loads(recorded["document"].tobytes())
        arrays = {
            key.partition("/")[2]: recorded[key] for key in recorded.files if key.startswith("constant/")
        }
        expected = [recorded[key] for key in sorted(recorded.files) if key.startswith("output/")]
    arrays |= {key: weight(key, tuple(shape)) for key, shape in document["shapes"].items()}
    files = {"n-symbol.json": json.dumps(document["symbol"]).encode(), "n-0000.params": params_file(arrays)}
    x = picture(NETWORKS[name])
    network = read_net(files, json.dumps({"data": list(x.shape)}))
    found = evaluate(network, x)
    assert len(found) == len(expected)
    for value, wanted in zip(found, expected, strict=True):
        assert value.shape == wanted.shape
        np.testing.assert_allclose(value, wanted, rtol=1e-3, atol=1e-4 * max(1, float(np.abs(wanted).max())))
