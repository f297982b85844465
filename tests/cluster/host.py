"""This machine: commands, packages, progress and bounded waits."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

# Where Debian puts administrators' programs, which a plain user's PATH leaves out.
_SEARCH_PATH = os.pathsep.join([os.defpath, "/usr/local/sbin", "/usr/sbin", "/sbin"])


class ClusterError(Exception):
    """Something the caller can act on: the message says what is wrong and what to do."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(title: str, expect: str = "", heartbeat_seconds: float = 20) -> Iterator[None]:
    """Announce a step, show that it is alive while it lasts, and say how long it took."""
    say(f"==> {title}" + (f" ({expect})" if expect else ""))
    started, done = time.monotonic(), threading.Event()

    def beat() -> None:
        while not done.wait(heartbeat_seconds):
            say(f"    … {title}: {time.monotonic() - started:.0f} s")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    say(f"    {time.monotonic() - started:.1f} s")


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Run a command to its end and return what it printed; `env` adds to the environment."""
    words = [str(word) for word in command]
    result = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **env} if env else None,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        tail = "\n".join((result.stdout + result.stderr).strip().splitlines()[-20:])
        raise ClusterError(f"`{' '.join(words)}` failed with code {result.returncode}:\n{tail}")
    return result.stdout


def succeeds(command: Sequence[str | Path]) -> bool:
    """Whether a command exists and ends with code 0."""
    try:
        run(command)
    except (ClusterError, OSError):
        return False
    return True


def wait_until(
    condition: Callable[[], bool], what: str, seconds: float, poll_seconds: float = 0.1
) -> None:
    """Wait for a condition with a bound, and name it when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(poll_seconds)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process of this machine at a time; the kernel releases it when the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"    waiting for another process that holds {path}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def find_program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_SEARCH_PATH)


def is_root() -> bool:
    return os.geteuid() == 0


def can_overlay(directory: Path) -> bool:
    """Whether overlay file systems can be mounted below a directory: not in every container."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as probe:
        lower, upper, work, merged = (Path(probe) / name for name in ("l", "u", "w", "m"))
        for path in (lower, upper, work, merged):
            path.mkdir()
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        mounted = succeeds(["mount", "-t", "overlay", "overlay", "-o", options, merged])
        if mounted:
            run(["umount", merged])
    return mounted


def need_packages(programs: Mapping[str, str]) -> None:
    """Make programs available from Debian's packages: {program or file: package}."""
    missing = sorted(
        {
            package
            for program, package in programs.items()
            if not (Path(program).exists() if "/" in program else find_program(program))
        }
    )
    if not missing:
        return
    command = f"apt-get install --yes --no-install-recommends {' '.join(missing)}"
    if not is_root() or not find_program("apt-get"):
        raise ClusterError(f"missing programs; run as root: {command}")
    with step(f"Installing {' '.join(missing)}"):
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update"], env=quiet)
        # Debian starts services on installation; ours are started by us, where we want them.
        run(command.split(), env={**quiet, "RUNLEVEL": "1"})


def free_ports(count: int) -> list[int]:
    """Consecutive free ports on loopback, below those the kernel gives to outgoing connections."""
    for _ in range(200):
        base = random.randrange(20000, 32000 - count)
        if all(is_free(port) for port in range(base, base + count)):
            return list(range(base, base + count))
    raise ClusterError(f"found no {count} free ports in a row between 20000 and 32000")


def is_free(port: int) -> bool:
    """Whether somebody could listen there on loopback now. Connections that have ended keep no
    server from it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
