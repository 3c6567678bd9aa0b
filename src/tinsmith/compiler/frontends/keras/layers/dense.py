"""Dense layers and embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinsmith.compiler.frontends.keras.config import Layer
from tinsmith.compiler.frontends.keras.layers.activations import activated
from tinsmith.compiler.frontends.keras.layers.registry import Use, kernel_and_bias, layer
from tinsmith.compiler.frontends.keras.tensor import Tensor


@layer("Dense", slots=kernel_and_bias, keeps_mask=True)
def _dense(use: Use, x: Tensor) -> Tensor:
    """In Keras 1 and 2.0 a Dense of several dimensions works on the last one too."""
    result = use.add("MatMul", x, use.weight("kernel"))
    if use.has("bias"):
        result = use.add("Add", result, use.weight("bias"))
    return activated(use, result)


@layer("EinsumDense", slots=lambda layer: ("kernel", "bias") if layer.get("bias_axes") else ("kernel",))
def _einsum_dense(use: Use, x: Tensor) -> Tensor:
    result = use.add("Einsum", x, use.weight("kernel"), equation=explicit(use.get("equation"), x.rank))
    if use.has("bias"):
        result = use.add("Add", result, use.weight("bias"))
    return activated(use, result)


def explicit(equation: str, rank: int) -> str:
    """`equation` with letters in the place of its dots, for a first operand of `rank` dimensions."""
    if "..." not in equation:
        return equation.replace(" ", "")
    named = equation.split(",", maxsplit=1)[0].replace("...", "").strip()
    free = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in equation]
    return equation.replace("...", "".join(free[: rank - len(named)])).replace(" ", "")


def _embedding_slots(layer: Layer) -> Sequence[str]:
    return ("embeddings",)


@layer("Embedding", slots=_embedding_slots, casts=False)
def _embedding(use: Use, x: Tensor) -> Tensor:
    table = use.weight("embeddings")
    result = use.add("Gather", use.constant(table), x.cast(np.int32), axis=0)
    if use.get("mask_zero"):
        return result.masked(use.add("Not", use.add("Equal", x, 0)))
    return result


@layer("MaxoutDense", slots=kernel_and_bias)
def _maxout(use: Use, x: Tensor) -> Tensor:
    """Keras 1: the largest of several dense layers."""
    result = use.add("Einsum", x, use.weight("kernel"), equation="bi,kio->bko")
    if use.has("bias"):
        result = use.add("Add", result, use.weight("bias"))
    return use.add("ReduceMax", result, np.array([1], np.int64), keepdims=0)
