"""Programs that outlive the command which started them: a pid file and a log for each."""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.cluster.host import ClusterError, wait_until

_SETPRIV = "/usr/bin/setpriv"


class Processes:
    """The processes of one directory: `run/NAME.pid` and `logs/NAME.log`.

    A pid file holds the process's start time too, so that one left by a killed run, whose number
    another program has by now, is never taken for ours.
    """

    def __init__(self, directory: Path, *, end_with_parent: bool = False) -> None:
        self._pids = directory / "run"
        self._logs = directory / "logs"
        self._end_with_parent = end_with_parent

    def start(self, name: str, command: Sequence[str | Path], *, user: str = "") -> None:
        """Start a program unless it runs, as another user if given.

        It gets a session of its own and no input.
        """
        if self.is_running(name):
            return
        self._pids.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        words = [str(word) for word in command]
        # One setpriv for both: a change of user would take back an earlier --pdeathsig.
        privileges = as_user(user) if user else []
        if self._end_with_parent:
            privileges = [*(privileges or [_SETPRIV]), "--pdeathsig", "KILL"]
        words = [*privileges, *words]
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawn(
            words[0],
            words,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log_file(name)), append, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        self._pid_file(name).write_text(f"{pid} {_start_time(pid)}\n")

    def is_running(self, name: str) -> bool:
        return self.pid(name) is not None

    def pid(self, name: str) -> int | None:
        """The process's number, or None if it never ran, has ended or is somebody else's."""
        try:
            pid, started = self._pid_file(name).read_text().split()
        except (OSError, ValueError):
            return None
        _reap(int(pid))
        return int(pid) if _start_time(int(pid)) == started else None

    def kill(self, name: str, sig: signal.Signals = signal.SIGKILL, seconds: float = 10) -> None:
        """Send a signal and wait for the end; SIGKILL if it does not come in time."""
        for each in (sig, signal.SIGKILL):
            if (pid := self.pid(name)) is None:
                break
            os.kill(pid, each)
            try:
                wait_until(lambda: not self.is_running(name), f"the end of {name}", seconds, 0.02)
            except ClusterError:
                if each == signal.SIGKILL:
                    raise
        self._pid_file(name).unlink(missing_ok=True)

    def stop(self, names: Iterable[str]) -> None:
        for name in names:
            self.kill(name, signal.SIGTERM)

    def require_running(self, names: Iterable[str]) -> None:
        """Raise with the end of its log if one has died."""
        for name in names:
            if not self.is_running(name):
                raise ClusterError(f"{name} has ended:\n{self.log_tail(name)}")

    def log_file(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def log_tail(self, name: str, lines: int = 15) -> str:
        log = self.log_file(name)
        text = log.read_text(errors="replace") if log.exists() else "(no log)"
        return f"{log}:\n" + "\n".join(text.splitlines()[-lines:])

    def _pid_file(self, name: str) -> Path:
        return self._pids / f"{name}.pid"


def as_user(user: str) -> list[str]:
    """The start of a command that runs as another user and is then replaced by the program."""
    return [_SETPRIV, f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; the name before it may hold spaces."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _start_time(pid: int) -> str | None:
    """Clock ticks from boot to the process's start, or None if it has ended."""
    fields = _stat(pid)
    return None if not fields or fields[0] in "ZX" else fields[19]


def _reap(pid: int) -> None:
    """Collect an ended child, so that it does not stay a zombie while this process lives."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def with_descendants(roots: Iterable[int]) -> list[int]:
    """Process numbers of `roots` and of all that they started, children before parents."""
    children: dict[int, list[int]] = {}
    for pid in running_pids():
        if fields := _stat(pid):
            children.setdefault(int(fields[1]), []).append(pid)
    found: list[int] = []
    queue = list(roots)
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue.extend(children.get(pid, []))
    return found[::-1]


def running_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
