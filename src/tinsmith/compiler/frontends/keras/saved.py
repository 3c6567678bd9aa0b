"""A saved model, of any version: its config, and its weights given to its layers."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from tinsmith.compiler.frontends.keras import hdf5
from tinsmith.compiler.frontends.keras.config import Layer, Model, Origin
from tinsmith.compiler.frontends.keras.files import kind
from tinsmith.compiler.frontends.keras.layers import RULES
from tinsmith.compiler.frontends.keras.old_weights import renew
from tinsmith.compiler.frontends.keras.refusals import refuse
from tinsmith.compiler.frontends.keras.structure import Malformed, read_model
from tinsmith.compiler.frontends.keras.weights import Misfit, fill_from_groups, fill_from_paths
from tinsmith.compiler.shaping.findings import Findings
from tinsmith.errors import ClientError

MAX_CONFIG = 2**28
"""Bytes of the JSON that describes a model."""
MAX_WEIGHTS = 2**34
"""Bytes of the weights inside a .keras archive."""

_FAULTS = (
    TypeError,
    ValueError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    AssertionError,
    RecursionError,
)


def load(path: Path, place: str, version: str | None = None) -> tuple[Model, Origin]:
    """The model in the file `path`, called `place` in errors, and what saved it: Keras `version`, where the
    file does not tell.

    Raises ClientError: "InputConfiguration" for what is damaged or holds only weights;
    "OperatorNotImplemented", naming all layers, for what is not compiled.
    """
    found = kind(path)
    if found == "zip":
        return _from_archive(path, place, version)
    if found is None:
        text = f"{place}: neither an HDF5 file nor a .keras archive, or one that was cut or damaged"
        raise ClientError("InputConfiguration", text)
    return _from_hdf5(path, place, version)


def _from_hdf5(path: Path, place: str, version: str | None) -> tuple[Model, Origin]:
    with hdf5.opened(path, place) as file:
        text = hdf5.text_attribute(file, "model_config")
        if text is None:
            raise ClientError("InputConfiguration", f"{place}: {_without_config(file)}")
        stored = hdf5.subgroup(file, "model_weights")
        if stored is None:
            raise ClientError("InputConfiguration", f"{place}: the file has no group model_weights")
        backend = hdf5.text_attribute(file, "backend") or _backend(stored)
        origin = _origin(hdf5.text_attribute(file, "keras_version") or version, backend)
        model = _checked(_json(text, place), origin, place)
        _fill(lambda: fill_from_groups(model, stored, _slots), place)
    renew(model)
    return model, origin


def _backend(stored: h5py.Group) -> str:
    """Keras 1 does not name its backend, but only Theano has names without the number of an output."""
    for own in hdf5.names(stored, "layer_names"):
        group = hdf5.subgroup(stored, own)
        for name in hdf5.names(group, "weight_names") if group is not None else []:
            return "tensorflow" if ":" in name else "theano"
    return ""


def _without_config(file: h5py.File) -> str:
    if (
        "layer_names" in file.attrs
        or "layer_names0" in file.attrs
        or "layers" in file
        or "_layer_checkpoint_dependencies" in file
    ):
        return (
            "the file holds weights only: it has no model_config attribute, as save_weights() leaves it. "
            "Build the model, load_weights() into it, and save both by model.save()"
        )
    return "no Keras model: the HDF5 file has no model_config attribute; save the model by model.save()"


def _from_archive(path: Path, place: str, version: str | None) -> tuple[Model, Origin]:
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            config = _json(_member(archive, "config.json", MAX_CONFIG), place)
            metadata: Mapping[str, Any] = {}
            if "metadata.json" in archive.namelist():
                metadata = _json(_member(archive, "metadata.json", MAX_CONFIG), place)
            origin = _origin(str(metadata.get("keras_version", version or "3.0")), None)
            model = _checked(config, origin, place)
            weights = Path(folder) / "model.weights.h5"
            _extract(archive, "model.weights.h5", weights)
            with hdf5.opened(weights, f"{place}: model.weights.h5") as file:
                _fill(lambda: fill_from_paths(model, file, _slots), place)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        text = f"{place}: damaged .keras archive: {type(error).__name__}: {str(error)[:200]}"
        raise ClientError("InputConfiguration", text) from error
    return model, origin


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> str:
    _check_member(archive, name, limit)
    return archive.read(name).decode("utf-8", "replace")


def _extract(archive: zipfile.ZipFile, name: str, target: Path) -> None:
    _check_member(archive, name, MAX_WEIGHTS)
    with archive.open(name) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy)


def _check_member(archive: zipfile.ZipFile, name: str, limit: int) -> None:
    if name not in archive.namelist():
        raise zipfile.BadZipFile(f"it has no {name}")
    size = archive.getinfo(name).file_size
    if size > limit:
        raise zipfile.BadZipFile(f"{name} has {size} bytes, expected at most {limit}")


def _json(text: str, place: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ClientError("InputConfiguration", f"{place}: the model's config is no JSON: {error}") from error
    if not isinstance(found, Mapping):
        raise ClientError("InputConfiguration", f"{place}: the model's config is no dictionary")
    return found


def _origin(version: str | None, backend: str | None) -> Origin:
    """Files without a version are of Keras 1.0."""
    match = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.\d+)?(-tf)?", version or "1.0")
    if match is None:
        return Origin((2, 0), backend or "")
    major, minor = int(match[1]), int(match[2])
    return Origin((major, max(minor, 3) if match[3] else minor), backend or "")


def _checked(config: Mapping[str, Any], origin: Origin, place: str) -> Model:
    kind = config.get("class_name")
    if isinstance(kind, str) and not isinstance(config.get("config"), Mapping | list):
        raise ClientError(
            "InputConfiguration", f"{place}: Unable to load provided Keras model. Error: {kind} has no config"
        )
    try:
        model = read_model(config, origin)
        findings = Findings(place)
        refuse(model, findings)
    except Malformed as error:
        raise ClientError(
            "InputConfiguration", f"{place}: Unable to load provided Keras model. Error: {error}"
        ) from error
    except _FAULTS as error:
        text = (
            f"{place}: Unable to load provided Keras model. Error: {type(error).__name__}: {str(error)[:200]}"
        )
        raise ClientError("InputConfiguration", text) from error
    findings.stop()
    return model


def _fill(fill: Any, place: str) -> None:
    try:
        fill()
    except Misfit as error:
        raise ClientError("InputConfiguration", f"{place}: {error}") from error
    except _FAULTS as error:
        text = f"{place}: the weights do not fit the layers: {type(error).__name__}: {str(error)[:200]}"
        raise ClientError("InputConfiguration", text) from error


def _slots(layer: Layer) -> tuple[str, ...]:
    rule = RULES.get(layer.kind)
    return tuple(rule.slots(layer)) if rule else ()
