"""What TensorFlow's operators on tensors become; importing a module registers its operators."""

from tinsmith.compiler.frontends.tensorflow.rules import (
    convolution,
    detection,
    elementwise,
    images,
    matrices,
    movement,
    normalisation,
    pooling,
    quantisation,
    recurrent,
    reductions,
    selection,
    shapes,
    slicing,
)

__all__ = [
    "convolution",
    "detection",
    "elementwise",
    "images",
    "matrices",
    "movement",
    "normalisation",
    "pooling",
    "quantisation",
    "recurrent",
    "reductions",
    "selection",
    "shapes",
    "slicing",
]
