"""The inert reader of pickles and joblib files."""

from __future__ import annotations

import bz2
import collections
import contextlib
import gzip
import io
import lzma
import os
import pickle
import pickletools
import struct
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier

from tinsmith.compiler.formats.pickle import Global, Record, load, load_from
from tinsmith.errors import ClientError

RNG = np.random.default_rng(7)


class Plain:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Slotted:
    __slots__ = ("left", "right")

    def __init__(self) -> None:
        self.left, self.right = 1, "two"


class ListLike(list[Any]):
    pass


class DictLike(dict[Any, Any]):
    pass


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


ARRAYS = [
    np.arange(12, dtype=np.float64).reshape(3, 4),
    np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4)),
    np.arange(24, dtype=np.int32).reshape(2, 3, 4)[:, ::2],
    np.array(3.5),
    np.zeros((0, 5)),
    np.array([True, False]),
    np.array([1 + 2j]),
    np.array(["a", "bcd", "ü"]),
    np.array([b"a", b"bcd"]),
    np.array(["2020-01-01", "NaT"], "M8[D]"),
    np.array([1, 2], ">i4"),
    np.array([("a", None, [1, 2])], dtype=object)[0],
    np.array([np.nan, np.inf, -0.0, 5e-324]),
    np.array([(1, 2.5, 1)], dtype=[("left", "<i8"), ("threshold", "<f8"), ("flag", "u1")]),
    np.zeros(3, np.dtype([("left", "<i8"), ("flag", "u1")], align=True)),
    np.zeros(2, np.dtype([("bits", "<u4", (8,))])),
]


def native(array: Any) -> Any:
    """`array` in the byte order of this machine, which is how numpy itself unpickles."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def identical(found: Any, expected: Any) -> bool:
    """Equal in type and bits, through containers."""
    if isinstance(expected, np.ndarray):
        if not isinstance(found, np.ndarray) or (found.dtype, found.shape) != (
            expected.dtype,
            expected.shape,
        ):
            return False
        if expected.dtype == object:
            return all(map(identical, found.flat, expected.flat))
        if expected.dtype.names:
            return all(identical(found[name], expected[name]) for name in expected.dtype.names)
        return found.tobytes() == expected.tobytes()
    if type(found) is not type(expected):
        return False
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(identical, found, expected))
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(identical(found[k], expected[k]) for k in expected)
    if isinstance(expected, float | np.floating):
        return struct.pack("<d", found) == struct.pack("<d", expected)
    return bool(found == expected)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_gives_back_plain_values(protocol: int) -> None:
    big = [list(range(2000)), {f"k{i}": i for i in range(1500)}, "x" * 70000, b"y" * 70000]
    value: list[Any] = [
        None, True, False, 0, -1, 255, 256, 65535, 65536, -(2**31), 2**31, 2**63, -(2**200),
        1.5, float("-inf"), -0.0, "", "text", "zwölf\n'\"\\", "\ud800", b"", b"\x00\xff",
        (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}, set(), [[[[]]]],
        {1: {2: 3}}, {(1, "a"): None}, {1, 2}, frozenset({3}), 1j, big,
    ]  # fmt: skip
    assert identical(load(pickle.dumps(value, protocol)), value)


def test_bytearrays_and_ordered_dictionaries_come_back() -> None:
    value = {
        "a": bytearray(b"model"),
        "b": collections.OrderedDict(x=1),
        "c": collections.defaultdict(list, y=[2]),
    }
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        found = load(pickle.dumps(value, protocol))
        assert found == {"a": bytearray(b"model"), "b": {"x": 1}, "c": {"y": [2]}}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}"[:30])
def test_arrays_come_back_bit_for_bit(array: Any, protocol: int) -> None:
    assert identical(load(pickle.dumps([array, array], protocol)), [native(array), native(array)])


@pytest.mark.parametrize(
    "compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)], ids=str
)
def test_joblib_files_come_back(tmp_path: Path, compress: Any) -> None:
    value = {"arrays": list(ARRAYS), "scalar": np.float64(2.5), "more": np.ones(3, np.uint8)}
    joblib.dump(value, tmp_path / "m.joblib", compress=compress)
    assert identical(load(tmp_path / "m.joblib"), {**value, "arrays": [native(a) for a in ARRAYS]})


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, bz2.compress, lzma.compress])
def test_compressed_pickles_come_back(pack: Any) -> None:
    value = [np.arange(1000.0), "text"]
    assert identical(load(pack(pickle.dumps(value))), value)
    assert identical(
        load(gzip.compress(pickle.dumps(value)[:50]) + gzip.compress(pickle.dumps(value)[50:])), value
    )


def test_numpy_scalars_come_back() -> None:
    for scalar in (np.float32(0.1), np.int64(-5), np.bool_(True), np.str_("abc"), np.float64("nan")):
        assert identical(load(pickle.dumps(scalar)), scalar)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_objects_become_records(protocol: int) -> None:
    if protocol >= 2:
        slotted = load(pickle.dumps(Slotted(), protocol))
        assert slotted.fields == {"left": 1, "right": "two"}
    plain = load(pickle.dumps(Plain(a=1, inner=Plain(b=np.arange(3))), protocol))
    assert isinstance(plain, Record)
    assert plain.name.endswith(".Plain")
    assert plain.short_name == "Plain"
    assert plain.fields["inner"].fields["b"].tolist() == [0, 1, 2]
    assert plain.fields["a"] == 1


def test_subclasses_of_containers_keep_their_content() -> None:
    assert load(pickle.dumps(ListLike([1, 2]))).items == [1, 2]
    assert load(pickle.dumps(DictLike(a=1))).entries == {"a": 1}
    assert load(pickle.dumps(np.float64)) == Global("numpy.float64")


def test_shared_and_cyclic_objects_stay_so() -> None:
    shared = [1]
    first, second = load(pickle.dumps([shared, shared]))
    assert first is second
    cycle: list[Any] = []
    cycle.append(cycle)
    found = load(pickle.dumps(cycle))
    assert found[0] is found


def test_nothing_in_the_file_executes(tmp_path: Path) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        record = load(pickle.dumps(Touch(tmp_path / "touched"), protocol))
        assert record.name in ("posix.system", "nt.system")
        assert record.args == (f"touch {tmp_path / 'touched'}",)
    command = b"S'touch " + bytes(tmp_path / "touched") + b"'\n"
    for attack in (
        b"cos\nsystem\n(" + command + b"tR.",
        b"(" + command + b"ios\nsystem\n.",
        b"(cos\nsystem\n" + command + b"o.",
        b"c__builtin__\neval\n(" + command + b"tR.",
        b"cos\nsystem\n(" + command + b"t\x81.",
    ):
        assert isinstance(load(attack), Record)
    assert list(tmp_path.iterdir()) == []


def forests() -> list[Any]:
    rows = RNG.normal(size=(80, 4))
    labels = (rows[:, 0] > 0).astype(int)
    return [
        RandomForestClassifier(n_estimators=3, random_state=0).fit(rows, labels),
        GradientBoostingClassifier(n_estimators=3, random_state=0).fit(rows, labels.astype(str)),
        HistGradientBoostingRegressor(max_iter=3, random_state=0).fit(rows, rows[:, 1]),
    ]


def test_estimators_become_records_with_their_arrays(tmp_path: Path) -> None:
    forest, boosted, histogram = forests()
    record = load(pickle.dumps(forest))
    assert record.fields["n_estimators"] == 3
    tree = record.fields["estimators_"][1].fields["tree_"]
    state = forest.estimators_[1].tree_.__getstate__()
    assert identical(tree.fields["nodes"], state["nodes"])
    assert identical(tree.fields["values"], state["values"])
    joblib.dump(boosted, tmp_path / "b.joblib")
    record = load(tmp_path / "b.joblib")
    assert record.fields["classes_"].tolist() == ["0", "1"]
    assert record.fields["estimators_"].shape == (3, 1)
    assert record.fields["estimators_"][2, 0].short_name == "DecisionTreeRegressor"
    predictor = load(pickle.dumps(histogram)).fields["_predictors"][0][0]
    assert identical(predictor.fields["nodes"], histogram._predictors[0][0].nodes)


@pytest.fixture(scope="module")
def real_files() -> list[bytes]:
    files: list[bytes] = []
    for model in forests():
        files.extend(pickle.dumps(model, protocol) for protocol in (0, 2, 4, 5))
        stream = io.BytesIO()
        joblib.dump(model, stream)
        files.append(stream.getvalue())
        stream = io.BytesIO()
        joblib.dump(model, stream, compress=3)
        files.append(stream.getvalue())
    return files


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_files_give_a_client_error_or_an_object(real_files: list[bytes], data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(real_files)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    with contextlib.suppress(ClientError):
        load(bytes(content))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_noise_gives_a_client_error_or_an_object(content: bytes) -> None:
    with contextlib.suppress(ClientError):
        load(content)


@pytest.mark.parametrize("cut", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(real_files: list[bytes], cut: float) -> None:
    for content in real_files:
        with pytest.raises(ClientError):
            load(content[: int(len(content) * cut)])


def array_claim(shape: tuple[int, ...], dtype: str, content: Any) -> bytes:
    """A pickle of an array that claims `shape` and `dtype` but carries `content`."""
    claimed, carried = (pickle.dumps(value, 2)[2:-1] for value in (shape, content))
    head = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR(K\x01"
    kind = b"cnumpy\ndtype\n(U" + bytes([len(dtype)]) + dtype.encode() + b"K\x00K\x01tR"
    return head + claimed + kind + b"\x89" + carried + b"tb."


def test_hostile_claims_are_refused() -> None:
    with pytest.raises(ClientError, match="2147483648 bytes are announced, 1 are left"):
        load(b"\x80\x05\x96" + struct.pack("<Q", 2 << 30) + b".")
    assert load(b"Nr\xff\xff\xff\xff0j\xff\xff\xff\xff.") is None
    bombs = {
        "long": b"\x8b" + struct.pack("<i", 2**31 - 1) + b".",
        "bytes": b"\x8e" + struct.pack("<Q", 2**63) + b".",
        "bytes of a number": b"c__builtin__\nbytearray\n(I2000000000\ntR.",
        "set of a list of lists": b"c__builtin__\nset\n(((lltR.",
        "deep key": b"}" + b"(" * 3 + b"ttt" + b"Ns.",
        "stop alone": b".",
        "pop": b"0.",
        "mark": b"(.",
        "persistent": b"Pid\n.",
        "extension": b"\x82\x01.",
    }
    for content in bombs.values():
        with pytest.raises(ClientError):
            load(content)


def test_nested_containers_do_not_overflow_the_stack() -> None:
    value = load(b"(" * 200000 + b"t" * 200000 + b".")
    assert isinstance(value, tuple)
    del value
    with pytest.raises(ClientError):
        load(b"}(" + b"(" * 200000 + b"t" * 200000 + b"Nu.")


def test_keys_that_are_slow_to_hash_are_refused() -> None:
    for key in (2**64, -(2**64), tuple(range(65)), ((1,),), 1j, (1, 2**70)):
        with pytest.raises(ClientError, match="a dictionary key is"):
            load(pickle.dumps({key: None}))
    plain = {
        2**64 - 1: 1,
        -(2**63): 2,
        tuple(range(64)): 3,
        frozenset({1}): 4,
        0.5: 5,
        np.int64(3): 6,
        None: 7,
    }
    assert load(pickle.dumps(plain)) == plain


def test_a_bomb_of_references_is_refused() -> None:
    # Each level doubles what the one below refers to; nothing is copied, so nothing explodes.
    levels = b"]" + b"".join(b"q%c0](h%ch%ce" % (i, i, i) for i in range(60)) + b"."
    assert len(load(levels)) == 2
    head = b"\x80\x02" + pickle.dumps({str(i): i for i in range(50_000)}, 2)[2:-1] + b"q\xff0"
    for again in (b"ca\nb\n)\x81h\xffb0", b"ca\nb\n)\x81Nh\xff\x86b0", b"c__builtin__\ndict\n(h\xfftR0"):
        with pytest.raises(ClientError, match="unfolds to more"):
            load(head + 2000 * again + b"N.")


def test_repeated_use_of_one_buffer_is_refused() -> None:
    head = b"\x80\x02" + pickletools.optimize(pickle.dumps("a" * (8 << 20), 2))[2:-1] + b"q\x000"
    once = b"c_codecs\nencode\n(h\x00U\x06latin1tR0"
    assert load(head + once + b"N.") is None
    with pytest.raises(ClientError, match="unfolds to more"):
        load(head + 400 * once + b"N.")


def test_compression_bombs_are_refused() -> None:
    bomb = zlib.compress(bytes(200 << 20), 9)
    with pytest.raises(ClientError, match="unpacks to more than"):
        load(bomb)


def test_foreign_containers_are_refused_by_name() -> None:
    with pytest.raises(ClientError, match="lz4"):
        load(b"\x04\x22\x4d\x18" + bytes(50))
    with pytest.raises(ClientError, match="zstd"):
        load(b"\x28\xb5\x2f\xfd" + bytes(50))
    with pytest.raises(ClientError, match=r"joblib before 0\.10"):
        load(b"ZF0x15" + bytes(50))
    old = b"\x80\x02cjoblib.numpy_pickle\nNDArrayWrapper\n)\x81."
    with pytest.raises(ClientError, match=r"m\.pkl: .*joblib before 0\.10"):
        load(old, "m.pkl")
    with pytest.raises(ClientError, match="empty"):
        load(b"")
    with pytest.raises(ClientError, match="cut short"):
        load(zlib.compress(pickle.dumps([1] * 1000))[:-6])


def test_arrays_of_objects_do_not_nest() -> None:
    inner = np.array([None, "text"], object)
    outer = np.empty(2, object)
    outer[0], outer[1] = np.arange(3), {"behind": inner}
    found = load(pickle.dumps(outer))
    assert found[0].tolist() == [0, 1, 2]
    assert found[1]["behind"].tolist() == [None, "text"]
    outer[1] = inner
    with pytest.raises(ClientError, match="holds another array of objects"):
        load(pickle.dumps(outer))
    itself = np.empty(1, object)
    itself[0] = itself
    with pytest.raises(ClientError, match="holds another array of objects"):
        load(pickle.dumps(itself))


def test_array_claims_must_fit_their_bytes() -> None:
    assert load(array_claim((2,), "f8", "\0" * 16)).tolist() == [0.0, 0.0]
    for shape, dtype, content in [
        ((2**40,), "f8", "\0" * 16),
        ((3,), "f8", "\0" * 16),
        ((1,), "f8", "\0" * 16),
        ((-1,), "f8", "\0" * 16),
        ((2**61, 8), "f8", ""),
        ((2**40,), "V0", ""),
        ((2**40,), "O8", []),
        ((1,), "V99999999", ""),
        ((1,), "i8,i8", "\0" * 16),
    ]:
        with pytest.raises(ClientError):
            load(array_claim(shape, dtype, content))


class Outside(pickle.Pickler):
    def persistent_id(self, obj: object) -> object:
        return ("storage", len(obj), "0") if isinstance(obj, bytes) else None


def test_objects_outside_of_the_pickle() -> None:
    written = io.BytesIO()
    Outside(written, 2).dump({"weight": b"data"})
    with pytest.raises(ClientError, match="persistent ids"):
        load(written.getvalue())
    outside = load(written.getvalue(), external=True)["weight"]
    assert (outside.name, outside.args[0][0]) == ("persistent_id", "storage")


def test_pickles_one_after_another() -> None:
    data = pickle.dumps([1]) + pickle.dumps("second")
    first, position = load_from(data, 0, "two")
    assert (first, load_from(data, position, "two")) == ([1], ("second", len(data)))
