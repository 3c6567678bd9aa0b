"""Find the one file of a PyTorch model among the customer's files."""

from __future__ import annotations

from pathlib import Path

from tinsmith.errors import ClientError

SUFFIXES = {".pt", ".pth", ".pt2", ".ptl", ".ts", ".jit", ".torchscript", ".mar"}
OTHERS = {".bin", ".ckpt", ".tar", ".safetensors", ".pkl", ""}
"""They hold models only where no file has one of the suffixes above."""
SHOWN = 20

_AGAIN = "Please make sure the framework you select is correct"


def find_model(directory: Path) -> Path:
    """The one model file under `directory`; `code/`, hidden files and links are left alone.

    Raises ClientError when there is none or more than one.
    """
    files = [
        path
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.is_symlink() and not _ignored(path, directory)
    ]
    models = [path for path in files if path.suffix.lower() in SUFFIXES]
    models = models or [path for path in files if path.suffix.lower() in OTHERS]
    if len(models) == 1:
        return models[0]
    named = ", ".join(path.relative_to(directory).as_posix() for path in (models or files)[:SHOWN])
    if models:
        text = (
            f"Exactly one .pt, .pth or .pt2 file is allowed for PyTorch models; found {len(models)}: {named}"
        )
    else:
        found = f"among: {named}" if files else "and no file at all"
        wanted = f"{_AGAIN}: expected one .pt, .pth or .pt2 file"
        text = f"No pth file found for PyTorch model. {wanted}, found none {found}"
    raise ClientError("InputConfiguration", text)


def _ignored(path: Path, directory: Path) -> bool:
    parts = path.relative_to(directory).parts
    return parts[0] in ("code", "__MACOSX") or any(part.startswith(".") for part in parts)
