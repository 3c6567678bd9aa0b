"""Managed policies that are there from the start, under the names that tutorials attach.

They are written for this service: what they allow is what its API and an S3 store have.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinsmith.identity.arns import AWS
from tinsmith.identity.entities import Document, ManagedPolicy
from tinsmith.identity.policy import VERSION

SERVICE = "sagemaker.amazonaws.com"
"""Who assumes the roles of jobs."""


def document(*statements: Document) -> Document:
    """A policy of these statements."""
    return {"Version": VERSION, "Statement": list(statements)}


def allow(actions: str | list[str], resources: str | list[str] = "*") -> Document:
    """One statement."""
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


TRUST_SERVICE = document(
    {"Effect": "Allow", "Principal": {"Service": SERVICE}, "Action": "sts:AssumeRole"},
)
"""The trust policy of a role for jobs."""

ADMINISTRATOR = document(allow("*"))

_JOBS = ["sagemaker:*CompilationJob*", "sagemaker:AddTags", "sagemaker:ListTags", "sagemaker:DeleteTags"]
_READ = ["sagemaker:Describe*", "sagemaker:List*"]
_S3_OBJECTS = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
_S3_BUCKETS = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListAllMyBuckets"]
_OURS = [f"arn:aws:s3:::*{name}*" for name in ("SageMaker", "Sagemaker", "sagemaker", "tinsmith")]

_DOCUMENTS: Mapping[str, Document] = {
    "AdministratorAccess": ADMINISTRATOR,
    "AmazonSageMakerFullAccess": document(
        allow(_JOBS),
        allow(_S3_OBJECTS, _OURS),
        allow(_S3_BUCKETS),
        {
            **allow("iam:PassRole", "arn:aws:iam::*:role/*"),
            "Condition": {"StringEquals": {"iam:PassedToService": SERVICE}},
        },
    ),
    "AmazonSageMakerReadOnly": document(allow(_READ)),
    "AmazonS3FullAccess": document(allow("s3:*")),
    "AmazonS3ReadOnlyAccess": document(allow(["s3:Get*", "s3:List*", "s3:Describe*"])),
}

POLICIES: tuple[ManagedPolicy, ...] = tuple(
    ManagedPolicy(AWS, name, document=content) for name, content in _DOCUMENTS.items()
)
