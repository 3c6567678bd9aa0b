"""Products of matrices that are both computed, as attention has them: transposes and reshapes around them
become steps in memory, and a scale and a mask behind them part of the kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tinsmith.compiler.backends.native.networks.absorb import Absorber
from tinsmith.compiler.backends.native.networks.addresses import flat, same_place
from tinsmith.compiler.backends.native.networks.kernels.plan import Plan
from tinsmith.compiler.backends.native.networks.kernels.product import Stack, plan_product
from tinsmith.compiler.backends.native.networks.kernels.schedule import DEFAULT, Geometry, Schedules
from tinsmith.compiler.backends.native.networks.views import through
from tinsmith.compiler.ir.loops import Contract, Gemm, Loops, Map, Stage, View
from tinsmith.compiler.ir.scalars import Apply, Expr, Literal, Load, Tensor, Var, substitute

Steps = Mapping[Var, int]


@dataclass(frozen=True)
class Place:
    """Where the elements of one matrix stack lie: a tensor, and floats from index to index."""

    tensor: Tensor
    steps: Steps
    start: int


@dataclass(frozen=True, eq=False)
class Product(Stage):
    """out = scale * x @ w + residual, for a stack of matrices."""

    x: Place
    w: Place
    y: Place
    vars: tuple[Var, ...]
    """Of the stack, then row and column."""
    depth: Var
    scale: float = 1.0
    residual: Place | None = None
    schedules: Schedules = (DEFAULT,)

    @property
    def whole(self) -> tuple[Tensor, ...]:
        places = (self.x, self.w, *((self.residual,) if self.residual else ()))
        return tuple(place.tensor for place in places)


def find_products(loops: Loops) -> Loops:
    """Replaces contractions of two computed tensors."""
    return replace(loops, stages=tuple(_Finder(loops).stages()))


class _Finder:
    """Who makes each tensor, and what follows the products."""

    def __init__(self, loops: Loops) -> None:
        self._loops = loops
        self._makers = {stage.out: stage for stage in loops.stages}
        self._absorber = Absorber(loops.stages, set(loops.outputs))

    def stages(self) -> list[Stage]:
        """The stages with their products."""
        for stage in self._loops.stages:
            if isinstance(stage, Contract) and (product := self._product(stage)) is not None:
                self._absorber.replace(*self._with_readers(stage, product))
        return self._absorber.stages()

    def _product(self, stage: Contract) -> Product | None:
        if not isinstance(stage.form, Gemm) or stage.out.dtype != "float32" or not stage.out.is_static:
            return None
        if any(tensor.value is not None or not tensor.is_static for tensor in stage.operands):
            return None
        if len(stage.operands) != 2 or 0 in stage.out.static_shape or stage.over[0].extent == 0:
            return None
        x, w = self._place(stage.lhs), self._place(stage.rhs)
        y = _place_of(Load(stage.out, stage.vars))
        if x is None or w is None or y is None:
            return None
        product = Product(stage.out, x, w, y, stage.vars, stage.over[0], origin=stage.origin)
        return product if plan_of(product) is not None else None

    def _place(self, expr: Expr) -> Place | None:
        """Of what `expr` loads, seen through the stages that only move elements."""
        if not isinstance(expr, Load):
            return None
        while (source := self._moved(expr)) is not None and _place_of(source) is not None:
            expr = source
        return _place_of(expr)

    def _moved(self, load: Load) -> Load | None:
        maker = self._makers.get(load.tensor)
        if isinstance(maker, View):
            return through(maker, load, ())
        if isinstance(maker, Map) and isinstance(maker.value, Load):
            moved = substitute(maker.value, dict(zip(maker.vars, load.index, strict=True)))
            return moved if isinstance(moved, Load) else None
        return None

    def _with_readers(self, stage: Contract, product: Product) -> tuple[list[Stage], Product]:
        """The stages that become the product, and the product."""
        parts: list[Stage] = [stage]
        while (reader := self._absorber.follower(parts, product.out)) is not None:
            longer = self._absorb(product, reader)
            if longer is None or plan_of(longer) is None:
                break
            parts.append(reader)
            product = replace(longer, out=reader.out, origin=f"{product.origin} + {reader.origin}")
        return parts, product

    def _absorb(self, product: Product, reader: Map) -> Product | None:
        if isinstance(reader.value, Load):
            return _moved_output(product, reader, reader.value)
        y = _place_of(Load(reader.out, product.vars))
        own = _place_of(Load(product.out, product.vars))
        if y is None or own is None or reader.out.shape != product.out.shape or product.y.steps != own.steps:
            return None
        names = dict(zip(reader.vars, product.vars, strict=True))
        return self._followed(replace(product, y=y), reader.value, product.out, names)

    def _followed(
        self, product: Product, value: Expr, out: Tensor, names: Mapping[Var, Var]
    ) -> Product | None:
        """`product` and what `value`, an expression of an element of `out`, does with it."""
        if isinstance(value, Load) and value.tensor is out:
            return product if same_place(value, list(names)) else None
        if not isinstance(value, Apply) or len(value.args) != 2 or value.dtype != "float32":
            return None
        for inner, other in (value.args, value.args[::-1]):
            before = self._followed(product, inner, out, names)
            if before is None:
                continue
            if isinstance(other, Literal):
                return _scaled(before, value, inner, float(other.value))
            return self._masked(before, value.op, substitute(other, dict(names)))
        return None

    def _masked(self, product: Product, op: str, mask: Expr) -> Product | None:
        place = self._place(mask) if op == "add" and product.residual is None else None
        if place is None or place.tensor.value is not None or place.tensor.dtype != "float32":
            return None
        return replace(product, residual=place)


def _scaled(product: Product, value: Apply, x: Expr, number: float) -> Product | None:
    if product.residual is not None:
        return None
    if value.op == "mul":
        return replace(product, scale=product.scale * number)
    if value.op == "div" and value.args[0] is x and number:
        return replace(product, scale=product.scale / number)
    return None


def _moved_output(product: Product, reader: Map, load: Load) -> Product | None:
    """The product writes where `reader` would move its elements to."""
    if load.tensor is not product.out or sorted(map(id, load.index)) != sorted(map(id, reader.vars)):
        return None
    target = _place_of(Load(reader.out, reader.vars))
    if target is None:
        return None
    at = dict(zip(load.index, product.vars, strict=True))
    steps = {at[var]: step for var, step in target.steps.items()}
    return replace(product, y=Place(reader.out, steps, target.start))


def _place_of(load: Load) -> Place | None:
    element = flat(load)
    if not load.tensor.is_static or not isinstance(element.rest, Literal):
        return None
    return Place(load.tensor, dict(element.terms), int(element.rest.value))


def plan_of(product: Product) -> Plan | None:
    """The kernel; None where the steps are none of a stack of matrices."""
    *stack, row, column = product.vars
    places = [product.x, product.w, product.y, *([product.residual] if product.residual else [])]
    outer, inner = _two([var for var in stack if var.extent != 1], places)
    if inner is None:
        return None
    depth = product.depth
    transposed = _step(product.w, depth) == 1 and _step(product.w, column) != 1
    unit = [(product.x, depth), (product.w, depth if transposed else column), (product.y, column)]
    if product.residual is not None:
        unit.append((product.residual, column))
    if any(_step(place, var) != 1 and var.extent != 1 for place, var in unit):
        return None
    rows = {"x": row, "w": column if transposed else depth, "y": row, "residual": row}

    def matrices(place: Place, name: str) -> Stack:
        return Stack(
            _step(place, rows[name]),
            sum(_step(place, var) for var in outer[:1]),
            sum(_step(place, var) for var in inner[:1]),
            place.start,
        )

    return plan_product(
        (_extent(outer), _extent(inner)),
        _extent([row]),
        _extent([depth]),
        _extent([column]),
        matrices(product.x, "x"),
        matrices(product.w, "w"),
        matrices(product.y, "y"),
        transposed=transposed,
        scale=product.scale,
        residual=None if product.residual is None else matrices(product.residual, "residual"),
        node=product.origin,
        schedules=product.schedules,
    )


def product_geometry(product: Product) -> Geometry:
    """What its schedule goes by."""
    *stack, row, column = product.vars
    return Geometry(
        "product", (1, _extent([row])), _extent([product.depth]), _extent([column]), groups=_extent(stack)
    )


def _step(place: Place, var: Var) -> int:
    return place.steps.get(var, 0)


def _extent(vars: Sequence[Var]) -> int:
    total = 1
    for var in vars:
        assert isinstance(var.extent, int)
        total *= var.extent
    return total


def _two(stack: Sequence[Var], places: Sequence[Place]) -> tuple[list[Var], list[Var] | None]:
    """The stack as two loops; the first variable of each gives its step, so of several the last must come
    first."""
    groups: list[list[Var]] = []
    for var in stack:
        if groups and all(_follows(place, groups[-1][0], var) for place in places):
            groups[-1].insert(0, var)
        else:
            groups.append([var])
    if len(groups) > 2:
        return [], None
    return (groups[0] if len(groups) == 2 else []), (groups[-1] if groups else [])


def _follows(place: Place, outer: Var, inner: Var) -> bool:
    """Both are one loop in this place."""
    assert isinstance(inner.extent, int)
    return _step(place, outer) == _step(place, inner) * inner.extent
