"""KServe's Python server as a process.

with KServeServer(directory) as server:
    post(f"{server.url}/v1/models/digits:predict", {"instances": [{"x": [1, 2]}]})
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from tests.cluster.host import free_ports, wait_until
from tests.cluster.processes import Processes
from tests.cluster.server import Server
from tests.servers.environment import servers_python

NAME: Final = "digits"
_PROGRAM: Final = Path(__file__).resolve().parent / "linear_model.py"
# Scores depend on the instance, so that every answer tells which one it was.
_MODEL: Final = {
    "labels": ["0", "1", "2"],
    "bias": [0.0, 0.1, -0.1],
    "weights": [[1.0, 0.0], [0.0, 1.0], [0.5, -0.5]],
}


class KServeServer(Server):
    """Serves a model named `digits` on a port of its own until the block ends."""

    def __init__(self, directory: Path) -> None:
        self.port = free_ports(1)[0]
        self._directory = directory
        self._processes = Processes(directory, end_with_parent=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        python = servers_python()
        self._directory.mkdir(parents=True, exist_ok=True)
        model_file = self._directory / "model.json"
        model_file.write_text(json.dumps(_MODEL))
        self._processes.start(
            NAME,
            [
                *(python, _PROGRAM, model_file, "--model_name", NAME),
                *("--http_port", str(self.port), "--enable_grpc", "false", "--workers", "1"),
            ],
        )
        wait_until(self._is_ready, "the model server", 60)

    def stop(self) -> None:
        self._processes.kill(NAME)

    def _is_ready(self) -> bool:
        self._processes.require_running([NAME])
        try:
            with urllib.request.urlopen(f"{self.url}/v2/models/{NAME}/ready") as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False
