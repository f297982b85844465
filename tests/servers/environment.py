"""The environment of the demo's servers (KServe's model server, Envoy), made once a machine.

They are real programs from PyPI whose requirements would not fit beside this project's own.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from tests.cluster.host import locked, run, step
from tests.cluster.settings import CHECKOUT, load_settings

LOCK = CHECKOUT / "manifests" / "demo" / "requirements-server.lock"


def servers_python() -> Path:
    """The interpreter that has KServe."""
    return _environment() / "bin" / "python"


def envoy_binary() -> Path:
    [binary] = _environment().glob("lib/python*/site-packages/envoy/_bin/envoy")
    return binary


def _environment() -> Path:
    cache = load_settings().cache_dir
    directory = cache / f"servers-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    if not directory.exists():
        with locked(cache / "servers.lock"):
            if not directory.exists():
                with step("Installing the model server and Envoy", "once a machine: a minute"):
                    _install(directory)
    return directory


def _install(directory: Path) -> None:
    """Beside it and renamed, so that whoever finds the directory finds it complete."""
    unfinished = directory.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    uv = [sys.executable, "-m", "uv"]
    run([*uv, "venv", "--quiet", "--python", sys.executable, unfinished])
    python = unfinished / "bin" / "python"
    run([*uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", LOCK])
    unfinished.rename(directory)
