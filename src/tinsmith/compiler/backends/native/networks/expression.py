"""Scalar expressions as C text.

What is used more than once becomes a `const` in the innermost block that holds all its uses: a side of
`select` is a block of its own, because it may read out of range when it is not taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from tinsmith.compiler.backends.native.networks.addresses import Element, flat
from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.scalars import (
    BOOL,
    INDEX,
    Apply,
    Expr,
    Literal,
    Load,
    Size,
    Tensor,
    Var,
    children,
    walk,
)

STORAGE = {
    "float32": "float", "float64": "double", "float16": "uint16_t", "bfloat16": "uint16_t", "bool": "uint8_t",
    "int4": "int8_t", "uint4": "uint8_t", "int2": "int8_t", "uint2": "uint8_t", INDEX: "ts_index",
    **{f"{kind}{bits}": f"{kind}{bits}_t" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    **dict.fromkeys(dtypes.SMALL_FLOATS, "uint8_t"),
}  # fmt: skip
"""C type of an element in memory, by type name."""

SUB_BYTE = frozenset(["int4", "uint4", "int2", "uint2"])
"""Integers that take a byte each, of which the low bits count."""

NARROW_FLOATS = {"float16": "half", "bfloat16": "bfloat16", **{name: name for name in dtypes.SMALL_FLOATS}}
"""Floats that are computed with as `float`: the word in the names of their conversions."""

Address = Callable[[Tensor, tuple[str, ...]], str]
"""C text of the element of a tensor at indices given as C text."""


def value_type(dtype: str) -> str:
    """C type of a value in a register."""
    return "float" if dtype in NARROW_FLOATS else "bool" if dtype == BOOL else STORAGE[dtype]


@dataclass
class Block:
    """Statements before an expression, and what they have named so far."""

    parent: Block | None
    select: int = 0
    """The id of the select of which this is a side, where that is computed in the block around."""
    lines: list[str] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)

    def name(self, expr: Expr) -> str | None:
        """The constant that holds `expr`, here or around here."""
        block: Block | None = self
        while block is not None:
            if id(expr) in block.names:
                return block.names[id(expr)]
            block = block.parent
        return None

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else self.parent.depth + 1


class Writer:
    """Turns expressions into text. `address` says how an element is written in C."""

    def __init__(
        self, address: Callable[[Load, Callable[[Expr], str]], str], names: Mapping[Expr, str]
    ) -> None:
        self._address = address
        self._names = names
        self._count = 0
        self._sides: dict[tuple[int, int], Block] = {}

    def write(self, exprs: Sequence[Expr]) -> tuple[list[str], list[str]]:
        """Statements to stand first, and the text of each expression."""
        root = Block(None)
        homes = self._homes(exprs, root)
        for part in walk(exprs):
            if id(part) in homes:
                self._define(part, homes[id(part)])
        return root.lines, [self._text(expr, root) for expr in exprs]

    def _homes(self, exprs: Sequence[Expr], root: Block) -> dict[int, Block]:
        """The block of every part that is worth a name."""
        order = walk(exprs)
        reading = _reading(order)
        places: dict[int, list[Block]] = {}
        for expr in exprs:
            places.setdefault(id(expr), []).append(root)
        uses: dict[int, int] = {}
        for part in reversed(order):
            uses[id(part)] = len(places[id(part)])
            here = places[id(part)] = _settled(places[id(part)], id(part) in reading)
            for number, child in enumerate(children(part)):
                inside = here
                if isinstance(part, Apply) and part.op == "select" and number:
                    side = Block(reduce(_common, here), id(part) if len(here) == 1 else 0)
                    inside = [self._sides.setdefault((id(part), number), side)]
                places.setdefault(id(child), []).extend(inside)
        return {
            id(part): places[id(part)][0]
            for part in order
            if uses[id(part)] > 1 == len(places[id(part)]) and not isinstance(part, Literal | Var | Size)
        }

    def _define(self, expr: Expr, block: Block) -> None:
        self._count += 1
        name = f"t{self._count}"
        text = self._text(expr, block)
        block.lines.append(f"const {value_type(expr.dtype)} {name} = {text};")
        block.names[id(expr)] = name

    def _text(self, expr: Expr, block: Block) -> str:
        if (known := block.name(expr)) is not None:
            return known
        match expr:
            case Literal():
                return literal_text(expr)
            case Var() | Size():
                return self._names[expr]
            case Bits():
                return self._address(expr, lambda part: self._text(part, block))
            case Load():
                return loaded(expr.dtype, self._address(expr, lambda part: self._text(part, block)))
            case Apply(args=(Load() as source,)) if (
                expr.op == "reinterpret" and source.dtype in NARROW_FLOATS
            ):
                bits = self._address(source, lambda part: self._text(part, block))
                return reinterpreted(_bits_type(source.dtype), expr.dtype, bits)
            case Apply() if expr.op == "select":
                condition = self._text(expr.args[0], block)
                yes, no = (self._side(expr, number, block) for number in (1, 2))
                return f"({condition} ? {yes} : {no})"
            case Apply():
                return applied(expr, [self._text(part, block) for part in expr.args])
        raise AssertionError(expr)

    def _side(self, expr: Apply, number: int, around: Block) -> str:
        block = self._sides.get((id(expr), number)) or Block(around)
        text = self._text(expr.args[number], block)
        return f"({{ {' '.join(block.lines)} {text}; }})" if block.lines else text


def _reading(order: Sequence[Expr]) -> set[int]:
    """The parts that read memory."""
    found: set[int] = set()
    for part in order:
        if isinstance(part, Load) or any(id(child) in found for child in children(part)):
            found.add(id(part))
    return found


def _settled(blocks: Sequence[Block], reads: bool) -> list[Block]:
    """Where to compute what is used in `blocks`: in the innermost block around all, if it may stand there.

    What reads may not leave the sides of selects, unless both sides of one need it, or what is around does.
    """
    places = list({id(block): block for block in blocks}.values())
    around = reduce(_common, places)
    sides = [block.select for block in places if block.parent is around and block.select]
    needed = any(block is around for block in places) or len(set(sides)) < len(sides)
    return [around] if needed or not reads else places


def _common(a: Block, b: Block) -> Block:
    """The innermost block around both."""
    while a is not b:
        if a.depth >= b.depth:
            assert a.parent is not None
            a = a.parent
        else:
            assert b.parent is not None
            b = b.parent
    return a


def literal_text(expr: Literal) -> str:
    """A C constant of the literal's value type."""
    value, dtype = expr.value, expr.dtype
    if dtype == BOOL:
        return "true" if value else "false"
    if dtype == INDEX:
        return str(int(value))
    if dtypes.is_integer(dtype):
        return _integer_text(int(value), dtype)
    number = _rounded(float(value), dtype)
    suffix = "" if dtype == "float64" else "f"
    if math.isnan(number):
        return f'__builtin_nan{suffix}("")'
    if math.isinf(number):
        return f"(-__builtin_inf{suffix}())" if number < 0 else f"__builtin_inf{suffix}()"
    return f"({number.hex()}{suffix})" if number < 0 else f"{number.hex()}{suffix}"


def _integer_text(value: int, dtype: str) -> str:
    if dtype in ("int64", "uint64"):
        if value == -(2**63):
            return "INT64_MIN"
        return f"((int64_t){value}LL)" if dtype == "int64" else f"((uint64_t){value}ULL)"
    if value == -(2**31):
        return "INT32_MIN"
    return f"(({STORAGE[dtype]}){value})" if value < 0 else str(value) + ("u" if dtype == "uint32" else "")


def _rounded(number: float, dtype: str) -> float:
    with np.errstate(over="ignore"):
        return float(np.float64(number).astype(dtypes.numpy_dtype(dtype)))


def loaded(dtype: str, text: str) -> str:
    """A stored element as a value."""
    if dtype in NARROW_FLOATS:
        return f"ts_{NARROW_FLOATS[dtype]}_to_float({text})"
    return f"({text} != 0)" if dtype == BOOL else _narrowed(dtype, text)


def stored(dtype: str, text: str) -> str:
    """A value as an element to store."""
    if dtype in dtypes.SMALL_FLOATS:
        return f"ts_float_to_{dtype}({text}, false)"
    if dtype not in NARROW_FLOATS:
        return text
    word = NARROW_FLOATS[dtype]
    rounding = f"ts_round_{word}("
    if text.startswith(rounding) and _closes(text, len(rounding) - 1) == len(text) - 1:
        text = text[len(rounding) : -1]
    return f"ts_float_to_{word}({text})"


def _closes(text: str, opening: int) -> int:
    """Where the parenthesis at `opening` is closed."""
    depth = 0
    for place in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return -1


@dataclass(frozen=True, eq=False)
class Bits(Element):
    """An element of a narrow float type as it is stored."""

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return _bits_type(self.tensor.dtype)


def _bits_type(dtype: str) -> str:
    return f"uint{8 * dtypes.itemsize(dtype)}"


def encoded(expr: Expr) -> Expr:
    """What to store for the value `expr`: of narrow floats their bits, as they came where they only move."""
    dtype = expr.dtype
    if dtype not in NARROW_FLOATS:
        return expr
    bits = _bits_type(dtype)
    match expr:
        case Load():
            element = expr if isinstance(expr, Element) else flat(expr)
            return Bits(element.tensor, element.index, element.terms)
        case Apply() if expr.op == "select":
            return Apply("select", (expr.args[0], encoded(expr.args[1]), encoded(expr.args[2])), bits)
        case Apply() if expr.op == "reinterpret" and expr.args[0].dtype not in NARROW_FLOATS:
            return expr.args[0].cast(bits)
    return Apply("reinterpret", (expr,), bits)


ARITHMETIC = {"add": "+", "sub": "-", "mul": "*"}
COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
BITS = {"and": "&", "or": "|", "xor": "^"}
LOGIC = {**BITS, "min": "&", "max": "|", "mul": "&", "add": "|"}
"""Of truth values."""


def applied(expr: Apply, args: Sequence[str]) -> str:
    """A function of C texts."""
    op, dtype = expr.op, expr.dtype
    source = expr.args[0].dtype
    if op in ("cast", "cast_wrap"):
        return cast_text(source, dtype, args[0], op == "cast")
    if op == "reinterpret":
        return reinterpreted(source, dtype, args[0])
    if op in COMPARISONS:
        return f"({args[0]} {COMPARISONS[op]} {args[1]})"
    if op in ("isnan", "isinf"):
        return f"ts_{op}{'' if source == 'float64' else 'f'}({args[0]})"
    if dtype == BOOL:
        # Two operands of type bool, one with a call in it, are a mistake to Clang.
        return f"(!{args[0]})" if op == "not" else f"({args[0]} {LOGIC[op]} (int){args[1]})"
    if dtype == INDEX:
        return _index_text(op, args)
    if dtypes.is_integer(dtype):
        return _integer_operation(op, dtype, args)
    return _float_operation(op, dtype, args)


def _index_text(op: str, args: Sequence[str]) -> str:
    if op in ARITHMETIC:
        return f"({args[0]} {ARITHMETIC[op]} {args[1]})"
    if op == "neg":
        return f"(-{args[0]})"
    return {
        "div": "({0} / {1})",
        "fmod": "({0} % {1})",
        "floordiv": "ts_index_floordiv({0}, {1})",
        "mod": "ts_index_mod({0}, {1})",
        "min": "ts_index_min({0}, {1})",
        "max": "ts_index_max({0}, {1})",
    }[op].format(*args)


def _float_operation(op: str, dtype: str, args: Sequence[str]) -> str:
    suffix = "" if dtype == "float64" else "f"
    if op in ARITHMETIC:
        text = f"({args[0]} {ARITHMETIC[op]} {args[1]})"
    elif op == "div":
        text = f"({args[0]} / {args[1]})"
    elif op == "neg":
        text = f"(-{args[0]})"
    else:
        text = f"ts_{'rint' if op == 'round' else op}{suffix}({', '.join(args)})"
    return f"ts_round_{NARROW_FLOATS[dtype]}({text})" if dtype in NARROW_FLOATS else text


def _integer_operation(op: str, dtype: str, args: Sequence[str]) -> str:
    """Two's complement of the type's own width."""
    wide = "uint64_t" if dtype in ("int64", "uint64") else "uint32_t"
    name = STORAGE[dtype]
    if op in ARITHMETIC:
        text = f"(({name})(({wide}){args[0]} {ARITHMETIC[op]} ({wide}){args[1]}))"
    elif op == "neg":
        text = f"(({name})(0 - ({wide}){args[0]}))"
    elif op == "not":
        text = f"(({name})~{args[0]})"
    elif op in BITS:
        text = f"(({name})({args[0]} {BITS[op]} {args[1]}))"
    elif op in ("floor", "ceil", "round", "trunc"):
        text = args[0]
    else:
        text = f"ts_{name.removesuffix('_t')}_{op}({', '.join(args)})"
    return _narrowed(dtype, text)


def _narrowed(dtype: str, text: str) -> str:
    return f"ts_wrap_{dtype}({text})" if dtype in SUB_BYTE else text


def reinterpreted(source: str, target: str, text: str) -> str:
    """The bits of a value as a value of another type of as many bits."""
    if source in NARROW_FLOATS:
        bits = stored(source, text)
    elif source in SUB_BYTE:
        bits = f"((uint8_t)({text} & {2 ** dtypes.BITS[source] - 1}))"
    else:
        bits = {"float32": f"ts_bitsf({text})", "float64": f"ts_bits({text})"}.get(source, text)
    if target in NARROW_FLOATS:
        return loaded(target, f"(({STORAGE[target]}){bits})")
    if target in ("float32", "float64"):
        return f"ts_from_bits{'f' if target == 'float32' else ''}(({_bits_type(target)}_t){bits})"
    return f"({bits} != 0)" if target == BOOL else _narrowed(target, f"(({STORAGE[target]}){bits})")


def cast_text(source: str, target: str, text: str, saturate: bool) -> str:
    """A conversion of values (not of stored elements)."""
    if target == BOOL:
        return f"({text} != 0)"
    if target in dtypes.SMALL_FLOATS:
        wide = text if value_type(source) == "float" else f"((float){text})"
        return f"ts_{target}_to_float(ts_float_to_{target}({wide}, {'true' if saturate else 'false'}))"
    if target in ("float16", "bfloat16"):
        wide = text if value_type(source) == "float" else f"((float){text})"
        if source == "float64":
            return f"ts_round_{NARROW_FLOATS[target]}_double({text})"
        return f"ts_round_{NARROW_FLOATS[target]}({wide})"
    if value_type(source) in ("float", "double") and (target == INDEX or dtypes.is_integer(target)):
        suffix = "" if source == "float64" else "f"
        kind = "int64" if target == INDEX else STORAGE[target].removesuffix("_t")
        text = f"ts_{kind}_from{suffix}({text})"
        return f"((ts_index){text})" if target == INDEX else _narrowed(target, text)
    return _narrowed(target, f"(({value_type(target)}){text})")
