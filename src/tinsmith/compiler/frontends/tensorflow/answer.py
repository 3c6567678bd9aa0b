"""TensorFlow answers for a frozen graph or a SavedModel; runs in the toolchain tensorflow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf
from google.protobuf import text_format  # type: ignore[import-untyped]

v1 = tf.compat.v1


def answer(runs: Sequence[Sequence[Any]], model: str, tensors: str) -> Iterator[list[Any]]:
    """`model`: a graph (.pb, .pbtxt) or the folder of a SavedModel. `tensors`: JSON of "inputs" and
    "outputs", in the order of the runs, and of those that are "off", which are fed with False."""
    v1.disable_eager_execution()
    wanted = json.loads(tensors)
    with v1.Session(graph=tf.Graph(), config=v1.ConfigProto(intra_op_parallelism_threads=1)) as session:
        _load(session, Path(model))
        named = {role: [_tensor(session, name) for name in names] for role, names in wanted.items()}
        for arrays in runs:
            fed = dict(zip(named["inputs"], arrays, strict=True)) | dict.fromkeys(named["off"], False)
            yield session.run(named["outputs"], fed)


def _load(session: Any, model: Path) -> None:
    if model.is_dir():
        v1.saved_model.load(session, _tags(model), str(model))
    else:
        graph = v1.GraphDef()
        if model.suffix == ".pbtxt":
            text_format.Parse(model.read_text(), graph)
        else:
            graph.ParseFromString(model.read_bytes())
        tf.import_graph_def(graph, name="")


def _tags(model: Path) -> list[str]:
    """Of the meta graph for serving, or of the first."""
    from tensorflow.python.saved_model import loader_impl

    graphs = loader_impl.parse_saved_model(str(model)).meta_graphs
    found = [list(graph.meta_info_def.tags) for graph in graphs]
    return next((tags for tags in found if "serve" in tags), found[0])


def _tensor(session: Any, name: str) -> Any:
    """The name of an operation means its first output."""
    return session.graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
