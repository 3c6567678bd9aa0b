"""Objects around an estimator that predict exactly what it predicts."""

from __future__ import annotations

from tinsmith.compiler.formats.pickle_objects import Record

SEARCHES = {"GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"}
MAX_DEPTH = 16


def unwrap(record: Record, place: str) -> tuple[Record, str]:
    """The estimator inside a parameter search or a pipeline that has no other step, and its place."""
    for _ in range(MAX_DEPTH):
        inner = _inside(record)
        if inner is None:
            break
        record, place = inner[0], f"{place}.{inner[1]}"
    return record, place


def _inside(record: Record) -> tuple[Record, str] | None:
    if not record.name.startswith("sklearn."):
        return None
    if record.short_name in SEARCHES:
        best = record.fields.get("best_estimator_")
        return (best, "best_estimator_") if isinstance(best, Record) else None
    steps = record.fields.get("steps") if record.short_name == "Pipeline" else None
    if not isinstance(steps, list) or not all(isinstance(step, tuple) and len(step) == 2 for step in steps):
        return None
    acting = [i for i, (_, step) in enumerate(steps) if step is not None and step != "passthrough"]
    if acting != [len(steps) - 1] or not isinstance(steps[-1][1], Record):
        return None
    return steps[-1][1], f"steps[{acting[0]}] ({steps[-1][0]})"
