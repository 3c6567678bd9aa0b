"""Parts of the kernel that a compiler has no use for and exploits start from."""

from __future__ import annotations

import ctypes
import os

from registry import LIBC, World, call, number_of, probe, system_call

NEW_USER, NEW_NETWORK, NEW_MOUNTS = 0x10000000, 0x40000000, 0x20000

system_call("bpf", 321, 280, 0, 0, 0)
system_call("perf_event_open", 298, 241, 0, 0, -1, -1, 0)
system_call("userfaultfd", 323, 282, 1)
system_call("io_uring_setup", 425, 425, 1, 0)
system_call("keyctl", 250, 219, 0, -3, 0)
system_call("add_key", 248, 217, 0, 0, 0, 0, -4)
system_call("clone3", 435, 435, 0, 0)
system_call("open_tree", 428, 428, -100, b".", 1)
system_call("fsopen", 430, 430, 0, 0)
system_call("chroot", 161, 51, 0)
system_call("pivot_root", 155, 41, b".", b".")
system_call("open_by_handle_at", 304, 265, -100, 0, 0)
system_call("name_to_handle_at", 303, 264, -100, 0, 0, 0, 0)
system_call("kexec_load", 246, 104, 0, 0xFFFF, 0, 0)
system_call("init_module", 175, 105, 0, 0, 0)
system_call("fanotify_init", 300, 262, 0xFFFF, 0)
system_call("pidfd_getfd", 438, 438, -1, 0, 0)
system_call("kcmp", 312, 272, os.getpid(), os.getpid(), 99, 0, 0)
system_call("settimeofday", 164, 170, 0, 0)
system_call("quotactl", 179, 60, 0, 0, 0, 0)
system_call("syslog", 103, 116, 99, 0, 0)
system_call("inject_into_terminal", 16, 29, 0, 0x5412, b"x")
system_call("mq_open", 240, 180, 0, 0, 0, 0)


@probe
def shared_memory_by_number(world: World) -> object:
    """System V: between jobs whatever their folders."""
    return call(number_of(29, 194), 0x7151, 4096, 0o1666)


def _unshare(flags: int) -> object:
    """In a child: the probes after this one keep the rights that they have."""
    child = os.fork()
    if child == 0:
        os._exit(LIBC.unshare(flags) and ctypes.get_errno())
    _, status = os.waitpid(child, 0)
    if failure := os.waitstatus_to_exitcode(status):
        raise OSError(failure, os.strerror(failure))
    return "entered a new one"


@probe
def unshare_user(world: World) -> object:
    return _unshare(NEW_USER)


@probe
def unshare_network(world: World) -> object:
    return _unshare(NEW_NETWORK)


@probe
def clone_user(world: World) -> object:
    child = call(number_of(56, 220), NEW_USER | 17, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


@probe
def enter_namespace_of_service(world: World) -> object:
    opened = os.open(f"/proc/{world['service']}/ns/net", os.O_RDONLY)
    return call(number_of(308, 268), opened, 0)


@probe
def mount_tmpfs(world: World) -> object:
    os.makedirs("mounted", exist_ok=True)
    if LIBC.mount(b"none", b"mounted", b"tmpfs", 0, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    LIBC.umount2(b"mounted", 2)
    return "mounted"
