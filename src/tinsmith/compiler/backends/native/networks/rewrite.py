"""Stages with other tensors or expressions in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from tinsmith.compiler.ir.loops import Stage
from tinsmith.compiler.ir.scalars import Expr, Load, Tensor, rebuild

Change = Callable[[Expr], Expr | None]


def rewritten(stage: Stage, change: Change, tensors: Mapping[Tensor, Tensor]) -> Stage:
    """`stage`, and the stages inside it, with every part of an expression that `change` gives something for
    replaced, and the tensors that it names replaced."""
    memo: dict[int, Expr] = {}

    def changed(value: Any) -> Any:
        if isinstance(value, Tensor):
            return tensors.get(value, value)
        if isinstance(value, Expr):
            return rebuild(value, change, memo)
        if isinstance(value, Stage):
            return rewritten(value, change, tensors)
        return _all_changed(value, changed) if isinstance(value, tuple) else value

    old = {item.name: getattr(stage, item.name) for item in fields(stage)}
    new = {name: changed(value) for name, value in old.items()}
    different = {name: value for name, value in new.items() if value is not old[name]}
    return replace(stage, **different) if different else stage


def _all_changed(values: tuple[Any, ...], changed: Callable[[Any], Any]) -> tuple[Any, ...]:
    new = tuple(map(changed, values))
    return new if any(a is not b for a, b in zip(new, values, strict=True)) else values


def retarget(stage: Stage, tensors: Mapping[Tensor, Tensor]) -> Stage:
    """`stage` with other tensors in the place of some."""
    memo: dict[int, Expr] = {}

    def change(part: Expr) -> Expr | None:
        if isinstance(part, Load) and part.tensor in tensors:
            index = tuple(rebuild(expr, change, memo) for expr in part.index)
            return replace(part, tensor=tensors[part.tensor], index=index)
        return None

    return rewritten(stage, change, tensors)
