"""From a folder to a Network: files, sizes, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.compiler.frontends.darknet.cases import CONV, image, row, weights
from tests.compiler.frontends.darknet.conftest import evaluate
from tinsmith.compiler import frontends
from tinsmith.compiler.frontends.darknet import read
from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest

Problems = Callable[..., tuple[str, ...]]


def test_the_framework_has_a_reader() -> None:
    assert frontends.load("DARKNET").__module__ == "tinsmith.compiler.frontends.darknet"


def test_a_network(read_net: Callable[..., Network]) -> None:
    network = read_net(image(f"{CONV} [maxpool]"), None, weights("x"))
    assert network.framework == "DARKNET"
    assert network.inputs == (TensorSpec("data", "float32", (1, 3, 9, 9)),)
    assert network.outputs == (TensorSpec("maxpool_1", "float32", (1, 8, 9, 9)),)
    assert network.files == ("net.cfg", "net.weights")
    assert [node.name for node in network.graph.graph] == ["convolutional_0", "maxpool_1"]
    (warning,) = network.warnings
    assert warning == "net.weights: 31104 bytes behind the weights of the last layer are not used"


@pytest.mark.parametrize("config", ['{"data": [2, 3, 6, 5]}', "[[2, 3, 6, 5]]", "{'data': [2,3,6,5]}"])
def test_another_size_than_that_of_the_file(read_net: Callable[..., Network], config: str) -> None:
    assert read_net(image(CONV), config).outputs[0].shape == (2, 8, 6, 5)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            '{"data": [1, 9, 9, 3]}',
            "Input shapes should be provided in NCHW format. Found [1, 9, 9, 3], expected [?, 3, ?, ?]",
        ),
        (
            '{"image": [1, 3, 9, 9]}',
            "DataInputConfig names 'image', which is no input of the model; its inputs are 'data'",
        ),
        ('{"data": [1, 3, 9]}', "expected [?, 3, ?, ?]: 4 dimensions, not 3"),
        ('{"data": [1, 4, 9, 9]}', "expected [?, 3, ?, ?]: dimension 1 is 4"),
        ('{"data": [null, 3, 9, 9]}', "expected a dimension (a whole number), found null"),
        ('{"data": [-1, 3, 9, 9]}', "a network is compiled for fixed sizes"),
        ('{"data": [1, 3, 1000000, 1000000]}', "expected at most"),
    ],
)
def test_what_a_config_may_get_wrong(problems: Problems, config: str, words: str) -> None:
    assert any(words in problem for problem in problems(image(CONV), config))


def test_everything_that_is_not_compiled_at_once(problems: Problems) -> None:
    text = "[conv];xnor=1;activation=norm_chan [Gaussian_yolo] [softmax];tree=x.tree [history] [yolo];mask=a"
    found = problems(image(text), area="OperatorNotImplemented")
    assert found == (
        "net.cfg: [convolutional] of line 6 (layer 0): the activation 'norm_chan' is not compiled",
        "net.cfg: [convolutional] of line 6 (layer 0): xnor=1 is not compiled",
        "net.cfg: [softmax] of line 10 (layer 2): tree=x.tree is not compiled",
        "net.cfg: The following operators are not supported for frontend DARKNET: Gaussian_yolo: "
        "[Gaussian_yolo] of line 9 (layer 1); history: [history] of line 12 (layer 3)",
        "net.cfg: [yolo] of line 13 (layer 4): mask is 'a', expected whole numbers with commas",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[conv];filters=x", "filters is 'x', expected a whole number"),
        ("[conv];filters=0", "filters is 0, expected at least 1"),
        ("[conv];groups=2", "groups is 2, expected a divisor of 3 channels and 1 filters"),
        ("[route];layers=-2", "refers to layer -2, expected one of 0 to -1 before it"),
        ("[route]", "it has no layers"),
        (f"{CONV} [shortcut];from=4", "refers to layer 4, expected one of 0 to 0 before it"),
        ("[yolo];classes=3;num=2", "its input has 3 channels, expected 16: 8 numbers for each of 2 anchors"),
        (f"{CONV} [reorg];stride=2", "stride is 2, expected a divisor of 9 and 9"),
        ("[crop];crop_height=50", "50 x 1 of a picture of 9 x 9"),
        ("[softmax];groups=7", "groups is 7, expected a divisor of 243 numbers"),
        ("[conv];size=30;activation=relu", "would give the shape"),
        ("[upsample];stride=100000", "would give the shape"),
    ],
)
def test_layers_that_do_not_fit(problems: Problems, text: str, words: str) -> None:
    (problem,) = problems(image(text))
    assert problem.startswith("net.cfg: [")
    assert words in problem


@pytest.mark.parametrize(
    ("cfg", "words"),
    [
        (b"", "it begins with no section, expected [net]"),
        (b"[convolutional]\n", "it begins with [convolutional], expected [net]"),
        (b"[net]\nheight=3\n", "0 layers, expected 1 to 4096"),
        (b"height=3\n[net]\n[softmax]", "line 1: 'height=3' stands before the first section"),
        (b"[net]\nwhat\n[softmax]", "line 2: 'what', expected [section] or key=value"),
        (b"\0\1\2", "it holds a zero byte, expected text"),
    ],
)
def test_what_is_no_configuration(problems: Problems, cfg: bytes, words: str) -> None:
    assert any(words in problem for problem in problems(cfg))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "net.weights: no Darknet weights: 0 bytes, expected a header of 16 or 20"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (b"\xff" * 40, "the header states version -1.-1"),
        (weights("x")[:100], "cut, or of another .cfg: the weights of convolutional_0 are 216 numbers [8, 3, 3, 3] "  # noqa: E501
         "from byte 52 on, but the file ends after 12"),
    ],
)  # fmt: skip
def test_what_is_no_weights(problems: Problems, content: bytes, words: str) -> None:
    (problem,) = problems(image(CONV), None, content)
    assert words in problem


def test_versions_of_the_weights(read_net: Callable[..., Network]) -> None:
    """Old files count pictures in 32 bits; those of version 1001 have their matrices transposed."""
    cfg = row("[connected];output=4;activation=linear")
    x = np.random.default_rng(0).normal(size=(1, 6)).astype(np.float32)
    new, old, turned = (
        evaluate(read_net(cfg, None, weights("v", version)), x)[0] for version in ((0, 2), (0, 1), (0, 1001))
    )
    np.testing.assert_array_equal(new, old)
    numbers = np.frombuffer(weights("v")[20:], np.float32)
    np.testing.assert_allclose(new, x @ numbers[4:28].reshape(4, 6).T + numbers[:4], rtol=1e-5)
    np.testing.assert_allclose(turned, x @ numbers[4:28].reshape(6, 4) + numbers[:4], rtol=1e-5)


def test_files(tmp_path: Path) -> None:
    def problems() -> tuple[str, ...]:
        with pytest.raises(ClientError) as caught:
            read(tmp_path, CompileRequest("DARKNET", "m", device="ml_c5"))
        return caught.value.problems

    (tmp_path / "coco.names").write_text("dog")
    assert problems() == (
        "Exactly one .cfg file is allowed for Darknet models; found none among: coco.names.",
        "Exactly one .weights file is allowed for Darknet models; found none among: coco.names.",
    )
    for name in ("a.cfg", "b.cfg", "a.weights"):
        (tmp_path / name).touch()
    assert problems() == ("Exactly one .cfg file is allowed for Darknet models; found 2: a.cfg, b.cfg.",)


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("name", "outputs"),
    [("darknet-digits-cls", ["softmax_9"]), ("darknet-yolov3-tiny", ["yolo_16", "yolo_23"])],
)
def test_real_models(corpus: Path, name: str, outputs: list[str]) -> None:
    recorded = Path(__file__).parents[3] / "corpus" / "reference" / f"{name}.npz"
    if not (corpus / name).exists() or not recorded.exists():
        pytest.skip(f"the corpus has no {name}: run `make corpus-fetch`")
    network = read(corpus / name / "files", CompileRequest("DARKNET", "m", device="ml_c5"))
    assert [spec.name for spec in network.outputs] == outputs
    with np.load(recorded) as reference:
        for index, found in enumerate(evaluate(network, reference["s0_in0"])):
            np.testing.assert_allclose(found, reference[f"s0_out{index}"], rtol=1e-3, atol=1e-5)
