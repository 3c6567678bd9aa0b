"""Products of matrices."""

from __future__ import annotations

from typing import Any

from onnx import TensorProto

from tinsmith.compiler.frontends.tensorflow.registry import Op, converts
from tinsmith.compiler.frontends.tensorflow.things import Unsupported
from tinsmith.compiler.shaping.builder import Value


def _turned(op: Op, x: Value, turn: bool) -> Value:
    return x.transpose(*range(x.rank - 2), x.rank - 1, x.rank - 2) if turn else x


@converts("MatMul")
def mat_mul(op: Op, a: Value, b: Value) -> Any:
    return op.add("MatMul", _turned(op, a, op.flag("transpose_a")), _turned(op, b, op.flag("transpose_b")))


@converts("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
def batch_mat_mul(op: Op, a: Value, b: Value) -> Any:
    if op.has("Tout") and op.type_of("Tout", 1) != a.dtype:
        raise Unsupported("its result is of another type than its inputs")
    return op.add("MatMul", _turned(op, a, op.flag("adj_x")), _turned(op, b, op.flag("adj_y")))


@converts("Einsum", "XlaEinsum")
def einsum(op: Op, *inputs: Value) -> Any:
    return op.add("Einsum", *inputs, equation=op.text("equation").replace(" ", ""))


@converts("MatrixDiag", "MatrixDiagV2", "MatrixDiagV3", "Diag")
def matrix_diag(op: Op, x: Value, *others: Value) -> Any:
    if any(op.known_ints(value, "bounds") not in ([0], [-1]) for value in others[:3]):
        raise Unsupported("it sets other diagonals than the main one")
    if op.type == "Diag" and x.rank != 1:
        raise Unsupported("it makes a tensor of more than two dimensions")
    size = x.shape[-1]
    op.checked(size * size, "number of elements")
    unit = op.add("EyeLike", op.constant([[0.0] * size] * size, "float32"), dtype=TensorProto.BOOL)
    return op.add("Where", unit, x.unsqueeze(x.rank), op.like(0, x))


@converts("MatrixBandPart")
def matrix_band_part(op: Op, x: Value, lower: Value, upper: Value) -> Any:
    below, above = op.known_ints(lower, "num_lower")[0], op.known_ints(upper, "num_upper")[0]
    if below >= 0:
        x = op.add("Trilu", x, op.constant(-below, "int64"), upper=1)
    return x if above < 0 else op.add("Trilu", x, op.constant(above, "int64"), upper=0)
