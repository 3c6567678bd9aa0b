"""One small function per engine: a model folder in, a callable `rows -> predictions` out.

A peer that cannot read a model raises; the reason goes into the table's notes.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Predict = Callable[[np.ndarray], np.ndarray]


def reference(folder: Path, threads: int) -> Predict:
    """The training library itself."""
    if (folder / "model.pkl").exists():
        estimator = unpickled(folder)
        return lambda rows: estimator.predict_proba(rows)
    booster = load_booster(folder)
    booster.set_param({"nthread": threads})
    return lambda rows: booster.inplace_predict(rows)


def tinsmith(folder: Path, threads: int) -> Predict:
    """Our library, all instruction sets of this CPU."""
    return load_ours(folder / "artifact.tar.gz", threads)


def tinsmith_avx2(folder: Path, threads: int) -> Predict:
    """Our library held to AVX2. A copy, because a loaded library has chosen its instruction set for good."""
    copy = folder / "artifact-avx2.tar.gz"
    shutil.copy(folder / "artifact.tar.gz", copy)
    os.environ["TINSMITH_ISA"] = "avx2"
    try:
        predict = load_ours(copy, threads)
        predict(np.load(folder / "rows.npy")[:1])
    finally:
        del os.environ["TINSMITH_ISA"]
    return predict


def load_ours(artifact: Path, threads: int) -> Predict:
    """The runtime's public interface."""
    import tinsmith_runtime

    os.environ["TINSMITH_NUM_THREADS"] = str(threads)
    model = tinsmith_runtime.load(artifact)
    source, result = model.inputs[0].name, model.outputs[0].name
    return lambda rows: model.run({source: rows})[result]


def onnxruntime(folder: Path, threads: int) -> Predict:
    """ONNX Runtime on the converted model (onnxmltools, skl2onnx)."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(to_onnx(folder), options)
    name = session.get_inputs()[0].name
    return lambda rows: session.run(["probabilities"], {name: rows})[0]


def to_onnx(folder: Path) -> bytes:
    """The model as ONNX."""
    features = np.load(folder / "rows.npy", mmap_mode="r").shape[1]
    if (folder / "model.pkl").exists():
        from skl2onnx import to_onnx as convert

        options = {"zipmap": False}
        probe = np.zeros((1, features), np.float32)
        return bytes(convert(unpickled(folder), probe, options=options).SerializeToString())
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    booster = load_booster(folder)
    booster.feature_names = None
    initial = [("x", FloatTensorType([None, features]))]
    return bytes(convert_xgboost(booster, initial_types=initial, target_opset=15).SerializeToString())


def daal4py(folder: Path, threads: int) -> Predict:
    """oneDAL."""
    import daal4py as daal

    daal.daalinit(threads)
    if (folder / "model.pkl").exists():
        raise ValueError("gradient boosting only")
    model = daal.mb.convert_model(load_booster(folder))
    return lambda rows: model.predict_proba(rows)


def tl2cgen(folder: Path, threads: int) -> Predict:
    """treelite's C generator, compiled by gcc."""
    import tl2cgen as generator
    import treelite

    library = folder / "tl2cgen.so"
    if not library.exists():
        if (folder / "model.pkl").exists():
            model: Any = treelite.sklearn.import_model(unpickled(folder))
        else:
            model = treelite.frontend.from_xgboost(load_booster(folder))
        generator.export_lib(model, toolchain="gcc", libpath=str(library), params={"parallel_comp": 8})
    predictor = generator.Predictor(str(library), nthread=threads)
    return lambda rows: predictor.predict(generator.DMatrix(rows))


def lleaves(folder: Path, threads: int) -> Predict:
    """lleaves, on the model rewritten as a LightGBM text model."""
    import lleaves as compiler

    from bench.lightgbm_text import write

    if (folder / "model.pkl").exists():
        raise ValueError("reads LightGBM models only")
    text = folder / "lightgbm.txt"
    write(folder / "model.json", text)
    model = compiler.Model(model_file=str(text))
    model.compile(cache=str(folder / "lleaves.bin"))
    return lambda rows: model.predict(rows, n_jobs=threads)


def load_booster(folder: Path) -> Any:
    """The XGBoost model."""
    import xgboost

    return xgboost.Booster(model_file=folder / "model.json")


def unpickled(folder: Path) -> Any:
    """The scikit-learn model, which this benchmark made itself."""
    return pickle.loads((folder / "model.pkl").read_bytes())


ENGINES: dict[str, Callable[[Path, int], Predict]] = {
    "reference": reference,
    "tinsmith": tinsmith,
    "tinsmith (AVX2)": tinsmith_avx2,
    "ONNX Runtime": onnxruntime,
    "daal4py": daal4py,
    "tl2cgen": tl2cgen,
    "lleaves": lleaves,
}
