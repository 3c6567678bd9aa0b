"""TensorFlow answers for a frozen graph or a SavedModel; runs in the toolchain tensorflow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf
from google.protobuf import text_format  # type: ignore[import-untyped]

v1 = tf.compat.v1
Dropped = dict[tuple[str, ...], str]


def answer(runs: Sequence[Sequence[Any]], model: str, tensors: str) -> Iterator[list[Any]]:
    """`model`: a graph (.pb, .pbtxt) or the folder of a SavedModel. `tensors`: JSON of "inputs" and
    "outputs", in the order of the runs, of those that are "off", which are fed with False, and of nodes that
    are "dropped": each, as its name and inputs, with the tensor that takes its place."""
    v1.disable_eager_execution()
    wanted = json.loads(tensors)
    dropped = {tuple(node): kept for node, kept in wanted.pop("dropped")}
    with v1.Session(graph=tf.Graph(), config=v1.ConfigProto(intra_op_parallelism_threads=1)) as session:
        _load(session, Path(model), dropped)
        named = {role: [_tensor(session, name) for name in names] for role, names in wanted.items()}
        for arrays in runs:
            fed = dict(zip(named["inputs"], arrays, strict=True)) | dict.fromkeys(named["off"], False)
            yield session.run(named["outputs"], fed)


def _load(session: Any, model: Path, dropped: Dropped) -> None:
    if model.is_dir():
        with TemporaryDirectory() as folder:
            v1.saved_model.load(session, _tags(model), _without(model, dropped, Path(folder)))
    else:
        graph = v1.GraphDef()
        if model.suffix == ".pbtxt":
            text_format.Parse(model.read_text(), graph)
        else:
            graph.ParseFromString(model.read_bytes())
        _drop(graph, dropped)
        tf.import_graph_def(graph, name="")


def _without(model: Path, dropped: Dropped, folder: Path) -> str:
    """A SavedModel in `folder` like `model`, without what is dropped."""
    from tensorflow.python.saved_model import loader_impl

    content = loader_impl.parse_saved_model(str(model))
    for meta in content.meta_graphs:
        _drop(meta.graph_def, dropped)
    (folder / "saved_model.pb").write_bytes(content.SerializeToString())
    for other in model.iterdir():
        if other.is_dir():
            (folder / other.name).symlink_to(other.absolute())
    return str(folder)


def _drop(graph: Any, dropped: Dropped) -> None:
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            kept = dropped.get((node.name, *node.input))
            if kept is not None:
                kind = node.attr["T"].type
                node.CopyFrom(v1.NodeDef(name=node.name, op="Identity", input=[kept]))
                node.attr["T"].type = kind


def _tags(model: Path) -> list[str]:
    """Of the meta graph for serving, or of the first."""
    from tensorflow.python.saved_model import loader_impl

    graphs = loader_impl.parse_saved_model(str(model)).meta_graphs
    found = [list(graph.meta_info_def.tags) for graph in graphs]
    return next((tags for tags in found if "serve" in tags), found[0])


def _tensor(session: Any, name: str) -> Any:
    """The name of an operation means its first output."""
    return session.graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
