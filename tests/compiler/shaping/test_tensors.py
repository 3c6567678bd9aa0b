"""Tensors in the message and in files of external data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tinsmith.compiler.frontends.onnx import read
from tinsmith.compiler.ir.network import Network
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest

WEIGHTS = np.arange(3000, dtype=np.float32)


def with_tensor(tensor: TensorProto, make: Callable[..., onnx.ModelProto]) -> onnx.ModelProto:
    model = make([helper.make_node("Add", ["x", "w"], ["y"])], {"x": [1]}, ["y"])
    tensor.name = "w"
    model.graph.initializer.append(tensor)
    return model


def external(location: str = "weights.bin", dims: tuple[int, ...] = (3000,), **fields: Any) -> TensorProto:
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **fields}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def saved(network: Network) -> Any:
    tensor = network.graph.graph.initializers["w"].const_value
    assert tensor is not None
    return tensor.numpy()


@pytest.mark.parametrize(
    ("elem_type", "values", "packed"),
    [
        (TensorProto.FLOAT, {"float_data": [1.5, -0.0, np.inf]}, np.array([1.5, -0.0, np.inf], np.float32)),
        (TensorProto.DOUBLE, {"double_data": [1e-310, 2.0]}, np.array([1e-310, 2.0])),
        (TensorProto.INT64, {"int64_data": [-(2**63), 2**63 - 1]}, np.array([-(2**63), 2**63 - 1])),
        (TensorProto.UINT64, {"uint64_data": [2**64 - 1]}, np.array([2**64 - 1], np.uint64)),
        (TensorProto.UINT32, {"uint64_data": [2**32 - 1]}, np.array([2**32 - 1], np.uint32)),
        (TensorProto.INT8, {"int32_data": [-128, 127]}, np.array([-128, 127], np.int8)),
        (TensorProto.BOOL, {"int32_data": [1, 0, 1]}, np.array([True, False, True])),
        (TensorProto.FLOAT16, {"int32_data": [0x3C00, 0xC000]}, np.array([1, -2], np.float16)),
    ],
)
def test_values_in_fields_of_their_type(
    make: Callable[..., onnx.ModelProto],
    read_model: Callable[..., Network],
    elem_type: int,
    values: dict[str, list[Any]],
    packed: Any,
) -> None:
    tensor = TensorProto(name="w", data_type=elem_type, dims=[len(packed)])
    for field, content in values.items():
        getattr(tensor, field).extend(content)
    model = make([helper.make_node("Identity", ["w"], ["y"])], {}, ["y"])
    model.graph.initializer.append(tensor)
    found = saved(read_model(model))
    np.testing.assert_array_equal(found, packed)
    assert found.dtype == packed.dtype


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (
            TensorProto(data_type=1, dims=[2, 3], raw_data=bytes(20)),
            "it has 20 bytes, expected 24 for FLOAT [2, 3]",
        ),
        (TensorProto(data_type=1, dims=[2], float_data=[1]), "it has 4 bytes, expected 8 for FLOAT [2]"),
        (
            TensorProto(data_type=1, dims=[10**9]),
            "it has 0 bytes, expected 4000000000 for FLOAT [1000000000]",
        ),
        (TensorProto(data_type=1, dims=[2**62, 2**62, 4]), "it has 0 bytes, expected 34028236692"),
        (TensorProto(data_type=1, dims=[-1, 2]), "its dims are [-1, 2], expected none below zero"),
        (TensorProto(data_type=1, dims=[1] * 40), "it has 40 dimensions, expected at most 32"),
        (TensorProto(data_type=0, dims=[1]), "its data_type is 0, which is no known type of ONNX"),
        (TensorProto(data_type=77, dims=[1]), "its data_type is 77, which is no known type of ONNX"),
        (
            TensorProto(data_type=1, dims=[1], float_data=[1], raw_data=bytes(4)),
            "it is stored twice: in float_data and raw_data",
        ),
        (
            TensorProto(data_type=1, dims=[1], int64_data=[1]),
            "it is stored in int64_data, expected float_data or raw_data for the type FLOAT",
        ),
        (
            TensorProto(
                data_type=1, dims=[1], raw_data=bytes(4), segment=TensorProto.Segment(begin=0, end=1)
            ),
            "it is stored in segments",
        ),
        (TensorProto(data_type=22, dims=[3], raw_data=bytes(3)), "it has 3 bytes, expected 2 for INT4 [3]"),
    ],
)
def test_contradictions(
    make: Callable[..., onnx.ModelProto],
    problems: Callable[..., tuple[str, ...]],
    tensor: TensorProto,
    words: str,
) -> None:
    (problem,) = problems(with_tensor(tensor, make))
    assert problem.startswith(f"model.onnx: the initializer 'w': {words}")


def test_a_tensor_in_a_node_is_named_by_its_node(
    make: Callable[..., onnx.ModelProto], problems: Callable[..., tuple[str, ...]]
) -> None:
    value = TensorProto(data_type=1, dims=[2], raw_data=b"abc")
    model = make([helper.make_node("Constant", [], ["y"], name="k", value=value)], {}, ["y"])
    (problem,) = problems(model)
    assert problem == (
        "model.onnx: node 'k' (Constant): the tensor 'value': it has 3 bytes, expected 8 for FLOAT [2]"
    )


@pytest.mark.parametrize("place", ["weights.bin", "deep/er/weights.bin"])
@pytest.mark.parametrize("folder", ["", "model/"])
def test_external_data(
    make: Callable[..., onnx.ModelProto], read_model: Callable[..., Network], place: str, folder: str
) -> None:
    model = with_tensor(external(place, offset=8, length=12000), make)
    content = {f"{folder}m.onnx": model.SerializeToString(), f"{folder}{place}": bytes(8) + WEIGHTS.tobytes()}
    network = read_model(content)
    np.testing.assert_array_equal(saved(network), WEIGHTS)
    assert network.files == (f"{folder}m.onnx", f"{folder}{place}")


def test_external_data_without_offset_and_length(
    make: Callable[..., onnx.ModelProto], read_model: Callable[..., Network]
) -> None:
    model = with_tensor(external(dims=(0,)), make)
    model.graph.initializer.add().CopyFrom(external())
    model.graph.initializer[1].name = "v"
    model.graph.node.append(helper.make_node("Add", ["w", "v"], ["z"]))
    model.graph.output.add(name="z")
    model.graph.initializer[0].external_data.add(key="length", value="0")
    network = read_model({"m.onnx": model.SerializeToString(), "weights.bin": WEIGHTS.tobytes()})
    assert saved(network).shape == (0,)
    tensor = network.graph.graph.initializers["v"].const_value
    assert tensor is not None
    np.testing.assert_array_equal(tensor.numpy(), WEIGHTS)


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (external("../weights.bin"), "its external data is in '../weights.bin', expected a plain file below"),
        (external("/etc/passwd"), "its external data is in '/etc/passwd', expected"),
        (external("a/../weights.bin"), "its external data is in 'a/../weights.bin', expected"),
        (external("a\\weights.bin"), "its external data is in 'a\\\\weights.bin', expected"),
        (external("missing.bin"), "its external data is in 'missing.bin', expected"),
        (external("."), "its external data is in '.', expected"),
        (external("x" * 5000), "its external data is in 'xxxxxxx"),
        (external("a\0b"), "its external data is in 'a\\x00b', expected"),
        (external(""), "its external data is in '', expected"),
        (external(length=11996), "its external data has 11996 bytes, expected 12000 for FLOAT [3000]"),
        (external(offset=4), "its external data has 11996 bytes, expected 12000 for FLOAT [3000]"),
        (
            external(offset=4, length=12000),
            "its external data ends at byte 12004 of 'weights.bin', which has 12000",
        ),
        (
            external(offset=-4, length=12000),
            "the offset and length of its external data are no whole numbers",
        ),
        (external(offset="9" * 30), "the offset and length of its external data are no whole numbers"),
        (external(offset=10**15), "its external data has -999999999988000 bytes, expected 12000"),
        (external(dims=(2**40,)), "its external data has 12000 bytes, expected 4398046511104"),
    ],
)
def test_bad_external_data(
    make: Callable[..., onnx.ModelProto],
    problems: Callable[..., tuple[str, ...]],
    tensor: TensorProto,
    words: str,
) -> None:
    model = with_tensor(tensor, make)
    (problem,) = problems({"m.onnx": model.SerializeToString(), "weights.bin": WEIGHTS.tobytes()})
    assert problem.startswith(f"m.onnx: the initializer 'w': {words}")


@pytest.mark.parametrize("linked", ["weights.bin", "folder"])
def test_links_are_not_followed(tmp_path: Path, make: Callable[..., onnx.ModelProto], linked: str) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "weights.bin").write_bytes(WEIGHTS.tobytes())
    target = outside / "weights.bin" if linked == "weights.bin" else outside
    (inside / linked).symlink_to(target)
    location = "weights.bin" if linked == "weights.bin" else "folder/weights.bin"
    (inside / "m.onnx").write_bytes(with_tensor(external(location), make).SerializeToString())
    with pytest.raises(
        ClientError, match="expected a plain file below the folder of the model, without links"
    ):
        read(inside, CompileRequest("ONNX", "m", device="ml_c5"))


def test_all_bad_tensors_are_named_at_once(
    make: Callable[..., onnx.ModelProto], problems: Callable[..., tuple[str, ...]]
) -> None:
    model = with_tensor(TensorProto(data_type=1, dims=[2]), make)
    model.graph.initializer.add(name="v", data_type=1, dims=[3])
    assert [problem.split(":")[1] for problem in problems(model)] == [
        " the initializer 'w'",
        " the initializer 'v'",
    ]
