"""The SageMaker Python SDK 2: reads one call per line from stdin, writes its reply as one line to stdout.

Runs in an environment of its own, with regions, keys and endpoints from the process's environment.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

REPLIES = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # the SDK logs to stdout, from its import on

import boto3  # noqa: E402
import sagemaker  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402
from sagemaker.exceptions import UnexpectedStatusException  # noqa: E402
from sagemaker.model import Model  # noqa: E402
from sagemaker.s3 import S3Downloader, S3Uploader  # noqa: E402


class Client:
    """One session of the SDK."""

    def __init__(self) -> None:
        self.session = sagemaker.Session(boto3.Session(), default_bucket="tinsmith")

    def answer(self, operation: str, request: dict[str, Any]) -> Any:
        """By the SDK where it has something for `operation`, by the session's own boto3 client otherwise."""
        if hasattr(self, operation.lower()):
            return getattr(self, operation.lower())(**request)
        names = {name.replace("_", ""): name for name in dir(self.session.sagemaker_client)}
        reply = getattr(self.session.sagemaker_client, names[operation.lower()])(**request)
        reply.pop("ResponseMetadata")
        return reply

    def version(self) -> dict[str, str]:
        """Of the SDK, and of the boto3 that it brought."""
        return {"version": f"{sagemaker.__version__} (boto3 {boto3.__version__})"}

    def upload(self, **place: str) -> None:
        """A file becomes an object of the same name."""
        folder = place["Key"].rpartition("/")[0]
        S3Uploader.upload(place["File"], f"s3://{place['Bucket']}/{folder}", sagemaker_session=self.session)

    def download(self, **place: str) -> None:
        """An object becomes a file."""
        uri = f"s3://{place['Bucket']}/{place['Key']}"
        content = S3Downloader.read_bytes(uri, sagemaker_session=self.session)
        with open(place["File"], "wb") as file:
            file.write(content)

    def compile(self, model_data: str, role: str, **options: Any) -> dict[str, Any]:
        """`Model.compile()`: waits for the job; what a deployment would use of the model afterwards."""
        model = Model(model_data=model_data, role=role, image_uri="", sagemaker_session=self.session)
        model.compile(role=role, **options)
        deployable = model._is_compiled_model
        return {"model_data": model.model_data, "image_uri": model.image_uri, "deployable": deployable}


def main() -> None:
    """Until stdin ends."""
    client = Client()
    for line in sys.stdin:
        call = json.loads(line)
        try:
            said = {"reply": client.answer(call["Operation"], call["Request"])}
        except ClientError as error:
            detail = error.response["Error"]
            said = {"error": _error(error, detail["Code"], detail["Message"])}
        except UnexpectedStatusException as error:
            said = {"error": _error(error, error.actual_status, str(error))}
        print(json.dumps(said, default=str), file=REPLIES, flush=True)


def _error(error: Exception, code: str, message: str) -> dict[str, str]:
    return {"type": type(error).__name__, "code": code, "message": message}


main()
