"""The size budget: files under 500 lines, functions under 60. Fails when one is over."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from statistics import median

MAX_FILE = 500
MAX_FUNCTION = 60
ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("src", "runtime/src", "demo", "bench", "tools")
CODE = {".py", ".c", ".h"}


def main() -> int:
    """Print the sizes and every excess; 1 when there is one."""
    files = sorted(path for top in SOURCES for path in (ROOT / top).rglob("*") if path.suffix in CODE)
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    functions = [item for path in files if path.suffix == ".py" for item in function_lengths(path)]
    over = [f"{path.relative_to(ROOT)}: {n} lines" for path, n in lengths.items() if n > MAX_FILE]
    over += [f"{where}: {n} lines" for where, n in functions if n > MAX_FUNCTION]
    median_file, median_function = median(lengths.values()), median(n for _, n in functions)
    print(f"size: {len(files)} files, {sum(lengths.values())} lines, median file {median_file:.0f}")
    print(f"      {len(functions)} functions, median function {median_function:.0f}")
    for line in over:
        print(f"over budget: {line}")
    return 1 if over else 0


def function_lengths(path: Path) -> list[tuple[str, int]]:
    """(place, lines without the docstring) of every function of a file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            doc = ast.get_docstring(node, clean=False)
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - (doc.count("\n") + 1 if doc else 0)
            found.append((f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines))
    return found


if __name__ == "__main__":
    sys.exit(main())
