"""Which schedule every layer gets: from tables, by instruction set and geometry, else the cost model's.

A table is a TOML file: a section for each instruction set, in it the layers by their geometry's text, and of
each the choices that differ from the cost model's.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib.resources import files
from typing import Any

from tinsmith.compiler.backends.native import toolchain
from tinsmith.compiler.backends.native.networks.calls import layer_geometry
from tinsmith.compiler.backends.native.networks.integer_layers import IntegerLayer
from tinsmith.compiler.backends.native.networks.kernels.schedule import (
    DEFAULT,
    VECTOR_FLOATS,
    Geometry,
    Schedule,
    Schedules,
    problems,
    several,
)
from tinsmith.compiler.backends.native.networks.layers import Layer
from tinsmith.compiler.backends.native.networks.products import Product, product_geometry
from tinsmith.compiler.ir.loops import Loops, Stage
from tinsmith.errors import ClientError
from tinsmith.spec.targets import Target

FILE_NAME = "tinsmith-schedules.toml"
"""Beside the customer's model or in an artifact: what a search found for its layers."""
AREA = "InputConfiguration"

_MARKS = {"avx512": ("__AVX512F__",), "avx2": ("__AVX2__", "__FMA__"), "sse2": ("__SSE2__",)}
"""Clang's macros for each instruction set, strongest first."""
_FIELDS = {item.name: type(item.default) for item in fields(Schedule)}

Table = Mapping[str, Mapping[str, Schedule]]
"""Instruction set -> text of a Geometry -> schedule."""


@dataclass(frozen=True)
class Book:
    """Tables; the first that knows a layer decides."""

    tables: tuple[Table, ...] = ()

    def schedules(self, geometry: Geometry, instruction_sets: Sequence[str]) -> Schedules:
        """For code of `instruction_sets`: one, or all of VECTOR_FLOATS; none of them known: the default."""
        found = [self._find(geometry, name) for name in instruction_sets]
        if len(found) > 1:
            return several(found)
        return tuple(found) or (DEFAULT,)

    def _find(self, geometry: Geometry, instruction_set: str) -> Schedule:
        name = str(geometry)
        for table in self.tables:
            entries = table.get(instruction_set, {})
            if name in entries:
                return entries[name]
        return DEFAULT


@cache
def shipped() -> Book:
    """The tables of `tuning/`, measured on the networks of the benchmark."""
    paths = [files(__package__) / "tuning" / f"{name}.toml" for name in VECTOR_FLOATS]
    tables = [read_table(path.read_text("utf-8"), path.name) for path in paths if path.is_file()]
    return Book(tuple(tables))


def read_table(text: str, name: str) -> Table:
    """The table in a TOML file called `name`. Raises ClientError with everything that is none."""
    try:
        sections = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ClientError(AREA, f"{name}: {error}") from None
    found: list[str] = []
    table = {key: _entries(key, section, found) for key, section in sections.items()}
    if found:
        raise ClientError(AREA, [f"{name}: {problem}" for problem in found])
    return table


def _entries(instruction_set: str, section: Any, found: list[str]) -> dict[str, Schedule]:
    if instruction_set not in VECTOR_FLOATS or not isinstance(section, dict):
        found.append(f"expected a section of {', '.join(VECTOR_FLOATS)}, found {instruction_set!r}")
        return {}
    entries = {}
    for key, record in section.items():
        wrong = _wrong(record)
        found += [f"[{instruction_set}] {key!r}: {problem}" for problem in wrong]
        if not wrong:
            entries[key] = Schedule(**{name: value for name, value in record.items() if name in _FIELDS})
    return entries


def _wrong(record: Any) -> list[str]:
    if not isinstance(record, dict):
        return [f"expected choices {{name = value}}, found {record!r}"]
    known = {**_FIELDS, "gain": float}
    problems = [f"{name!r} is no choice; they are {', '.join(_FIELDS)}" for name in record.keys() - known]
    problems += [
        f"{name} takes {'a text' if known[name] is str else 'a number'}, found {value!r}"
        for name, value in record.items()
        if name in known and type(value) is not known[name]
    ]
    return problems


def gains(text: str) -> dict[str, dict[str, float]]:
    """What the entries of a table say that they gain."""
    sections = tomllib.loads(text)
    return {
        name: {key: record["gain"] for key, record in section.items() if "gain" in record}
        for name, section in sections.items()
    }


def write_table(table: Table, gains: Mapping[str, Mapping[str, float]], head: Sequence[str]) -> str:
    """TOML of a table; `gains`: the share of its time that each entry saves; `head`: lines of a comment."""
    lines = [f"# {line}".rstrip() for line in head]
    for name in sorted(table):
        lines += ["", f"[{name}]"]
        for key, schedule in sorted(table[name].items()):
            record: dict[str, Any] = schedule.record()
            if key in gains.get(name, {}):
                record["gain"] = round(gains[name][key], 3)
            values = [
                f'{choice} = "{v}"' if isinstance(v, str) else f"{choice} = {v}"
                for choice, v in record.items()
            ]
            lines.append(f'"{key}" = {{ {", ".join(values)} }}')
    return "\n".join(lines) + "\n"


def instruction_sets(target: Target) -> tuple[str, ...]:
    """What schedules are looked up by: one of VECTOR_FLOATS, all of them for a library with code for several
    processors, none for processors without tables."""
    if target.arch != "x86_64":
        return ()
    if target.variants:
        return tuple(VECTOR_FLOATS)
    macros = toolchain.macros(target.arch, target.cpu, target.features)
    name = next((name for name, marks in _MARKS.items() if macros.issuperset(marks)), "")
    return (name,) if name and (name != "sse2" or "__AVX__" not in macros) else ()


@dataclass
class Choices:
    """Chooses, and remembers for which layers."""

    book: Book
    instruction_sets: tuple[str, ...]
    chosen: dict[str, Schedules] = field(default_factory=dict)
    """By geometry, where it is not the default."""

    def choose(self, loops: Loops) -> Loops:
        """`loops` with a schedule for every layer and product outside loops.

        Raises ClientError where a table asks for what a layer cannot have.
        """
        found: list[str] = []
        stages = tuple(self._with_schedule(stage, found) for stage in loops.stages)
        if found:
            raise ClientError(AREA, sorted(set(found)))
        return replace(loops, stages=stages)

    def _with_schedule(self, stage: Stage, found: list[str]) -> Stage:
        geometry = geometry_of(stage)
        if geometry is None:
            return stage
        schedules = self.book.schedules(geometry, self.instruction_sets)
        if schedules == (DEFAULT,):
            return stage
        assert isinstance(stage, Layer | Product)
        for name, schedule in zip(self.instruction_sets, itertools.cycle(schedules), strict=False):
            found += [f"[{name}] {geometry}: {problem}" for problem in problems(schedule, geometry, name)]
        self.chosen[str(geometry)] = schedules
        return replace(stage, schedules=schedules)


def geometry_of(stage: Stage) -> Geometry | None:
    """Of a stage that has a schedule."""
    if isinstance(stage, Product):
        return product_geometry(stage)
    if isinstance(stage, Layer) and not isinstance(stage, IntegerLayer):
        return layer_geometry(stage)
    return None
