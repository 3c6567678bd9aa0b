from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.graphs import answers, check, parsed
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]
X = np.array([[1.0, -2.0, 3.0]], np.float32)
TRUE, FALSE = np.array(True), np.array(False)


@pytest.mark.parametrize("condition", [TRUE, FALSE])
def test_a_branch_is_taken_by_a_condition_of_the_run(tmp_path: Path, condition: Array) -> None:
    text = """a (bool c, float[1,3] x) => (float[1,3] y, float[1,3] z) {
      k = Abs(x)
      y, w = If (c) <then_branch = t () => (float[1,3] a, float[1,3] b) { a = Neg(k) b = Relu(x) },
                     else_branch = e () => (float[1,3] a, float[1,3] b) {
          d = Not(c) a, b = If (d) <then_branch = tt () => (float[1,3] p, float[1,3] q) { p = Exp(x) q =
              Identity(k) },
                       else_branch = ee () => (float[1,3] p, float[1,3] q) { p = Identity(x) q =
                       Identity(x) }> }>
      z = Add(w, y) }"""
    check(tmp_path, text, {"c": condition, "x": X})


@pytest.mark.parametrize("condition", [TRUE, FALSE])
def test_branches_may_differ_in_size(tmp_path: Path, condition: Array) -> None:
    text = """a (bool c, float[1,3] x) => (float[n,3] z) {
      y = If (c) <then_branch = t () => (float[2,3] a) { a = Concat<axis=0>(x, x) },
                  else_branch = e () => (float[1,3] b) { b = Identity(x) }>
      z = Neg(y) }"""
    (z,) = check(tmp_path, text, {"c": condition, "x": X})
    assert len(z) == (2 if condition else 1)


def test_branches_that_differ_in_rank_are_refused(tmp_path: Path) -> None:
    text = """a (bool c, float[1,3] x) => (float[n] y) {
      y = If (c) <then_branch = t () => (float[1,3] a) { a = Neg(x) },
                  else_branch = e () => (float b) { b = ReduceSum<keepdims=0>(x) }> }"""
    with pytest.raises(
        ClientError, match=r"its branches give float32 of shape \(1, 3\) and float32 of shape \(\)"
    ):
        answers(tmp_path, parsed(text), {"c": TRUE, "x": X})


LOOP = """a (int64 n, bool go, float[1,3] x, float[1,3] w) => (float[1,3] y, float[1,3] z, float[k,1,3] s) {
  one = Constant<value_int=1>()
  y, z, s = Loop (%s) <body = b (int64 i, bool c, float[1,3] p, float[1,3] q)
      => (bool go_on, float[1,3] q_out, float[1,3] p_out, float[1,3] each) {
    f = Cast<to=1>(i) each = Add(p, f) limit = Constant<value_float=6.0>()
    total = ReduceMax<keepdims=0>(each) go_on = Less(total, limit)
    p_out = Add(p, w) q_out = Identity(q) }> }"""


@pytest.mark.parametrize("trips", [0, 1, 4, 100])
@pytest.mark.parametrize("go", [TRUE, FALSE])
def test_loops_swap_what_they_carry_and_count_their_rounds(tmp_path: Path, trips: int, go: Array) -> None:
    text = LOOP.replace("%s", "m, go, x, w").replace(
        "one =", "most = Constant<value_int=50>() m = Min(n, most) one ="
    )
    text = text.replace("=> (float[1,3] y, float[1,3] z, float[k,1,3] s)", "=> (float[1,3] y, float[1,3] z)")
    text = text.replace("y, z, s = Loop", "y, z, unused = Loop")
    if trips == 100:
        text = text.replace("limit = Constant<value_float=6.0>()", "limit = Constant<value_float=1000.0>()")
    text = text.replace(", float[1,3] each)", ")").replace("y, z, unused = Loop", "y, z = Loop")
    check(tmp_path, text, {"n": np.array(trips), "go": go, "x": X, "w": X * 2})


def test_an_output_per_round_has_as_many_as_there_were(tmp_path: Path) -> None:
    text = LOOP.replace("%s", "m, go, x, w").replace("one =", "m = Constant<value_int=20>() one =")
    *_, each = check(tmp_path, text, {"n": np.array(0), "go": TRUE, "x": X, "w": X * 2})
    assert 1 < len(each) < 20


def test_an_output_per_round_of_a_loop_without_bounds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="whose number of rounds nothing bounds"):
        answers(
            tmp_path,
            parsed(LOOP.replace("%s", "n, go, x, w")),
            {"n": np.array(3), "go": TRUE, "x": X, "w": X},
        )


def test_a_loop_that_grows_what_it_carries_is_unrolled(tmp_path: Path) -> None:
    text = """a (float[1,3] x) => (float[4,3] y, float[3,1] s) {
      n = Constant<value_int=3>() go = Constant<value=bool {1}>()
      y, s = Loop (n, go, x) <body = b (int64 i, bool c, float[k,3] p) => (bool c_out, float[m,3] p_out,
          float[1] e) {
        c_out = Identity(c) p_out = Concat<axis=0>(p, x) r = ReduceSum<keepdims=0>(p) a =
        Constant<value_ints=[0]>()
        e = Unsqueeze(r, a) }> }"""
    check(tmp_path, text, {"x": X})


def test_loops_within_loops(tmp_path: Path) -> None:
    text = """a (int64 n, float[1,3] x) => (float[1,3] y) {
      y = Loop (n, , x) <body = b (int64 i, bool c, float[1,3] p) => (bool c_out, float[1,3] p_out) {
        c_out = Identity(c)
        p_out = Loop (i, , p) <body = bb (int64 j, bool d, float[1,3] q) => (bool d_out, float[1,3] q_out) {
            d_out = Identity(d) f = Cast<to=1>(j) g = Add(f, p) q_out = Add(q, g) }> }> }"""
    check(tmp_path, text, {"n": np.array(4), "x": X})


def test_a_scan_reads_and_writes_along_any_axis_in_either_direction(tmp_path: Path) -> None:
    text = """a (float[2] h, float[2,5] x, float[5,2] w) => (float[2] y, float[2,5] s, float[5,2] t) {
      y, s, t = Scan<num_scan_inputs=2, scan_input_axes=[1,0], scan_input_directions=[0,1],
                     scan_output_axes=[1,0], scan_output_directions=[1,0],
        body = b (float[2] p, float[2] u, float[2] v) => (float[2] q, float[2] e, float[2] f) {
          a = Mul(p, u) q = Add(a, v) e = Sub(q, p) f = Identity(p) }>(h, x, w) }"""
    random = np.random.default_rng(0)
    inputs = {
        name: random.normal(size=shape).astype(np.float32)
        for name, shape in [("h", (2,)), ("x", (2, 5)), ("w", (5, 2))]
    }
    check(tmp_path, text, inputs)


def test_the_old_scan_ends_shorter_sequences(tmp_path: Path) -> None:
    text = """a (int64[2] l, float[2,1] h, float[2,4,1] x) => (float[2,1] y, float[2,4,1] s) {
      y, s = Scan<num_scan_inputs=1, directions=[1],
          body = b (float[1] p, float[1] u) => (float[1] q, float[1] e) {
          q = Add(p, u) e = Identity(q) }>(l, h, x) }"""
    x = np.arange(1, 9, dtype=np.float32).reshape(2, 4, 1)
    h = np.zeros((2, 1), np.float32)
    y, s = answers(tmp_path, parsed(text, 8), {"l": np.array([4, 2]), "h": h, "x": x})
    assert y.ravel().tolist() == [10, 15]
    assert s.reshape(2, 4).tolist() == [[4, 7, 9, 10], [8, 15, 0, 0]]


def test_a_run_fails_where_a_round_would_change_a_shape(tmp_path: Path) -> None:
    text = """a (int64 trips, int64[1] n, float[1,3] x) => (float[1,3] y) {
      zeros = Constant<value_ints=[0]>()
      y = Loop (trips, , x) <body = b (int64 i, bool c, float[1,3] p) => (bool c_out, float[k,3] p_out) {
        c_out = Identity(c) twice = Concat<axis=0>(p, p) p_out = Slice(twice, zeros, n, zeros) }> }"""
    check(tmp_path / "fits", text, {"trips": np.array(2), "n": np.array([1]), "x": X})
    with pytest.raises(AssertionError):
        answers(tmp_path / "grows", parsed(text), {"trips": np.array(2), "n": np.array([2]), "x": X})
