"""What a planner gives: a C function for one layer, its weights, and how much work it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tinsmith.compiler.backends.native.networks.kernels.activation import Activation
from tinsmith.compiler.backends.native.networks.kernels.planes import NO_HALO, Halo


@dataclass(frozen=True)
class Plan:
    """One layer. `source` defines `function`:

        static void function(const float *x, const float *w, const float *bias, const float *residual,
                             float *y, float *scratch, size_t first, size_t last)

    It computes the work items `first` to `last - 1` of `items`; disjoint ranges may run at once, each with a
    scratch of its own, in any order. Pointers give the starts of buffers, at multiples of 64 bytes for speed
    only; some kernels have other numbers than floats there. Buffers may not overlap. Equal layers have equal
    names and sources, and one of them is enough.
    """

    function: str
    source: str
    headers: tuple[str, ...]
    """Files of `c/` that the source includes by name, and no others."""
    weights: NDArray[Any]
    """Packed; what `w` points to."""
    bias: NDArray[Any]
    """Padded; what `bias` points to."""
    items: int
    flops: int
    """Multiplications and additions of the layer as it is defined (2 for each product)."""
    halo: Halo = NO_HALO
    """What the input image needs around it: the caller writes zeros (or another padding) there."""
    scratch_bytes: int = 0
    """Of one thread; 0: scratch may be NULL. The first eight bytes must be zero when the layer begins and are
    left alone until it ends: there the function notes what the memory holds."""


ARGUMENTS = (
    "const float *x, const float *w, const float *bias, const float *residual, float *y, float *scratch, "
    "size_t first,\n    size_t last"
)


def define(
    kind: str,
    struct: str,
    call: str,
    header: str,
    constants: Mapping[str, int | bool | str],
    offsets: Mapping[str, int],
    activation: Activation,
    node: str,
    types: Mapping[str, str] | None = None,
) -> tuple[str, str, tuple[str, ...]]:
    """Name, source and headers of a layer's function.

    It calls `call`(`constants` as a `struct`, pointers moved by `offsets`, first, last, activation). `types`:
    of pointers to other things than floats.
    """
    fields = fields_of(constants)
    typed = {name: f"({kind}){name}" for name, kind in (types or {}).items()}
    pointers = ", ".join(
        typed.get(name, name) + (f" + {offsets[name]}" if offsets.get(name) else "")
        for name in ("x", "w", "bias", "residual", "y", "scratch")
        if name in offsets
    )
    text = f"{struct} {fields} {pointers} {activation.expression}"
    name = f"ts_{kind}_{_digest(text)}"
    function = f"ts_activation_{_digest(activation.expression)}"
    rows = f"{function}_rows" if activation.long else "NULL"
    unused = [f"(void){name};" for name in ("bias", "residual", "scratch") if name not in offsets]
    source = "\n".join(
        [
            f"/* {_comment(node)} */",
            *_define_activation(function, activation),
            f"static void {name}({ARGUMENTS})",
            "{",
            *([f"    {' '.join(unused)}"] if unused else []),
            f"    {call}((struct {struct}){{{fields}}},",
            f"        {pointers}, first, last, (ts_activation){{{function}, {rows}}});",
            "}",
            "",
        ]
    )
    return name, source, (header, *activation.headers)


def _define_activation(name: str, activation: Activation) -> list[str]:
    """C of its functions, which layers of one network may share."""
    guard = name.upper()
    lines = [
        f"#ifndef {guard}",
        f"#define {guard}",
        f"TS_INLINE ts_vf {name}(ts_vf x)",
        "{",
        f"    return {activation.expression};",
        "}",
    ]
    if activation.long:
        lines += [
            f"TS_APART void {name}_rows(float *values, size_t rows, size_t step, int width)",
            "{",
            f"    ts_activate(values, rows, step, width, {name});",
            "}",
        ]
    return [*lines, "#endif", ""]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def fields_of(constants: Mapping[str, int | bool | str]) -> str:
    """Of a struct's initialiser; those of 0 are left out."""
    return ", ".join(
        f".{name} = {str(value).lower() if isinstance(value, bool) else value}"
        for name, value in constants.items()
        if value
    )


def _comment(node: str) -> str:
    plain = "".join(character if character.isprintable() and character != "\\" else "?" for character in node)
    return plain.replace("*/", "* /").replace("/*", "/ *")
