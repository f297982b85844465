"""KServe's Python server as a process, from an environment made once a machine.

with KServeServer(directory, "digits", model_file) as server:
    post(f"{server.url}/v1/models/digits:predict", …)
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.host import free_ports, locked, run, step, wait_until
from tests.cluster.processes import Processes
from tests.cluster.settings import load_settings

_HERE = Path(__file__).resolve().parent
LOCK = _HERE / "requirements-kserve.lock"
MODEL = _HERE / "quadratic_model.py"


def kserve_python() -> Path:
    """The interpreter of an environment with the locked KServe, made if this machine has none."""
    cache = load_settings().cache_dir
    directory = cache / f"kserve-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    if not directory.exists():
        with locked(cache / "kserve.lock"):
            if not directory.exists():
                with step("Installing KServe's Python server", "once a machine: a minute"):
                    _install(directory)
    return directory / "bin" / "python"


def _install(directory: Path) -> None:
    """Beside it and renamed, so that whoever finds the directory finds it complete."""
    unfinished = directory.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    uv = [sys.executable, "-m", "uv"]
    run([*uv, "venv", "--quiet", "--python", sys.executable, unfinished])
    python = unfinished / "bin" / "python"
    run([*uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", LOCK])
    unfinished.rename(directory)


class KServeServer:
    """Serves one model file on a port of its own until the block ends."""

    def __init__(self, directory: Path, name: str, model_file: Path) -> None:
        self.name = name
        self.port = free_ports(1)[0]
        self._model_file = model_file
        self._processes = Processes(directory, end_with_parent=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._processes.start(
            self.name,
            [
                *(kserve_python(), MODEL, "--model_name", self.name),
                *("--model_file", self._model_file, "--http_port", str(self.port)),
                *("--enable_grpc", "false", "--workers", "1"),
            ],
        )
        try:
            wait_until(self._is_ready, f"the model server {self.name}", 60)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._processes.kill(self.name)

    def _is_ready(self) -> bool:
        self._processes.require_running([self.name])
        try:
            with urllib.request.urlopen(f"{self.url}/v2/models/{self.name}/ready") as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False
