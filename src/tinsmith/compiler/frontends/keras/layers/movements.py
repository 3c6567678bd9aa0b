"""Functions that move values: shapes, slices, joins, gathers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.keras.layers.functions import as_tensor, function, key_of, numbers
from tinsmith.compiler.frontends.keras.layers.registry import Unsupported, Use, axis_of
from tinsmith.compiler.frontends.keras.tensor import Tensor
from tinsmith.compiler.shaping.builder import Array

_END = 2**31 - 1


@function("shape", "intshape")
def _shape(use: Use, x: Tensor, **_: Any) -> Array:
    """Every size is known: a constant."""
    return np.array(x.shape, np.int64)


@function("rank", "ndim")
def _rank(use: Use, x: Tensor, **_: Any) -> Array:
    return np.array(x.rank, np.int64)


@function("size")
def _size(use: Use, x: Tensor, **_: Any) -> Array:
    return np.array(int(np.prod(x.shape)), np.int64)


@function("reshape")
def _reshape(use: Use, x: Any, shape: Any = None, newshape: Any = None, **_: Any) -> Tensor:
    wanted = newshape if shape is None else shape
    if isinstance(wanted, list | tuple):
        wanted = [-1 if size is None else size for size in wanted]
    return as_tensor(use, x).reshape(*numbers(wanted))


@function("transpose", "permutedimensions")
def _transpose(
    use: Use, x: Tensor, perm: Any = None, axes: Any = None, pattern: Any = None, **_: Any
) -> Tensor:
    order = next((numbers(value) for value in (perm, axes, pattern) if value is not None), None)
    return x.transpose(*(order or list(range(x.rank))[::-1]))


@function("swapaxes")
def _swap(use: Use, x: Tensor, axis1: int, axis2: int, **_: Any) -> Tensor:
    order = list(range(x.rank))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return x.transpose(*order)


@function("moveaxis")
def _move(use: Use, x: Tensor, source: Any, destination: Any, **_: Any) -> Tensor:
    sources, targets = ([axis_of(n, x.rank) for n in numbers(value)] for value in (source, destination))
    rest = [n for n in range(x.rank) if n not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        rest.insert(target, origin)
    return x.transpose(*rest)


@function("expanddims")
def _expand(use: Use, x: Any, axis: Any = -1, **_: Any) -> Tensor:
    return use.add("Unsqueeze", as_tensor(use, x), np.array(numbers(axis), np.int64))


@function("squeeze")
def _squeeze(use: Use, x: Tensor, axis: Any = None, **_: Any) -> Tensor:
    axes = numbers(axis) if axis not in (None, []) else [a for a, size in enumerate(x.shape) if size == 1]
    return use.add("Squeeze", x, np.array(axes, np.int64))


@function("broadcastto")
def _broadcast(use: Use, x: Any, shape: Any, **_: Any) -> Tensor:
    return use.add("Expand", as_tensor(use, x), np.array(numbers(shape), np.int64))


@function("tile")
def _tile(use: Use, x: Any, multiples: Any = None, repeats: Any = None, **_: Any) -> Tensor:
    times = numbers(multiples if multiples is not None else repeats)
    tensor = as_tensor(use, x)
    times = [1] * (tensor.rank - len(times)) + times
    return use.add("Tile", tensor, np.array(times, np.int64))


@function("repeat", "repeatelements")
def _repeat(
    use: Use, x: Tensor, repeats: Any = None, axis: int | None = None, rep: Any = None, **_: Any
) -> Tensor:
    if axis is None:
        x, axis = x.reshape(-1), 0
    count = numbers(repeats if repeats is not None else rep)
    if len(count) > 1:
        raise Unsupported("repeats of different numbers are not compiled")
    index = np.repeat(np.arange(x.shape[axis]), count[0])
    return use.add("Gather", x, index, axis=axis)


@function("concat", "concatenate")
def _concat(use: Use, values: Sequence[Any], axis: int = -1, **_: Any) -> Any:
    if not any(isinstance(value, Tensor) for value in values):
        return np.concatenate([np.atleast_1d(np.asarray(value)) for value in values])
    tensors = [as_tensor(use, value) for value in values]
    dtype = next(value.dtype for value in values if isinstance(value, Tensor))
    return use.add("Concat", *(tensor.cast(dtype) for tensor in tensors), axis=axis)


@function("stack", "pack")
def _stack(use: Use, values: Sequence[Any], axis: int = 0, x: Any = None, **_: Any) -> Any:
    if not any(isinstance(value, Tensor) for value in values):
        return np.stack([np.asarray(value) for value in values], axis)
    tensors = [as_tensor(use, value) for value in values]
    place = np.array([axis], np.int64)
    return use.add("Concat", *(use.add("Unsqueeze", t, place) for t in tensors), axis=axis)


@function("unstack", "unpack")
def _unstack(use: Use, x: Tensor, num: Any = None, axis: int = 0, **_: Any) -> list[Tensor]:
    along = axis_of(axis, x.rank)
    return [use.add("Gather", x, np.array(index, np.int64), axis=along) for index in range(x.shape[along])]


@function("split")
def _split(
    use: Use,
    x: Tensor,
    num_or_size_splits: Any = None,
    axis: int = 0,
    indices_or_sections: Any = None,
    **_: Any,
) -> list[Tensor]:
    along = axis_of(axis, x.rank)
    size = x.shape[along]
    wanted = indices_or_sections if num_or_size_splits is None else num_or_size_splits
    if isinstance(wanted, int):
        if size % wanted:
            raise ValueError(f"{size} is not divisible by {wanted}")
        parts = [size // wanted] * wanted
    elif num_or_size_splits is None:
        bounds = [0, *numbers(wanted), size]
        parts = [end - start for start, end in pairwise(bounds)]
    else:
        parts = numbers(wanted)
        parts = [size - sum(p for p in parts if p >= 0) if part < 0 else part for part in parts]
    return list(use.several("Split", len(parts), x, np.array(parts, np.int64), axis=along))


@function("pad")
def _pad(
    use: Use,
    x: Tensor,
    paddings: Any = None,
    mode: str = "constant",
    constant_values: Any = 0,
    pad_width: Any = None,
    **_: Any,
) -> Tensor:
    widths = np.asarray(paddings if paddings is not None else pad_width, np.int64)
    widths = np.broadcast_to(widths, (x.rank, 2))
    name = mode.lower()
    if name not in ("constant", "reflect"):
        raise Unsupported(f"the padding mode {mode!r}")
    value = np.asarray(0 if constant_values is None else constant_values, x.dtype)
    return use.add("Pad", x, widths.T.reshape(-1).copy(), value, mode=name)


@function("gather", "take", "embeddinglookup")
def _gather(use: Use, x: Any, indices: Any, axis: int | None = None, batch_dims: int = 0, **_: Any) -> Tensor:
    if batch_dims:
        raise Unsupported("gather with batch_dims is not compiled")
    if axis is None and key_of(str(use.get("function", use.layer.kind))) == "take":
        x, axis = x.reshape(-1), 0
    index = indices if isinstance(indices, Tensor) else use.constant(np.asarray(indices, np.int64))
    index = index if index.dtype.kind == "i" and index.dtype.itemsize > 2 else index.cast(np.int64)
    return use.add("Gather", as_tensor(use, x), index, axis=axis or 0)


@function("onehot")
def _one_hot(
    use: Use, x: Tensor, depth: Any = None, num_classes: Any = None, axis: int = -1, **_: Any
) -> Tensor:
    count = numbers(depth if depth is not None else num_classes)[0]
    values = use.constant(np.array([0, 1], use.dtype))
    codes = x.cast(np.int64) if x.dtype.kind != "i" else x
    return use.add("OneHot", codes, np.array(count, np.int64), values, axis=axis)


@function("zeroslike", "oneslike")
def _like(use: Use, x: Tensor, **_: Any) -> Tensor:
    one = key_of(str(use.get("function", use.layer.kind))) == "oneslike"
    return use.constant((np.ones if one else np.zeros)(x.shape, x.dtype))


@function("flip", "reverse")
def _flip(use: Use, x: Tensor, axis: Any = None, **_: Any) -> Tensor:
    for along in numbers(axis) if axis is not None else range(x.rank):
        x = x.slice(axis_of(along, x.rank), -1, -(2**31), -1)
    return x


@function("cumsum")
def _cumsum(
    use: Use, x: Tensor, axis: int = 0, exclusive: bool = False, reverse: bool = False, **_: Any
) -> Tensor:
    return use.add("CumSum", x, np.array(axis, np.int64), exclusive=int(exclusive), reverse=int(reverse))


@function("slice")
def _slice(
    use: Use,
    x: Tensor,
    begin: Any = None,
    size: Any = None,
    start_indices: Any = None,
    shape: Any = None,
    **_: Any,
) -> Tensor:
    starts = numbers(begin if begin is not None else start_indices)
    counts = numbers(size if size is not None else shape)
    for axis, (start, count) in enumerate(zip(starts, counts, strict=True)):
        if start or count not in (-1, x.shape[axis]):
            x = x.slice(axis, start, x.shape[axis] if count < 0 else start + count)
    return x


@function("getitem")
def _item(use: Use, x: Any, slice_spec: Any = None, key: Any = None, **_: Any) -> Any:
    """What stands in square brackets: numbers, slices, dots and new axes."""
    spec = slice_spec if slice_spec is not None else key
    parts = list(spec) if isinstance(spec, list | tuple) else [spec]
    if not isinstance(x, Tensor):
        return np.asarray(x)[tuple(map(_python, parts))]
    new = sum(part is None or _is(part, "newaxis") for part in parts)
    dots = next((n for n, part in enumerate(parts) if _is(part, "ellipsis")), None)
    if dots is not None:
        free = x.rank - (len(parts) - 1 - new)
        parts[dots : dots + 1] = [_FULL] * free
    axis, dropped, added, place = 0, [], [], 0
    for part in parts:
        if part is None or _is(part, "newaxis"):
            added.append(place)
            place += 1
            continue
        found = _python(part)
        if isinstance(found, slice):
            x = _sliced(use, x, axis, found)
            place += 1
        else:
            index = found if found >= 0 else found + x.shape[axis]
            x = x.slice(axis, index, index + 1)
            dropped.append(axis)
        axis += 1
    if dropped:
        x = use.add("Squeeze", x, np.array(dropped, np.int64))
    return use.add("Unsqueeze", x, np.array(added, np.int64)) if added else x


_FULL = {"start": None, "stop": None, "step": None}


def _sliced(use: Use, x: Tensor, axis: int, found: slice) -> Tensor:
    start, stop, step = found.indices(x.shape[axis])
    if (start, stop, step) == (0, x.shape[axis], 1):
        return x
    return x.slice(axis, start, stop if stop >= 0 else -_END, step)


def _is(part: Any, name: str) -> bool:
    return (isinstance(part, Mapping) and part.get("class_name") == f"__{name}__") or (
        name == "ellipsis" and part is Ellipsis
    )


def _python(part: Any) -> Any:
    """A number or a slice, as either version of Keras writes it."""
    if isinstance(part, Mapping):
        if _is(part, "ellipsis"):
            return Ellipsis
        fields = part.get("config", part)
        bounds = [fields.get(name) for name in ("start", "stop", "step")]
        return slice(*(None if bound is None else numbers(bound)[0] for bound in bounds))
    return numbers(part)[0]
