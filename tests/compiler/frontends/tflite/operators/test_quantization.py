"""Models of integers, and weights in other forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.compiler.frontends.tflite.build import (
    Builder,
    T,
    c,
    evaluate,
    feeds_of,
    litert,
    one,
    read_bytes,
)
from tests.compiler.frontends.tflite.cases import conv, depthwise, q, qb, qw, w, x
from tinsmith.compiler.backends.native.networks.integer_operands import operands_of
from tinsmith.compiler.ir.loops import Contract
from tinsmith.compiler.operators.lower import lower


def network_of_integers() -> Builder:
    """Convolutions with a scale for each channel, a sum, a mean, a dense layer, probabilities."""
    builder = Builder()
    part = builder.parts[0]

    def layer(kind: str, source: int, inputs: int, size: int, scales: tuple[float, float], act: int) -> int:
        scale = np.linspace(0.004, 0.02, 16).astype(np.float32)
        deep = kind == "DEPTHWISE_CONV_2D"
        weights = qw(
            *((1, size, size, 16) if deep else (16, size, size, inputs)), scale=scale, axis=3 if deep else 0
        )
        operands = [source, part.add(weights), part.add(qb(16, scale * np.float32(scales[0])))]
        output = q(1, 16, 16, 16, scale=scales[1], zero=-128)
        options = (depthwise if deep else conv)(fusedActivationFunction=act)
        return builder.operator(kind, operands, [output], options, version=3)[0]

    image = part.input(q(1, 16, 16, 8, zero=-3))
    first = layer("CONV_2D", image, 8, 3, (0.05, 0.2), 1)
    second = layer("DEPTHWISE_CONV_2D", first, 16, 3, (0.2, 0.3), 1)
    third = layer("CONV_2D", second, 16, 1, (0.3, 0.9), 0)
    total = builder.operator(
        "ADD", [first, third], [q(1, 16, 16, 16, scale=0.9, zero=-128)], ("AddOptions", {}), version=2
    )[0]
    mean = builder.operator(
        "MEAN",
        [total, part.add(c([1, 2]))],
        [q(1, 16, scale=0.4, zero=-128)],
        ("ReducerOptions", {}),
        version=2,
    )[0]
    dense = builder.operator(
        "FULLY_CONNECTED",
        [mean, part.add(qw(10, 16)), part.add(qb(10, 0.004))],
        [q(1, 10, scale=1.0, zero=0)],
        ("FullyConnectedOptions", {}),
        version=4,
    )[0]
    part.outputs = builder.operator(
        "SOFTMAX",
        [dense],
        [q(1, 10, scale=1 / 256, zero=-128)],
        ("SoftmaxOptions", {"beta": 0.02}),
        version=2,
    )
    part.outputs = [third, total, dense, *part.outputs]
    return builder


def test_a_network_of_integers(tmp_path: Path) -> None:
    content = network_of_integers().bytes()
    network = read_bytes(tmp_path, content)
    for seed in range(3):
        feeds = feeds_of(network_of_integers(), seed)
        found = evaluate(network, {network.inputs[0].name: feeds[0]})
        for got, want in zip(found, litert(content, feeds), strict=True):
            assert got.dtype == want.dtype == np.int8
            assert len(np.unique(want)) > 3
        answers = litert(content, feeds)
        for got, want in zip(found[:-1], answers[:-1], strict=True):
            np.testing.assert_array_equal(got, want)
        assert np.abs(found[-1].astype(int) - answers[-1].astype(int)).max() <= 1


def test_its_contractions_are_ones_of_integers(tmp_path: Path) -> None:
    loops = lower(read_bytes(tmp_path, network_of_integers().bytes()))
    contractions = [stage for stage in loops.stages if isinstance(stage, Contract)]
    assert len(contractions) == 4
    assert all(operands_of(stage) is not None for stage in contractions)


@pytest.mark.parametrize("bits", [8, 4])
def test_weights_of_integers_between_floats(bits: int, tmp_path: Path) -> None:
    """LiteRT may quantise the input on the fly; here only the weights are of integers."""
    scales = np.array([0.01, 0.02, 0.005, 0.013], np.float32)
    low = -(2 ** (bits - 1))
    codes = np.random.default_rng(4).integers(low, -low, (4, 3, 3, 3)).astype(np.int8)
    weights = c(codes, "int8" if bits == 8 else "int4", scale=scales)
    builder = one("CONV_2D", [x(1, 6, 5, 3), weights, w(4)], [T()], conv())
    floats = one(
        "CONV_2D",
        [x(1, 6, 5, 3), c(codes * scales.reshape(4, 1, 1, 1)), builder_bias(builder)],
        [T()],
        conv(),
    )
    feeds, network = feeds_of(builder), read_bytes(tmp_path, builder.bytes())
    (found,) = evaluate(network, {network.inputs[0].name: feeds[0]})
    np.testing.assert_allclose(found, litert(floats.bytes(), feeds)[0], rtol=1e-4, atol=1e-4)
    if bits == 8:
        np.testing.assert_allclose(found, litert(builder.bytes(), feeds)[0], atol=0.02 * np.abs(found).max())


def builder_bias(builder: Builder) -> T:
    return builder.parts[0].tensors[2]


def half_weights() -> Builder:
    builder = Builder()
    part = builder.parts[0]
    image = part.input(x(1, 6, 5, 3))
    half = part.add(c(np.random.default_rng(1).uniform(-1, 1, (4, 3, 3, 3)).astype(np.float16)))
    (weights,) = builder.operator("DEQUANTIZE", [half], [T((4, 3, 3, 3))])
    part.outputs = builder.operator("CONV_2D", [image, weights, part.add(w(4))], [T((1, 6, 5, 4))], conv())
    return builder


def test_weights_in_half_precision(tmp_path: Path) -> None:
    builder = half_weights()
    content, feeds = builder.bytes(), feeds_of(builder)
    network = read_bytes(tmp_path, content)
    (found,) = evaluate(network, {network.inputs[0].name: feeds[0]})
    np.testing.assert_allclose(found, litert(content, feeds)[0], rtol=1e-5, atol=1e-5)
    assert all(node.op_type != "Cast" for node in network.graph.graph.all_nodes())


def sparse(matrix: np.ndarray[Any, Any], block: int) -> Any:
    """The sparsity of a matrix whose rows are dense and of whose columns, in blocks, some are there; and the
    elements that are stored."""
    rows, columns = matrix.shape
    blocks = matrix.reshape(rows, columns // block, block)
    kept = blocks.any(axis=2)
    segments = np.concatenate([[0], kept.sum(1).cumsum()]).tolist()
    dims = [
        schema.DimensionMetadataT(format=0, denseSize=rows),
        schema.DimensionMetadataT(
            format=1,
            arraySegmentsType=schema.SparseIndexVector.Int32Vector,
            arraySegments=schema.Int32VectorT(values=segments),
            arrayIndicesType=schema.SparseIndexVector.Uint8Vector,
            arrayIndices=schema.Uint8VectorT(values=np.nonzero(kept)[1].tolist()),
        ),
    ]
    if block > 1:
        dims.append(schema.DimensionMetadataT(format=0, denseSize=block))
    order = list(range(len(dims)))
    form = schema.SparsityParametersT(
        traversalOrder=order, blockMap=[1] if block > 1 else None, dimMetadata=dims
    )
    return form, blocks[kept].reshape(-1)


@pytest.mark.parametrize("block", [1, 4])
def test_sparse_weights(block: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    kept = np.repeat(rng.uniform(size=(6, 8 // block)) < 0.4, block, axis=1)
    matrix = np.where(kept, rng.uniform(0.5, 1, (6, 8)), 0).astype(np.float32)
    form, stored = sparse(matrix, block)
    builder = Builder()
    part = builder.parts[0]
    weights = part.add(T((6, 8), value=stored, sparsity=form))
    (dense,) = builder.operator("DENSIFY", [weights], [T((6, 8))], ("DensifyOptions", {}))
    image = part.input(x(2, 8))
    part.outputs = builder.operator("ADD", [image, dense], [T((6, 8))], ("AddOptions", {}))
    part.tensors[image] = replace(part.tensors[image], shape=(1, 8))
    content, feeds = builder.bytes(), feeds_of(builder)
    network = read_bytes(tmp_path, content)
    (found,) = evaluate(network, {network.inputs[0].name: feeds[0]})
    np.testing.assert_array_equal(found, feeds[0] + matrix)
    np.testing.assert_array_equal(found, litert(content, feeds)[0])
