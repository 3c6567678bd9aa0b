"""The layers of Keras 1 to 3, and the functions that models call like layers."""

from tinsmith.compiler.frontends.keras.layers import (
    activations,
    attention,
    cells,
    convolution,
    dense,
    merge,
    normalisation,
    operations,
    pooling,
    preprocessing,
    recurrent,
    shapes,
)
from tinsmith.compiler.frontends.keras.layers.registry import RULES, Use, compute_dtype

__all__ = ["RULES", "Use", "compute_dtype"]
_ = (activations, attention, cells, convolution, dense, merge, normalisation)
_ = (operations, pooling, preprocessing, recurrent, shapes)  # type: ignore[assignment]
