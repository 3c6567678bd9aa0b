"""Tables, fields and vectors, beside those that the flatbuffers package writes."""

from __future__ import annotations

import flatbuffers
import numpy as np
import pytest

from tinsmith.compiler.formats.flatbuffer import FlatbufferError, Table, root


def written() -> bytes:
    """A table: 0 a number, 1 text, 2 a vector, 3 a table, 4 tables, 5 missing, 6 a truth value."""
    builder = flatbuffers.Builder()
    text = builder.CreateString("größe")
    numbers = builder.CreateNumpyVector(np.array([1.5, -2, 3], np.float32))
    inner = []
    for value in (7, 8):
        builder.StartObject(1)
        builder.PrependInt32Slot(0, value, 0)
        inner.append(builder.EndObject())
    builder.StartVector(4, 2, 4)
    for offset in reversed(inner):
        builder.PrependUOffsetTRelative(offset)
    tables = builder.EndVector()
    builder.StartObject(7)
    builder.PrependInt16Slot(0, -5, 0)
    builder.PrependUOffsetTRelativeSlot(1, text, 0)
    builder.PrependUOffsetTRelativeSlot(2, numbers, 0)
    builder.PrependUOffsetTRelativeSlot(3, inner[1], 0)
    builder.PrependUOffsetTRelativeSlot(4, tables, 0)
    builder.PrependBoolSlot(6, True, False)
    builder.Finish(builder.EndObject(), b"TEST")
    return bytes(builder.Output())


def read(content: bytes) -> Table:
    return root(memoryview(content), b"TEST")


def test_fields() -> None:
    table = read(written())
    assert table.scalar(0, "int16", 0) == -5
    assert table.text(1) == "größe"
    assert table.vector(2, "float32").tolist() == [1.5, -2, 3]
    inner = table.table(3)
    assert inner is not None
    assert inner.scalar(0, "int32", 0) == 8
    assert [entry.scalar(0, "int32", 0) for entry in table.tables(4)] == [7, 8]
    assert table.scalar(6, "bool", False) is True


@pytest.mark.parametrize("field", [5, 7, 1000])
def test_fields_that_are_not_there(field: int) -> None:
    table = read(written())
    assert not table.has(field)
    assert table.scalar(field, "int32", 9) == 9
    assert table.text(field) == ""
    assert table.vector(field, "int32").size == 0
    assert table.table(field) is None
    assert list(table.tables(field)) == []


def everything(table: Table) -> None:
    table.scalar(0, "int64", 0)
    table.text(1)
    table.vector(2, "int64")
    inner = table.table(3)
    if inner is not None:
        inner.scalar(0, "int32", 0)
    for entry in table.tables(4):
        entry.scalar(0, "int32", 0)


def test_damage_is_told() -> None:
    content = written()
    ends = 0
    for place in range(8, len(content)):
        for change in (0, 0x7F, 0xFF):
            data = bytearray(content)
            data[place] = change
            try:
                everything(read(bytes(data)))
            except FlatbufferError:
                ends += 1
    assert ends > 50
    for length in range(len(content)):
        with pytest.raises(FlatbufferError):
            everything(read(content[:length]))


def test_one_table_again_and_again() -> None:
    builder = flatbuffers.Builder()
    builder.StartObject(1)
    builder.PrependInt32Slot(0, 1, 0)
    inner = builder.EndObject()
    builder.StartVector(4, 50, 4)
    for _ in range(50):
        builder.PrependUOffsetTRelative(inner)
    tables = builder.EndVector()
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(4, tables, 0)
    builder.Finish(builder.EndObject(), b"TEST")
    table = read(bytes(builder.Output()))
    assert len(list(table.tables(4))) == 50
    with pytest.raises(FlatbufferError, match="tables that overlap"):
        list(table.tables(4))
