"""Kubernetes itself: one binary, compiled once a machine from the Go module beside this file."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.host import ClusterError, find_program, locked, run, step
from tests.cluster.settings import CONTROL_PLANE_SOURCES, KUBERNETES_VERSION, Settings


@dataclass(frozen=True)
class Binary:
    """`path` runs any component (`path kube-apiserver …`); `key` names its sources."""

    path: Path
    pause: Path
    kubectl: Path
    key: str


def build_binary(settings: Settings) -> Binary:
    """Return the binary of these sources, compiling it unless this machine has done so before."""
    key = _key()
    directory = settings.cache_dir / f"kubernetes-{KUBERNETES_VERSION}-{key}"
    binary = Binary(directory / "controlplane", directory / "pause", directory / "kubectl", key)
    if not directory.exists():
        with locked(settings.cache_dir / "compile.lock"):
            if not directory.exists():
                title = "Compiling Kubernetes from its Go modules"
                with step(title, "once a machine: 5 to 10 minutes"):
                    _compile(directory)
    return binary


def _compile(directory: Path) -> None:
    go = find_program("go")
    if go is None:
        raise ClusterError("no Go compiler: install Go 1.26 or newer (https://go.dev/dl)")
    major, minor, _ = KUBERNETES_VERSION.split(".")
    version = "k8s.io/component-base/version"
    flags = (
        f"-s -w -X {version}.gitVersion=v{KUBERNETES_VERSION}"
        f" -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    )
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Compile beside it and rename, so that whoever finds the directory finds it complete.
    unfinished = Path(tempfile.mkdtemp(dir=directory.parent))
    try:
        run(
            [
                *(go, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags),
                *("-o", f"{unfinished}{os.sep}", ".", "./pause"),
            ],
            cwd=CONTROL_PLANE_SOURCES,
            env={"CGO_ENABLED": "0", "GOWORK": "off"},
        )
        (unfinished / "kubectl").symlink_to("controlplane")
        unfinished.chmod(0o755)
        unfinished.rename(directory)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _key() -> str:
    digest = hashlib.sha256()
    for pattern in ("go.mod", "go.sum", "*.go", "pause/*.go"):
        for source in sorted(CONTROL_PLANE_SOURCES.glob(pattern)):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:12]
