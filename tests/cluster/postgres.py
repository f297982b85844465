"""A real PostgreSQL from Debian's package, for as long as a test needs it.

with PostgreSQL() as server:
    connect(server.dsn)
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import tempfile
from pathlib import Path

from tests.cluster.host import free_ports, is_root, need_packages, run, succeeds, wait_until
from tests.cluster.pki import Credentials
from tests.cluster.processes import Processes, as_user, with_descendants
from tests.cluster.server import Server

USER = DATABASE = "evaluation"

_INSTALLED = Path("/usr/lib/postgresql")
_SERVER = "postgres"


class PostgreSQL(Server):
    """A server with an empty database in a temporary directory, which goes when it ends.

    `listen` is the address that it answers on, besides loopback: give `settings.BRIDGE_ADDRESS`
    for pods of the local cluster to reach it. Nobody gets in without its password, which it asks
    for as `auth` says, a method of pg_hba.conf. With a certificate it speaks TLS to who wants it.
    """

    def __init__(
        self,
        *,
        listen: str = "127.0.0.1",
        port: int | None = None,
        auth: str = "scram-sha-256",
        certificate: Credentials | None = None,
    ) -> None:
        self.host = listen
        self._auth = auth
        self._certificate = certificate
        self.port = port or free_ports(1)[0]
        self.password = secrets.token_urlsafe(12)
        # It refuses to run as root; this user, who owns nothing else, runs it then. The data lie
        # in a directory of their own because a root's temporary directories are closed to him.
        self._user = "nobody" if is_root() else ""
        self._directory: Path | None = None

    @property
    def dsn(self) -> str:
        """`postgresql://user:password@host:port/database`."""
        return f"postgresql://{USER}:{self.password}@{self.host}:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Start it unless it runs, with the data it has, and wait until it answers."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="evaluation-postgres-"))
            self._initialise()
        self._serve()

    def close(self) -> None:
        if self._directory is not None:
            self.stop()
            shutil.rmtree(self._directory)

    @property
    def directory(self) -> Path:
        if self._directory is None:
            raise RuntimeError("PostgreSQL is a context manager: use it in a with statement")
        return self._directory

    @property
    def _processes(self) -> Processes:
        return Processes(self.directory, end_with_parent=True)

    def _serve(self) -> None:
        processes = self._processes
        addresses = ",".join(sorted({"127.0.0.1", self.host}))
        processes.start(
            _SERVER,
            [
                *(_programs() / "postgres", "-D", self.directory / "data", "-p", str(self.port)),
                *("-c", f"listen_addresses={addresses}"),
                *("-c", "unix_socket_directories=", "-c", "fsync=off", *self._tls()),
            ],
            user=self._user,
        )
        own = f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/postgres"
        psql = _programs() / "psql"
        ask: list[str | Path] = [psql, own, "--no-psqlrc", "--tuples-only", "--command"]

        def answers() -> bool:
            processes.require_running([_SERVER])
            return succeeds([*ask, "SELECT 1"])

        wait_until(answers, f"PostgreSQL on port {self.port}", 30)
        if not run([*ask, f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"]).strip():
            run([*ask, f"CREATE DATABASE {DATABASE}"])

    def stop(self) -> None:
        """End it in order, breaking open connections; `start` brings it back with its data."""
        self._processes.kill(_SERVER, signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash of its machine would; `start` recovers its data."""
        if (server := self._processes.pid(_SERVER)) is not None:
            for pid in with_descendants([server]):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._processes.kill(_SERVER)

    def _tls(self) -> list[str | Path]:
        """The key must be the server's own."""
        if self._certificate is None:
            return []
        certificate, key = self.directory / "server.crt", self.directory / "server.key"
        shutil.copy(self._certificate.certificate, certificate)
        shutil.copy(self._certificate.key, key)
        key.chmod(0o600)
        if self._user:
            for path in (certificate, key):
                shutil.chown(path, self._user)
        return [
            *("-c", "ssl=on", "-c", f"ssl_cert_file={certificate}"),
            *("-c", f"ssl_key_file={key}"),
        ]

    def _initialise(self) -> None:
        data, password = self.directory / "data", self.directory / "password"
        data.mkdir(mode=0o700)
        password.touch(mode=0o600)
        password.write_text(self.password)
        if self._user:
            self.directory.chmod(0o711)
            for path in (data, password):
                shutil.chown(path, self._user)
        run(
            [
                *(as_user(self._user) if self._user else []),
                *(_programs() / "initdb", "--pgdata", data, "--no-sync", "--encoding", "UTF8"),
                *("--locale", "C.UTF-8", "--username", USER, "--pwfile", password),
                *("--auth", self._auth),
            ]
        )
        password.unlink()
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all all {self._auth}\n")


def _programs() -> Path:
    """The directory of the newest PostgreSQL's programs; Debian keeps them out of PATH."""
    if not list(_INSTALLED.glob("*/bin/initdb")):
        need_packages({str(_INSTALLED / "*"): "postgresql"})
    return max(_INSTALLED.glob("*/bin/initdb"), key=lambda path: int(path.parts[4])).parent
