"""What a finished library asks of its system and shows to it, read from the file: ELF or PE."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from tinsmith.errors import InternalError

_DYNSYM, _DYNAMIC = 11, 6  # section types
_NEEDED, _SONAME, _TEXTREL, _VERDEF, _VERNEED = 1, 14, 22, 0x6FFFFFFC, 0x6FFFFFFE  # dynamic tags
_LOAD, _GNU_STACK, _GNU_RELRO = 1, 0x6474E551, 0x6474E552  # segment types
_PE_EXECUTE, _PE_WRITE = 0x20000000, 0x80000000


@dataclass(frozen=True)
class Binary:
    """The outside of a shared library or program."""

    imports: tuple[str, ...]
    """Symbols that another library must give, sorted; weak ones included."""
    exports: tuple[str, ...]
    """Symbols shown to others, sorted."""
    needed: tuple[str, ...]
    """Libraries named as needed, in the file's order."""
    soname: str | None
    """Of ELF; the DLL's own name of PE."""
    faults: tuple[str, ...]
    """What no library of ours may have: code that can be written, an executable stack, text relocations,
    symbol versions, a table of addresses that stays writable."""


def read(path: Path) -> Binary:
    """The outside of the ELF or PE file at `path`. Raises InternalError for anything else."""
    data = path.read_bytes()
    try:
        if data[:4] == b"\x7fELF":
            return _Elf(data).binary()
        if data[:2] == b"MZ":
            return _Pe(data).binary()
    except (struct.error, IndexError, ValueError) as error:
        raise InternalError(f"{path.name} is a damaged library: {error}") from error
    raise InternalError(f"{path.name} is neither ELF nor PE")


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(0, offset)].decode("ascii")


class _Elf:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.wide = data[4] == 2
        header = struct.unpack_from("<HHIQQQIHHHHHH" if self.wide else "<HHIIIIIHHHHHH", data, 16)
        self.segments = self._segments(header[4], header[9])
        self.sections = self._sections(header[5], header[11])

    def binary(self) -> Binary:
        dynamic = self._dynamic()
        tags = {tag for tag, _ in dynamic}
        symbols = self._symbols()
        return Binary(
            imports=tuple(sorted(name for name, defined in symbols if not defined)),
            exports=tuple(sorted(name for name, defined in symbols if defined)),
            needed=tuple(name for tag, name in dynamic if tag == _NEEDED),
            soname=next((name for tag, name in dynamic if tag == _SONAME), None),
            faults=tuple(self._faults(tags)),
        )

    def _faults(self, tags: set[int]) -> list[str]:
        faults = []
        if any(kind == _LOAD and flags & 3 == 3 for kind, flags in self.segments):
            faults.append("a segment is writable and executable")
        if not any(kind == _GNU_STACK and not flags & 1 for kind, flags in self.segments):
            faults.append("the stack is executable")
        if tags and not any(kind == _GNU_RELRO for kind, _ in self.segments):
            faults.append("the relocated tables stay writable")
        if _TEXTREL in tags:
            faults.append("code has relocations")
        if tags & {_VERDEF, _VERNEED}:
            faults.append("symbols have versions")
        return faults

    def _segments(self, offset: int, count: int) -> list[tuple[int, int]]:
        size, shape = (56, "<II") if self.wide else (32, "<I20xI")
        return [struct.unpack_from(shape, self.data, offset + i * size) for i in range(count)]

    def _sections(self, offset: int, count: int) -> list[tuple[int, int, int, int]]:
        """Per section: type, file offset, bytes, linked section."""
        size, shape = (64, "<4xI16xQQI") if self.wide else (40, "<4xI8xIII")
        return [struct.unpack_from(shape, self.data, offset + i * size) for i in range(count)]

    def _dynamic(self) -> list[tuple[int, str]]:
        """Tags in order, with the text of those that name something."""
        entries = []
        for kind, offset, size, link in self.sections:
            if kind == _DYNAMIC:
                strings = self.sections[link][1]
                for tag, value in struct.iter_unpack(
                    "<QQ" if self.wide else "<II", self.data[offset : offset + size]
                ):
                    named = tag in (_NEEDED, _SONAME)
                    entries.append((tag, _text(self.data, strings + value) if named else ""))
        return entries

    def _symbols(self) -> list[tuple[str, bool]]:
        """Name and whether it is defined here."""
        symbols = []
        shape = "<IBBHQQ" if self.wide else "<IIIBBH"
        for kind, offset, size, link in self.sections:
            if kind == _DYNSYM:
                strings = self.sections[link][1]
                for entry in struct.iter_unpack(shape, self.data[offset : offset + size]):
                    section = entry[3] if self.wide else entry[5]
                    if entry[0]:
                        symbols.append((_text(self.data, strings + entry[0]), section != 0))
        return symbols


class _Pe:
    def __init__(self, data: bytes) -> None:
        self.data = data
        (header,) = struct.unpack_from("<I", data, 0x3C)
        if data[header : header + 4] != b"PE\0\0":
            raise ValueError("no PE header")
        count, optional = struct.unpack_from("<H12xH", data, header + 6)
        (magic,) = struct.unpack_from("<H", data, header + 24)
        self.wide = magic == 0x20B
        self.directories = header + 24 + (112 if self.wide else 96)
        first = header + 24 + optional
        self.sections = [struct.unpack_from("<8xIIII12xI", data, first + i * 40) for i in range(count)]
        """Per section: virtual size, address, bytes in the file, file offset, characteristics."""

    def binary(self) -> Binary:
        libraries = self._imports()
        name, exports = self._exports()
        writable_code = any(flags & _PE_EXECUTE and flags & _PE_WRITE for *_, flags in self.sections)
        return Binary(
            imports=tuple(sorted(symbol for _, symbols in libraries for symbol in symbols)),
            exports=tuple(sorted(exports)),
            needed=tuple(library for library, _ in libraries),
            soname=name,
            faults=("a section is writable and executable",) if writable_code else (),
        )

    def _offset(self, address: int) -> int:
        for size, start, _, offset, _ in self.sections:
            if start <= address < start + size:
                return int(address - start + offset)
        raise ValueError(f"address {address:#x} lies in no section")

    def _word(self, address: int, shape: str = "<I") -> int:
        (value,) = struct.unpack_from(shape, self.data, self._offset(address))
        return int(value)

    def _directory(self, index: int) -> int:
        (address,) = struct.unpack_from("<I", self.data, self.directories + index * 8)
        return int(address)

    def _name(self, address: int) -> str:
        return _text(self.data, self._offset(address))

    def _exports(self) -> tuple[str | None, list[str]]:
        table = self._directory(0)
        if table == 0:
            return None, []
        count, names = self._word(table + 24), self._word(table + 32)
        return self._name(self._word(table + 12)), [
            self._name(self._word(names + 4 * i)) for i in range(count)
        ]

    def _imports(self) -> list[tuple[str, list[str]]]:
        libraries = []
        entry = self._directory(1)
        while entry and self._word(entry + 12):
            symbols = []
            step, shape = (8, "<Q") if self.wide else (4, "<I")
            thunk = self._word(entry)
            while address := self._word(thunk, shape):
                symbols.append(self._name(address + 2))
                thunk += step
            libraries.append((self._name(self._word(entry + 12)), symbols))
            entry += 20
        return libraries
