"""Hostile models of every framework, as customers would upload them: code, files, bombs.

Each is refused with its cause, or what it does happens inside the sandbox and ends there. `secret` is a file
that the service owns; its content must turn up nowhere.
"""

from __future__ import annotations

import base64
import io
import json
import marshal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.acceptance.hostile import ESCAPED, Probe
from tests.acceptance.models import tarball
from tests.compiler.frontends.keras.files import archive, dense, save, sequential
from tests.compiler.frontends.onnx import adversarial
from tests.compiler.frontends.tensorflow import graphs
from tinsmith.compiler import toolchains

MARK = f"/tmp/{ESCAPED}"
BUILD = Path(__file__).with_name("hostile_torch.py")


def framework_probes(secret: Path) -> Iterator[Probe]:
    """All of them; those of PyTorch need its toolchain."""
    yield from _torch(secret)
    yield from _keras(secret)
    yield from _tensorflow(secret)
    yield from _onnx(secret)
    yield from _bytes()


def _torch(secret: Path) -> Iterator[Probe]:
    """TorchScript is run by PyTorch, in the sandbox: what its operators try fails, or harms the job alone."""
    config = json.dumps({"x": [1, 4]})
    refused = {"pickled.pth": "", "bare.pth": ""}
    with tempfile.TemporaryDirectory() as folder:
        python = toolchains.find("pytorch").python
        command = (python, "-I", "-B", BUILD, folder, secret, MARK)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        for file in sorted(Path(folder).iterdir()):
            content = tarball({file.name: file.read_bytes()})
            yield Probe(
                f"PyTorch {file.stem} ({file.suffix[1:]})",
                refused.get(file.name, ""),
                content,
                "PYTORCH",
                contained=file.name not in refused,
                config=config,
                max_runtime=15 if file.stem == "loops" else None,
            )


def _keras(secret: Path) -> Iterator[Probe]:
    code = base64.b64encode(marshal.dumps(compile(f"open({MARK!r}, 'w')", "x", "eval"))).decode()
    call = {"name": "call", "function": [code, None, None], "function_type": "lambda"}
    called = {"class_name": "Lambda", "config": {**call, "batch_input_shape": [None, 4]}}
    config = json.dumps({"input_1": [1, 4]})
    weights = {"one": [np.ones((4, 2), np.float32), np.zeros(2, np.float32)]}
    plain = sequential([dense(2, "one", batch_input_shape=[None, 4])])
    yield _h5("Keras Lambda", "Lambda", sequential([called]), {}, config)
    yield _h5("Keras Lambda in a .keras", "Lambda", sequential([called]), {}, config, zipped=True)

    def external_link(group: h5py.Group, name: str) -> None:
        group[name] = h5py.ExternalLink(str(secret), "/")

    def external_storage(group: h5py.Group, name: str) -> None:
        group.create_dataset(name, (4, 2), "f4", external=[(str(secret), 0, 32)])

    def virtual(group: h5py.Group, name: str) -> None:
        layout = h5py.VirtualLayout((4, 2), "f4")
        layout[:] = h5py.VirtualSource(str(secret), "x", (4, 2))
        group.create_virtual_dataset(name, layout)

    def soft_loop(group: h5py.Group, name: str) -> None:
        group[name] = h5py.SoftLink(f"{group.name}/{name}")

    def bomb(group: h5py.Group, name: str) -> None:
        group.create_dataset(name, (1 << 20, 1 << 14), "f4", chunks=(1 << 14, 1 << 6), compression="gzip")

    for label, make in {
        "external link": external_link,
        "external storage": external_storage,
        "virtual dataset": virtual,
        "link to itself": soft_loop,
        "dataset of 64 GB": bomb,
    }.items():
        yield _h5(f"HDF5 {label}", "", plain, weights, config, replaced=make)


def _h5(
    name: str,
    phrase: str,
    model: dict[str, Any],
    weights: dict[str, list[Any]],
    config: str,
    *,
    zipped: bool = False,
    replaced: Any = None,
) -> Probe:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.h5"
        save(path, model, weights)
        if replaced is not None:
            with h5py.File(path, "r+") as file:
                group = file["model_weights/one"]
                del group["one/weight0:0"]
                replaced(group["one"], "weight0:0")
        if zipped:
            members = {
                "config.json": json.dumps(model).encode(),
                "metadata.json": b'{"keras_version": "3.0.0"}',
            }
            archive(path, {**members, "model.weights.h5": path.read_bytes()})
            return Probe(name, phrase, tarball({"model.keras": path.read_bytes()}), "KERAS", config=config)
        return Probe(name, phrase, tarball({"model.h5": path.read_bytes()}), "KERAS", config=config)


def _tensorflow(secret: Path) -> Iterator[Probe]:
    config = json.dumps({"x": [1, 4]})
    read = graphs.graph(
        graphs.placeholder("x", 1, 4),
        _text("path", str(secret)),
        graphs.node("ReadFile", "bytes", ["path"]),
        graphs.node("DecodeRaw", "numbers", ["bytes"], dtype=1),
        graphs.node("AddV2", "y", ["x", "numbers"], T=1),
    )
    write = graphs.graph(
        graphs.placeholder("x", 1, 4),
        _text("path", MARK),
        _text("content", "escaped"),
        graphs.node("WriteFile", "written", ["path", "content"]),
        graphs.node("Identity", "y", ["x", "^written"], T=1),
    )
    call = graphs.graph(graphs.placeholder("x", 1, 4), graphs.node("PyFunc", "y", ["x"], token="pyfunc_0"))
    for name, graph, phrase in (
        ("TensorFlow ReadFile", read, "ReadFile"),
        ("TensorFlow WriteFile", write, ""),
        ("TensorFlow PyFunc", call, "PyFunc"),
    ):
        content = tarball({"model.pb": graph.SerializeToString()})
        # No output needs what WriteFile gives, so it is left out, as TensorFlow's own optimizer would not do.
        unread = name == "TensorFlow WriteFile"
        yield Probe(name, phrase, content, "TENSORFLOW", contained=unread, config=config)
    restored = graphs.graph(
        graphs.placeholder("x", 1, 4),
        _text("prefix", str(secret)),
        _text("names", "w"),
        _text("slices", ""),
        graphs.node("RestoreV2", "w", ["prefix", "names", "slices"]),
        graphs.node("AddV2", "y", ["x", "w"], T=1),
    )
    content = tarball({"model.pb": restored.SerializeToString()})
    yield Probe("TensorFlow RestoreV2 of a secret", "RestoreV2", content, "TENSORFLOW", config=config)


def _text(name: str, text: str) -> Any:
    made = graphs.node("Const", name, dtype=7)
    made.attr["value"].tensor.dtype = 7
    made.attr["value"].tensor.tensor_shape.SetInParent()
    made.attr["value"].tensor.string_val.append(text.encode())
    return made


def _onnx(secret: Path) -> Iterator[Probe]:
    for location in ("../../../../etc/passwd", "/etc/passwd", str(secret), "../request.json"):
        model, config = adversarial.external(location)
        content = tarball({"model.onnx": model.SerializeToString()})
        text = json.dumps(config) if config is not None else None
        yield Probe(f"ONNX external data {location[:24]}", "", content, "ONNX", config=text)


def _bytes() -> Iterator[Probe]:
    """Formats by hand: claims of much in little."""
    config = json.dumps({"x": [1, 4]})
    deep = b"\x0a\xff\xff\xff\xff\x0f" * 2000
    for framework, file in (("ONNX", "model.onnx"), ("TENSORFLOW", "model.pb")):
        yield Probe(f"{framework} nested claims", "", tarball({file: deep}), framework, config=config)
    flat = b"\x1c\x00\x00\x00TFL3" + b"\xff\xff\xff\x7f" * 64
    yield Probe("TFLite offsets outside", "", tarball({"model.tflite": flat}), "TFLITE", config=config)
    huge = b"\x04\x00\x00\x00TFL3" + b"\x00" * 4 + b"\xff\xff\xff\xff" * 4096
    yield Probe("TFLite vectors of 4 GB", "", tarball({"model.tflite": huge}), "TFLITE", config=config)
    symbol = json.dumps({"nodes": [{"op": "Convolution", "name": "x", "inputs": [[0, 0, 0]]}] * 3}).encode()
    params = b"\x12\x01\0\0\0\0\0\0" + bytes(8) + (1 << 61).to_bytes(8, "little")
    both = {"model-symbol.json": symbol, "model-0000.params": params}
    yield Probe(
        "MXNet params of 2^61 arrays", "", tarball(both), "MXNET", config=json.dumps({"data": [1, 3, 8, 8]})
    )
    layers = (
        b"[net]\nwidth=99999\nheight=99999\nchannels=3\n"
        + b"[convolutional]\nfilters=1000000\nsize=999\n" * 50
    )
    cfg = {"yolo.cfg": layers, "yolo.weights": bytes(64)}
    yield Probe(
        "Darknet of 10^14 weights", "", tarball(cfg), "DARKNET", config=json.dumps({"data": [1, 3, 8, 8]})
    )
    zipped = io.BytesIO()
    np.savez_compressed(zipped, data=np.zeros(1 << 24))
    yield Probe("zip as PyTorch", "", tarball({"model.pth": zipped.getvalue()}), "PYTORCH", config=config)
