"""Whose something is: keys, log groups and metrics belong to an account and a region."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Owner:
    """An account in a region."""

    account: str
    region: str

    def arn(self, service: str, name: str) -> str:
        """Of what `service` calls `name`, such as `key/...` of `kms`."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{name}"
