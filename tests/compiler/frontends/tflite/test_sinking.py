"""Transposes between layers undo one another, also through what lies between convolutions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from tests.compiler.frontends.tflite.build import Builder, T, c, evaluate, feeds_of, litert, read_bytes
from tests.compiler.frontends.tflite.cases import conv, q, qb, qw, w, x


def chain() -> Builder:
    """Three convolutions; between them a sum, a slope for each channel, borders, channels side by side."""
    builder = Builder()
    part = builder.parts[0]
    shape = (1, 5, 6, 4)

    def convolved(source: int, channels: int) -> int:
        weights, bias = part.add(w(4, 3, 3, channels)), part.add(w(4))
        return builder.operator("CONV_2D", [source, weights, bias], [T(shape)], conv())[0]

    first = convolved(part.input(x(1, 5, 6, 3)), 3)
    second = convolved(first, 4)
    added = builder.operator("ADD", [first, second], [T(shape)], ("AddOptions", {}))[0]
    sloped = builder.operator("PRELU", [added, part.add(w(1, 1, 4))], [T(shape)])[0]
    scaled = builder.operator("MUL", [sloped, part.add(w(4))], [T(shape)], ("MulOptions", {}))[0]
    pads = part.add(c([[0, 0], [1, 0], [0, 2], [0, 1]]))
    padded = builder.operator("PAD", [scaled, pads], [T((1, 6, 8, 5))], ("PadOptions", {}))[0]
    joined = builder.operator(
        "CONCATENATION", [padded, padded], [T((1, 6, 8, 10))], ("ConcatenationOptions", {"axis": 3})
    )[0]
    part.outputs = [convolved(joined, 10)]
    part.tensors[part.outputs[0]] = T((1, 6, 8, 4))
    return builder


def test_transposes_are_at_the_borders_only(tmp_path: Path) -> None:
    builder = chain()
    content, feeds = builder.bytes(), feeds_of(builder)
    network = read_bytes(tmp_path, content)
    kinds = Counter(node.op_type for node in network.graph.graph.all_nodes())
    assert kinds["Transpose"] == 2
    assert kinds["Conv"] == 3
    (found,) = evaluate(network, {network.inputs[0].name: feeds[0]})
    np.testing.assert_allclose(found, litert(content, feeds)[0], rtol=2e-5, atol=2e-5)


def chain_of_bytes() -> Builder:
    """Two convolutions of bytes, their sum, and a third one behind it."""
    builder = Builder()
    part = builder.parts[0]
    output = q(1, 5, 6, 4, scale=0.4)

    def convolved(source: int) -> int:
        weights, bias = part.add(qw(4, 3, 3, 4, scale=0.01)), part.add(qb(4, 0.0005))
        return builder.operator("CONV_2D", [source, weights, bias], [output], conv(), version=3)[0]

    first = convolved(part.input(q(1, 5, 6, 4)))
    added = builder.operator("ADD", [first, convolved(first)], [output], ("AddOptions", {}), version=2)[0]
    part.outputs = [convolved(added)]
    return builder


def test_so_they_are_among_bytes(tmp_path: Path) -> None:
    builder = chain_of_bytes()
    content, feeds = builder.bytes(), feeds_of(builder)
    network = read_bytes(tmp_path, content)
    kinds = Counter(node.op_type for node in network.graph.graph.all_nodes())
    assert kinds["Transpose"] == 2
    (found,) = evaluate(network, {network.inputs[0].name: feeds[0]})
    np.testing.assert_array_equal(found, litert(content, feeds)[0])
