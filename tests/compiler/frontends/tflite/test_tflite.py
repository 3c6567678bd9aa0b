"""Names and shapes of inputs, and a small model the whole way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.compiler.frontends.tflite.build import Builder, Part, T, feeds_of, litert, one, read_bytes
from tests.compiler.frontends.tflite.cases import conv, w
from tests.compiler.frontends.tflite.conftest import Compiled
from tests.compiler.frontends.tflite.operators.test_quantization import network_of_integers
from tests.compiler.frontends.tflite.operators.test_recurrent import lstm
from tinsmith.errors import ClientError

Refused = Callable[..., str]


def convolution(signature: tuple[int, ...] | None = (-1, 6, 5, 3)) -> Builder:
    image = T((1, 6, 5, 3), signature=signature, name="serving_default_image:0")
    builder = one("CONV_2D", [image, w(4, 3, 3, 3), w(4)], [T((1, 6, 5, 4), name="StatefulCall:0")], conv())
    builder.signatures = [
        schema.SignatureDefT(
            inputs=[schema.TensorMapT(name="image", tensorIndex=0)],
            outputs=[schema.TensorMapT(name="out", tensorIndex=3)],
            signatureKey="serving_default",
        )
    ]
    return builder


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """`refused(config)`: what is said of a DataInputConfig for the convolution."""

    def ask(config: str | None, builder: Builder | None = None) -> str:
        with pytest.raises(ClientError) as caught:
            read_bytes(tmp_path, (builder or convolution()).bytes(), config)
        assert caught.value.area == "InputConfiguration"
        assert len(caught.value.problems) == 1
        return caught.value.problems[0]

    return ask


@pytest.mark.parametrize("name", ["serving_default_image:0", "serving_default_image", "image"])
def test_inputs_by_their_names_and_by_the_signature(name: str, tmp_path: Path) -> None:
    network = read_bytes(tmp_path, convolution().bytes(), f'{{"{name}": [2, 6, 5, 3]}}')
    assert [(spec.name, spec.shape) for spec in network.inputs] == [("serving_default_image:0", (2, 6, 5, 3))]
    assert [(spec.name, spec.shape) for spec in network.outputs] == [("StatefulCall:0", (2, 6, 5, 4))]


def test_shapes_that_the_file_tells(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, convolution().bytes()).inputs[0].shape == (1, 6, 5, 3)
    assert read_bytes(tmp_path, convolution(None).bytes()).inputs[0].shape == (1, 6, 5, 3)


def test_a_size_that_is_open(refused: Refused) -> None:
    assert refused(None, convolution((-1, -1, 5, 3))) == (
        "model.tflite: We are unable to extract DataInputConfig from the model: the input "
        "'serving_default_image:0' (float32 [?, ?, 5, 3]) has no fixed size. Please override by providing a "
        "DataInputConfig such as "
        '{"serving_default_image:0": [1, 1, 5, 3]}'
    )


def test_channels_in_front(refused: Refused) -> None:
    assert refused('{"image": [1, 3, 6, 5]}') == (
        "model.tflite: DataInputConfig: Input serving_default_image:0 has wrong shape in Input Shape "
        "dictionary. Input shapes should be provided in NHWC format. Found [1, 3, 6, 5], expected "
        "[?, 6, 5, 3]; it takes float32"
    )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            '{"x": [1, 6, 5, 3]}',
            "names 'x', which is no input of the model; its inputs are 'serving_default_im",
        ),
        ('{"image": [6, 5, 3]}', "has the shape [6, 5, 3], expected [?, 6, 5, 3]: 4 dimensions, not 3"),
        ('{"image": [1, 7, 5, 3]}', "has the shape [1, 7, 5, 3], expected [?, 6, 5, 3]: dimension 1 is 7"),
        ('{"image": [null, 6, 5, 3]}', "expected a dimension (a whole number), found null"),
        ('{"image": [-1, 6, 5, 3]}', "expected one shape without ranges and without -1"),
    ],
)
def test_what_does_not_fit(config: str, said: str, refused: Refused) -> None:
    assert said in refused(config)


def test_a_batch_that_the_file_fixes(refused: Refused) -> None:
    assert "expected [1, 6, 5, 3]: dimension 0 is 2" in refused('{"image": [2, 6, 5, 3]}', convolution(None))


def test_signatures_of_other_subgraphs(tmp_path: Path) -> None:
    """What they alone run need not be known."""
    builder = convolution(None)
    builder.parts.append(Part())
    builder.operator(
        "LSH_PROJECTION", [builder.parts[1].input(T((2,)))], [T((2,))], ("LSHProjectionOptions", {}), part=1
    )
    builder.signatures.append(
        schema.SignatureDefT(inputs=[], outputs=[], signatureKey="hash", subgraphIndex=1)
    )
    assert read_bytes(tmp_path, builder.bytes()).warnings == (
        "model.tflite: the first subgraph is compiled, the signatures 'hash' are left out",
    )


def test_text_is_refused(tmp_path: Path) -> None:
    builder = convolution()
    part = builder.parts[0]
    part.input(T((1,), "string", name="words"))
    with pytest.raises(
        ClientError, match="string input: the model has the input 'words', which is not compiled"
    ):
        read_bytes(tmp_path, builder.bytes())


def test_tensors_of_one_name_or_none(tmp_path: Path) -> None:
    builder = convolution(None)
    tensors = builder.parts[0].tensors
    for index, tensor in enumerate(tensors):
        tensors[index] = replace(tensor, name="")
    network = read_bytes(tmp_path, builder.bytes())
    assert [spec.name for spec in (*network.inputs, *network.outputs)] == ["tensor_0", "tensor_3"]


@pytest.mark.parametrize("make", [lambda: convolution(None), network_of_integers, lambda: lstm("lstm")])
def test_the_whole_way(make: Callable[[], Builder], compiled: Compiled) -> None:
    content, feeds = make().bytes(), feeds_of(make())
    model = compiled(content)
    found = model.run({model.inputs[0].name: feeds[0]})
    for got, want in zip(found.values(), litert(content, feeds), strict=True):
        if want.dtype == np.int8:
            assert np.abs(got.astype(int) - want.astype(int)).max() <= 1
        else:
            np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)
