"""Nodes in blocks within blocks."""

from __future__ import annotations

from collections.abc import Iterator

import torch


def all_nodes(block: torch._C.Graph | torch._C.Block) -> Iterator[torch._C.Node]:
    """The nodes of `block` and of the blocks in them."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from all_nodes(inner)


def constant(node: torch._C.Node, position: int) -> object:
    """The value of an input of `node` that is a constant; else None."""
    values = list(node.inputs())
    return values[position].toIValue() if position < len(values) else None
