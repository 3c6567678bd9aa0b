"""The pickle opcodes, protocols 0 to 5, interpreted over inert objects.

An interpreter of our own, because the one in the standard library obeys sizes before it checks them
and calls what it finds. Here every payload is a slice of the data at hand, each opcode is charged for
the memory it may cost, and nothing that the pickle names is imported.
"""

from __future__ import annotations

import pickle as opcodes
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.formats.pickle_objects import (
    ENTRY_COST,
    Dtype,
    Global,
    MalformedPickle,
    Record,
    array_bytes,
    array_from_bytes,
    build_array,
    checked_key,
    construct,
    instance,
)

BUDGET = 1 << 30
"""Bytes of memory that the objects of one pickle may take, by the estimates below, beyond its own size."""
_COST = 64
_OBJECT_COST = 600

EXTERNAL = "persistent_id"
"""Name of the Record of an object that lies outside the pickle; its one argument is what identifies it."""

_ARRAY_WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
_OLD_WRAPPERS = ("joblib.numpy_pickle.NDArrayWrapper", "joblib.numpy_pickle.ZNDArrayWrapper")


class Machine:
    """One run over `data` from `position`; `run` gives the object and leaves `position` behind it."""

    def __init__(
        self, data: bytes, position: int = 0, budget: int | None = None, external: bool = False
    ) -> None:
        self.data = data
        self.position = position
        self.budget = BUDGET + 4 * len(data) if budget is None else budget
        self.external = external
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.protocol = 0

    def run(self) -> Any:
        """The pickled object. Raises MalformedPickle, or whatever a contradiction inside provokes."""
        data, operations = self.data, _OPERATIONS
        while True:
            opcode = data[self.position]
            self.position += 1
            self.budget -= _COST
            if self.budget < 0:
                raise MalformedPickle("it unfolds to more objects than a model of its size can have")
            operation = operations.get(opcode)
            if operation is None:
                if opcode == _STOP:
                    return self.pop()
                raise MalformedPickle(_UNREAD.get(opcode, f"{opcode:#04x} is not an opcode"))
            operation(self)

    def charge(self, size: int) -> None:
        """Take `size` bytes from the budget."""
        self.budget -= size
        if self.budget < 0:
            raise MalformedPickle("it unfolds to more objects than a model of its size can have")

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if not 0 <= size <= len(self.data) - self.position:
            left = len(self.data) - self.position
            raise MalformedPickle(f"{size} bytes are announced, {left} are left: the file is cut short")
        self.position += size
        return self.data[self.position - size : self.position]

    def line(self) -> bytes:
        """The bytes up to the next newline, which is skipped."""
        end = self.data.index(b"\n", self.position)
        start, self.position = self.position, end + 1
        return self.data[start:end]

    def number(self, layout: str) -> Any:
        """The next fixed-size number, by its struct layout."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def push(self, value: Any) -> None:
        """Push `value`."""
        self.stack.append(value)

    def pop(self) -> Any:
        """Pop a value that lies above the last mark."""
        if self.marks and self.marks[-1] >= len(self.stack):
            raise MalformedPickle("a value is missing after a mark")
        return self.stack.pop()

    def pop_mark(self) -> list[Any]:
        """Everything above the last mark, which is removed too."""
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def mark(self) -> None:
        """Set a mark."""
        self.marks.append(len(self.stack))

    def memoize(self, key: int) -> None:
        """Remember the top of the stack."""
        self.charge(ENTRY_COST)
        self.memo[key] = self.stack[-1]

    def find(self, module: Any, name: Any) -> None:
        """Push a global."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise MalformedPickle("the name of a class is not text")
        full = f"{module}.{name}"
        if full.endswith(_OLD_WRAPPERS):
            raise MalformedPickle(
                "it was written by joblib before 0.10, with arrays in files of their own; load and save it "
                "again with a newer joblib"
            )
        self.charge(_OBJECT_COST)
        self.push(Global(full))

    def reduce(self) -> None:
        """REDUCE: function, arguments -> result."""
        args, function = self.pop(), self.pop()
        if not isinstance(args, tuple) or not isinstance(function, Global | Record):
            raise MalformedPickle(f"a {type(function).__name__} is called with a {type(args).__name__}")
        self.charge(_OBJECT_COST)
        self.push(construct(function, args, self.charge))

    def new_object(self, args: Any, kwargs: Any = None) -> None:
        """NEWOBJ, NEWOBJ_EX, INST, OBJ: an instance of the class on top of the stack."""
        cls = self.pop()
        self.charge(_OBJECT_COST)
        made = instance(cls, tuple(args), self.charge)
        if kwargs:
            if not isinstance(made, Record) or not isinstance(kwargs, dict):
                raise MalformedPickle("keyword arguments where none are taken")
            made.kwargs = kwargs
        self.push(made)

    def build(self) -> None:
        """BUILD: object, state -> object."""
        state, target = self.pop(), self.stack[-1]
        if isinstance(target, np.ndarray):
            build_array(target, state, self.charge)
        elif isinstance(target, Record):
            target.build(state, self.charge)
            if target.name.endswith(_ARRAY_WRAPPER):
                self.stack[-1] = self.read_array(target.fields)
        elif isinstance(target, Dtype):
            target.build(state)
        elif isinstance(target, Global):
            raise MalformedPickle(f"the state of {target.name} is changed, which is not an instance")
        # The state of a plain container is that of a subclass: nothing that a model needs.

    def read_array(self, wrapper: dict[str, Any]) -> NDArray[Any]:
        """The array that joblib wrote raw into the stream behind its wrapper."""
        dtype, shape = wrapper["dtype"], wrapper["shape"]
        if not isinstance(dtype, Dtype):
            raise MalformedPickle("an array of joblib has no dtype")
        if dtype.dtype.hasobject:
            inner = Machine(self.data, self.position, self.budget)
            array = inner.run()
            self.position, self.budget = inner.position, inner.budget
            if not isinstance(array, np.ndarray):
                raise MalformedPickle(f"a {type(array).__name__} where joblib announces an array")
            return array
        if wrapper.get("numpy_array_alignment_bytes") is not None:
            self.take(self.take(1)[0])
        size = array_bytes(dtype, shape)
        start = self.position
        if size > len(self.data) - start:
            self.take(size)
        self.position += size
        self.charge(size)
        return array_from_bytes(memoryview(self.data)[start : self.position], dtype, shape, wrapper["order"])


def _put_text(machine: Machine, size: int) -> None:
    text = machine.take(size)
    machine.charge(4 * size)
    machine.push(text.decode("utf-8", "surrogatepass"))


def _put_bytes(machine: Machine, size: int) -> None:
    machine.push(machine.take(size))


def _put_old_text(machine: Machine, size: int) -> None:
    machine.push(machine.take(size).decode("latin-1"))


def _string_line(machine: Machine) -> None:
    text = machine.line().strip()
    if len(text) < 2 or text[:1] not in (b"'", b'"') or text[-1:] != text[:1]:
        raise MalformedPickle("a string has no quotes")
    machine.push(text[1:-1].decode("unicode_escape"))


def _int_line(machine: Machine) -> None:
    text = machine.line()
    machine.push({b"00": False, b"01": True}[text] if text in (b"00", b"01") else int(text))


def _long_line(machine: Machine) -> None:
    machine.push(int(machine.line().rstrip(b"L")))


def _put_long(machine: Machine, size: int) -> None:
    machine.push(int.from_bytes(machine.take(size), "little", signed=True))


def _tuple_of(machine: Machine, count: int) -> None:
    values = [machine.pop() for _ in range(count)]
    machine.push(tuple(reversed(values)))


def _append(machine: Machine, values: list[Any]) -> None:
    target = machine.stack[-1]
    if isinstance(target, Record):
        target = target.items
    if not isinstance(target, list):
        raise MalformedPickle(f"a {type(target).__name__} is appended to")
    target.extend(values)


def _set_items(machine: Machine, values: list[Any]) -> None:
    target = machine.stack[-1]
    if isinstance(target, Record):
        target = target.entries
    if not isinstance(target, dict) or len(values) % 2:
        raise MalformedPickle(f"a {type(target).__name__} is filled by key")
    machine.charge(ENTRY_COST * len(values))
    for key, value in zip(values[::2], values[1::2], strict=True):
        target[checked_key(key)] = value


def _add_items(machine: Machine) -> None:
    values = machine.pop_mark()
    target = machine.stack[-1]
    if not isinstance(target, set):
        raise MalformedPickle(f"a {type(target).__name__} is added to")
    machine.charge(ENTRY_COST * len(values))
    target.update(checked_key(value) for value in values)


def _dict_of_mark(machine: Machine) -> None:
    values = machine.pop_mark()
    machine.push({})
    _set_items(machine, values)


def _frozenset_of_mark(machine: Machine) -> None:
    machine.push(frozenset(checked_key(value) for value in machine.pop_mark()))


def _container(make: Callable[[], Any]) -> Callable[[Machine], None]:
    def put(machine: Machine) -> None:
        machine.charge(200)
        machine.push(make())

    return put


def _pop(machine: Machine) -> None:
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()
    else:
        machine.pop()


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.find(module, name)


def _new_object(machine: Machine) -> None:
    machine.new_object(machine.pop())


def _new_object_ex(machine: Machine) -> None:
    kwargs, args = machine.pop(), machine.pop()
    machine.new_object(args, kwargs)


def _inst(machine: Machine) -> None:
    module, name = machine.line().decode(), machine.line().decode()
    args = machine.pop_mark()
    machine.find(module, name)
    machine.new_object(args)


def _obj(machine: Machine) -> None:
    cls, *args = machine.pop_mark()
    machine.push(cls)
    machine.new_object(args)


def _readonly_buffer(machine: Machine) -> None:
    """The top of the stack stays: nothing here writes to it."""


def _set_protocol(machine: Machine) -> None:
    machine.protocol = machine.number("<B")
    if machine.protocol > opcodes.HIGHEST_PROTOCOL:
        raise MalformedPickle(f"pickle protocol {machine.protocol} is not known")


def _put_external(machine: Machine, identity: Any) -> None:
    if not machine.external:
        raise MalformedPickle("it refers to objects outside itself (persistent ids)")
    machine.charge(_OBJECT_COST)
    if isinstance(identity, tuple) and identity[:1] == ("module",) and isinstance(identity[1], Global):
        machine.push(identity[1])  # PyTorch before 1.6: a class with its source code
    else:
        machine.push(Record(EXTERNAL, (identity,)))


_STOP = opcodes.STOP[0]

_UNREAD = {
    opcodes.EXT1[0]: "it uses the extension registry of the program that wrote it",
    opcodes.EXT2[0]: "it uses the extension registry of the program that wrote it",
    opcodes.EXT4[0]: "it uses the extension registry of the program that wrote it",
    opcodes.NEXT_BUFFER[0]: "its arrays were written to buffers outside the file",
}

_OPERATIONS: dict[int, Callable[[Machine], Any]] = {
    code[0]: operation
    for code, operation in {
        opcodes.PROTO: _set_protocol,
        opcodes.FRAME: lambda m: m.take(8),
        opcodes.MARK: Machine.mark,
        opcodes.POP: _pop,
        opcodes.POP_MARK: Machine.pop_mark,
        opcodes.DUP: lambda m: m.push(m.stack[-1]),
        opcodes.NONE: lambda m: m.push(None),
        opcodes.NEWTRUE: lambda m: m.push(True),
        opcodes.NEWFALSE: lambda m: m.push(False),
        opcodes.INT: _int_line,
        opcodes.BININT: lambda m: m.push(m.number("<i")),
        opcodes.BININT1: lambda m: m.push(m.number("<B")),
        opcodes.BININT2: lambda m: m.push(m.number("<H")),
        opcodes.LONG: _long_line,
        opcodes.LONG1: lambda m: _put_long(m, m.number("<B")),
        opcodes.LONG4: lambda m: _put_long(m, m.number("<i")),
        opcodes.FLOAT: lambda m: m.push(float(m.line())),
        opcodes.BINFLOAT: lambda m: m.push(m.number(">d")),
        opcodes.STRING: _string_line,
        opcodes.BINSTRING: lambda m: _put_old_text(m, m.number("<i")),
        opcodes.SHORT_BINSTRING: lambda m: _put_old_text(m, m.number("<B")),
        opcodes.UNICODE: lambda m: m.push(m.line().decode("raw_unicode_escape")),
        opcodes.SHORT_BINUNICODE: lambda m: _put_text(m, m.number("<B")),
        opcodes.BINUNICODE: lambda m: _put_text(m, m.number("<I")),
        opcodes.BINUNICODE8: lambda m: _put_text(m, m.number("<Q")),
        opcodes.SHORT_BINBYTES: lambda m: _put_bytes(m, m.number("<B")),
        opcodes.BINBYTES: lambda m: _put_bytes(m, m.number("<I")),
        opcodes.BINBYTES8: lambda m: _put_bytes(m, m.number("<Q")),
        opcodes.BYTEARRAY8: lambda m: m.push(bytearray(m.take(m.number("<Q")))),
        opcodes.READONLY_BUFFER: _readonly_buffer,
        opcodes.EMPTY_LIST: _container(list),
        opcodes.EMPTY_DICT: _container(dict),
        opcodes.EMPTY_SET: _container(set),
        opcodes.EMPTY_TUPLE: lambda m: m.push(()),
        opcodes.LIST: lambda m: m.push(m.pop_mark()),
        opcodes.DICT: _dict_of_mark,
        opcodes.TUPLE: lambda m: m.push(tuple(m.pop_mark())),
        opcodes.TUPLE1: lambda m: _tuple_of(m, 1),
        opcodes.TUPLE2: lambda m: _tuple_of(m, 2),
        opcodes.TUPLE3: lambda m: _tuple_of(m, 3),
        opcodes.FROZENSET: _frozenset_of_mark,
        opcodes.APPEND: lambda m: _append(m, [m.pop()]),
        opcodes.APPENDS: lambda m: _append(m, m.pop_mark()),
        opcodes.SETITEM: lambda m: _set_items(m, [m.pop(), m.pop()][::-1]),
        opcodes.SETITEMS: lambda m: _set_items(m, m.pop_mark()),
        opcodes.ADDITEMS: _add_items,
        opcodes.PUT: lambda m: m.memoize(int(m.line())),
        opcodes.BINPUT: lambda m: m.memoize(m.number("<B")),
        opcodes.LONG_BINPUT: lambda m: m.memoize(m.number("<I")),
        opcodes.MEMOIZE: lambda m: m.memoize(len(m.memo)),
        opcodes.GET: lambda m: m.push(m.memo[int(m.line())]),
        opcodes.BINGET: lambda m: m.push(m.memo[m.number("<B")]),
        opcodes.LONG_BINGET: lambda m: m.push(m.memo[m.number("<I")]),
        opcodes.GLOBAL: lambda m: m.find(m.line().decode(), m.line().decode()),
        opcodes.STACK_GLOBAL: _stack_global,
        opcodes.PERSID: lambda m: _put_external(m, m.line().decode()),
        opcodes.BINPERSID: lambda m: _put_external(m, m.pop()),
        opcodes.REDUCE: Machine.reduce,
        opcodes.NEWOBJ: _new_object,
        opcodes.NEWOBJ_EX: _new_object_ex,
        opcodes.INST: _inst,
        opcodes.OBJ: _obj,
        opcodes.BUILD: Machine.build,
    }.items()
}
