"""The binary format of XGBoost 0.4 to 3.0, gone since 3.1: C structures written as they lie in memory."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.xgboost.saved import Saved, Tree, Trees
from tinsmith.errors import ClientError

MAGIC = b"binf"

_LEARNER = struct.Struct("<fIiiiIII104x")
"""base_score, num_feature, num_class, contain_extra_attrs, contain_eval_metrics, major and minor version,
num_target. Before 1.0 the last three are 0."""
_FOREST = struct.Struct("<i156x")  # num_trees
_TREE = struct.Struct("<iii136x")  # num_roots, num_nodes, num_deleted
_LINEAR = struct.Struct("<136x")
_LENGTH = struct.Struct("<Q")
_NODE = np.dtype([("parent", "<i4"), ("left", "<i4"), ("right", "<i4"), ("split", "<u4"), ("value", "<f4")])
_STATISTICS = 16  # bytes per node
_DEFAULT_LEFT = 1 << 31
_BOOSTERS = ("gbtree", "dart", "gblinear")
_LONGEST_NAME = 64


def looks_like(data: bytes) -> bool:
    """Whether `data` starts with the header of this format, with or without the magic of some versions."""
    try:
        _names(_Stream(data, ""))
    except ClientError:
        return False
    return True


def read_binary(data: bytes, place: str) -> Saved:
    """The model in a binary file. Raises ClientError ("InputConfiguration")."""
    stream = _Stream(data, place)
    header, objective, booster = _names(stream)
    base_score, features, classes, _, _, major, minor, targets = header
    outputs = max(classes, targets, 1)
    body: Trees | NDArray[np.float32]
    if booster == "gblinear":
        body = _linear(stream, features, outputs)
    else:
        body = _forest(stream, weighted=booster == "dart")
    return Saved(
        place=place,
        version=(major, minor),
        objective=objective,
        booster=booster,
        num_feature=features,
        num_outputs=outputs,
        base_score=np.array([base_score], np.float32),
        body=body,
    )


class _Stream:
    def __init__(self, data: bytes, place: str) -> None:
        self.data = data
        self.place = place
        self.position = 0

    def wrong(self, text: str) -> ClientError:
        where = f"at byte {self.position} of {len(self.data)}"
        return ClientError("InputConfiguration", f"{self.place}: binary XGBoost model, {where}: {text}.")

    def take(self, size: int, what: str) -> bytes:
        left = len(self.data) - self.position
        if size > left:
            raise self.wrong(f"{what} takes {size} bytes, {left} are left: the file is cut short")
        self.position += size
        return self.data[self.position - size : self.position]

    def structure(self, layout: struct.Struct, what: str) -> tuple[int, ...]:
        return layout.unpack(self.take(layout.size, what))

    def name(self, what: str) -> str:
        (size,) = self.structure(_LENGTH, what)
        if size >= 1 << 32:  # versions before 0.4 wrote 4 more bytes here
            self.take(4, what)
            size >>= 32
        if not 0 < size <= _LONGEST_NAME:
            raise self.wrong(f"{what} has {size} characters, expected 1 to {_LONGEST_NAME}")
        text = self.take(size, what).decode("latin-1")
        if not text.isprintable():
            raise self.wrong(f"{what} is {text!r}")
        return text

    def array(self, dtype: np.dtype[np.void] | type[np.generic], count: int, what: str) -> NDArray[np.void]:
        kind = np.dtype(dtype)
        return np.frombuffer(self.take(count * kind.itemsize, what), kind)

    def floats(self, what: str) -> NDArray[np.float32]:
        (count,) = self.structure(_LENGTH, what)
        return self.array(np.float32, count, what).astype(np.float32)


def _names(stream: _Stream) -> tuple[tuple[int, ...], str, str]:
    """The learner's parameters, the objective and the booster."""
    if stream.data.startswith(MAGIC):
        stream.take(len(MAGIC), "the header")
    header = stream.structure(_LEARNER, "the header")
    objective, booster = stream.name("the objective"), stream.name("the booster")
    if booster not in _BOOSTERS:
        raise stream.wrong(f"the booster is {booster!r}, expected one of {', '.join(_BOOSTERS)}")
    return header, objective, booster


def _linear(stream: _Stream, features: int, outputs: int) -> NDArray[np.float32]:
    stream.structure(_LINEAR, "the parameters of gblinear")
    weights = stream.floats("the weights")
    if weights.size != (features + 1) * outputs:
        raise stream.wrong(f"{weights.size} weights, expected {(features + 1) * outputs}")
    return weights.reshape(features + 1, outputs)


def _forest(stream: _Stream, weighted: bool) -> Trees:
    (count,) = stream.structure(_FOREST, "the parameters of gbtree")
    if count < 0:
        raise stream.wrong(f"the model has {count} trees")
    trees = tuple(_tree(stream, number) for number in range(count))
    output = stream.array(np.int32, count, "the outputs of the trees").astype(np.int32)
    weight = stream.floats("the weights of the trees") if weighted and count else None
    if weight is not None and weight.size != count:
        raise stream.wrong(f"{weight.size} weights for {count} trees")
    return Trees(trees, output, weight)


def _tree(stream: _Stream, number: int) -> Tree:
    roots, count, _ = stream.structure(_TREE, f"tree {number}")
    if roots != 1 or count < 1:
        raise stream.wrong(f"tree {number} has {roots} roots and {count} nodes, expected 1 and 1 or more")
    nodes = stream.array(_NODE, count, f"the nodes of tree {number}")
    stream.take(count * _STATISTICS, f"the statistics of tree {number}")
    value = nodes["value"].astype(np.float32)
    return Tree(
        left=nodes["left"].astype(np.int32),
        right=nodes["right"].astype(np.int32),
        feature=(nodes["split"] & (_DEFAULT_LEFT - 1)).astype(np.int32),
        cut=value,
        default_left=nodes["split"] >= _DEFAULT_LEFT,
        leaf_values=value[:, None],
    )
