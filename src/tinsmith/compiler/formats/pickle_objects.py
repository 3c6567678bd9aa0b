"""What stands for the objects of a pickle: inert records, plain containers and numpy arrays.

Nothing here imports or calls what a pickle names. The few names that are understood are listed in
`CONSTRUCTORS`; everything else becomes a `Record`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arguments = tuple[Any, ...]
Charge = Callable[[int], None]
"""Takes so many bytes from the budget of the pickle, and raises MalformedPickle when it is spent."""

ENTRY_COST = 100  # bytes of a dictionary entry, roughly


class MalformedPickle(Exception):
    """The pickle contradicts itself or asks for something that is not allowed."""


@dataclass(frozen=True, slots=True)
class Global:
    """A class or function that the pickle names. It is a name and nothing else."""

    name: str
    """`module.name`, as the pickle spells it."""


@dataclass(eq=False, slots=True)
class Record:
    """An object of a class that is not understood: its constructor arguments and its state."""

    name: str
    """`module.name` of the class or of the function that would have made the object."""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    state: Any = None
    """As pickled."""
    fields: dict[str, Any] = field(default_factory=dict)
    """Attributes: the dictionary part of the state, slots included; empty when there is none."""
    items: list[Any] = field(default_factory=list)
    """What was appended, of list subclasses."""
    entries: dict[Any, Any] = field(default_factory=dict)
    """What was set by key, of dict subclasses."""

    @property
    def short_name(self) -> str:
        """The class name without its module."""
        return self.name.rpartition(".")[2]

    def build(self, state: Any, charge: Charge) -> None:
        """Take `state` as the BUILD opcode does."""
        self.state = state
        parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
        for part in parts:
            if isinstance(part, dict):
                charge(ENTRY_COST * len(part))
                self.fields.update((key, value) for key, value in part.items() if isinstance(key, str))


@dataclass(eq=False, slots=True)
class Dtype:
    """A numpy dtype; mutable because a pickle completes it after making it."""

    dtype: np.dtype[Any]

    def build(self, state: Any) -> None:
        """Take the state of numpy.dtype.__reduce__ (versions 3 and 4)."""
        if not isinstance(state, tuple) or len(state) < 5:
            raise MalformedPickle("the state of a numpy.dtype is not a tuple of five or more")
        order, subarray, names, fields = state[1:5]
        if subarray is not None:
            base, shape = subarray
            self.dtype = _checked(np.dtype((_dtype_of(base), _shape_of(shape))))
        elif names is not None:
            self.dtype = _structured(names, fields, state[5])
        elif self.dtype.kind in "mM" and len(state) > 8:
            unit, number = state[8][1][:2]
            self.dtype = np.dtype(f"{self.dtype.kind}8[{int(number)}{_text(unit)}]")
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


MAX_ITEM = 1 << 24  # bytes of one array element
MAX_FIELDS = 4096  # of a structured dtype
_DTYPE_CODE = re.compile(r"[|<>=]?[?bBhHiIlLqQefdgcuFDGOSUVmM][0-9]{0,8}")


def construct(function: Global | Record, args: Arguments, charge: Charge) -> Any:
    """The object that calling `function` with `args` stands for."""
    if isinstance(function, Record):
        return Record(f"{function.name}.__call__", (function, *args))
    known = CONSTRUCTORS.get(function.name)
    if known is not None:
        return known(args, charge)
    return Record(function.name, args)


def instance(cls: Any, args: Arguments, charge: Charge) -> Any:
    """The object that `cls.__new__(cls, *args)` stands for."""
    if not isinstance(cls, Global):
        raise MalformedPickle(f"an instance of a {type(cls).__name__} instead of a class")
    return construct(cls, args, charge)


def build_array(array: NDArray[Any], state: Any, charge: Charge) -> None:
    """Fill the empty `array` from the state of ndarray.__reduce__: [version], shape, dtype, order, data."""
    if array.shape != (0,) or array.dtype != np.int8:
        raise MalformedPickle("an array is built twice")
    shape, dtype, fortran, data = state[-4:]
    dtype, shape = _dtype_of(dtype), _shape_of(shape)
    if isinstance(data, str):
        data = data.encode("latin-1")
    count = math.prod(shape)
    if dtype.hasobject:
        _check_objects(dtype, count, data)
        charge(8 * count)
    else:
        _check_size(dtype, count, len(data))
        charge(len(data))
    array.__setstate__((1, shape, dtype, bool(fortran), data))  # type: ignore[arg-type]


def array_from_bytes(data: bytes | memoryview, dtype: Dtype, shape: Any, order: str) -> NDArray[Any]:
    """A copy of `data`, in native byte order; its size must be exactly what dtype and shape tell."""
    shape = _shape_of(shape)
    if dtype.dtype.hasobject:
        raise MalformedPickle("an array of objects cannot come from bytes")
    _check_size(dtype.dtype, math.prod(shape), len(data))
    flat = np.frombuffer(data, dtype.dtype) if len(data) else np.empty(0, dtype.dtype)
    native = flat.astype(dtype.dtype.newbyteorder("="))
    return native.reshape(shape, order="F" if order == "F" else "C")


def array_bytes(dtype: Dtype, shape: Any) -> int:
    """How many bytes an array of this dtype and shape occupies."""
    return dtype.dtype.itemsize * math.prod(_shape_of(shape))


def _check_size(dtype: np.dtype[Any], count: int, found: int) -> None:
    if dtype.itemsize * count != found or (count and not dtype.itemsize):
        raise MalformedPickle(
            f"an array of {count} elements of {dtype} needs {dtype.itemsize * count} bytes, found {found}"
        )


def _check_objects(dtype: np.dtype[Any], count: int, data: Any) -> None:
    if dtype != np.object_:
        raise MalformedPickle(f"an array of {dtype} mixes objects and numbers")
    if not isinstance(data, list) or len(data) != count:
        raise MalformedPickle(f"an array of {count} objects has no list of {count} objects")
    # Deallocating object arrays nested in each other recurses on the C stack.
    for item in data:
        if isinstance(item, np.ndarray) and (item.dtype.hasobject or item.shape == (0,)):
            raise MalformedPickle("an array of objects holds another array of objects")


def _structured(names: Any, fields: Any, itemsize: Any) -> np.dtype[Any]:
    if not isinstance(names, tuple) or not isinstance(fields, dict) or len(names) > MAX_FIELDS:
        raise MalformedPickle(f"the fields of a structured numpy.dtype are not at most {MAX_FIELDS} names")
    if not set(names) <= set(fields):
        raise MalformedPickle("the fields of a structured numpy.dtype do not fit their names")
    layout = {
        "names": [_text(name) for name in names],
        "formats": [_dtype_of(fields[name][0]) for name in names],
        "offsets": [int(fields[name][1]) for name in names],
        "itemsize": int(itemsize),
    }
    return _checked(np.dtype(layout))  # type: ignore[call-overload]


def _checked(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.itemsize > MAX_ITEM:
        raise MalformedPickle(f"an array element of {dtype.itemsize} bytes (at most {MAX_ITEM})")
    return dtype


def _dtype_of(value: Any) -> np.dtype[Any]:
    if not isinstance(value, Dtype):
        raise MalformedPickle(f"a {type(value).__name__} where a numpy.dtype belongs")
    return value.dtype


def _shape_of(value: Any) -> tuple[int, ...]:
    shape = (value,) if isinstance(value, int) else value
    if not isinstance(shape, tuple) or len(shape) > 32:
        raise MalformedPickle("the shape of an array is not a tuple of at most 32 numbers")
    if not all(type(n) is int and 0 <= n < 1 << 62 for n in shape):
        raise MalformedPickle(f"the shape of an array is {shape!r:.80}")
    return shape


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise MalformedPickle(f"a {type(value).__name__} where a string belongs")
    return value


def _new_dtype(args: Arguments, charge: Charge) -> Dtype:
    code = _text(args[0])
    if not _DTYPE_CODE.fullmatch(code):
        raise MalformedPickle(f"numpy.dtype({code!r:.40}) is not read")
    return Dtype(_checked(np.dtype("O" if code.lstrip("|<>=").startswith("O") else code)))


def _new_placeholder(args: Arguments, charge: Charge) -> NDArray[Any]:
    return np.empty(0, np.int8)


def _new_scalar(args: Arguments, charge: Charge) -> Any:
    dtype = _dtype_of(args[0])
    if dtype.hasobject:
        return args[1]
    data = args[1].encode("latin-1") if isinstance(args[1], str) else args[1]
    _check_size(dtype, 1, len(data))
    charge(len(data))
    return np.frombuffer(data, dtype)[0]


def _from_buffer(args: Arguments, charge: Charge) -> NDArray[Any]:
    data, dtype, shape, order = args
    charge(len(data))
    return array_from_bytes(memoryview(data).cast("B"), dtype, shape, order)


def _encode(args: Arguments, charge: Charge) -> bytes:
    text, encoding = args
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise MalformedPickle("_codecs.encode is read for latin-1 text only")
    charge(len(text))
    return text.encode("latin-1")


def _new_bytes(args: Arguments, charge: Charge) -> bytes:
    if not args:
        return b""
    data = args[0].encode("latin-1") if isinstance(args[0], str) else args[0]
    if not isinstance(data, bytes | bytearray):
        raise MalformedPickle(f"bytes made of a {type(data).__name__}")
    charge(len(data))
    return bytes(data)


def _new_bytearray(args: Arguments, charge: Charge) -> bytearray:
    return bytearray(_new_bytes(args, charge))


def _elements(args: Arguments, charge: Charge) -> list[Any]:
    values = args[0] if args else []
    if not isinstance(values, list | tuple | set | frozenset | dict):
        raise MalformedPickle(f"a collection made of a {type(values).__name__}")
    charge(ENTRY_COST * len(values))
    return list(values)


def _new_set(args: Arguments, charge: Charge) -> set[Any]:
    return {checked_key(value) for value in _elements(args, charge)}


def _new_frozenset(args: Arguments, charge: Charge) -> frozenset[Any]:
    return frozenset(_new_set(args, charge))


def _new_list(args: Arguments, charge: Charge) -> list[Any]:
    return _elements(args, charge)


def _new_tuple(args: Arguments, charge: Charge) -> tuple[Any, ...]:
    return tuple(_elements(args, charge))


def _new_dict(args: Arguments, charge: Charge) -> dict[Any, Any]:
    pairs = _elements(args, charge)
    if args and isinstance(args[0], dict):
        return dict(args[0])
    return {checked_key(key): value for key, value in pairs}


def _new_defaultdict(args: Arguments, charge: Charge) -> dict[Any, Any]:
    return _new_dict(args[1:], charge)


def _new_complex(args: Arguments, charge: Charge) -> complex:
    return complex(float(args[0]), float(args[1]))


def _reconstruct_object(args: Arguments, charge: Charge) -> Record:
    """copyreg._reconstructor(class, base, state)."""
    cls, base, state = args
    if not isinstance(cls, Global):
        raise MalformedPickle(f"an instance of a {type(cls).__name__} instead of a class")
    plain = isinstance(base, Global) and base.name.endswith(".object")
    return Record(cls.name, () if plain else (state,))


def _new_object(args: Arguments, charge: Charge) -> Any:
    """copyreg.__newobj__(class, *args)."""
    return instance(args[0], args[1:], charge)


def checked_key(key: Any) -> Any:
    """`key`, if hashing it is harmless: a record, a scalar whose hash is quick and not for anyone to
    choose, or a short tuple of such."""
    if isinstance(key, tuple):
        if len(key) > _LONGEST_KEY or not all(map(_is_simple_key, key)):
            raise MalformedPickle("a dictionary key is a long or nested tuple or holds a container")
    elif not isinstance(key, frozenset) and not _is_simple_key(key):
        raise MalformedPickle(f"a dictionary key is a {type(key).__name__}, or a number beyond 64 bits")
    return key


def _is_simple_key(key: Any) -> bool:
    if isinstance(key, int):
        return -(1 << 63) <= key < 1 << 64
    return isinstance(key, _KEYS) and not isinstance(key, np.void | np.complexfloating)


_LONGEST_KEY = 64
_KEYS = (str, bytes, float, type(None), np.generic, Record, Global)

CONSTRUCTORS: dict[str, Callable[[Arguments, Charge], Any]] = {
    "numpy.dtype": _new_dtype,
    "numpy.ndarray": _new_placeholder,
    "_codecs.encode": _encode,
    "collections.OrderedDict": _new_dict,
    "collections.defaultdict": _new_defaultdict,
    **{
        f"numpy.{core}.{name}": function
        for core in ("core", "_core")
        for name, function in {
            "multiarray._reconstruct": _new_placeholder,
            "multiarray.scalar": _new_scalar,
            "numeric._frombuffer": _from_buffer,
        }.items()
    },
    **{
        f"{module}.{name}": function
        for module in ("builtins", "__builtin__")
        for name, function in {
            "set": _new_set,
            "frozenset": _new_frozenset,
            "list": _new_list,
            "tuple": _new_tuple,
            "dict": _new_dict,
            "bytes": _new_bytes,
            "bytearray": _new_bytearray,
            "complex": _new_complex,
        }.items()
    },
    **{
        f"{module}.{name}": function
        for module in ("copyreg", "copy_reg")
        for name, function in {"_reconstructor": _reconstruct_object, "__newobj__": _new_object}.items()
    },
}
