"""Structures of other libraries in exported programs, such as transformers' ModelOutput: values by key.

PyTorch reads a program only where the classes of its arguments and results are registered, which those of
libraries are where the library is imported. It is not here, and is not needed: the file has the keys.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from torch.utils import _pytree as pytree

_BROKEN = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def register(path: str) -> None:
    """Makes dictionaries of the classes that the program at `path` names and PyTorch does not know, as far as
    their contexts are the keys of their values. What is no program is left for PyTorch to complain of."""
    try:
        with zipfile.ZipFile(path) as archive:
            programs = [archive.read(name) for name in archive.namelist() if name.endswith(".json")]
        specs = [spec for program in programs for spec in _specs(json.loads(program))]
        named = dict.fromkeys(spec["type"] for spec in specs if _has_keys(spec))
    except _BROKEN:
        return
    for name in named:
        if name not in pytree.SERIALIZED_TYPE_TO_PYTHON_TYPE:
            _register(name)


def _register(name: str) -> None:
    kind: Any = type(name.rpartition(".")[2], (dict,), {})
    pytree.register_pytree_node(
        kind,
        lambda values: (list(values.values()), list(values)),
        lambda values, keys: kind(zip(keys, values, strict=True)),
        serialized_type_name=name,
        flatten_with_keys_fn=lambda values: (
            [(pytree.MappingKey(key), value) for key, value in values.items()],
            list(values),
        ),
    )


def _specs(value: Any) -> Iterator[dict[str, Any]]:
    """All nodes of the structures in a program's JSON, which has each as a text of JSON of its own."""
    if isinstance(value, str) and value.startswith("[") and '"children_spec"' in value:
        yield from _specs(json.loads(value))
    elif isinstance(value, dict):
        if isinstance(value.get("type"), str) and "children_spec" in value:
            yield value
        for item in value.values():
            yield from _specs(item)
    elif isinstance(value, list):
        for item in value:
            yield from _specs(item)


def _has_keys(spec: dict[str, Any]) -> bool:
    keys = json.loads(spec["context"]) if isinstance(spec.get("context"), str) else None
    return (
        isinstance(keys, list)
        and len(keys) == len(spec["children_spec"])
        and all(isinstance(key, str) for key in keys)
    )
