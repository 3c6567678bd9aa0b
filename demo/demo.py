"""From nothing to a compiled model: train, upload, compile through the API, download, predict, compare.

Everything in here is what a customer would write; only `Service` is about running Tinsmith itself.
"""

from __future__ import annotations

import os

# One thread for everybody, before any library starts its own.
os.environ |= {"OMP_NUM_THREADS": "1", "TINSMITH_NUM_THREADS": "1"}

import importlib.metadata
import importlib.util
import json
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import xgboost
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

Array = NDArray[np.float32]

BUCKET = "tinsmith"
KEY = "breast-cancer/model.tar.gz"
HOST = {"TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}}
TOLERANCE = 1e-6
"""Of a probability. The sums of the trees must be equal to the last bit."""
JOB_SECONDS = 600
REPEATS = 60

console = Console(highlight=False)


class Service:
    """`tinsmith serve` on a folder of its own; a context that ends it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tinsmith = [sys.executable, "-m", "tinsmith"]

    def __enter__(self) -> Service:
        command = [*self.tinsmith, "serve", "--data-dir", str(self.folder), "--port", "0"]
        with (self.folder / "serve.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        while b"Tinsmith is ready" not in (self.folder / "serve.log").read_bytes():
            if self.process.poll() is not None:
                raise SystemExit((self.folder / "serve.log").read_text())
            time.sleep(0.05)
        os.environ |= self._exports()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def run(self, *arguments: str) -> str:
        """Standard output of a tinsmith command on this service."""
        command = [*self.tinsmith, *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout

    def _exports(self) -> dict[str, str]:
        lines = self.run("env", "--data-dir", str(self.folder)).splitlines()
        return dict(line.removeprefix("export ").split("=", 1) for line in lines)


def main() -> int:
    """The story; exit code 0 only when the compiled model and XGBoost agree."""
    with tempfile.TemporaryDirectory(prefix="tinsmith-demo-") as temporary:
        folder = Path(temporary)
        step("Start a service with its own object store")
        with Service(folder) as service:
            console.print(f"  job API {os.environ['AWS_ENDPOINT_URL_SAGEMAKER']}")
            console.print(f"  S3      {os.environ['AWS_ENDPOINT_URL_S3']}")
            step("Train XGBoost on scikit-learn's breast-cancer data")
            booster, rows = train()
            upload(booster, folder)
            step("Compile it, for this machine and for a Raspberry Pi 4")
            jobs: dict[str, dict[str, Any]] = {"for-this-host": HOST}
            if emulator := find_emulator(service, "rasp4b"):
                jobs["for-raspberry-pi"] = {"TargetDevice": "rasp4b"}
            artifacts = compile_all(jobs, folder)
            if "for-raspberry-pi" in artifacts:
                step(f"Execute the Raspberry Pi's artifact under {emulator}")
                show_verification(service, artifacts["for-raspberry-pi"])
            step("Predict with PyPI's dlr and compare with XGBoost")
            return compare(booster, rows, artifacts["for-this-host"])


def step(title: str) -> None:
    """A heading."""
    console.print(f"\n[bold]{title}[/]")


def train() -> tuple[xgboost.Booster, Array]:
    """A classifier, and rows that it has not seen."""
    data, labels = load_breast_cancer(return_X_y=True)
    known, unseen, known_labels, unseen_labels = train_test_split(
        data.astype(np.float32), labels, test_size=0.3, random_state=0
    )
    parameters = {"objective": "binary:logistic", "max_depth": 6, "eta": 0.1, "nthread": 1}
    booster = xgboost.train(parameters, xgboost.DMatrix(known, known_labels), num_boost_round=200)
    right = (booster.inplace_predict(unseen) > 0.5) == unseen_labels
    console.print(f"  200 trees, {right.mean():.1%} of {len(unseen)} unseen patients classified right")
    return booster, unseen


def upload(booster: xgboost.Booster, folder: Path) -> None:
    """model.tar.gz to S3."""
    booster.save_model(folder / "model.json")
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        archive.add(folder / "model.json", "model.json")
    boto3.client("s3").upload_file(str(folder / "model.tar.gz"), BUCKET, KEY)
    console.print(f"  uploaded to s3://{BUCKET}/{KEY}")


def compile_all(jobs: dict[str, dict[str, Any]], folder: Path) -> dict[str, Path]:
    """One compilation job for each target; the artifacts, downloaded."""
    sagemaker = boto3.client("sagemaker")
    for name, target in jobs.items():
        sagemaker.create_compilation_job(
            CompilationJobName=name,
            RoleArn=os.environ["TINSMITH_ROLE_ARN"],
            InputConfig={"S3Uri": f"s3://{BUCKET}/{KEY}", "Framework": "XGBOOST"},
            OutputConfig={"S3OutputLocation": f"s3://{BUCKET}/compiled/", **target},
            StoppingCondition={"MaxRuntimeInSeconds": JOB_SECONDS},
        )
    uris = await_all(sagemaker, list(jobs))
    return {name: download(uri, folder / name) for name, uri in uris.items()}


def find_emulator(service: Service, device: str) -> str | None:
    """The program here that executes code for `device`; says what is missing where there is none."""
    targets = {target["name"]: target for target in json.loads(service.run("targets", "--json"))}
    emulator: str = targets[device]["emulator"]
    if shutil.which(f"{emulator}-static") or shutil.which(emulator):
        return emulator
    console.print(
        f"  [yellow]not for {device}:[/] {emulator} is not here to execute its code, and no job is COMPLETED "
        "unless its artifact was executed: apt-get install qemu-user-static"
    )
    return None


def await_all(sagemaker: Any, names: list[str]) -> dict[str, str]:
    """The URIs of the jobs' artifacts, with the jobs' progress on the way."""
    began, seen = time.monotonic(), dict.fromkeys(names, "")
    uris: dict[str, str] = {}
    while len(uris) < len(names):
        for name in names:
            job = sagemaker.describe_compilation_job(CompilationJobName=name)
            status = job["CompilationJobStatus"]
            if status == seen[name]:
                continue
            seen[name] = status
            console.print(f"  {name:18} {status:11} {time.monotonic() - began:5.1f} s")
            if status == "COMPLETED":
                uris[name] = job["ModelArtifacts"]["S3ModelArtifacts"]
            elif status in ("FAILED", "STOPPED"):
                raise SystemExit(f"{name}: {job.get('FailureReason', status)}")
        time.sleep(0.1)
    return uris


def download(uri: str, folder: Path) -> Path:
    """The object `uri` as a file in the new folder `folder`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    folder.mkdir()
    path = folder / Path(key).name
    boto3.client("s3").download_file(bucket, key, str(path))
    console.print(f"  {path.name}: {path.stat().st_size / 1000:.0f} kB")
    return path


def show_verification(service: Service, artifact: Path) -> None:
    """What executing the artifact here shows; anyone who has it can repeat that."""
    report = json.loads(service.run("verify", str(artifact), "--json"))
    for name in ("method", "host", "rows", "calls", "margin", "prediction_ulps", "tolerance_ulps"):
        console.print(f"  {name:16} {report['verification'][name]}")


def compare(booster: xgboost.Booster, rows: Array, artifact: Path) -> int:
    """Predictions and speed side by side; the exit code."""
    import tinsmith_runtime

    ours = load_with_dlr(artifact)
    expected: Array = booster.inplace_predict(rows)
    found = np.asarray(ours(rows), np.float32).reshape(-1)
    table = Table("patient", "XGBoost", "compiled", "difference", box=None)
    for patient in range(6):
        difference = abs(float(expected[patient]) - float(found[patient]))
        table.add_row(str(patient), f"{expected[patient]:.8f}", f"{found[patient]:.8f}", f"{difference:.1e}")
    console.print(table)
    worst = float(np.abs(expected - found).max())
    margin = tinsmith_runtime.load(artifact).run({"data": rows}, margin=True)
    sums = next(iter(margin.values())).reshape(-1)
    exact = bool(np.array_equal(sums, booster.inplace_predict(rows, predict_type="margin")))
    console.print(f"  largest difference over {len(rows)} patients: {worst:.1e} of a probability")
    console.print(f"  sums of the trees equal to the last bit: {'yes' if exact else 'NO'}")
    for count in (1, len(rows)):
        ratio, theirs_time, ours_time = speed(booster, ours, rows[:count])
        console.print(
            f"  {count:4} rows, 1 thread: XGBoost {theirs_time * 1e6:7.1f} us, "
            f"compiled {ours_time * 1e6:6.1f} us, [bold]{ratio:.1f} times as fast[/]"
        )
    agree = exact and worst <= TOLERANCE
    console.print("\n[bold green]They agree.[/]" if agree else "\n[bold red]They do not agree.[/]")
    return 0 if agree else 1


def load_with_dlr(artifact: Path) -> Callable[[Array], Any]:
    """The artifact as a function, by the unmodified `dlr` package and the libdlr.so inside the artifact."""
    with tarfile.open(artifact) as archive:
        archive.extractall(artifact.parent / "model", filter="data")
    switch_telemetry_off()
    from dlr import DLRModel

    model = DLRModel(str(artifact.parent / "model"), "cpu", 0)
    console.print(f"  dlr {importlib.metadata.version('dlr')}, inputs {model.get_input_names()}")
    return lambda rows: model.run({"data": rows})[0]


def switch_telemetry_off() -> None:
    """dlr reports to Amazon unless this file of its own says no before it is imported."""
    package = importlib.util.find_spec("dlr")
    assert package
    assert package.submodule_search_locations
    choice = Path(package.submodule_search_locations[0]) / "counter" / "ccm_config.json"
    if not choice.exists():
        choice.write_text('{"enable_phone_home": false}')


def speed(booster: xgboost.Booster, ours: Callable[[Array], Any], rows: Array) -> tuple[float, float, float]:
    """Ratio and medians in seconds; the two take turns, so that whatever disturbs hits both."""
    calls: tuple[Callable[[], Any], ...] = (lambda: booster.inplace_predict(rows), lambda: ours(rows))
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(REPEATS + 5):
        for call, taken in zip(calls, times, strict=True):
            began = time.perf_counter()
            call()
            if turn >= 5:
                taken.append(time.perf_counter() - began)
    theirs_median, ours_median = statistics.median(times[0]), statistics.median(times[1])
    return theirs_median / ours_median, theirs_median, ours_median


if __name__ == "__main__":
    sys.exit(main())
