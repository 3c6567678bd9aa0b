"""A module that is called as the artifact will be: one tensor per input, one per output, both in order.

TorchScript modules take and give numbers, tuples, lists and dictionaries; what wraps them is generated
TorchScript, so that the graph of a call has tensors at its borders only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from .failures import Refused, failed_call

MAX_OUTPUTS = 1000


@dataclass(frozen=True)
class Input:
    """One tensor that the network takes."""

    name: str
    dtype: str
    """torch's word: "float32", "int64"."""
    shape: tuple[int, ...]

    def example(self, seed: int) -> torch.Tensor:
        """Normal numbers; zeros where they may be indices; all true."""
        kind = getattr(torch, self.dtype)
        if kind == torch.bool:
            return torch.ones(self.shape, dtype=kind)
        if not kind.is_floating_point:
            return torch.zeros(self.shape, dtype=kind)
        return torch.randn(self.shape, generator=torch.Generator().manual_seed(seed)).to(kind)


@dataclass
class Arguments:
    """How the arguments of `forward` are made of the inputs i0, i1, ..."""

    names: tuple[str | None, ...]
    """Those that the customer gave, per input."""
    count: int
    expressions: list[str] = field(default_factory=list)
    suggested: list[str] = field(default_factory=list)
    """A name per input, of the argument that it belongs to."""
    dtypes: list[str | None] = field(default_factory=list)
    """What the argument's type demands, per input."""

    def take(self, name: str, kind: torch._C.Type, reserved: int) -> str:
        """The expression of an argument of type `kind`; `reserved` inputs belong to those that follow."""
        what = kind.kind()
        if what == "OptionalType":
            return self.take(name, kind.getElementType(), reserved)
        if what == "TensorType":
            return self._next(name, None)
        if what in _NUMBERS:
            convert, dtype = _NUMBERS[what]
            return f"{convert}({self._next(name, dtype)})"
        if what == "TupleType":
            kinds = kind.elements()
            parts = [
                self.take(f"{name}.{index}", part, reserved + needed(kinds[index + 1 :]))
                for index, part in enumerate(kinds)
            ]
            return f"({', '.join(parts)},)"
        if what == "ListType":
            element = kind.getElementType()
            return f"[{', '.join(self._all(name, element, reserved))}]"
        if what == "DictType" and str(kind).startswith("Dict(str"):
            element = kind.getValueType()
            first = len(self.suggested)
            values = self._all(name, element, reserved)
            keys = [self.names[first + index] or f"input{first + index}" for index in range(len(values))]
            return "{" + ", ".join(f"{key!r}: {value}" for key, value in zip(keys, values, strict=True)) + "}"
        raise Refused("InputConfiguration", f"the argument {name} of forward is a {kind}, expected tensors")

    @property
    def left(self) -> int:
        """Inputs that no argument has taken."""
        return self.count - len(self.suggested)

    def _all(self, name: str, kind: torch._C.Type, reserved: int) -> list[str]:
        parts: list[str] = []
        while self.left > reserved:
            parts.append(self.take(f"{name}.{len(parts)}", kind, reserved))
        return parts

    def _next(self, name: str, dtype: str | None) -> str:
        self.suggested.append(name)
        self.dtypes.append(dtype)
        return f"i{len(self.suggested) - 1}"


_NUMBERS = {"IntType": ("int", "int64"), "FloatType": ("float", "float32"), "BoolType": ("bool", "bool")}


def needed(kinds: list[torch._C.Type]) -> int:
    """How many inputs arguments of these types take at least."""
    count = 0
    for kind in kinds:
        if kind.kind() == "TupleType":
            count += needed(kind.elements())
        elif kind.kind() not in ("ListType", "DictType"):
            count += 1
    return count


def arguments_of(module: torch.jit.ScriptModule, names: tuple[str | None, ...]) -> Arguments:
    """How `forward` takes inputs with these names. Raises Refused where their number is wrong."""
    schema = module.forward.schema
    formal = list(schema.arguments)[1:]
    required = [one for one in formal if not one.has_default_value()]
    found = Arguments(names, len(names))
    for index, one in enumerate(formal):
        later = [other.type for other in formal[index + 1 :] if not other.has_default_value()]
        if one.has_default_value() and found.left <= needed(later):
            continue
        found.expressions.append(f"{one.name}={found.take(one.name, one.type, needed(later))}")
    if len(found.suggested) != len(names):
        said = ", ".join(f"{one.name}: {one.type}" for one in formal)
        least = needed([one.type for one in required])
        raise Refused(
            "InputConfiguration",
            f"DataInputConfig has {len(names)} inputs, expected {_at_least(least, len(found.suggested))} in "
            f"the order of forward({said})",
        )
    return found


def _at_least(least: int, most: int) -> str:
    return str(most) if least >= most else f"{least} to {most}"


class Holder(torch.nn.Module):  # type: ignore[misc]
    """Makes the customer's module a submodule, `model`, of one with a forward of ours."""

    def __init__(self, model: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.model = model


def probe(module: torch.jit.ScriptModule, inputs: list[Input], arguments: Arguments) -> Any:
    """What a call gives. Raises Refused with PyTorch's reason, and the layer, where it fails."""
    calling = _holding(module, arguments, "r")
    return attempt(lambda: calling(*examples(inputs)), inputs)


def examples(inputs: list[Input]) -> list[torch.Tensor]:
    """One tensor per input, the same ones at every call."""
    return [one.example(number) for number, one in enumerate(inputs)]


def attempt(call: Callable[[], Any], inputs: list[Input]) -> Any:
    """What `call` gives. Raises Refused where PyTorch does not compute the model on `inputs`."""
    try:
        return call()
    except (RuntimeError, IndexError, ValueError, TypeError, AssertionError, torch.jit.Error) as error:
        shapes = ", ".join(f"{one.name} {one.dtype} {list(one.shape)}" for one in inputs)
        reason = failed_call(error)
        hint = _hint(reason, inputs)
        raise Refused(
            "InputConfiguration",
            f"Invalid PyTorch model or input-shape mismatch: with the inputs {shapes}, {reason}{hint}. Make "
            "sure that the inputs are in the order of forward and of the correct dimensionality",
        ) from error


def _hint(reason: str, inputs: list[Input]) -> str:
    if "scalar type" in reason.lower() or "indices" in reason or "dtype" in reason.lower():
        given = ", ".join(f"{one.name}: {one.dtype}" for one in inputs)
        return f' (the inputs are {given}; CompilerOptions such as {{"dtype": "int64"}} change that)'
    return ""


def wrapped(
    module: torch.jit.ScriptModule, inputs: list[Input], arguments: Arguments, result: Any
) -> tuple[torch.jit.ScriptModule, list[str]]:
    """`module` with one tensor per input and output, and the names of the outputs."""
    returned = list(module.forward.schema.returns)
    kind = returned[0].type if returned else None
    leaves = list(_leaves(result, kind, "r", ()))
    if not leaves:
        raise Refused("InputConfiguration", "forward gives no tensor")
    if len(leaves) > MAX_OUTPUTS:
        raise Refused(
            "InputConfiguration", f"forward gives {len(leaves)} tensors, expected at most {MAX_OUTPUTS}"
        )
    expressions = [expression for expression, _ in leaves]
    given = f"({', '.join(expressions)},)" if len(leaves) > 1 else expressions[0]
    return _holding(module, arguments, given), output_names([path for _, path in leaves], inputs)


def output_names(paths: list[tuple[str | int, ...]], inputs: list[Input]) -> list[str]:
    """Keys of dictionaries name outputs, unless inputs have that name; those of tuples have numbers."""
    taken = {one.name for one in inputs}
    names: list[str] = []
    for number, path in enumerate(paths):
        name = ".".join(map(str, path))
        if not name or name in taken or all(isinstance(part, int) for part in path):
            name = f"output{number}"
        while name in taken:
            name = f"{name}_"
        taken.add(name)
        names.append(name)
    return names


def _holding(module: torch.jit.ScriptModule, arguments: Arguments, given: str) -> torch.jit.ScriptModule:
    class_of_its_own = type("Holder", (Holder,), {})  # one class has one forward, whatever it holds
    holder = torch.jit.script(class_of_its_own(module))
    taken = "".join(f", i{number}" for number in range(arguments.count))
    called = f"self.model({', '.join(arguments.expressions)})"
    holder.define(f"def forward(self{taken}):\n    r = {called}\n    return {given}\n")
    return holder.eval()


def _leaves(
    value: Any, kind: torch._C.Type | None, expression: str, path: tuple[str | int, ...]
) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """The tensors in `value`, the result of a call, as expressions and paths; None is left out."""
    if value is None:
        return
    if kind is not None and kind.kind() == "OptionalType":
        kind, expression = kind.getElementType(), f"torch.jit._unwrap_optional({expression})"
    if isinstance(value, torch.Tensor):
        yield expression, path
    elif isinstance(value, bool | int | float):
        yield f"torch.tensor({expression})", path
    elif isinstance(value, tuple | list):
        kinds = kind.elements() if kind is not None and kind.kind() == "TupleType" else None
        inner = kind.getElementType() if kind is not None and kind.kind() == "ListType" else None
        for index, item in enumerate(value):
            yield from _leaves(
                item, kinds[index] if kinds else inner, f"{expression}[{index}]", (*path, index)
            )
    elif isinstance(value, dict):
        inner = kind.getValueType() if kind is not None and kind.kind() == "DictType" else None
        for key, item in value.items():
            yield from _leaves(item, inner, f"{expression}[{key!r}]", (*path, str(key)))
    else:
        raise Refused(
            "InputConfiguration",
            f"forward gives a {type(value).__name__}, expected tensors only: leave it out",
        )


def flatten(value: Any) -> list[torch.Tensor]:
    """The tensors that `value`, the result of a call in Python, holds, in order."""
    if value is None:
        return []
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value
    return [tensor for item in items for tensor in flatten(item)]
