from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bench.flops import count
from bench.graph import Graph


def _saved(folder: Path, model: onnx.ModelProto) -> Path:
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def test_two_for_each_product_of_a_convolution_in_groups(tmp_path: Path) -> None:
    g = Graph("grouped")
    x = g.input("x", (2, 8, 10, 12))
    y = g.conv(x, (8, 16), 3, 2, groups=4)
    assert count(_saved(tmp_path, g.model(y))) == 2 * (2 * 16 * 5 * 6) * (2 * 3 * 3)


def test_products_of_matrices_and_recurrences_add_up(tmp_path: Path) -> None:
    g = Graph("sum")
    x = g.input("x", (5, 3, 4))
    y = g.add("GRU", x, g.weight(1, 18, 4), g.weight(1, 18, 6), outputs=2, hidden_size=6)[0]
    y = g.add("Squeeze", y, g.shape(1))
    z = g.add("MatMul", y, g.weight(6, 7))
    recurrence = 2 * 5 * 3 * (18 * 4 + 18 * 6)
    assert count(_saved(tmp_path, g.model(z))) == recurrence + 2 * 5 * 3 * 7 * 6


def test_work_in_a_branch_that_only_a_run_chooses_has_no_count(tmp_path: Path) -> None:
    def branch(name: str) -> onnx.GraphProto:
        nodes = [helper.make_node("MatMul", ["x", f"{name}_w"], [name])]
        info = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        weight = numpy_helper.from_array(np.ones((4, 4), np.float32), f"{name}_w")
        return helper.make_graph(nodes, name, [], [info], [weight])

    g = Graph("branches")
    g.input("x", (4, 4))
    condition = g.input("c", (), TensorProto.BOOL)
    y = g.add("If", condition, then_branch=branch("a"), else_branch=branch("b"))
    assert count(_saved(tmp_path, g.model(y))) is None
