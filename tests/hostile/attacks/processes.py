"""Signals, debugging and staying alive."""

from __future__ import annotations

import ctypes
import os
import signal
import time

from registry import LIBC, Held, World, call, number_of, probe

SEARCH = 1 << 2
"""CAP_DAC_READ_SEARCH, which guard alone keeps where the interpreter lies in a closed folder."""
PTRACE_PEEK, PTRACE_SEIZE, PTRACE_INTERRUPT = 2, 0x4206, 0x4207


@probe
def signal_service(world: World) -> object:
    return os.kill(world["service"], signal.SIGSTOP)


@probe
def signal_other_job(world: World) -> object:
    return os.kill(world["neighbour"], signal.SIGSTOP)


@probe
def signal_attempt(world: World) -> object:
    return os.kill(world["attempt"], signal.SIGUSR1)


@probe
def signal_by_pidfd(world: World) -> object:
    opened = call(434, world["second_victim"], 0)
    return call(424, opened, signal.SIGSTOP, 0, 0)


@probe
def signal_by_owner_of_pipe(world: World) -> object:
    """The kernel sends it when the pipe fills."""
    import fcntl

    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETOWN, world["third_victim"])
    fcntl.fcntl(reader, 10, signal.SIGSTOP)  # F_SETSIG
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    return os.write(writer, b"x")


@probe
def slow_down_service(world: World) -> object:
    os.setpriority(os.PRIO_PROCESS, world["service"], 19)
    return os.getpriority(os.PRIO_PROCESS, world["service"])


@probe
def lower_limits_of_service(world: World) -> object:
    import resource

    return resource.prlimit(world["service"], resource.RLIMIT_CORE, (0, 0))


def _memory_of(pid: int, address: int) -> bytes:
    buffer = ctypes.create_string_buffer(64)
    local = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 64)
    remote = (ctypes.c_void_p * 2)(address, 64)
    call(number_of(310, 270), pid, local, ctypes.c_ulong(1), remote, ctypes.c_ulong(1), ctypes.c_ulong(0))
    return buffer.raw


@probe
def read_memory_of_service(world: World) -> object:
    return _memory_of(world["service"], world["service_address"])


@probe
def read_memory_of_other_job(world: World) -> object:
    return _memory_of(world["neighbour"], world["neighbour_address"])


@probe
def read_proc_mem_of_service(world: World) -> object:
    with open(f"/proc/{world['service']}/mem", "rb", buffering=0) as file:
        file.seek(world["service_address"])
        return file.read(64)


@probe
def read_proc_mem_of_other_job(world: World) -> object:
    with open(f"/proc/{world['neighbour']}/mem", "rb", buffering=0) as file:
        file.seek(world["neighbour_address"])
        return file.read(64)


@probe
def ptrace_service(world: World) -> object:
    return _ptrace(world["service"], world["service_address"])


@probe
def ptrace_other_job(world: World) -> object:
    return _ptrace(world["neighbour"], world["neighbour_address"])


def _ptrace(pid: int, address: int) -> bytes:
    number = number_of(101, 117)
    call(number, PTRACE_SEIZE, pid, 0, 0)
    call(number, PTRACE_INTERRUPT, pid, 0, 0)
    os.waitpid(pid, 0x40000000)
    found = b""
    for offset in range(0, 64, 8):
        word = ctypes.c_ulong()
        call(number, PTRACE_PEEK, ctypes.c_long(pid), ctypes.c_void_p(address + offset), ctypes.byref(word))
        found += word.value.to_bytes(8, "little")
    call(number, 17, ctypes.c_long(pid), 0, 0)
    return found


@probe
def ptrace_own_child(world: World) -> object:
    """Debugging at all: a step of many exploits. In a child: a process that is traced stops at signals."""
    child = os.fork()
    if child == 0:
        os._exit(LIBC.ptrace(0, 0, 0, 0) and ctypes.get_errno())
    _, status = os.waitpid(child, 0)
    if failure := os.waitstatus_to_exitcode(status):
        raise OSError(failure, os.strerror(failure))
    return "is traced"


@probe
def become_root(world: World) -> object:
    if os.getuid() == 0:
        return "is root"
    os.setuid(0)
    return os.getuid()


@probe
def keep_capabilities(world: World) -> object:
    with open("/proc/self/status") as file:
        text = file.read()
    found = int(next(line.split()[1] for line in text.splitlines() if line.startswith("CapEff")), 16)
    if found & ~SEARCH:
        return hex(found)
    raise Held("none")


@probe
def kill_everybody(world: World) -> object:
    """Claims nothing: whether somebody else died is seen outside."""
    os.kill(-1, signal.SIGKILL)
    raise Held("signalled whoever may be")


@probe
def stay_behind(world: World) -> object:
    """A daemon that outlives the compiler."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            null = os.open("/dev/null", os.O_RDWR)
            for number in range(3):
                os.dup2(null, number)
            LIBC.prctl(15, b"hostile-daemon", 0, 0, 0)
            os.execv("/bin/sleep", [world["daemon_mark"], "600"])
        os._exit(0)
    time.sleep(0.3)
    return "left one behind"
