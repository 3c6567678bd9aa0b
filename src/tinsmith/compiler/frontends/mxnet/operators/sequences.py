"""Operators on sequences, whose first axis (or second, by `axis`) is time."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import Node, operator
from tinsmith.compiler.shaping.builder import Value


@operator("SequenceMask")
def sequence_mask(node: Node) -> Value:
    """`value` behind the end of each sequence."""
    if not node.flag("use_sequence_length"):
        return node.x
    shape, axis = node.shape(), node.choice("axis", "0", "0", "1") == "1"
    steps, batch = (shape[1], shape[0]) if axis else shape[:2]
    ones = [1] * (len(shape) - 2)
    times = np.arange(steps).reshape([1, steps, *ones] if axis else [steps, 1, *ones])
    lengths = node.input(1).cast(np.int64).reshape(*([batch, 1, *ones] if axis else [1, batch, *ones]))
    inside = node.add("Less", node.constant(times), lengths)
    return node.add("Where", inside, node.x, node.constant(np.array(node.real("value", 0.0), node.dtype)))


@operator("SequenceLast")
def sequence_last(node: Node) -> Value:
    """The last step of each sequence."""
    shape, axis = node.shape(), node.integer("axis", 0)
    if not node.flag("use_sequence_length"):
        last = node.x.slice(axis, shape[axis] - 1, shape[axis])
        return last.reshape(*[size for index, size in enumerate(shape) if index != axis])
    x = node.x if axis == 1 else node.x.transpose(1, 0, *range(2, len(shape)))
    batch = shape[1 - axis]
    index = node.add("Sub", node.input(1).cast(np.int64).reshape(batch, 1), 1)
    return node.add("GatherND", x, index, batch_dims=1)


@operator("SequenceReverse")
def sequence_reverse(node: Node) -> Value:
    """Each sequence from its end."""
    shape = node.shape()
    if node.flag("use_sequence_length"):
        lengths = node.input(1).cast(np.int64)
    else:
        lengths = node.constant([shape[0]] * shape[1])
    return node.add("ReverseSequence", node.x, lengths, time_axis=0, batch_axis=1)
