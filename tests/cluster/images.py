"""The images of the programs and of the demo: built by Docker, or by buildah where none answers."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterable
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
)
from tests.cluster.settings import CHECKOUT, Settings

_WHEELS = CHECKOUT / "build" / "wheels"
_UV = CHECKOUT / "build" / "uv" / "uv"
_PYTHON = "3.11"


@dataclass(frozen=True)
class Image:
    """`tag` is built of `target` in `dockerfile`, with the wheels that `locks` name.

    They lie in a folder of build/wheels that the dockerfile mounts. `sources` are what else goes
    into it; where there are any, the project's own wheel does.
    """

    tag: str
    target: str
    locks: tuple[Path, ...]
    wheels: str = "programs"
    dockerfile: Path = CHECKOUT / "Dockerfile"
    sources: tuple[Path, ...] = (CHECKOUT / "operator", CHECKOUT / "pyproject.toml")

    @property
    def name(self) -> str:
        return self.tag.partition(":")[0]

    def files(self) -> list[Path]:
        """All that decides what the image holds."""
        found = [self.dockerfile, *self.locks]
        for source in self.sources:
            found += sorted(source.rglob("*.py")) if source.is_dir() else [source]
        return found


def _program(name: str, *parts: str) -> Image:
    """With the locks of other programs that its image builds upon."""
    locks = (CHECKOUT / f"requirements-{part}.lock" for part in (*parts, name))
    return Image(f"evaluation-{name}:dev", name, tuple(locks))


IMAGES = {
    "operator": _program("operator"),
    "evaluator": _program("evaluator"),
    "sampler": _program("sampler", "evaluator"),
    "labeler": _program("labeler", "evaluator"),
    # A model server, which knows nothing of this project.
    "demo": Image(
        "evaluation-demo:dev",
        "server",
        (CHECKOUT / "manifests" / "demo" / "requirements-server.lock",),
        "demo",
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
    download_wheels(image.wheels)
    _lay_out_uv()
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


def download_wheels(folder: str) -> None:
    """Put the wheels of all images that mount a folder of build/wheels into it, once for its locks:
    most are of several programs."""
    locks = sorted(
        {lock for image in IMAGES.values() if image.wheels == folder for lock in image.locks}
    )
    directory = _WHEELS / folder
    with locked(_WHEELS / f"{folder}.lock"):
        complete = directory / ".complete"
        if complete.exists() and complete.read_text() == _digest(locks):
            return
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        with step(f"Downloading the wheels of {', '.join(lock.name for lock in locks)}"):
            for lock in locks:
                _download(lock, directory)
        complete.write_text(_digest(locks))


def _download(lock: Path, directory: Path) -> None:
    target = ["--python-version", _PYTHON, "--only-binary", ":all:", "--no-deps"]
    quietly = ["--quiet", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "download", *quietly, *target]
    run([*pip, "--require-hashes", "-r", lock, "--dest", directory])


def _lay_out_uv() -> None:
    """What installs the wheels, where the dockerfiles mount it."""
    _UV.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(_uv(), _UV)


def _uv() -> Path:
    """Of this environment, which has the locked one."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        raise ClusterError(f"{sys.executable} has no uv beside it: `make images` uses one that has")
    return uv


def _build_project_wheel() -> None:
    directory = _WHEELS / "project"
    shutil.rmtree(directory, ignore_errors=True)
    with step("Building the project's wheel"):
        # With hatchling of this environment, which is the locked one.
        build: list[str | Path] = [_uv(), "build", "--quiet", "--wheel", "--no-build-isolation"]
        build += ["--python", sys.executable, "--out-dir", directory, CHECKOUT]
        run(build)


def _key(image: Image, base: str) -> str:
    for lock in image.locks:
        if not lock.exists():
            raise ClusterError(f"{lock.name} is missing: `make lock` writes it")
    return hashlib.sha256(f"{base} {_digest(image.files())}".encode()).hexdigest()[:12]


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(CHECKOUT)}{os.linesep}".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
