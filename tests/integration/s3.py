"""Moto's S3 server on loopback, with one bucket that is empty at first."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.fs as pafs

from evaluation_operator.storage.credentials import BucketAccess, SecretCredentials
from evaluation_operator.storage.options import TableOptions
from tests.cluster.host import free_ports, wait_until

BUCKET = "tables"
CREDENTIALS = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "canary-5512",
}


def own_filesystem(endpoint: str) -> pafs.FileSystem:
    """The whole service, past the program under test."""
    return pafs.S3FileSystem(
        access_key=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        secret_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region=CREDENTIALS["AWS_REGION"],
        endpoint_override=endpoint,
        allow_bucket_creation=True,
        connect_timeout=1,
    )


def bucket_secret(endpoint: str) -> dict[str, str]:
    """The Secret of whoever may enter it."""
    return CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}


def bucket_options(endpoint: str) -> TableOptions:
    """As from that Secret."""
    access = BucketAccess(
        "Secret 'evaluation-bucket'",
        access_key=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        secret_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region=CREDENTIALS["AWS_REGION"],
        endpoint=endpoint,
    )
    return TableOptions(credentials=SecretCredentials(accesses=(access,)))


@contextmanager
def s3_server(directory: Path) -> Iterator[str]:
    """Its endpoint; it logs into the directory."""
    (port,) = free_ports(1)
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log,
            stderr=log,
        )
        try:
            endpoint = f"http://127.0.0.1:{port}"
            own = own_filesystem(endpoint)

            def has_bucket() -> bool:
                assert server.poll() is None, log.name
                try:
                    own.create_dir(BUCKET)
                except OSError:
                    return False
                return True

            wait_until(has_bucket, "the S3 server", 60)
            yield endpoint
        finally:
            server.terminate()
            server.wait(10)
