"""A network becomes a C program: its constants in one binary file, one C function per stage, and our C
files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinsmith.compiler.backends.native.networks import memory
from tinsmith.compiler.backends.native.networks.calls import plan_layer
from tinsmith.compiler.backends.native.networks.chains import join_chains
from tinsmith.compiler.backends.native.networks.choices import (
    Book,
    Choices,
    geometry_of,
    instruction_sets,
    shipped,
)
from tinsmith.compiler.backends.native.networks.dump import look
from tinsmith.compiler.backends.native.networks.expression import STORAGE
from tinsmith.compiler.backends.native.networks.externs import (
    call_extern,
    copy,
    headers,
    measure,
    put,
    require,
)
from tinsmith.compiler.backends.native.networks.fuse import fuse
from tinsmith.compiler.backends.native.networks.integer_calls import plan_integer_layer
from tinsmith.compiler.backends.native.networks.integer_layers import IntegerLayer, find_integer_layers
from tinsmith.compiler.backends.native.networks.interface import network_interface
from tinsmith.compiler.backends.native.networks.kernels.plan import Plan
from tinsmith.compiler.backends.native.networks.kernels.schedule import Geometry
from tinsmith.compiler.backends.native.networks.layers import Layer, find_layers
from tinsmith.compiler.backends.native.networks.layouts import assign_layouts, rim
from tinsmith.compiler.backends.native.networks.literals import put_literals
from tinsmith.compiler.backends.native.networks.nests import Names, assign, body
from tinsmith.compiler.backends.native.networks.outputs import separate_outputs
from tinsmith.compiler.backends.native.networks.parallel import Share, call, kernel_call, part, share
from tinsmith.compiler.backends.native.networks.products import Product, find_products, plan_of
from tinsmith.compiler.backends.native.networks.recurrences import Recurrence, Slice, find_recurrences
from tinsmith.compiler.backends.native.networks.rounds import recurrence
from tinsmith.compiler.backends.native.networks.volumes import flatten_volumes
from tinsmith.compiler.backends.native.networks.work import flops
from tinsmith.compiler.backends.native.program import VARIANT_NAMES, Program, Unit
from tinsmith.compiler.backends.native.tables import Tables
from tinsmith.compiler.ir.loops import (
    Copy,
    Extern,
    Loops,
    Measure,
    Put,
    Repeat,
    Require,
    Stage,
    View,
    expressions,
    reads,
    sizes_set,
    sizes_used,
    writes,
)
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.ir.scalars import Expr, Load, Size, Tensor, walk
from tinsmith.compiler.operators.lower import lower
from tinsmith.spec.targets import Target
from tinsmith_runtime import manifest

PASSES: tuple[Callable[[Loops], Loops], ...] = (
    separate_outputs,
    put_literals,
    find_integer_layers,
    join_chains,
    find_layers,
    flatten_volumes,
    find_products,
    assign_layouts,
    fuse,
    find_recurrences,
)
"""What happens to the loop nests of a network before they become C, in order."""

EXPORTS = (
    *("tinsmith_abi_version", "tinsmith_describe", "tinsmith_inputs", "tinsmith_outputs"),
    *("tinsmith_run", "tinsmith_set_threads", "tinsmith_tvm_run"),
)
CYCLES = "tinsmith_cycles"
"""uint64_t per timed layer: of all runs."""
COMMON_SOURCES = ("network_entry.c", "network_model.c", "tvm_abi.c")
C_FOLDER = Path(__file__).parent / "c"


def emit(
    network: Network, target: Target, directory: Path, book: Book | None = None, timed: bool = False
) -> Program:
    """Writes the C program of `network` for `target` into `directory`, which must exist.

    `book`: schedules of layers; None: those that are shipped. `timed`: the library of one processor counts
    the cycles of its layers, in an array `tinsmith_cycles`, for whoever looks for better schedules.

    Raises ClientError that names every node that is not compiled.
    """
    loops = lower(network)
    choices = Choices(shipped() if book is None else book, instruction_sets(target))
    look("lower", loops, loops)
    for change in PASSES:
        if change is assign_layouts:  # which depends on the algorithms
            loops = choices.choose(loops)
        before, loops = loops, change(loops)
        look(change.__name__, before, loops)
    elsewhere = {*loops.inputs, *loops.outputs}
    plan = memory.plan(loops, elsewhere)
    tables = Tables()
    writer = StageWriter(loops, plan, tables, timed)
    functions = writer.functions()
    sizes = writer.sizes
    facts = {
        "body": "network",
        "stages": len(loops.stages),
        "flops": flops(loops),
        "arena_bytes": plan.size,
        "tensor_bytes": plan.unshared,
        "scheduled": len(choices.chosen),
    }
    scratch = max((kernel.scratch_bytes for kernel in writer.kernels.values()), default=0)
    tables.define("SCRATCH_BYTES", -(-scratch // 64) * 64, "Memory of a kernel, for every thread.")
    _define(loops, target, plan, sizes, tables)
    inputs = [manifest.Tensor(spec.name, spec.dtype, spec.shape) for spec in network.inputs]
    outputs = _outputs(network, loops)
    description = json.dumps(_description(network, inputs, outputs, facts), sort_keys=True)
    tables.add("DESCRIPTION", np.frombuffer(description.encode() + b"\0", np.uint8), "JSON text")
    tables.write(directory / "model.bin")
    (directory / "model.h").write_text(_header(network, tables))
    (directory / "network_interface.h").write_text(network_interface(inputs, outputs, loops, sizes))
    (directory / "network.c").write_text(_source(functions, writer))
    for path in [*sorted(C_FOLDER.glob("*.h")), *(C_FOLDER / name for name in COMMON_SOURCES)]:
        (directory / path.name).write_bytes(path.read_bytes())
    exports = (*EXPORTS, CYCLES) if timed else EXPORTS
    return Program(directory, _units(target), exports, facts, outputs, writer.timed_layers)


@dataclass
class StageWriter:
    """Writes the functions of the stages, and the constants they read."""

    loops: Loops
    plan: memory.MemoryPlan
    tables: Tables
    timed: bool = False
    calls: list[str] = field(default_factory=list)
    """Statements of the function that runs everything."""
    sizes: dict[Size, int] = field(default_factory=dict)
    """Number of each run-time size."""
    kernels: dict[str, Plan] = field(default_factory=dict)
    """The kernels that are called, by name."""
    timed_layers: dict[Geometry, set[str]] = field(default_factory=dict)
    """The layers whose cycles are counted, and their kernels."""
    _constants: dict[Tensor, str] = field(default_factory=dict)
    _count: int = 0
    _repeats: int = 0

    def __post_init__(self) -> None:
        self._shown = memory.roots(self.loops.stages)
        for stage in self.loops.stages:
            for size in sizes_used(stage):
                self.sizes.setdefault(size, len(self.sizes))

    def functions(self) -> list[str]:
        """The definitions, and `calls` filled."""
        found: list[str] = []
        self.calls += self._block(self.loops.stages, {}, found)
        return found

    def _block(self, stages: Sequence[Stage], outer: dict[Expr, str], found: list[str]) -> list[str]:
        lines: list[str] = []
        for stage in stages:
            if isinstance(stage, View):
                continue
            if isinstance(stage, Recurrence):
                lines += self._recurrence(stage, found)
                continue
            if isinstance(stage, Repeat):
                lines += self._repeat(stage, outer, found)
                continue
            name = f"stage_{self._count}"
            self._count += 1
            used = self._outer_of(stage, outer)
            tensors = list(dict.fromkeys([*writes(stage), *reads(stage)]))
            shared = share(stage)
            # 146 of them in the one function that calls them cost clang a third more.
            apart = "[[gnu::noinline]] " if shared is None and not outer else ""
            found.append(self._function(apart, name, stage, used, tensors, shared))
            arguments = ["run", *used.values(), *map(self._pointer, tensors)]
            if shared is None:
                lines.append(f"{name}({', '.join(arguments)});")
            else:
                found.append(part(name, used.values(), arguments))
                lines.append(call(name, used.values(), shared))
        return lines

    def _outer_of(self, stage: Stage, outer: dict[Expr, str]) -> dict[Expr, str]:
        parts = set(walk(expressions(stage)))
        return {var: name for var, name in outer.items() if var in parts}

    def _repeat(self, stage: Repeat, outer: dict[Expr, str], found: list[str]) -> list[str]:
        self._repeats += 1
        name = f"round_{self._repeats}"
        inner = self._block(stage.body, {**outer, stage.var: name}, found)
        extent = stage.var.extent
        most = str(extent) if isinstance(extent, int) else self._size(extent)
        test = f"{name} < {most}"
        if stage.condition is not None:
            test += f" && *{self._pointer(stage.condition)}"
        after = [] if stage.rounds is None else [f"{self._size(stage.rounds)} = {name};"]
        return [
            f"ts_index {name} = 0;",
            f"for (; {test}; {name}++) {{",
            *("\t" + line for line in inner),
            "}",
            *after,
        ]

    def _recurrence(self, stage: Recurrence, found: list[str]) -> list[str]:
        self._repeats += 1

        def part(inner: Stage, outer: dict[Expr, str]) -> list[str]:
            return self._block([inner], outer, found)

        definition, call = recurrence(stage, self._repeats, part, self._items)
        found.append(definition)
        return [call]

    def _items(self, stage: Layer, first: str, last: str) -> str:
        """The call of a kernel for some of its work items, which needs no scratch memory."""
        plan = plan_layer(stage)
        self.kernels.setdefault(plan.function, plan)
        w, bias = (self._numbers(array, stage.origin) for array in (plan.weights, plan.bias))
        residual = "NULL" if stage.residual is None else self._pointer(stage.residual)
        operands = [self._pointer(stage.x), w, bias, residual, self._pointer(stage.out), "NULL"]
        return f"{plan.function}({', '.join([*operands, first, last])});"

    def _size(self, size: Size) -> str:
        return f"run->sizes[{self.sizes[size]}]"

    def _function(
        self,
        apart: str,
        name: str,
        stage: Stage,
        outer: dict[Expr, str],
        tensors: Sequence[Tensor],
        shared: Share | None,
    ) -> str:
        """Its tensors are parameters: Clang heeds `restrict` nowhere else, and vectors need it."""
        names = {tensor: f"p{number}" for number, tensor in enumerate(tensors)}
        parameters = ["const struct ts_run *run", *(f"ts_index {var}" for var in outer.values())]
        for tensor in tensors:
            qualifier = "" if tensor in writes(stage) else "const "
            parameters.append(f"{qualifier}{STORAGE[tensor.dtype]} *restrict {names[tensor]}")
        if shared is not None:
            parameters += ["size_t begin", "size_t end"]
        lines: list[str] = []
        known: dict[Expr, str] = dict(outer)
        made = sizes_set(stage)
        for size in sizes_used(stage):
            known[size] = self._size(size) if size in made else f"size_{self.sizes[size]}"
        rims = self._rims(stage, names)
        rims = rims if shared is None or not rims else shared.once(rims)
        statements = [*rims, *self._body(stage, Names(names, known, shared))]
        lines += self._known_sizes(statements, [size for size in sizes_used(stage) if size not in made])
        lines += statements
        text = "\n".join("\t" + line if not line.startswith("#") else line for line in _pragmas_first(lines))
        origin = stage.origin.replace("*/", "* /").replace("/*", "/ *").replace("\n", " ")
        listed = ", ".join(f"[[maybe_unused]] {parameter}" for parameter in parameters)
        return f"/* {origin} */\n{apart}static void {name}({listed})\n{{\n{text}\n}}\n"

    def _known_sizes(self, statements: Sequence[str], sizes: Sequence[Size]) -> list[str]:
        """Constants for the sizes that the statements use: the compiler cannot know that stores leave them
        alone."""
        used = set(re.findall(r"\bsize_\d+\b", "\n".join(statements)))
        named = {f"size_{self.sizes[size]}": size for size in sizes}
        return [f"const ts_index {name} = {self._size(named[name])};" for name in named if name in used]

    def _body(self, stage: Stage, names: Names) -> list[str]:
        match stage:
            case Copy():
                return [copy(stage, names)]
            case Put():
                return put(stage, names)
            case Slice():
                return assign(Load(stage.out, stage.index), stage.vars, stage.value, names)
            case Measure():
                return measure(stage, names)
            case Require():
                return require(stage, names)
            case Extern():
                return call_extern(stage, names, sizes_set(stage))
            case Layer():
                return self._layer(stage, names)
            case Product():
                return self._product(stage, names)
            case _:
                return body(stage, names)

    def _rims(self, stage: Stage, names: Mapping[Tensor, str]) -> list[str]:
        """Zeros around what the stage writes."""
        edges = [(tensor, edge) for tensor in writes(stage) if (edge := rim(tensor)) is not None]
        return [
            f"ts_clear_rim({names[tensor]}, {', '.join(map(str, astuple(edge)))});" for tensor, edge in edges
        ]

    def _layer(self, stage: Layer, names: Names) -> list[str]:
        plan = plan_integer_layer(stage) if isinstance(stage, IntegerLayer) else plan_layer(stage)
        self.kernels.setdefault(plan.function, plan)
        w, bias = (self._numbers(array, stage.origin) for array in (plan.weights, plan.bias))
        residual = "NULL" if stage.residual is None else names.tensors[stage.residual]
        x, out = f"(const void *){names.tensors[stage.x]}", f"(void *){names.tensors[stage.out]}"
        return self._timed(stage, plan, kernel_call(plan, stage, x, w, bias, residual, out))

    def _product(self, stage: Product, names: Names) -> list[str]:
        plan = plan_of(stage)
        assert plan is not None
        self.kernels.setdefault(plan.function, plan)
        residual = "NULL" if stage.residual is None else names.tensors[stage.residual.tensor]
        x, w = names.tensors[stage.x.tensor], names.tensors[stage.w.tensor]
        call = kernel_call(plan, stage, x, w, "NULL", residual, names.tensors[stage.out])
        return self._timed(stage, plan, call)

    def _timed(self, stage: Stage, plan: Plan, lines: list[str]) -> list[str]:
        """The statements, which count their cycles where that is wanted."""
        geometry = geometry_of(stage) if self.timed else None
        if geometry is None:
            return lines
        self.timed_layers.setdefault(geometry, set()).add(plan.function)
        counter = f"{CYCLES}[{list(self.timed_layers).index(geometry)}]"
        clock = "__builtin_readcyclecounter()"
        return [f"{counter} -= {clock};", *lines, f"{counter} += {clock};"]

    def _numbers(self, array: np.ndarray[Any, Any], note: str) -> str:
        tensor = Tensor(note, array.dtype.name, array.shape, array)
        return f"TS_CONSTANT(float, {self._constant(tensor)})"

    def _pointer(self, tensor: Tensor) -> str:
        owner = self._shown.get(tensor, tensor)
        storage = STORAGE[tensor.dtype]
        if owner.value is not None:
            return f"TS_CONSTANT({storage}, {self._constant(owner)})"
        if owner in self.loops.inputs:
            return f"TS_INPUT({storage}, {self.loops.inputs.index(owner)})"
        if owner in self.loops.outputs:
            return f"TS_OUTPUT({storage}, {self.loops.outputs.index(owner)})"
        return f"TS_ARENA({storage}, {self.plan.offsets[owner]})"

    def _constant(self, tensor: Tensor) -> str:
        if tensor not in self._constants:
            name = f"CONSTANT_{len(self._constants)}"
            value = np.asarray(tensor.value)
            note = f"{tensor.dtype}, {tensor.name}".replace("*/", "* /").replace("/*", "/ *")
            self.tables.add(name, value, note)
            self._constants[tensor] = f"TS_AT_{name}"
        return self._constants[tensor]


def _pragmas_first(lines: list[str]) -> list[str]:
    """A pragma about floating point must open its block."""
    pragmas = [line for line in lines if line.startswith("#")]
    return [*pragmas, *(line for line in lines if not line.startswith("#"))]


def _define(
    loops: Loops, target: Target, plan: memory.MemoryPlan, sizes: dict[Size, int], tables: Tables
) -> None:
    tables.define("ARENA_BYTES", plan.size, "Memory of a run.")
    tables.define("INPUTS", len(loops.inputs), "Tensors in.")
    tables.define("OUTPUTS", len(loops.outputs), "Tensors out.")
    tables.define("SIZES", len(sizes), "Dimensions that a run finds out.")
    if target.variants:
        names = " ".join(f"X({name})" for name in VARIANT_NAMES[: len(target.variants)])
        tables.define("VARIANTS(X)", names, "Variants, weakest first; network_entry.c chooses by cpuid.")


def _outputs(network: Network, loops: Loops) -> tuple[manifest.Tensor, ...]:
    """As the library describes them."""
    found = []
    for spec, tensor in zip(network.outputs, loops.outputs, strict=True):
        shape = tuple(dim if isinstance(dim, int) else -1 for dim in tensor.shape)
        largest = None if -1 not in shape else tuple(tensor.static_shape)
        found.append(manifest.Tensor(spec.name, tensor.dtype, shape, largest))
    return tuple(found)


def _description(
    network: Network,
    inputs: Sequence[manifest.Tensor],
    outputs: Sequence[manifest.Tensor],
    facts: dict[str, Any],
) -> dict[str, Any]:
    return {
        "framework": network.framework,
        "producer": network.producer,
        "kind": network.kind,
        "inputs": [tensor.to_record() for tensor in inputs],
        "outputs": [tensor.to_record() for tensor in outputs],
        "body": facts,
    }


def _header(network: Network, tables: Tables) -> str:
    origin = " ".join(
        f"{network.framework}, {network.kind}, {network.producer}".replace("*/", "* /")
        .replace("/*", "/ *")
        .split()
    )
    return (
        f"/* model.h: constants of one network: {origin}.\n"
        " * TS_AT_... are offsets into model.bin, in bytes. */\n"
        "#ifndef TS_MODEL_H\n#define TS_MODEL_H\n\n"
        f"{tables.definitions()}\n#endif\n"
    )


def _source(functions: Sequence[str], writer: StageWriter) -> str:
    lines = "\n".join(f"\t{line}" for line in writer.calls)
    kernels = writer.kernels.values()
    names = dict.fromkeys(
        [
            "network.h",
            "layer.h",
            "stage.h",
            "recurrence.h",
            "transpose.h",
            *headers(),
            *(name for plan in kernels for name in plan.headers),
        ]
    )
    includes = "".join(f'#include "{name}"\n' for name in names)
    functions = [*(plan.source for plan in kernels), *functions]
    if writer.timed:
        count = len(writer.timed_layers) + 1
        functions = [f'__attribute__((visibility("default"))) uint64_t {CYCLES}[{count}];', *functions]
    return (
        "/* network.c: one function per stage, and the order in which they run. */\n"
        f"{includes}\n#ifdef TS_VARIANT\n#define TS_RUN TS_NAME(ts_network)\n#else\n"
        "#define TS_RUN ts_network_only\n#endif\n\n"
        f"{chr(10).join(functions)}\n"
        f"void TS_RUN(const struct ts_run *run)\n{{\n\t(void)run;\n{lines}\n}}\n"
    )


def _units(target: Target) -> tuple[Unit, ...]:
    units = [Unit(source, source.replace(".c", ".o")) for source in COMMON_SOURCES]
    if not target.variants:
        return (*units, Unit("network.c", "network.o"))
    for name, cpu in zip(VARIANT_NAMES, target.variants, strict=False):
        units.append(Unit("network.c", f"network_{name}.o", (f"TS_VARIANT={name}",), cpu))
    return tuple(units)
