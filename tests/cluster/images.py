"""The images of the programs and of the demo: built by Docker, or by buildah where none answers."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.base_image import BASE_IMAGE, BASE_KEY, make_base
from tests.cluster.host import (
    ClusterError,
    can_overlay,
    is_root,
    locked,
    need_packages,
    run,
    step,
    succeeds,
)
from tests.cluster.settings import CHECKOUT, Settings

_WHEELS = CHECKOUT / "build" / "wheels"
_PYTHON = "3.11"


@dataclass(frozen=True)
class Image:
    """`tag` is built of `target` in `dockerfile`, with the wheels that the locks name.

    `locks` are by the folder of build/wheels that the dockerfile mounts. `sources` are what else
    goes into it; where there are any, the project's own wheel does.
    """

    tag: str
    target: str
    locks: Mapping[str, Path]
    dockerfile: Path = CHECKOUT / "Dockerfile"
    sources: tuple[Path, ...] = (CHECKOUT / "operator", CHECKOUT / "pyproject.toml")

    @property
    def name(self) -> str:
        return self.tag.partition(":")[0]

    def files(self) -> list[Path]:
        """All that decides what the image holds."""
        found = [self.dockerfile, *self.locks.values()]
        for source in self.sources:
            found += sorted(source.rglob("*.py")) if source.is_dir() else [source]
        return found


def _program(name: str, *parts: str) -> Image:
    """With the locks of other programs that its image builds upon."""
    locks = {part: CHECKOUT / f"requirements-{part}.lock" for part in (*parts, name)}
    return Image(f"evaluation-{name}:dev", name, locks)


IMAGES = {
    "operator": _program("operator"),
    "evaluator": _program("evaluator"),
    "sampler": _program("sampler", "evaluator"),
    "labeler": _program("labeler", "evaluator"),
    # A model server, which knows nothing of this project.
    "demo": Image(
        "evaluation-demo:dev",
        "server",
        {"demo": CHECKOUT / "manifests" / "demo" / "requirements-server.lock"},
        CHECKOUT / "manifests" / "demo" / "Dockerfile",
        (),
    ),
}


def build_images(settings: Settings, programs: Iterable[str], *, docker: bool) -> dict[str, Path]:
    """Return {program: archive} as `docker save` writes them, building those whose inputs changed.

    Archives lie in the cache by the hash of what went into them, so another checkout of the same
    sources has them at once; of each program only the newest stays.
    """
    archives: dict[str, Path] = {}
    with locked(settings.cache_dir / "images.lock"):
        for program in programs:
            image = IMAGES[program]
            # Docker takes the base that the Dockerfile names, which is hashed with it.
            key = _key(image, "docker" if docker else BASE_KEY)
            archives[program] = settings.cache_dir / "images" / f"{image.name}-{key}.tar"
        missing = {it: archive for it, archive in archives.items() if not archive.exists()}
        if any(IMAGES[program].sources for program in missing):
            _build_project_wheel()
        for program, archive in missing.items():
            _build(settings, IMAGES[program], archive, docker=docker)
    return archives


def _build(settings: Settings, image: Image, archive: Path, *, docker: bool) -> None:
    for folder, lock in image.locks.items():
        _download_wheels(lock, _WHEELS / folder)
    with step(f"Building image {image.tag}"):
        archive.parent.mkdir(parents=True, exist_ok=True)
        for old in archive.parent.glob(f"{image.name}-*.tar"):
            old.unlink()
        unfinished = archive.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        build = _build_by_docker if docker else _build_by_buildah
        build(settings, image, unfinished)
        unfinished.rename(archive)


def _build_by_docker(settings: Settings, image: Image, archive: Path) -> None:
    what = ("--file", image.dockerfile, "--target", image.target)
    run(["docker", "build", *what, "--tag", image.tag, CHECKOUT])
    run(["docker", "save", "--output", archive, image.tag])


def _build_by_buildah(settings: Settings, image: Image, archive: Path) -> None:
    """Build without a daemon or user namespaces, in a storage of our own."""
    if not is_root():
        raise ClusterError("building images without Docker needs root: run as root")
    need_packages({"buildah": "buildah"})
    storage = settings.cache_dir / "buildah"
    run_directory = Path("/run/evaluation-cluster-buildah")
    # Without overlay mounts each step copies the whole file system: it works, three times slower.
    driver = "overlay" if can_overlay(storage) else "vfs"
    buildah: list[str | Path] = [
        *("buildah", "--storage-driver", driver),
        *("--root", storage / driver, "--runroot", run_directory),
    ]
    make_base(settings, buildah)
    tag = f"docker.io/library/{image.tag}"
    run(
        [
            *(*buildah, "build", "--isolation", "chroot", "--pull-never", "--layers"),
            *("--build-arg", f"PYTHON_IMAGE={BASE_IMAGE}"),
            *("--file", image.dockerfile, "--target", image.target, "--tag", tag, CHECKOUT),
        ]
    )
    run([*buildah, "push", "--quiet", tag, f"docker-archive:{archive}:{tag}"])


def _download_wheels(lock: Path, directory: Path) -> None:
    """Put the wheels that the lock names into build/wheels, once a lock."""
    complete = directory / ".complete"
    if complete.exists() and complete.read_text() == _digest([lock]):
        return
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    with step(f"Downloading the wheels of {lock.name}"):
        target = ["--python-version", _PYTHON, "--only-binary", ":all:", "--no-deps"]
        _pip("download", "--quiet", "--require-hashes", "-r", lock, "--dest", directory, *target)
    complete.write_text(_digest([lock]))


def _build_project_wheel() -> None:
    directory = _WHEELS / "project"
    shutil.rmtree(directory, ignore_errors=True)
    with step("Building the project's wheel"):
        _pip("wheel", "--quiet", "--no-deps", "--wheel-dir", directory, CHECKOUT)


def _pip(*arguments: str | Path) -> None:
    """Run pip from this Python if it has one (environments made by uv have none), else Debian's."""
    if succeeds([sys.executable, "-m", "pip", "--version"]):
        python = sys.executable
    else:
        need_packages({"/usr/lib/python3/dist-packages/pip": "python3-pip"})
        python = "/usr/bin/python3"
    run([python, "-m", "pip", *arguments])


def _key(image: Image, base: str) -> str:
    for lock in image.locks.values():
        if not lock.exists():
            raise ClusterError(f"{lock.name} is missing: `make lock` writes it")
    return hashlib.sha256(f"{base} {_digest(image.files())}".encode()).hexdigest()[:12]


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(CHECKOUT)}{os.linesep}".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
