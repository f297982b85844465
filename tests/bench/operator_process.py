"""The operator as a process of its own, and what it says about itself."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.host import free_ports

MODULE = "evaluation_operator.controller.main"


class OperatorProcess:
    """Runs as long as its block. Settings of the environment are given by name; the operator of
    another checkout is one with its `PYTHONPATH`."""

    def __init__(self, kubeconfig: str, **settings: str) -> None:
        (self._port,) = free_ports(1)
        self._environment = os.environ | {
            "KUBECONFIG": kubeconfig,
            "EVALUATION_LEADER_ELECTION": "false",
            "EVALUATION_HEALTH_PORT": str(self._port),
            "EVALUATION_LOG_LEVEL": "ERROR",
            **settings,
        }

    async def __aenter__(self) -> OperatorProcess:
        self._process = subprocess.Popen([sys.executable, "-m", MODULE], env=self._environment)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, 30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def is_ready(self) -> bool:
        assert self._process.poll() is None, "the operator ended"
        try:
            await asyncio.to_thread(self._read, "/readyz")
        except OSError:
            return False
        return True

    async def is_live(self) -> bool:
        try:
            await asyncio.to_thread(self._read, "/healthz")
        except OSError:
            return False
        return True

    async def sum_of(self, name: str, **labels: str) -> float:
        """Of a metric's samples that have these labels; nothing counts as zero."""
        assert self._process.poll() is None, "the operator ended"
        text = await asyncio.to_thread(self._read, "/metrics")
        samples = [it for family in text_string_to_metric_families(text) for it in family.samples]
        wanted = labels.items()
        return sum(it.value for it in samples if it.name == name and wanted <= it.labels.items())

    async def writes(self) -> float:
        """Writes to the API server so far, Events apart."""
        name = "evaluation_operator_api_writes_total"
        return await self.sum_of(name) - await self.sum_of(name, resource="events")

    def memory(self, *, peak: bool = False) -> float:
        """Resident memory in MB."""
        field = "VmHWM" if peak else "VmRSS"
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
        raise RuntimeError(f"no {field}")

    def _read(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as response:
            return str(response.read().decode())
