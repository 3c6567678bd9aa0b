"""Operators on sequences, whose first axis (or second, by `axis`) is time."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import Node, operator


@operator("SequenceMask")
def sequence_mask(node: Node) -> str:
    """`value` behind the end of each sequence."""
    if not node.flag("use_sequence_length"):
        return node.x
    shape, axis = node.shape(), node.choice("axis", "0", "0", "1") == "1"
    steps, batch = (shape[1], shape[0]) if axis else shape[:2]
    ones = [1] * (len(shape) - 2)
    times = np.arange(steps).reshape([1, steps, *ones] if axis else [steps, 1, *ones])
    lengths = node.reshaped(
        node.cast(node.input(1), np.int64), [batch, 1, *ones] if axis else [1, batch, *ones]
    )
    inside = node.make("Less", node.constant(times), lengths)
    return node.make("Where", inside, node.x, node.constant(np.array(node.real("value", 0.0), node.dtype)))


@operator("SequenceLast")
def sequence_last(node: Node) -> str:
    """The last step of each sequence."""
    shape, axis = node.shape(), node.integer("axis", 0)
    if not node.flag("use_sequence_length"):
        last = node.part(node.x, axis, shape[axis] - 1, shape[axis])
        return node.reshaped(last, [size for index, size in enumerate(shape) if index != axis])
    x = node.x if axis == 1 else node.transposed(node.x, [1, 0, *range(2, len(shape))])
    batch = shape[1 - axis]
    index = node.make("Sub", node.reshaped(node.cast(node.input(1), np.int64), [batch, 1]), 1)
    return node.make("GatherND", x, index, batch_dims=1)


@operator("SequenceReverse")
def sequence_reverse(node: Node) -> str:
    """Each sequence from its end."""
    shape = node.shape()
    if node.flag("use_sequence_length"):
        lengths = node.cast(node.input(1), np.int64)
    else:
        lengths = node.constant([shape[0]] * shape[1])
    return node.make("ReverseSequence", node.x, lengths, time_axis=0, batch_axis=1)
