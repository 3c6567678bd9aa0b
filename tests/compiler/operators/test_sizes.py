from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.onnx_suite.graphs import answers, check, parsed
from tinsmith.errors import ClientError

RANDOM = np.random.default_rng(0)
SPARSE = (RANDOM.random((4, 5)) > 0.6) * RANDOM.normal(size=(4, 5)).astype(np.float32)
INPUTS = {
    "some": SPARSE.astype(np.float32),
    "none": np.zeros((4, 5), np.float32),
    "all": np.ones((4, 5), np.float32),
}

CHAINS = """a (float[4,5] x) => (float[n] picked, float total, int64[n] column, int64[m] flat, int64[k,2]
twice,
    float[n,n] gram, float[2,n] soft, int64[2,j] best, int64[n] filled, int64[n] counted, float[r,5] front,
    int64[2,n] sums, int64[2] shape, float[q] distinct, int64[2,v] last, int64[w,2] back) {
  zero = Constant<value_int=0>() one = Constant<value_int=1>() zeros = Constant<value_ints=[0]>()
  ones = Constant<value_ints=[1]>() twos = Constant<value_ints=[2]>() minus = Constant<value_ints=[-1]>()
  where = NonZero(x) rows = Transpose(where) picked = GatherND(x, rows) total = ReduceSum<keepdims=0>(picked)
  part = Slice(where, ones, twos, zeros) column = Squeeze(part, zeros)
  flat = Reshape(where, minus) twice = Concat<axis=0>(rows, rows)
  f = Cast<to=1>(where) ft = Cast<to=1>(rows) gram = MatMul(ft, f) soft = Softmax<axis=1>(f)
  shape = Shape(where) count = Gather<axis=0>(shape, one) counts = Gather<axis=0>(shape, ones)
  three = Constant<value_ints=[3]>() few = Min(three, counts) best, unused = TopK(where, few)
  filled = ConstantOfShape<value=int64[1] {7}>(counts) counted = Range(zero, count, one)
  front = Slice(x, zeros, counts, zeros) sums = CumSum(where, one)
  none = Constant<value_float=0.0>() positive = Greater(x, none) all = Reshape(x, minus) chosen =
  Reshape(positive, minus)
  kept = Compress(all, chosen) distinct = Unique(kept)
  last = Slice(where, minus, counts, ones) step = Constant<value_ints=[-2]>()
  least = Constant<value_ints=[-9223372036854775807]>() back = Slice(rows, minus, least, zeros, step) }"""


@pytest.mark.parametrize("name", INPUTS)
def test_sizes_of_the_run_flow_through_other_operators(tmp_path: Path, name: str) -> None:
    check(tmp_path, CHAINS, {"x": INPUTS[name]})


DETECTOR = """a (float[1,20,4] b, float[1,3,20] s) => (float[n,4] kept, float[n] sure, int64[n] kind) {
  most = Constant<value_ints=[5]>() overlap = Constant<value_floats=[0.5]>() least =
  Constant<value_floats=[0.3]>()
  rows = NonMaxSuppression(b, s, most, overlap, least)
  one = Constant<value_int=1>() two = Constant<value_int=2>() zeros = Constant<value_ints=[0]>()
  box = Gather<axis=1>(rows, two) kind = Gather<axis=1>(rows, one) boxes = Squeeze(b, zeros)
  kept = Gather<axis=0>(boxes, box) sure = GatherND(s, rows) }"""


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_boxes_of_a_detector(tmp_path: Path, scale: float) -> None:
    boxes = RANDOM.random((1, 20, 4)).astype(np.float32)
    boxes[..., 2:] += boxes[..., :2]
    scores = (RANDOM.random((1, 3, 20)) * scale).astype(np.float32)
    kept, *_ = check(tmp_path, DETECTOR, {"b": boxes, "s": scores})
    assert bool(len(kept)) == (scale == 1.0)


def test_a_size_that_nothing_bounds_is_refused(tmp_path: Path) -> None:
    text = "a (int64[1] n) => (float[k] y) { y = ConstantOfShape(n) }"
    with pytest.raises(ClientError, match="shape is known only at run time, and nothing bounds it"):
        answers(tmp_path, parsed(text), {"n": np.array([3])})
