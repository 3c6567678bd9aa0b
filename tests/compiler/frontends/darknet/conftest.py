"""Darknet networks from text, read and computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.compiler.frontends.darknet.cases import weights
from tinsmith.compiler.frontends.darknet import read
from tinsmith.compiler.ir.network import Network
from tinsmith.spec.request import CompileRequest


@pytest.fixture
def read_net(tmp_path: Path) -> Callable[..., Network]:
    """`read_net(cfg, config, weights)`."""

    def read_it(cfg: str | bytes, config: str | None = None, content: bytes | None = None) -> Network:
        text = cfg.encode() if isinstance(cfg, str) else cfg
        (tmp_path / "net.cfg").write_bytes(text)
        (tmp_path / "net.weights").write_bytes(weights("x") if content is None else content)
        return read(tmp_path, CompileRequest("DARKNET", "m", device="ml_c5", data_input_config=config))

    return read_it


def evaluate(network: Network, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
    """By ONNX Runtime."""
    session = onnxruntime.InferenceSession(onnx_ir.to_proto(network.graph).SerializeToString())
    feeds = {spec.name: value for spec, value in zip(network.inputs, inputs, strict=True)}
    return [np.asarray(found) for found in session.run(None, feeds)]
