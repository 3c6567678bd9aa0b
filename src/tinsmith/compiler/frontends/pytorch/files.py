"""Find the one file of a PyTorch model among the customer's files."""

from __future__ import annotations

from pathlib import Path

from tinsmith.compiler.formats.folder import customer_files, first_names
from tinsmith.errors import ClientError

SUFFIXES = {".pt", ".pth", ".pt2", ".ptl", ".ts", ".jit", ".torchscript", ".mar"}
OTHERS = {".bin", ".ckpt", ".tar", ".safetensors", ".pkl", ""}
"""They hold models only where no file has one of the suffixes above."""

_AGAIN = "Please make sure the framework you select is correct"


def find_model(directory: Path) -> Path:
    """The one model file under `directory`; `code/`, hidden files and links are left alone.

    Raises ClientError when there is none or more than one.
    """
    files = customer_files(directory)
    models = [path for path in files if path.suffix.lower() in SUFFIXES]
    models = models or [path for path in files if path.suffix.lower() in OTHERS]
    if len(models) == 1:
        return models[0]
    named = first_names(models or files, directory)
    if models:
        text = (
            f"Exactly one .pt, .pth or .pt2 file is allowed for PyTorch models; found {len(models)}: {named}"
        )
    else:
        found = f"among: {named}" if files else "and no file at all"
        wanted = f"{_AGAIN}: expected one .pt, .pth or .pt2 file"
        text = f"No pth file found for PyTorch model. {wanted}, found none {found}"
    raise ClientError("InputConfiguration", text)
