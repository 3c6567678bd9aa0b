"""Which network a job's VpcConfig means: the operator's file says it.

    [private]
    subnets = ["subnet-0a1b2c3d"]
    security-groups = ["sg-0a1b2c3d"]
    namespace = "private"                   # of Linux, as `ip netns` names it; or
    proxy = "http://egress.internal:3128"   # an HTTP proxy through which everything goes
    s3-endpoint = "http://10.9.0.1:8333"    # where the object store is seen from there, if not as from here

A job with a VpcConfig fetches its input and stores its artifact there and nowhere else; the compiler itself
has no network anyway. All subnets and security groups of a job must be of one network.
"""

from __future__ import annotations

import ctypes
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinsmith.errors import ClientError, InternalError

NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_LISTS = ("subnets", "security-groups")
_TEXTS = ("namespace", "proxy", "s3-endpoint")


@dataclass(frozen=True)
class Network:
    """One network of the operator's. Exactly one of `namespace` and `proxy` is set."""

    name: str
    subnets: frozenset[str]
    security_groups: frozenset[str]
    namespace: str | None = None
    proxy: str | None = None
    s3_endpoint: str | None = None


def read_networks(path: Path) -> tuple[Network, ...]:
    """The networks in the file `path`. Raises InternalError with all that is wrong with it."""
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InternalError(f"{path}: {error}") from None
    problems = [problem for name, table in document.items() for problem in _problems(name, table)]
    if not problems:
        networks = tuple(_network(name, table) for name, table in document.items())
        problems = _shared(networks)
    if problems:
        raise InternalError(f"{path}: {' | '.join(problems)}")
    return networks


def network_of(networks: Sequence[Network], vpc: Mapping[str, Any]) -> Network:
    """The network that `vpc`, a VpcConfig, lies in. Raises ClientError; unknown ids in the words of EC2."""
    subnets, groups = vpc["Subnets"], vpc["SecurityGroupIds"]
    problems = [
        *(f"The subnet ID '{it}' does not exist." for it in subnets if not _having(networks, it)),
        *(f"The security group '{it}' does not exist." for it in groups if not _having(networks, it)),
    ]
    if problems:
        raise ClientError("VpcConfig", problems)
    found = {network for it in (*subnets, *groups) for network in _having(networks, it)}
    if len(found) > 1:
        asked = {*subnets, *groups}
        ids = {it.name: sorted(asked & (it.subnets | it.security_groups)) for it in found}
        told = "; ".join(f"{name}: {', '.join(ids[name])}" for name in sorted(ids))
        raise ClientError("VpcConfig", f"Subnets and security groups are of several networks ({told}).")
    return found.pop()


def enter(namespace: str) -> None:
    """Moves this process, which has one thread so far, into the network namespace. Raises InternalError.

    Its children are born there too, and sockets that are already open stay where they were.
    """
    path = NAMESPACES / namespace
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(file, _CLONE_NEWNET):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        finally:
            os.close(file)
    except OSError as error:
        raise InternalError(f"The network namespace {path} cannot be entered: {error.strerror}.") from None


def _having(networks: Sequence[Network], identifier: str) -> list[Network]:
    return [it for it in networks if identifier in it.subnets or identifier in it.security_groups]


def _problems(name: str, table: object) -> list[str]:
    if not isinstance(table, dict):
        return [f"{name}: expected a table, found {table!r}."]
    problems = [f"{name}: {key} is not known." for key in table if key not in (*_LISTS, *_TEXTS)]
    for key in _LISTS:
        found = table.get(key)
        if not isinstance(found, list) or not found or not all(isinstance(it, str) for it in found):
            problems.append(f"{name}.{key}: expected a list of ids, found {found!r}.")
    for key in _TEXTS:
        if key in table and not isinstance(table[key], str):
            problems.append(f"{name}.{key}: expected a text, found {table[key]!r}.")
    if ("namespace" in table) == ("proxy" in table):
        problems.append(f"{name}: expected either namespace or proxy.")
    if "/" in str(table.get("namespace", "")):
        problems.append(f"{name}.namespace: expected a name, found {table['namespace']!r}.")
    return problems


def _network(name: str, table: Mapping[str, Any]) -> Network:
    return Network(
        name,
        frozenset(table["subnets"]),
        frozenset(table["security-groups"]),
        table.get("namespace"),
        table.get("proxy"),
        table.get("s3-endpoint"),
    )


def _shared(networks: Sequence[Network]) -> list[str]:
    every = sorted({it for network in networks for it in network.subnets | network.security_groups})
    owners = {it: [network.name for network in _having(networks, it)] for it in every}
    return [
        f"{it} is of several networks: {', '.join(names)}." for it, names in owners.items() if len(names) > 1
    ]
