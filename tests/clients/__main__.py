"""`make clients`: every client through its whole life against one real service; a table, 1 when one fails."""

from __future__ import annotations

import sys
import tempfile
import traceback
from pathlib import Path

from tests.acceptance.models import boosted
from tests.acceptance.service import Service
from tests.clients.clients import KINDS, Kind
from tests.clients.life import Record, compile_model, live, tamper


def main() -> int:
    """0 when every client did everything."""
    rows, failures = [], 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = folder / "model.tar.gz"
        model.write_bytes(boosted().tarball)
        with Service(folder / "data", "--concurrency", "1") as service:
            for kind in KINDS:
                record = Record()
                verdict = kind.missing or _tried(kind, service, model, folder, record)
                failures += verdict != "yes"
                rows.append(
                    (kind.name, record.version, ", ".join(record.operations), record.signed_headers, verdict)
                )
    print("| client | version | operations | signed headers | ok |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return 1 if failures else 0


def _tried(kind: Kind, service: Service, model: Path, folder: Path, record: Record) -> str:
    try:
        live(kind, service, model, folder, record)
        tamper(kind, service, record)
        record.operations.append("changed body refused")
        if kind.name.startswith("SageMaker"):
            compile_model(kind, service, model)
            record.operations.append("Model.compile")
    except Exception as error:
        traceback.print_exc()
        return f"no: {error}".replace("\n", " ")
    return "yes"


sys.exit(main())
