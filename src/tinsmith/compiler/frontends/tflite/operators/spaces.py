"""Blocks of pixels as channels or batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.tflite.layer import Arranged, Layer
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.shaping.builder import Value


@operator("SPACE_TO_DEPTH", moves=True)
def space_to_depth(layer: Layer) -> Arranged:
    return _blocks(layer, "SpaceToDepth")


@operator("DEPTH_TO_SPACE", moves=True)
def depth_to_space(layer: Layer) -> Arranged:
    return _blocks(layer, "DepthToSpace")


def _blocks(layer: Layer, kind: str) -> Arranged:
    size = layer.integer("block_size")
    if size < 1:
        raise layer.refuse(f"blocks of {size}")
    return Arranged(layer.emit(kind, layer.arranged(0), blocksize=size))


@operator("SPACE_TO_BATCH_ND", moves=True)
def space_to_batch_nd(layer: Layer) -> Value:
    """Inputs: [batch, spatial.., rest..], blocks, paddings; a place inside a block becomes the slower part of
    the batch."""
    blocks, pads = _block_shape(layer), layer.constant(2).reshape(-1, 2)
    if len(pads) != len(blocks) or pads.min(initial=0) < 0:
        raise layer.refuse(f"{len(blocks)} block sizes, paddings {pads.tolist()[:8]}")
    spatial, rest = _sizes(layer, len(blocks))
    value = layer.value(0)
    if pads.any():
        around = np.zeros((layer.rank(0), 2), np.int64)
        around[1 : len(blocks) + 1] = pads
        value = layer.emit("Pad", value, around.T.reshape(-1), _zero(layer))
    padded = [size + sum(pair) for size, pair in zip(spatial, pads.tolist(), strict=True)]
    if any(size % block for size, block in zip(padded, blocks, strict=True)):
        raise layer.refuse(f"blocks of {blocks} in an image of {padded}")
    cut = [part for size, block in zip(padded, blocks, strict=True) for part in (size // block, block)]
    value = value.reshape(-1, *cut, *rest)
    count = len(blocks)
    inner, outer = [2 * i + 2 for i in range(count)], [2 * i + 1 for i in range(count)]
    value = value.transpose(*inner, 0, *outer, *range(2 * count + 1, 2 * count + 1 + len(rest)))
    return value.reshape(-1, *cut[::2], *rest)


@operator("BATCH_TO_SPACE_ND", moves=True)
def batch_to_space_nd(layer: Layer) -> Value:
    """The other way round; the third input crops."""
    blocks, crops = _block_shape(layer), layer.constant(2).reshape(-1, 2)
    spatial, rest = _sizes(layer, len(blocks))
    count = len(blocks)
    if len(crops) != count or crops.min(initial=0) < 0:
        raise layer.refuse(f"{count} block sizes, crops {crops.tolist()[:8]}")
    value = layer.value(0).reshape(*blocks, -1, *spatial, *rest)
    pairs = [dim for i in range(count) for dim in (count + 1 + i, i)]
    value = value.transpose(count, *pairs, *range(2 * count + 1, 2 * count + 1 + len(rest)))
    whole = [size * block for size, block in zip(spatial, blocks, strict=True)]
    value = value.reshape(-1, *whole, *rest)
    if not crops.any():
        return value
    ends = np.array(whole) - crops[:, 1]
    return layer.emit(
        "Slice", value, crops[:, 0].astype(np.int64), ends.astype(np.int64), np.arange(1, count + 1)
    )


def _block_shape(layer: Layer) -> list[int]:
    blocks = layer.integers(1)
    if not blocks or min(blocks) < 1 or len(blocks) >= layer.rank(0):
        raise layer.refuse(f"blocks of {blocks[:8]} in {layer.rank(0)} dimensions")
    return blocks


def _sizes(layer: Layer, count: int) -> tuple[list[int], list[int]]:
    """Those of the dimensions that have blocks, and of those behind."""
    sizes = list(layer.shape(0)[1:])
    if min(sizes) < 0:
        raise layer.refuse(f"its input has the shape {list(layer.shape(0))}, expected known sizes")
    return sizes[:count], sizes[count:]


def _zero(layer: Layer) -> NDArray[Any]:
    tensor = layer.tensor(0)
    if layer.gives_codes and tensor.quantization is not None:
        return np.array(tensor.quantization.zero[0], tensor.dtype)
    return np.zeros((), "float32" if layer.is_quantised(0) else tensor.dtype)
