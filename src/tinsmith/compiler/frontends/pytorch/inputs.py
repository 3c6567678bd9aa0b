"""DataInputConfig and the option dtype: what is known of the inputs before PyTorch has seen the model.

Names are free: the order decides which argument of forward an input is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinsmith.compiler.frontends.pytorch.traced import TracedInput
from tinsmith.compiler.shaping.inputs import listed, parse_for
from tinsmith.errors import ClientError
from tinsmith.spec.data_input import AREA, InputConfig, parse

Dtypes = tuple[str, ...] | Mapping[str, str]


@dataclass(frozen=True)
class Wanted:
    """One input; None is left to PyTorch."""

    name: str | None
    dtype: str | None
    shape: tuple[int, ...]


def wanted_inputs(
    text: str | None, dtypes: Dtypes, traced: Sequence[TracedInput] | None
) -> tuple[Wanted, ...] | None:
    """The inputs in order; None where neither DataInputConfig nor the file tells them.

    Raises ClientError with everything that contradicts.
    """
    if text is None or not text.strip():
        if traced is None:
            if dtypes:
                _one_each(dtypes, None)
            return None
        named: list[tuple[str | None, tuple[int, ...]]] = [(None, item.shape) for item in traced]
    else:
        named = _shapes(parse_for(text, traced) if traced else parse(text), traced)
    names = [name for name, _ in named]
    given = _one_each(dtypes, names)
    if traced is not None and len(traced) == len(named):
        given = [dtype or item.dtype for dtype, item in zip(given, traced, strict=True)]
    return tuple(Wanted(name, dtype, shape) for (name, shape), dtype in zip(named, given, strict=True))


def order_warning(inputs: Sequence[Wanted] | None) -> tuple[str, ...]:
    """What the customer should know where old habits would order the inputs otherwise."""
    names = [item.name for item in inputs or () if item.name is not None]
    if names == sorted(names):
        return ()
    return (
        f"the inputs belong to the arguments of forward in the order of DataInputConfig, {', '.join(names)}; "
        "the lexical order of their names is another, which older versions of the service went by",
    )


def traced_with(traced: Sequence[TracedInput] | None) -> str:
    """What is known of the inputs, for the end of a sentence."""
    return f"; the model was traced with {listed(traced)}" if traced else ""


def _shapes(
    configs: Sequence[InputConfig], traced: Sequence[TracedInput] | None
) -> list[tuple[str | None, tuple[int, ...]]]:
    found = []
    problems = []
    for number, config in enumerate(configs):
        name = config.name if config.name is not None else str(number)
        if config.type != "Tensor":
            problems.append(
                f"DataInputConfig: the input {name!r} is given the type {config.type}, which only Core ML "
                f"has{traced_with(traced)}"
            )
        elif config.static_shape is None:
            problems.append(
                f"DataInputConfig: the input {name!r} has a size that is open, expected one shape of whole "
                f"numbers: a network is compiled for fixed sizes, the batch included{traced_with(traced)}"
            )
        else:
            found.append((config.name, config.static_shape))
    if problems:
        raise ClientError(AREA, problems)
    return found


def _one_each(dtypes: Dtypes, names: Sequence[str | None] | None) -> list[str | None]:
    """A dtype per name; where the names are not known, only whether dtypes need none."""
    if isinstance(dtypes, Mapping):
        unknown = [name for name in dtypes if name not in (names or ())]
        if unknown:
            known = ", ".join(repr(name) for name in names or () if name is not None) or "none"
            raise ClientError(
                "CompilerOptions",
                f"dtype names {', '.join(map(repr, unknown))}; "
                f"the inputs that DataInputConfig names are {known}",
            )
        return [dtypes.get(name) if name is not None else None for name in names or ()]
    count = len(names or ())
    if len(dtypes) > 1 and len(dtypes) != count:
        raise ClientError(
            "CompilerOptions",
            f"dtype has {len(dtypes)} element types, expected one, or one for each of the {count} inputs",
        )
    return [dtypes[0]] * count if len(dtypes) == 1 else list(dtypes) or [None] * count
