"""The one model among the customer's files."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from tinsmith.compiler.ir.model import Model
from tinsmith.errors import ClientError

FOLDER = Path(__file__).parents[3] / "data" / "xgboost"
JSON = (FOLDER / "2.1.4-squarederror.json").read_bytes()
UBJ = (FOLDER / "2.1.4-softprob.ubj").read_bytes()
BINARY = (FOLDER / "0.90-squarederror.model").read_bytes()
PICKLE = (FOLDER / "0.90-softprob.pkl").read_bytes()

Read = Callable[..., Model]


@pytest.mark.parametrize("content", [JSON, UBJ, BINARY, PICKLE])
def test_content_decides_not_the_name(read_files: Read, content: bytes) -> None:
    for name in ("xgboost-model", "model.json", "deep/er/m.bin", "ünïcode model.tflite"):
        assert read_files({name: content}).framework == "XGBOOST"


def test_other_files_are_passed_over(read_files: Read) -> None:
    model = read_files(
        {
            "sub/m.bst": JSON,
            "code/inference.py": b"import os",
            "code/model.json": JSON,
            "hyperparams.json": JSON,
            "model-shapes.json": b"{}",
            "script.py": b"",
            "README.md": b"# learner",
            "metadata.json": b'{"author": "me"}',
            "scaler.pkl": pickle.dumps({"mean": 3}),
            "weights.npy": b"\x93NUMPY" + bytes(200),
            ".DS_Store": BINARY,
            "__MACOSX/._m.bst": BINARY,
            "empty": b"",
        }
    )
    assert model.kind == "gbtree reg:squarederror"


def test_no_model_and_several_models_are_refused_by_name(read_files: Read) -> None:
    with pytest.raises(ClientError, match=r"no XGBoost model .* found no files"):
        read_files({})
    with pytest.raises(ClientError, match=r"no XGBoost model .* found a/net\.onnx, b\.json"):
        read_files({"a/net.onnx": b"\x08\x07", "b.json": b"[]", "code/x.py": b""})
    with pytest.raises(
        ClientError, match=r"expected one XGBoost model, found 2: a\.json, b/c\.ubj"
    ) as caught:
        read_files({"a.json": JSON, "b/c.ubj": UBJ, "notes": b"learner"})
    assert caught.value.area == "InputConfiguration"


def test_compressed_pickles_are_read(read_files: Read) -> None:
    assert read_files(gzip.compress(PICKLE)).kind == "gbtree multi:softprob"


def test_formats_of_long_ago_and_foreign_pickles_are_refused(read_files: Read) -> None:
    with pytest.raises(ClientError, match="base64"):
        read_files(b"bs64" + bytes(200))
    with pytest.raises(ClientError, match=r"found collections\.Counter"):
        read_files(gzip.compress(b"ccollections\nCounter\n)\x81."))
    with pytest.raises(ClientError, match="announces a model of 9999 bytes"):
        read_files(b"CONFIG-offset:" + (9999).to_bytes(8, "little") + bytes(100))
    with pytest.raises(ClientError, match="cut short"):
        read_files(PICKLE[:-40])
    with pytest.raises(ClientError, match=r"holds 3 bytes that are no model"):
        read_files(b"\x80\x02cxgboost.core\nBooster\n)\x81}U\x06handleC\x03abcsb.")


def test_a_pickle_within_a_pickle_is_not_followed(read_files: Read) -> None:
    content = PICKLE
    for _ in range(3):
        head = b"\x80\x04cxgboost.core\nBooster\n)\x81}U\x06handleB"
        content = head + len(content).to_bytes(4, "little") + content + b"sb."
    with pytest.raises(ClientError, match="no model of a known format"):
        read_files(content)


def test_json_may_start_with_white_space(read_files: Read) -> None:
    assert read_files(b" \n\t" + JSON.replace(b'{"learner"', b'{ \n"learner"', 1)).output.shape == (-1,)


def test_links_are_not_followed(tmp_path: Path, read_files: Read) -> None:
    from tinsmith.compiler.frontends.xgboost.files import find

    outside = tmp_path / "outside"
    outside.write_bytes(JSON)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "m").symlink_to(outside)
    with pytest.raises(ClientError, match="no XGBoost model"):
        find(inside)


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        (None, False),
        ('{"data": [1, 4]}', False),
        ("{'data': [64, 4]}", False),
        ('{"data": [-1, 4]}', False),
        ("[[1, 4]]", False),
        ("not a config", False),
        ('{"data": [1, 3, 224, 224]}', False),
        ('{"data": {"shape": [1, 4]}}', False),
        ('{"data": [1, 5]}', True),
        ("{'anything': [64, 3]}", True),
        ("[1, 17]", True),
        ('{"data": {"shape": [1, 5]}}', True),
        ("(" * 10000, False),
        ("[" * 10000, False),
    ],
)
def test_the_announced_width_must_be_that_of_the_model(
    read_files: Read, config: str | None, wrong: bool
) -> None:
    if wrong:
        with pytest.raises(ClientError, match=r"DataInputConfig: .* expected \[\d+, 4\]: .* 4 features"):
            read_files(JSON, config)
    else:
        model = read_files(JSON, config)
        assert model.input.shape == (-1, 4)
        odd = config is not None and (config[0] in "n(" or "224" in config or config.startswith("[[["))
        text = "DataInputConfig is not needed for XGBoost models and was ignored"
        assert [warning.partition(":")[0] for warning in model.warnings] == ([text] if odd else [])
