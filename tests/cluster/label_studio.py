"""A real Label Studio from PyPI, for as long as a test or a demo needs it.

with LabelStudio() as server:
    connect(server.url, server.token)
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.host import free_ports, locked, run, step, wait_until
from tests.cluster.processes import Processes
from tests.cluster.settings import load_settings

ADMIN = "admin@example.com"

_LOCK = Path(__file__).with_name("requirements-label-studio.lock")
_SERVER = "label-studio"
# Made once and shared by all servers: they hold nothing but what a test puts into them.
_TOKEN_FILE = "token"


class LabelStudio:
    """A server with no projects in a temporary directory, which goes when it ends.

    `listen` is the address that it answers on, `settings.BRIDGE_ADDRESS` for pods of the local
    cluster to reach it. `token` is the administrator's legacy token.
    """

    def __init__(self, *, listen: str = "127.0.0.1", port: int | None = None) -> None:
        self.host = listen
        self.port = port or free_ports(1)[0]
        self._directory: Path | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def token(self) -> str:
        return (self.directory / _TOKEN_FILE).read_text()

    @property
    def password(self) -> str:
        """The administrator's; everybody whom `add_person` makes has it as well."""
        return self.token[:16]

    @property
    def directory(self) -> Path:
        if self._directory is None:
            raise RuntimeError("LabelStudio is a context manager: use it in a with statement")
        return self._directory

    def __enter__(self) -> Self:
        template = _template()
        self._directory = Path(tempfile.mkdtemp(prefix="evaluation-label-studio-"))
        try:
            shutil.copytree(template, self._directory, dirs_exist_ok=True)
            self.start()
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
        self.stop()
        shutil.rmtree(self.directory)

    def start(self) -> None:
        """Start it unless it runs, with the data it has, and wait until it answers."""
        _start(self.directory, self.host, self.port, self.token)

    def stop(self) -> None:
        """End it; `start` brings it back with its data."""
        _processes(self.directory).kill(_SERVER, signal.SIGTERM)

    def call(self, method: str, path: str, body: object = None, *, token: str = "") -> object:
        """Ask the server as its administrator, or with somebody's token; its JSON, or None."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Token {token or self.token}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            text = error.read()[:500].decode(errors="replace")
            raise ValueError(f"{method} {path} was answered {error.code}: {text}") from None
        return json.loads(text) if text else None

    def add_person(self, email: str) -> int:
        """Make an annotator, who logs in with `password`, and return the user's number."""
        made = self.call("POST", "/api/users/", {"email": email, "username": email.split("@")[0]})
        assert isinstance(made, dict)
        return int(made["id"])


def _processes(directory: Path) -> Processes:
    return Processes(directory, end_with_parent=True)


def _start(directory: Path, host: str, port: int, token: str) -> None:
    settings = {
        "LABEL_STUDIO_BASE_DATA_DIR": directory / "data",
        "DJANGO_DB": "sqlite",
        "LABEL_STUDIO_USERNAME": ADMIN,
        "LABEL_STUDIO_PASSWORD": token[:16],
        "LABEL_STUDIO_USER_TOKEN": token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "false",
        "SSRF_PROTECTION_ENABLED": "false",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "DEBUG": "false",
    }
    programs = _environment() / "bin"
    processes = _processes(directory)
    processes.start(
        _SERVER,
        [
            "/usr/bin/env",
            f"PATH={programs}{os.pathsep}{os.defpath}",
            *(f"{name}={value}" for name, value in settings.items()),
            *(programs / "label-studio", "start", "--no-browser"),
            *("--internal-host", host, "--port", str(port)),
        ],
    )

    def answers() -> bool:
        processes.require_running([_SERVER])
        try:
            with urllib.request.urlopen(f"http://{host}:{port}/health", timeout=5):
                return True
        except OSError:
            return False

    wait_until(answers, f"Label Studio on port {port}", 180)


def _environment() -> Path:
    """Its programs, from packages whose requirements would not fit beside this project's."""
    directory = _cached("label-studio")
    if not directory.exists():
        with locked(load_settings().cache_dir / "label-studio.lock"):
            if not directory.exists():
                with step("Installing Label Studio", "once a machine: a minute, 1 GB"):
                    _install(directory)
    return directory


def _template() -> Path:
    """A data directory whose database has all its tables and the administrator, nothing else."""
    _environment()
    directory = _cached("label-studio-data")
    if not directory.exists():
        with locked(load_settings().cache_dir / "label-studio.lock"):
            if not directory.exists():
                with step("Making Label Studio's database", "once a machine: half a minute"):
                    _make_template(directory)
    return directory


def _cached(name: str) -> Path:
    version = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]
    return load_settings().cache_dir / f"{name}-{version}"


def _install(directory: Path) -> None:
    """Beside it and renamed, so that whoever finds the directory finds it complete."""
    unfinished = directory.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    uv = [sys.executable, "-m", "uv"]
    run([*uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, unfinished])
    python = unfinished / "bin" / "python"
    run([*uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", _LOCK])
    unfinished.rename(directory)


def _make_template(directory: Path) -> None:
    unfinished = directory.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    token = secrets.token_hex(20)
    (unfinished / _TOKEN_FILE).write_text(token)
    [port] = free_ports(1)
    try:
        _start(unfinished, "127.0.0.1", port, token)
    finally:
        _processes(unfinished).kill(_SERVER, signal.SIGTERM)
    for leftover in ("run", "logs"):
        shutil.rmtree(unfinished / leftover)
    unfinished.rename(directory)
