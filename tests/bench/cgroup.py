"""A memory cgroup around a program, as a kubelet sets one: above the limit the kernel ends it.

For both versions of the interface; no init system is needed, but the rights of root are.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryCgroup:
    """A directory of the cgroup file system, and the names that its version has for things."""

    directory: Path
    limit: str
    peak: str

    def wrap(self, command: Sequence[str]) -> list[str]:
        """The command, so that its process is in the cgroup before it becomes the program."""
        enter = 'echo $$ > "$0" && exec "$@"'
        return ["/bin/sh", "-c", enter, str(self.directory / "cgroup.procs"), *command]

    @property
    def peak_bytes(self) -> int:
        """The most that was charged at once, with what the kernel holds for the program."""
        return int((self.directory / self.peak).read_text())


@contextlib.contextmanager
def memory_cgroup(limit_bytes: int) -> Iterator[MemoryCgroup]:
    """Raises OSError where this process may not make one."""
    name = f"evaluation-bench-{os.getpid()}"
    if (ROOT / "memory").is_dir():
        cgroup = MemoryCgroup(
            ROOT / "memory" / name, "memory.limit_in_bytes", "memory.max_usage_in_bytes"
        )
    else:
        (ROOT / "cgroup.subtree_control").write_text("+memory")
        cgroup = MemoryCgroup(ROOT / name, "memory.max", "memory.peak")
    cgroup.directory.mkdir()
    try:
        (cgroup.directory / cgroup.limit).write_text(str(limit_bytes))
        yield cgroup
    finally:
        _remove(cgroup.directory)


def _remove(directory: Path) -> None:
    """A process that has ended leaves a moment later."""
    for _ in range(50):
        with contextlib.suppress(OSError):
            directory.rmdir()
            return
        time.sleep(0.1)
