"""The images' base where no registry can be reached: Debian's Python under the usual name.

Without a digest, since it is not Docker's image: images are built with it as PYTHON_IMAGE.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.host import ClusterError, need_packages, run, step, succeeds
from tests.cluster.settings import Settings

BASE_IMAGE = "docker.io/library/python:3.11-slim-bookworm"

_PACKAGES = ("ca-certificates", "python3", "python3-venv")
_SUITE = "bookworm"
BASE_KEY = hashlib.sha256(f"{BASE_IMAGE} {_SUITE} {_PACKAGES}".encode()).hexdigest()[:12]


def make_base(settings: Settings, buildah: Sequence[str | Path]) -> None:
    """Make BASE_IMAGE known to this buildah, from the machine's own package sources.

    Its root file system is kept in the cache. Nothing of the machine's package configuration,
    which may name private mirrors, stays in it.
    """
    stamped = f"localhost/evaluation-base:{BASE_KEY}"
    if succeeds([*buildah, "inspect", "--type", "image", stamped]):
        return
    root = settings.cache_dir / f"base-{BASE_KEY}.tar"
    if not root.exists():
        with step("Making a Debian with Python for the images", "once a machine: half a minute"):
            _bootstrap(root)
    container = run([*buildah, "from", "scratch"]).strip()
    run([*buildah, "add", "--quiet", container, root, "/"])
    label = f"description=Debian {_SUITE} with its own Python, not Docker's image"
    run([*buildah, "config", "--label", label, "--cmd", "python3", container])
    run([*buildah, "commit", "--quiet", "--rm", container, stamped])
    run([*buildah, "tag", stamped, BASE_IMAGE])


def _bootstrap(root: Path) -> None:
    release = Path("/etc/os-release").read_text()
    if f"VERSION_CODENAME={_SUITE}" not in release.splitlines():
        raise ClusterError(
            f"the images' base is made of Debian {_SUITE}, which this is not: install Docker"
        )
    need_packages({"mmdebstrap": "mmdebstrap"})
    sources = [
        path
        for path in (
            Path("/etc/apt/sources.list"),
            *sorted(Path("/etc/apt/sources.list.d").glob("debian*.sources")),
        )
        if path.exists() and path.read_text().strip()
    ]
    unfinished = root.with_suffix(".new.tar")
    root.parent.mkdir(parents=True, exist_ok=True)
    # How the machine reaches its package sources (proxies, certificates) holds for ours too.
    reach = root.with_suffix(".apt.conf")
    reach.write_text(run(["apt-config", "dump", "Acquire"]))
    run(
        [
            *("mmdebstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}"),
            '--customize-hook=cd "$1"/etc/apt && rm -rf sources.list* apt.conf.d/99mmdebstrap',
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            f"--aptopt={reach}",
            _SUITE,
            unfinished,
            *sources,
        ]
    )
    reach.unlink()
    unfinished.rename(root)
