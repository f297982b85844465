"""The program of a run's pod, told to end, or killed, in the very middle of one of its writes.

It is a process of its own, forked from one in which everything is imported already.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final

from evaluation_operator.evaluator import main, settings, start
from evaluation_operator.kube import Kube
from evaluation_operator.results.ending import ending
from evaluation_operator.storage.plain_files import PlainFiles

WRITES: Final = ("create_dir", "open_output_stream", "move", "delete_file", "delete_dir")
SECONDS: Final = 60.0
"""More than it takes on a machine that is busy; one that is hung fails its test."""

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(
    # The others are imported when a query is first made, which takes longer than the run.
    [__name__, "ibis.backends.duckdb", "pandas"]
)


@dataclass(frozen=True)
class Ended:
    """`at`: the write in whose middle it was; empty where it had fewer writes than that."""

    code: int
    at: str
    verdict: Mapping[str, Any]


def run_until(
    write: int | None, number: signal.Signals, environment: Mapping[str, str], folder: Path
) -> Ended:
    """`evaluation-run run`, which gets the signal within that of its writes, the first being 1."""
    told, verdict = folder / "at", folder / "verdict"
    for file in (told, verdict):
        file.unlink(missing_ok=True)
    arguments = (write, number, dict(environment), told, verdict)
    process = _forking.Process(target=_run, args=arguments)
    process.start()
    process.join(SECONDS)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode is not None, f"it goes on at {_text(told)}"
    said = json.loads(_text(verdict) or "{}")
    return Ended(process.exitcode, _text(told), said)


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _run(
    write: int | None,
    number: signal.Signals,
    environment: Mapping[str, str],
    told: Path,
    verdict: Path,
) -> None:
    os.environ.update(environment)
    sys.argv = ["evaluation-run", "run"]
    for module in (settings, main):
        vars(module)["TERMINATION_LOG"] = verdict
    _Meddler(write, number, told).meddle()
    start.main()


class _Meddler:
    """Sends the signal from within a write, and lets the write go on once it has been seen."""

    def __init__(self, write: int | None, number: signal.Signals, told: Path) -> None:
        self._left = write
        self._number = number
        self._told = told

    def meddle(self) -> None:
        for name in WRITES:
            setattr(PlainFiles, name, self._watched(getattr(PlainFiles, name)))
        request = Kube._request

        @wraps(request)
        async def watched(kube: Kube, method: str, path: str, **more: Any) -> bytes:
            if method != "GET":
                self._pass(f"{method} {path}")
            return await request(kube, method, path, **more)

        Kube._request = watched  # type: ignore[method-assign, assignment]

    def _watched(self, write: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(write)
        def watched(files: PlainFiles, path: str, *more: Any) -> Any:
            self._pass(f"{write.__name__} {path}")
            return write(files, path, *more)

        return watched

    def _pass(self, what: str) -> None:
        if self._left is None:
            return
        self._left -= 1
        if self._left == 0:
            self._told.write_text(what)
            os.kill(os.getpid(), self._number)
            while not ending.has_begun:
                time.sleep(0.001)


def kubeconfig_of(server: str, folder: Path) -> Path:
    """For a server that asks nobody who he is."""
    path = folder / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": {}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
    path.write_text(json.dumps(content))
    return path


def blocks_signals(process: int) -> bool:
    """Whether it has got so far as to care for signals; False when it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("SigBlk:"):
                return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False
