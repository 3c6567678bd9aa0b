"""A model becomes a C program: its tables in one binary file, its constants in a header, and our C files.

Trees are data: no line of C depends on the size of the model.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from tinsmith.compiler.backends.native.program import VARIANT_NAMES, Program, Unit
from tinsmith.compiler.backends.native.tables import Tables
from tinsmith.compiler.backends.native.toolchain import Optimization
from tinsmith.compiler.backends.native.trees.kernels import add_forest
from tinsmith.compiler.ir.model import Forest, Linear, Model, Transform
from tinsmith.spec.targets import Target

HEADERS = (
    "body.h",
    "forest.h",
    "forest_walk.h",
    "bitslice.h",
    "bitslice_portable.h",
    "bitslice_avx512.h",
    "bitslice_leaves_avx512.h",
    "bitslice_leaves_vbmi.h",
    "mux.h",
    "kernels.h",
)
COMMON_SOURCES = ("model.c", "entry.c", "treelite_abi.c")
KERNEL_SOURCES = {
    "walk": "forest_walk.c",
    "bitslice": "forest_bitslice.c",
    "bytes": "forest_bytes.c",
    "gather": "forest_gather.c",
}
OPTIMIZATION: Optimization = "-O3"
"""Of the kernels: with -O2 forests of deep trees take 4 to 5 % longer, the others the same time."""
LINEAR_SOURCES: tuple[str, ...] = ("linear.c", "transform.c")

EXPORTS = (
    "tinsmith_abi_version",
    "tinsmith_num_features",
    "tinsmith_num_outputs",
    "tinsmith_num_margins",
    "tinsmith_output_type",
    "tinsmith_describe",
    "tinsmith_predict",
    "tinsmith_set_threads",
    "get_num_output_group",
    "get_num_class",
    "get_num_feature",
    "get_pred_transform",
    "get_sigmoid_alpha",
    "get_ratio_c",
    "get_global_bias",
    "get_threshold_type",
    "get_leaf_output_type",
    "predict",
    "predict_multiclass",
)


def emit(model: Model, target: Target, directory: Path) -> Program:
    """Writes the C program of `model` for `target` into `directory`, which must exist."""
    tables = Tables()
    facts = _add_body(model, target, tables)
    _add_constants(model, target, tables)
    tables.add(
        "DESCRIPTION", np.frombuffer(_description(model, facts).encode() + b"\0", np.uint8), "JSON text"
    )
    facts["table_bytes"] = tables.size
    tables.write(directory / "model.bin")
    (directory / "model.h").write_text(_header(model, tables))
    variant_sources = LINEAR_SOURCES
    if isinstance(model.body, Forest):
        variant_sources = ("forest.c", "transform.c", *(KERNEL_SOURCES[name] for name in facts["kernels"]))
    for name in (*HEADERS, *COMMON_SOURCES, *variant_sources):
        (directory / name).write_bytes(files(__package__).joinpath("c", name).read_bytes())
    return Program(directory, _units(target, variant_sources), EXPORTS, facts)


def _add_body(model: Model, target: Target, tables: Tables) -> dict[str, Any]:
    body = model.body
    tables.add("BASE", body.base, "accumulator type per margin: the start of its sum")
    if isinstance(body, Linear):
        tables.define("ROWS_PER_THREAD", 4096, "Rows that are worth a thread of their own.")
        tables.add("WEIGHTS", body.weights, "accumulator type per feature, per margin")
        return {"body": "linear", "weights": int(body.weights.size)}
    return add_forest(body, target, tables)


def _add_constants(model: Model, target: Target, tables: Tables) -> None:
    body = model.body
    for number, transform in enumerate(Transform):
        tables.define(f"TRANSFORM_{transform.name}", number, transform.value)
    tables.define("TRANSFORM", f"TS_TRANSFORM_{model.transform.name}", "Margin to prediction.")
    tables.define("SCALE", float(model.parameters.get("scale", 1.0)), "Factor of a sigmoid's input.")
    tables.define("NORMALISER", float(model.parameters.get("normaliser", 1.0)), "Of isolation forests.")
    tables.define("OFFSET", float(model.parameters.get("offset", 0.0)), "Of isolation forests.")
    tables.define(
        "DOUBLE", int(body.base.dtype == np.float64), "1: sums and outputs are float64, 0: float32."
    )
    tables.define("MARGINS", len(body.base), "Columns of the margin.")
    tables.define("OUTPUTS", _output_columns(model), "Columns of the prediction.")
    features = body.num_features if isinstance(body, Forest) else body.weights.shape[0]
    tables.define("FEATURES", features, "Columns of a row.")
    if target.variants:
        names = " ".join(f"X({name})" for name in VARIANT_NAMES[: len(target.variants)])
        tables.define(
            "VARIANTS(X)", names, "Variants of the kernels, weakest first; entry.c chooses by cpuid."
        )


def _output_columns(model: Model) -> int:
    if model.transform is Transform.SIGMOID_PAIR:
        return 2
    return 1 if model.transform is Transform.ARGMAX else len(model.body.base)


def _description(model: Model, facts: dict[str, Any]) -> str:
    def tensor(spec: Any) -> dict[str, Any]:
        return {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape)}

    return json.dumps(
        {
            "framework": model.framework,
            "producer": model.producer,
            "kind": model.kind,
            "input": tensor(model.input),
            "output": tensor(model.output),
            "classes": list(model.class_labels),
            "body": facts,
        },
        sort_keys=True,
    )


def _header(model: Model, tables: Tables) -> str:
    origin = " ".join(
        f"{model.framework}, {model.kind}, {model.producer}".replace("*/", "* /").replace("/*", "/ *").split()
    )
    return (
        f"/* model.h: constants of one model: {origin}.\n"
        " * TS_AT_... are offsets into model.bin, in bytes. */\n"
        "#ifndef TS_MODEL_H\n#define TS_MODEL_H\n\n"
        f"{tables.definitions()}\n#endif\n"
    )


def _units(target: Target, variant_sources: tuple[str, ...]) -> tuple[Unit, ...]:
    units = [Unit(source, source.replace(".c", ".o")) for source in COMMON_SOURCES]
    if not target.variants:
        for source in variant_sources:
            units.append(Unit(source, source.replace(".c", ".o"), optimization=OPTIMIZATION))
    for name, cpu in zip(VARIANT_NAMES, target.variants, strict=False):
        for source in variant_sources:
            file, defines = source.replace(".c", f"_{name}.o"), (f"TS_VARIANT={name}",)
            units.append(Unit(source, file, defines, cpu, OPTIMIZATION))
    return tuple(units)
