"""Inputs that attack the service, each with the words that its refusal must hold."""

from __future__ import annotations

import copy
import gzip
import io
import json
import os
import pickle
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib

from tests.acceptance.models import boosted, forest, tarball
from tests.acceptance.service import until

ESCAPED = "tinsmith-escaped"
"""Name of the file that an attack would leave somewhere."""
EXECUTED = "executed-42"
"""What code from a model would put into the job's log."""
COMMAND = f"echo executed-$((40 + 2)) >&2; touch /tmp/{ESCAPED}"
NOT_A_TARBALL = (
    "ClientError: InputConfiguration: Unable to untar input model.Please confirm the model is a tar.gz file')"
    "  For further troubleshooting common failures please visit: "
    "https://docs.aws.amazon.com/sagemaker/latest/dg/neo-troubleshooting-compilation.html"
)
"""A recorded reply of the real service, word for word."""


@dataclass(frozen=True)
class Probe:
    """One hostile input."""

    name: str
    phrase: str
    content: bytes | None
    """None: an object that does not exist."""
    framework: str = "XGBOOST"
    may_compile: bool = False
    """What is hostile in it may be of no account to a prediction."""
    contained: bool = False
    """It runs, in the sandbox, as it must, and may break down there: an InternalError will do."""
    config: str | None = None
    """DataInputConfig."""
    max_runtime: int | None = None
    """Seconds, where it would go on for ever."""


def probes() -> Iterator[Probe]:
    yield from _archives()
    yield from _not_archives()
    yield from _wrong_frameworks()
    yield from _pickles()
    yield from _claims()
    yield from _unheard()


def _archives() -> Iterator[Probe]:
    content = boosted().content
    for depth in (1, 3, 8):
        path = "../" * depth + ESCAPED
        yield Probe(f"path upwards {depth}", "..", tarball({path: b"", "model.json": content}))
    yield Probe("absolute path", "absolute", tarball({f"/tmp/{ESCAPED}": b"", "model.json": content}))
    links = {
        "symbolic link": (tarfile.SYMTYPE, "/etc/passwd"),
        "symbolic link upwards": (tarfile.SYMTYPE, "../request.json"),
        "hard link": (tarfile.LNKTYPE, "/etc/passwd"),
        "hard link upwards": (tarfile.LNKTYPE, "../request.json"),
        "character device": (tarfile.CHRTYPE, ""),
        "block device": (tarfile.BLKTYPE, ""),
        "named pipe": (tarfile.FIFOTYPE, ""),
    }
    for name, (kind, target) in links.items():
        phrase = f"is a {' '.join(name.split()[:2])}"
        yield Probe(name, phrase, _special(kind, target))
    yield Probe("write through a link", "is a symbolic link", _through_link())
    yield Probe("gzip bomb", "decompression bomb", _bomb())
    many = {f"{number}": b"" for number in range(10_001)}
    yield Probe("10,001 members", "more than 10000 members", tarball(many))
    yield Probe("claim of 100 TB", "claims 109951162777600 bytes", _tar_claim(100 << 40))
    yield Probe("claim of 2 GB", "which claims 2147483648 bytes", _tar_claim(2 << 30))
    whole = boosted().tarball
    yield Probe("truncated archive", "Unable to untar input model", whole[: len(whole) // 2])
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 16
    yield Probe("bit-flipped archive", "Unable to untar input model", bytes(flipped))


def _not_archives() -> Iterator[Probe]:
    yield Probe("comma-separated values", NOT_A_TARBALL, b"label,age\n1,39\n0,50\n" * 100)
    yield Probe("empty object", "The object is empty.", b"")
    yield Probe("missing object", "S3 object does not exist", None)
    yield Probe("bare model", "a bare JSON or UBJSON file", boosted().content)
    yield Probe("plain tar", "a tar that is not compressed", gzip.decompress(boosted().tarball))
    yield Probe("no members", "holds no files", tarball({}))


def _wrong_frameworks() -> Iterator[Probe]:
    yield Probe("scikit-learn as XGBOOST", "no XGBoost model", forest().tarball)
    yield Probe("XGBoost as SKLEARN", "expected one model file", boosted().tarball, "SKLEARN")
    yield Probe("XGBoost as TENSORFLOW", "one .pb or .pbtxt file", boosted().tarball, "TENSORFLOW")
    yield Probe("two models", "found 2", tarball({"a.json": boosted().content, "b.json": boosted().content}))


class Call:
    """Unpickled by the framework, this is a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, Any]:
        return self.call


def _pickles() -> Iterator[Probe]:
    shell = Call(os.system, COMMAND)
    program = Call(exec, f"import os; os.system({COMMAND!r})")
    compressed = io.BytesIO()
    joblib.dump({"model": program}, compressed, compress=3)
    called = "which was not run or imported"
    refused = {
        "os.system": ("model.pkl", pickle.dumps(shell), called),
        "builtins.exec": ("model.pkl", pickle.dumps(program), called),
        "builtins.exec in joblib": ("model.joblib", compressed.getvalue(), "expected a trained"),
        "os.system by protocol 0": ("model.pkl", b"cos\nsystem\n(S'" + COMMAND.encode() + b"'\ntR.", called),
        "billion laughs": ("model.pkl", _laughs(), "expected a trained"),
    }
    for name, (file, content, phrase) in refused.items():
        yield Probe(name, phrase, tarball({file: content}), "SKLEARN")
    booster = pickle.dumps(("xgboost", shell))
    yield Probe("os.system as XGBOOST", "expected a pickled xgboost Booster", tarball({"model": booster}))


def _unheard() -> Iterator[Probe]:
    """Code in a field that no prediction needs."""
    estimator = copy.copy(forest().model)
    estimator.monitor = Call(os.system, COMMAND)
    yield Probe("os.system in a forest", "", tarball({"model.pkl": pickle.dumps(estimator)}), "SKLEARN", True)


def _claims() -> Iterator[Probe]:
    long = b"\x80\x04\x8e" + (2 << 30).to_bytes(8, "little") + b"abc."
    yield Probe("pickle of 2 GB", "2147483648 bytes are announced", tarball({"model.pkl": long}), "SKLEARN")
    buffer = io.BytesIO()
    joblib.dump(forest().model, buffer)
    array = _replaced(buffer.getvalue(), b"\x05shape\x94K\x03\x85", b"\x05shape\x94J\0\0\0\x10\x85")
    yield Probe(
        "joblib array of 2 GB", "2147483648 bytes are announced", tarball({"model.joblib": array}), "SKLEARN"
    )
    ubj = boosted("ubj").content
    start = ubj.index(b"base_weights[$d#L") + 17
    claim = ubj[:start] + (1 << 29).to_bytes(8, "big") + ubj[start + 8 :]
    yield Probe(
        "UBJSON array of 2 GB", "2147483648 values or bytes are announced", tarball({"model.ubj": claim})
    )
    yield Probe("deep JSON", "recursion", tarball({"model.json": b'{"learner":' + b"[" * 200_000}))
    deep = b'{"learner":' * 100_000 + b"1" + b"}" * 100_000
    yield Probe("deep and whole JSON", "recursion", tarball({"model.json": deep}))
    zeros = gzip.compress(gzip.compress(bytes(128 << 20)))
    yield Probe("bomb inside the model", "not a readable pickle", tarball({"model.pkl.gz": zeros}), "SKLEARN")
    children = "gradient_booster.model.trees.0.left_children.0"
    yield Probe("cycle", "1 nodes lead to it, expected 0", _edited(children, 0))
    yield Probe("child out of range", "expected numbers from 0 to", _edited(children, 1 << 30))
    yield Probe("negative child", "expected numbers from 0 to", _edited(children, -7))
    yield Probe("features", "2147483647 features", _edited("learner_model_param.num_feature", "2147483647"))
    trees = "gradient_booster.model.gbtree_model_param.num_trees"
    yield Probe("number of trees", "1000000000", _edited(trees, "1000000000"))
    yield Probe("base score", "base_score", _edited("learner_model_param.base_score", "[" * 100))


def _edited(path: str, value: Any) -> bytes:
    """A JSON model in which the member at `path` of the learner is `value`."""
    model = json.loads(boosted().content)
    place = model["learner"]
    *folders, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for folder in folders:
        place = place[folder]
    place[last] = value
    return tarball({"model.json": json.dumps(model).encode()})


def _special(kind: bytes, target: str) -> bytes:
    """model.json as a link or a device."""
    return _archive([_member("model.json", kind, target), _member("other.json")])


def _through_link() -> bytes:
    return _archive([_member("out", tarfile.SYMTYPE, "/tmp"), _member(f"out/{ESCAPED}")])


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    member.devmajor, member.devminor = 1, 5
    return member


def _archive(members: list[tarfile.TarInfo]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member)
    return buffer.getvalue()


def _bomb() -> bytes:
    """128 MiB of zeros in 0.6 MB."""
    member = _member("model.json")
    member.size = 128 << 20
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1) as stream:
        stream.write(member.tobuf())
        for _ in range(128):
            stream.write(bytes(1 << 20))
        stream.write(bytes(1024))
    return buffer.getvalue()


def _tar_claim(size: int) -> bytes:
    """A header with nothing behind it."""
    member = _member("model.json")
    member.size = size
    return gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def _laughs() -> bytes:
    """A list that holds itself 2**40 times, in 200 bytes: each level is the one below, twice."""
    doubled = b"".join(b"]\x94(h%ch%ce" % (level, level) for level in range(40))
    return b"\x80\x04]\x94" + doubled + b"."


def _replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


def written_outside(data_dir: Path) -> list[Path]:
    """Files that an attack has left: in the service's own folder, in any above it, or in /tmp.

    Waits for the folder of the last attempt to go, which it does after its job has ended. The service's
    folder changes meanwhile: os.walk heeds that, Path.rglob fails.
    """
    until(lambda: not any((data_dir / "work").iterdir()))
    above = [folder / ESCAPED for folder in (*data_dir.parents, Path("/tmp")) if (folder / ESCAPED).exists()]
    return above + [
        Path(folder, ESCAPED) for folder, folders, files in os.walk(data_dir) if ESCAPED in (*folders, *files)
    ]
