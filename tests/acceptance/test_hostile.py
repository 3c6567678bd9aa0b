"""Hostile inputs through the running service: each is refused with its reason, and nothing else happens.

With `-s` a table of all of them is printed.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

import tinsmith_runtime
from tests.acceptance.hostile import EXECUTED, NOT_A_TARBALL, Probe, probes, written_outside
from tests.acceptance.models import boosted, forest, tarball
from tests.acceptance.service import AT_LENGTH, BUCKET, Service

pytestmark = pytest.mark.slow

BINARY = Path(__file__).parents[1] / "data" / "xgboost" / "1.7.6-logistic.model"
"""Current releases of XGBoost do not write this format any more."""
MAX_SERVICE_MEMORY = 1 << 20
"""kB; the service itself never holds an input."""

CUTS, FLIPS = (8, 12) if AT_LENGTH else (4, 8)
"""Of each format."""
BINARY_TREES = 2729
"""Where the trees of BINARY end; attributes follow, which no prediction needs."""


@dataclass(frozen=True)
class Outcome:
    """A probe and the job that it became."""

    probe: Probe
    job: dict[str, Any]

    @property
    def reason(self) -> str:
        return str(self.job.get("FailureReason", ""))

    @property
    def compiled(self) -> bool:
        return bool(self.job["CompilationJobStatus"] == "COMPLETED")

    @property
    def held(self) -> bool:
        """Refused for the customer's own fault, in the expected words; or rightly compiled."""
        if self.compiled:
            return self.probe.may_compile or self.probe.contained
        family = ("ClientError: ", "InternalError: ") if self.probe.contained else "ClientError: "
        return self.reason.startswith(family) and self.probe.phrase in self.reason


def mutations() -> Iterator[tuple[Probe, str, bytes]]:
    """Of each format some cuts and flipped bits, always the same: the probe, its model's name and content."""
    formats = {
        "json": ("model.json", boosted("json", trees=3).content, "XGBOOST"),
        "ubj": ("model.ubj", boosted("ubj", trees=3).content, "XGBOOST"),
        "binary": ("xgboost-model", BINARY.read_bytes(), "XGBOOST"),
        "pkl": ("model.pkl", forest(trees=3).content, "SKLEARN"),
    }
    for kind, (file, content, framework) in formats.items():
        chance = random.Random(kind)
        for number in range(CUTS + FLIPS):
            cut = number < CUTS
            place = chance.randrange(BINARY_TREES if cut and kind == "binary" else len(content))
            changed = bytearray(content)
            if cut:
                del changed[place:]
            else:
                changed[place] ^= 1 << chance.randrange(8)
            name = f"{kind} {'cut at' if cut else 'bit flipped in'} byte {place}"
            packed = tarball({file: bytes(changed)})
            phrase = "InputConfiguration: " if cut else ""
            yield Probe(name, phrase, packed, framework, may_compile=not cut), file, bytes(changed)


@pytest.fixture(scope="module")
def outcomes(service: Service) -> Iterator[dict[str, Outcome]]:
    """All inputs, as jobs that have run to their ends."""
    inputs = [*probes(), *(probe for probe, _, _ in mutations())]
    client = service.client("sagemaker")
    for number, probe in enumerate(inputs):
        key = f"hostile/{number}.tar.gz"
        uri = f"s3://{BUCKET}/{key}" if probe.content is None else service.put(key, probe.content)
        client.create_compilation_job(**service.request(f"hostile-{number}", uri, probe.framework))
    ended = {
        probe.name: Outcome(probe, service.await_status(f"hostile-{number}", "COMPLETED", "FAILED"))
        for number, probe in enumerate(inputs)
    }
    yield ended
    _print(ended)


def _print(outcomes: dict[str, Outcome]) -> None:
    table = Table("probe", "held", "reason", box=None, header_style="bold")
    for name, outcome in outcomes.items():
        table.add_row(name, "yes" if outcome.held else "NO", outcome.reason or "compiled as it is")
    Console(width=200, markup=False, highlight=False).print(table)


def test_every_input_is_refused_with_its_reason(outcomes: dict[str, Outcome]) -> None:
    wrong = [
        f"{name}: {outcome.reason or 'compiled'!r}, expected {outcome.probe.phrase!r}"
        for name, outcome in outcomes.items()
        if not outcome.held
    ]
    assert len(outcomes) > (120 if AT_LENGTH else 90)
    assert not wrong, "\n".join(wrong)


def test_the_recorded_text_is_kept_to_the_letter(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["comma-separated values"].reason == NOT_A_TARBALL


def test_a_damaged_model_that_compiles_predicts_as_its_framework_does(
    service: Service, outcomes: dict[str, Outcome], tmp_path: Path
) -> None:
    """A flipped bit may give another valid model. Files that the framework itself refuses are left out."""
    rows = forest().rows
    np.save(tmp_path / "rows.npy", rows)
    files: dict[str, Path] = {}
    for number, (probe, file, content) in enumerate(mutations()):
        if outcomes[probe.name].compiled and file != "xgboost-model":
            files[probe.name] = tmp_path / f"{number}-{file}"
            files[probe.name].write_bytes(content)
    script = Path(__file__).with_name("framework_predict.py")
    subprocess.run(
        (sys.executable, script, tmp_path / "rows.npy", *files.values()), capture_output=True, check=True
    )
    compared = 0
    for name, path in files.items():
        prediction = Path(f"{path}.npy")
        if prediction.exists():
            artifact = tmp_path / "artifact.tar.gz"
            artifact.write_bytes(service.get(outcomes[name].job["ModelArtifacts"]["S3ModelArtifacts"]))
            compiled = tinsmith_runtime.load(artifact)
            found = compiled.run({"data": rows}, margin=path.suffix != ".pkl")
            np.testing.assert_array_equal(next(iter(found.values())), np.load(prediction), name)
            compared += 1
    assert compared > (5 if AT_LENGTH else 3)


def test_nothing_was_executed(service: Service, outcomes: dict[str, Outcome]) -> None:
    logs = list((service.data_dir / "logs").iterdir())
    assert len(logs) >= len(outcomes)
    assert [log.name for log in logs if EXECUTED in log.read_text()] == []


def test_nothing_was_written_outside(service: Service, outcomes: dict[str, Outcome]) -> None:
    assert written_outside(service.data_dir) == []


def test_the_service_is_unharmed(service: Service, outcomes: dict[str, Outcome]) -> None:
    assert service.is_healthy()
    assert not service.attempts()
    assert not service.compilers()
    status = Path(f"/proc/{service.pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    assert peak < MAX_SERVICE_MEMORY


def test_a_good_job_still_completes(service: Service, outcomes: dict[str, Outcome]) -> None:
    uri = service.put("good/model.tar.gz", boosted().tarball)
    service.client("sagemaker").create_compilation_job(**service.request("good", uri))
    service.await_status("good", "COMPLETED")
