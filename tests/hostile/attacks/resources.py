"""Taking more than a job may."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from registry import Held, World, probe

MIB = 1 << 20


@probe
def fork_bomb(world: World) -> object:
    children = 0
    reader, writer = os.pipe()
    try:
        while children < world["processes"]:
            if os.fork() == 0:
                os.close(writer)
                os.read(reader, 1)
                os._exit(0)
            children += 1
    except OSError as error:
        raise Held(f"after {children}: {error}") from None
    return f"{children} processes"


@probe
def memory_of_one_process(world: World) -> object:
    return len(bytearray(world["memory"]))


@probe
def memory_of_many_processes(world: World) -> object:
    """Each within the limit of one, and all of it written to."""
    children = []
    for _ in range(world["hoarders"]):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            hoard = b"x" * world["hoard"]
            os.write(writer, b"y")
            time.sleep(30)
            os._exit(len(hoard) & 1)
        os.close(writer)
        children.append((child, os.read(reader, 1)))
    held = [child for child, said in children if said]
    time.sleep(1.7)
    held = [child for child in held if os.waitpid(child, os.WNOHANG) == (0, 0)]
    for child, _ in children:
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue
    if len(held) < world["hoarders"]:
        raise Held(f"{len(held)} of {world['hoarders']} have it")
    return f"{len(held)} times {world['hoard']} bytes"


@probe
def processor_of_one_process(world: World) -> object:
    while time.process_time() < world["cpu_seconds"] + 1.5:
        pass
    return f"{time.process_time():.1f} s"


@probe
def processor_of_many_processes(world: World) -> object:
    """More of the processors than the job has, in wall time."""
    start, children = time.monotonic(), []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            while time.monotonic() < start + 1.5:
                pass
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    used = os.times().children_user + os.times().children_system
    share = used / (time.monotonic() - start)
    if share < 1.4 * world["cpus"]:
        raise Held(f"{share:.2f} processors")
    return f"{share:.2f} processors"


@probe
def descriptors(world: World) -> object:
    opened = []
    try:
        while len(opened) < world["files"]:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        raise Held(f"after {len(opened)}: {error}") from None
    finally:
        for number in opened:
            os.close(number)
    return len(opened)


@probe
def one_huge_file(world: World) -> object:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open("huge", "wb") as file:
        file.truncate(world["file"])
    os.unlink("huge")
    return world["file"]


def _fill(write: Callable[[int], None], world: World) -> object:
    """Writes, and waits until somebody ends it."""
    for number in range(world["fill"] // (4 * MIB)):
        write(number)
    time.sleep(3.5)
    return f"{world['fill']} bytes"


@probe
def many_large_files(world: World) -> object:
    def write(number: int) -> None:
        with open(f"large{number}", "wb") as file:
            file.write(bytes(4 * MIB))

    return _fill(write, world)


@probe
def deleted_files_held_open(world: World) -> object:
    opened = []

    def write(number: int) -> None:
        opened.append(open(f"gone{number}", "wb"))  # noqa: SIM115
        os.unlink(f"gone{number}")
        opened[-1].write(bytes(4 * MIB))
        opened[-1].flush()

    return _fill(write, world)


@probe
def files_below_a_path_too_long(world: World) -> object:
    for _ in range(24):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)

    def write(number: int) -> None:
        with open(f"deep{number}", "wb") as file:
            file.write(bytes(4 * MIB))

    return _fill(write, world)


@probe
def files_in_a_closed_folder(world: World) -> object:
    os.mkdir("closed")

    def write(number: int) -> None:
        os.chmod("closed", 0o700)
        with open(f"closed/{number}", "wb") as file:
            file.write(bytes(4 * MIB))
        os.chmod("closed", 0)

    return _fill(write, world)


@probe
def many_small_files(world: World) -> object:
    for number in range(world["entries"]):
        os.close(os.open(f"small{number}", os.O_CREAT))
    time.sleep(3.5)
    return world["entries"]


@probe
def core_dump(world: World) -> object:
    child = os.fork()
    if child == 0:
        os.abort()
    _, status = os.waitpid(child, 0)
    if os.WCOREDUMP(status):
        return "dumped"
    raise Held("no core")
