"""How a kernel goes about one layer: the choices, and which of them are open to a layer.

Nothing here changes what is computed but for rounding. Choices of code may differ between the instruction
sets of one library; what its one set of weights and its work items depend on may not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from tinsmith.compiler.backends.native.networks.kernels.pack import SLICE

ALGORITHMS = ("direct", "winograd")
ORDERS = ("slices", "blocks")

VECTOR_FLOATS = {"sse2": 4, "avx2": 8, "avx512": 16}
"""Instruction sets that schedules are made for, in the order of TS_BY_VECTOR in contract_vector.h."""
SUMS = {"sse2": 8, "avx2": 12, "avx512": 28}
"""Vectors that hold the sums of a tile: TS_SUMS of contract_tile.h."""
MOST_VECTORS = 4
"""TS_MOST_VECTORS of contract_tile.h."""
LEAST_ROWS = 2
"""Pixels of the lowest tile that is tried: lower ones load more than they multiply."""
SPLITS = (2, 4)
PASSES = (1, 2, 3, 4, 6, 8, 12)
"""Cuts of a sum that are tried."""


@dataclass(frozen=True)
class Schedule:
    """Choices of one layer; 0 and "" leave one to the cost model."""

    algorithm: str = ""
    """Of a 3x3 convolution: one of ALGORITHMS."""
    vectors: int = 0
    """In a row of a register tile."""
    rows: int = 0
    """Most pixels of a register tile."""
    order: str = ""
    """Of work items: "slices" keeps the weights of a slice in the cache, "blocks" the pixels of a block."""
    passes: int = 0
    """Over the pixels, each adding an equal part of the sum."""
    split: int = 0
    """Work items for each of the cost model's: smaller blocks of pixels."""

    @property
    def shared(self) -> Schedule:
        """What the weights and their layout depend on."""
        return Schedule(algorithm=self.algorithm, split=self.split)

    def record(self) -> dict[str, Any]:
        """The choices that are made."""
        return {name: value for name, value in asdict(self).items() if value}


DEFAULT = Schedule()

Schedules = tuple[Schedule, ...]
"""One, or one for each of VECTOR_FLOATS."""


def several(schedules: Sequence[Schedule]) -> Schedules:
    """For a library with code for each of VECTOR_FLOATS: what they must share is left to the cost model."""
    code = tuple(replace(schedule, algorithm="", split=0) for schedule in schedules)
    return code if len(set(code)) > 1 else code[:1]


def tile(schedules: Schedules, names: Sequence[str]) -> dict[str, int | bool | str]:
    """The fields `tile_...` of a kernel's struct for these choices."""
    return merged([{f"tile_{name}": getattr(schedule, name) for name in names} for schedule in schedules])


def merged(by_set: Sequence[Mapping[str, int | bool]]) -> dict[str, int | bool | str]:
    """Constants per schedule as constants of all: where they differ, C that chooses."""
    return {name: _merged([values[name] for values in by_set]) for name in by_set[0]}


def _merged(values: Sequence[int | bool]) -> int | bool | str:
    if len(set(values)) == 1:
        return values[0]
    return f"TS_BY_VECTOR({', '.join(str(value).lower() for value in values)})"


@dataclass(frozen=True)
class Geometry:
    """The sizes that the speed of a layer depends on. Its text is the layer's name in tables of schedules."""

    kind: str
    """"gemm", "conv", "depthwise" or "product"."""
    size: tuple[int, int]
    """Height and width of the output; of a product 1 and rows."""
    depth: int
    """Channels in, of a group."""
    columns: int
    """Channels out, of a group."""
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1
    """Of a product: in the stack."""
    images: int = 1
    winograd: bool = False
    """Both of ALGORITHMS can do it."""

    def __str__(self) -> str:
        height, width = self.size
        parts = [f"{self.kind} {self.depth}>{self.columns}"]
        if self.kind in ("gemm", "product"):
            parts.append(f"rows {width}")
        else:
            parts += [f"size {height}x{width}", f"kernel {_pair(self.kernel)}"]
        parts += [f"stride {_pair(self.strides)}"] if self.strides != (1, 1) else []
        parts += [f"dilation {_pair(self.dilations)}"] if self.dilations != (1, 1) else []
        parts += [f"groups {self.groups}"] if self.groups > 1 else []
        parts += [f"images {self.images}"] if self.images > 1 else []
        return ", ".join(parts)


def _pair(sizes: tuple[int, int]) -> str:
    return "x".join(map(str, sizes))


def options(geometry: Geometry, instruction_set: str) -> dict[str, tuple[Any, ...]]:
    """The values of every field of Schedule that a layer can have."""
    found: dict[str, tuple[Any, ...]] = {item.name: () for item in fields(Schedule)}
    floats, sums = VECTOR_FLOATS[instruction_set], SUMS[instruction_set]
    if geometry.kind == "depthwise":
        return found | {"rows": tuple(range(LEAST_ROWS, sums + 1))}
    vectors = tuple(n for n in range(1, MOST_VECTORS + 1) if SLICE % (n * floats) == 0)
    found |= {"vectors": vectors, "rows": tuple(range(LEAST_ROWS, min(14, sums) + 1))}
    if geometry.winograd:
        found["algorithm"] = ALGORITHMS
    if geometry.kind != "product":
        single = geometry.kernel == (1, 1)
        length = geometry.depth if single else geometry.kernel[0]
        found["passes"] = tuple(n for n in PASSES if length % n == 0)
        found["order"] = ORDERS if geometry.columns > SLICE else ()
        found["split"] = SPLITS
    return found


def usual_vectors(geometry: Geometry, instruction_set: str) -> int:
    """What ts_tile_vectors of contract_tile.h finds; 0 where more than the geometry decides."""
    if instruction_set == "avx512":
        return 0
    few = geometry.size[0] * geometry.size[1] <= 2
    return 4 if few or instruction_set == "sse2" else 2


def candidates(geometry: Geometry, instruction_set: str, current: Schedule = DEFAULT) -> list[Schedule]:
    """What is worth measuring: `current` with one choice made otherwise, the most promising first."""
    open_to = options(geometry, instruction_set)
    usual = usual_vectors(geometry, instruction_set)
    full = SUMS[instruction_set] // (current.vectors or usual or 2)
    lower = (6, 4, 7, 10) if geometry.kind == "depthwise" else (full - 1, full - 2)
    tried: list[tuple[str, Any]] = [
        *(("algorithm", algorithm) for algorithm in open_to["algorithm"]),
        *(("vectors", vectors) for vectors in reversed(open_to["vectors"])),
        *(("rows", rows) for rows in lower if rows in open_to["rows"]),
        *((name, value) for name in ("order", "passes", "split") for value in open_to[name][:4]),
    ]
    now = replace(current, vectors=current.vectors or usual)
    return [replace(current, **{name: value}) for name, value in tried if value != getattr(now, name)]


def problems(schedule: Schedule, geometry: Geometry, instruction_set: str) -> list[str]:
    """What of `schedule` the layer cannot have, in words."""
    open_to = options(geometry, instruction_set)
    return [
        f"{name} {value!r} is none of {', '.join(map(repr, open_to[name])) or 'its choices'}"
        for name, value in schedule.record().items()
        if value not in open_to[name]
    ]
