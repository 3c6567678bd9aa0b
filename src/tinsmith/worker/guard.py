"""The last program before untrusted work: confines its own process, then becomes the command.

    python -I -m tinsmith.worker.guard POLICY COMMAND ARGUMENT...

POLICY is a `GuardPolicy` as JSON. Only the change of user needs root. One line on stderr,
`sandbox: <layer> <layer> ...`, names what is in force: what this kernel or this machine's rules do not
offer is missing there. Whatever is offered and then refused ends the guard with exit code 125 and a
line `guard: ...`: the command never runs less confined than the line says.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import struct
import sys
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from tinsmith.worker import landlock, seccomp

REFUSED = 125
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 8, 24, 38, 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER = 1 << 17, 1 << 27, 1 << 28
CLONE_NEWPID, CLONE_NEWNET = 1 << 29, 1 << 30
MS_BIND, MS_REC, MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
MOUNT_SETATTR, MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID = 442, 1, 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000


@dataclass(frozen=True)
class GuardPolicy:
    """What the guard puts in force. Paths are absolute; missing ones are skipped."""

    folder: str
    """Becomes the current folder; must be among the writable ones to be of use."""
    read_only: tuple[str, ...]
    read_write: tuple[str, ...]
    limits: dict[str, int]
    """Names of the `resource` module without RLIMIT_, e.g. {"AS": bytes}; both soft and hard."""
    uid: int | None = None
    """Drop to this user and `gid` and lose all capabilities; needs root."""
    gid: int | None = None
    namespaces: bool = True
    """Take an own process table and an empty network where that is allowed; needs `parent`."""
    unix_sockets: bool = False
    """Allow AF_UNIX sockets; files they are bound to are not confined by Landlock."""
    keep_search: bool = False
    """Keep the one capability to pass folders closed to `uid`; Landlock still decides what opens."""
    outer: tuple[str, ...] = ()
    """Layers around the guard, for its line."""
    parent: int | None = None
    """Process id to die with; None where a parent in another pid namespace is watched otherwise."""
    expect: tuple[str, ...] = ()
    """Layers, by their names alone, without which the command does not run."""
    without: tuple[str, ...] = ()
    """Of rlimits, no_new_privs, landlock and seccomp, what is left out: to measure what the others hold."""

    def to_json(self) -> str:
        """This policy as the guard's first argument."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> GuardPolicy:
        """The inverse of `to_json`."""
        fields: dict[str, Any] = json.loads(text)
        for name, value in fields.items():
            fields[name] = tuple(value) if isinstance(value, list) else value
        return GuardPolicy(**fields)


def main() -> int:
    """Confines and executes; returns only on failure."""
    policy, command = GuardPolicy.from_json(sys.argv[1]), sys.argv[2:]
    try:
        _close_all()
        layers = confine(policy)
        print("sandbox:", *layers, file=sys.stderr, flush=True)
        if missing := set(policy.expect) - set(map(name_of, layers)):
            print("guard: not in force any more:", *sorted(missing), file=sys.stderr)
            return REFUSED
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, for everything it executes
            signal.signal(ignored, signal.SIG_DFL)
        os.execv(command[0], command)
    except OSError as error:
        print(f"guard: {error.strerror}: {error.filename or command[0]}", file=sys.stderr)
    return REFUSED


def confine(policy: GuardPolicy) -> list[str]:
    """Puts `policy` in force for this process and its children; the layers in force."""
    layers = [*policy.outer]
    if "rlimits" not in policy.without:
        for name, value in policy.limits.items():
            _limit(name, value)
        layers.append("rlimits")
    if policy.parent is not None:
        _die_with(policy.parent)
        if policy.namespaces and _enter_namespaces():
            layers.append("namespaces" + ("+readonly" if _protect_files(policy.folder) else ""))
    if policy.uid is not None and policy.gid is not None:
        _drop_user(policy.uid, policy.gid, policy.keep_search)
        layers.append(f"uid:{policy.uid}" + ("+search" if policy.keep_search else ""))
        if "namespaces" not in map(name_of, layers) and policy.parent is not None:
            _die_with(policy.parent)  # once more: a change of user clears the request
    os.chdir(policy.folder)  # after the change of user: without capabilities root may not enter it
    if "no_new_privs" not in policy.without:
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
        layers.append("no_new_privs")
    if "landlock" not in policy.without and (
        version := landlock.restrict(policy.read_only, policy.read_write)
    ):
        layers.append(f"landlock:{version}")
    if "seccomp" not in policy.without and seccomp.install(policy.unix_sockets):
        layers.append("seccomp")
    return layers


def name_of(layer: str) -> str:
    """`landlock` of `landlock:7`, `uid` of `uid:65534+search`."""
    return layer.partition(":")[0].partition("+")[0]


def _close_all() -> None:
    """Before limits: what SC_OPEN_MAX says afterwards may lie below a descriptor that is open."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.close(int(name))
            except OSError:  # the one that listed them
                continue


def _enter_namespaces() -> bool:
    """Goes on in a child without network whose whole family dies with it; False where that is not allowed.

    this process          waits; its parent sees its exit code
    └─ first in the new process table: waits; the kernel kills the others when it ends
       └─ returns True
    """
    user, group, root = os.geteuid(), os.getegid(), os.geteuid() == 0
    spaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC
    if _LIBC.unshare(spaces | (0 if root else CLONE_NEWUSER)):
        return False
    if not root:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    reader, writer = os.pipe()
    if child := os.fork():
        _mirror(child)
    os.close(writer)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if select.select([reader], [], [], 0)[0]:  # end of file: the process above is dead already
        os._exit(REFUSED)
    if child := os.fork():
        _mirror(child)
    os.close(reader)
    return True


def _protect_files(folder: str) -> bool:
    """Makes everything but `folder` read-only, modes and times of files too, which Landlock leaves open.

    Needs a mount namespace of our own and Linux 5.12; False on older ones.
    """
    path = folder.encode()
    return not (
        _set_mounts(b"/", propagation=MS_PRIVATE)
        or _LIBC.mount(path, path, None, MS_BIND | MS_REC, None)
        or _set_mounts(b"/", add=MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID)
        or _set_mounts(path, remove=MOUNT_ATTR_RDONLY)
    )


def _set_mounts(path: bytes, *, add: int = 0, remove: int = 0, propagation: int = 0) -> int:
    """mount_setattr(2) on `path` and all mounts below it; 0 when done."""
    attributes = struct.pack("=4Q", add, remove, propagation, 0)
    arguments = (AT_FDCWD, path, AT_RECURSIVE, attributes, ctypes.c_size_t(len(attributes)))
    return int(_LIBC.syscall(ctypes.c_long(MOUNT_SETATTR), *arguments))


def _mirror(child: int) -> NoReturn:
    """Waits for `child`, reaping whoever else ends, and exits as it did."""
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _limit(name: str, value: int) -> None:
    kind = getattr(resource, f"RLIMIT_{name}")
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _drop_user(uid: int, gid: int, keep_search: bool) -> None:
    for capability in range(64):
        if not (keep_search and capability == CAP_DAC_READ_SEARCH):
            _LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # EPERM where it is dropped already
    _prctl(PR_SET_KEEPCAPS, int(keep_search))
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if keep_search:
        _set_capabilities(1 << CAP_DAC_READ_SEARCH)
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH)


def _set_capabilities(mask: int) -> None:
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    if _LIBC.capset(header, struct.pack("=6I", mask, mask, mask, 0, 0, 0)):
        raise OSError(ctypes.get_errno(), "cannot set capabilities")


def _die_with(parent: int) -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _prctl(option: int, *arguments: int) -> None:
    padded = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    if _LIBC.prctl(option, *padded):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


_LIBC = ctypes.CDLL(None, use_errno=True)

if __name__ == "__main__":
    sys.exit(main())
