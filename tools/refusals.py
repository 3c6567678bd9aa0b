"""What the rules of operators refuse, read from their source."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from tinsmith.compiler import operators

_UNKNOWN = "…"


def refusals(rule: Callable[..., Any] | None) -> list[str]:
    """The texts of all errors that `rule` and the functions it calls may raise, "…" for what they fill in."""
    return list(dict.fromkeys(_refusals(rule, set())))


def always_refuses(rule: Callable[..., Any]) -> bool:
    """The rule is there for the sake of its error."""
    return bool(rule.__annotations__.get("return") == "NoReturn")


def _refusals(function: Any, seen: set[FunctionType]) -> Iterator[str]:
    if not isinstance(function, FunctionType) or function in seen:
        return
    seen.add(function)
    if not function.__module__.startswith(operators.__name__):
        return
    names = _names(function)
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Call):
            yield from _texts(node, names)
        if isinstance(node, ast.Name):
            yield from _refusals(names.get(node.id), seen)


def _names(function: FunctionType) -> dict[str, Any]:
    variables = inspect.getclosurevars(function)
    return {**variables.globals, **variables.nonlocals}


def _texts(call: ast.Call, names: dict[str, Any]) -> Iterator[str]:
    match call.func:
        case ast.Attribute(attr="refuse") | ast.Name(id="Unsupported"):
            yield _text(call.args[0], names)
        case ast.Attribute(attr="known_ints"):
            yield f"{_text(call.args[1], names)} is not a constant"


def _text(node: ast.expr, names: dict[str, Any]) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, names) for part in parts)
        case ast.FormattedValue(value=value):
            return _text(value, names)
        case ast.BinOp(left=left, right=right):
            return _text(left, names) + _text(right, names)
        case ast.Name(id=name) if isinstance(names.get(name), str):
            return str(names[name])
        case _:
            return _UNKNOWN
