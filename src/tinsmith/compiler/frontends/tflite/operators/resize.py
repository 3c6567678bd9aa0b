"""Images in another size."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.tflite.layer import Arranged, Layer
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.shaping.builder import Value


@operator("RESIZE_BILINEAR")
def resize_bilinear(layer: Layer) -> Arranged:
    places = "asymmetric"
    if layer.flag("align_corners"):
        places = "align_corners"
    elif layer.flag("half_pixel_centers"):
        places = "half_pixel"
    x = layer.arranged(0)
    before = layer.emit("Shape", x, start=0, end=2)
    sizes = layer.emit("Concat", before, layer.sizes(1), axis=0)
    return Arranged(
        layer.emit("Resize", x, None, None, sizes, mode="linear", coordinate_transformation_mode=places)
    )


@operator("RESIZE_NEAREST_NEIGHBOR", moves=True)
def resize_nearest_neighbor(layer: Layer) -> Value:
    """Rows and columns by their numbers, which TFLite computes in float32."""
    value = layer.value(0)
    for axis, (size, wanted) in enumerate(zip(layer.static_shape(0)[1:3], layer.integers(1), strict=True), 1):
        if min(size, wanted) < 1:
            raise layer.refuse(f"its output has {wanted} rows or columns for {size}")
        layer.bounded(wanted)
        value = layer.emit("Gather", value, _nearest(layer, size, wanted), axis=axis)
    return value


def _nearest(layer: Layer, size: int, wanted: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    align = layer.flag("align_corners") and wanted > 1
    scale = np.float32(size - 1) / np.float32(wanted - 1) if align else np.float32(size) / np.float32(wanted)
    offset = np.float32(0.5 if layer.flag("half_pixel_centers") else 0)
    places = (np.arange(wanted, dtype=np.float32) + offset) * scale
    # Halves away from zero: none of them is negative.
    places = np.floor(places + np.float32(0.5)) if align else np.floor(places)
    return np.array(np.minimum(places, size - 1), np.int64)
