"""Written in pickle's first protocol, which people can read; PyTorch itself is in test_archive.py."""

from __future__ import annotations

import pytest

from tinsmith.compiler.frontends.pytorch.traced import TracedInput, traced_inputs
from tinsmith.errors import ClientError


def tensor(storage: str, *sizes: str) -> str:
    """A tensor of a storage outside of the pickle: storage, offset, sizes."""
    outside = f"(Vstorage\nctorch\n{storage}\nV0\nVcpu\nI6\ntQ"
    return f"ctorch._utils\n_rebuild_tensor_v2\n({outside}I0\n({''.join(sizes)}ttR"


def traced(*inputs: str, method: str = "forward") -> tuple[TracedInput, ...] | None:
    return traced_inputs(f"(V{method}\n({''.join(inputs)}ld.".encode(), "model.pt")


def test_tensors_in_order() -> None:
    found = traced(tensor("FloatStorage", "I2\n", "I3\n"), tensor("LongStorage"))
    assert found == (TracedInput("float32", (2, 3)), TracedInput("int64", ()))


def test_tensors_within_tuples_and_tags() -> None:
    pair = "(" + tensor("BoolStorage", "I1\n") + tensor("HalfStorage", "I4\n") + "t"
    tagged = f"ctorch.jit._pickle\nrestore_type_tag\n({pair}VTuple[Tensor, Tensor]\ntR"
    assert traced(tagged) == (TracedInput("bool", (1,)), TracedInput("float16", (4,)))


@pytest.mark.parametrize(
    "item",
    [
        "I5\n",
        "N",
        tensor("QInt8Storage", "I1\n"),
        tensor("FloatStorage", "I0\n"),
        tensor("FloatStorage", "I-1\n"),
        tensor("FloatStorage", "VI\n"),
        "ctorch._utils\n_rebuild_tensor_v2\n(I1\nI0\n(ttR",
    ],
)
def test_what_is_no_tensor_tells_nothing(item: str) -> None:
    assert traced(item) is None


def test_other_methods_tell_nothing() -> None:
    assert traced(tensor("FloatStorage"), method="encode") is None
    assert traced_inputs(b"I5\n.", "model.pt") is None


def test_a_damaged_pickle_is_refused() -> None:
    with pytest.raises(ClientError, match=r"model\.pt: traced_inputs\.pkl: not a readable pickle"):
        traced_inputs(b"(Vforward\n", "model.pt")
