"""A real Kubernetes for the demo and the tests: `python tests/cluster/cluster.py --help`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Protocol

if __name__ == "__main__":
    # Run by path, before any environment is there to find the checkout's modules.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.cluster.binary import build_binary
from tests.cluster.control_plane import ControlPlane, Network, stop_control_plane
from tests.cluster.host import ClusterError, say, step
from tests.cluster.images import IMAGES, build_images, download_wheels
from tests.cluster.kind import KindCluster, docker_answers
from tests.cluster.local import LocalCluster
from tests.cluster.settings import Settings, load_settings


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cluster.py", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("up", help="bring up the whole cluster, or keep the one that is")
    command.set_defaults(run=lambda _: _up())

    command = commands.add_parser("down", help="stop it and remove all of its state")
    command.set_defaults(run=lambda _: choose_cluster(load_settings()).down())

    command = commands.add_parser("status", help="say whether it is up; code 1 if it is not")
    command.set_defaults(run=lambda _: _status())

    command = commands.add_parser("kubeconfig", help="print the path of its kubeconfig")
    command.set_defaults(run=lambda _: print(load_settings().kubeconfig))

    command = commands.add_parser("images", help="build the programs' images and load them")
    command.add_argument("programs", nargs="*", choices=[*IMAGES, []], help="all if absent")
    command.set_defaults(run=lambda arguments: _images(arguments.programs or list(IMAGES)))

    command = commands.add_parser("wheels", help="download what the images are built of")
    command.set_defaults(run=lambda _: _wheels())

    command = commands.add_parser("load-image", help="give the cluster a `docker save` archive")
    command.add_argument("file", type=Path)
    command.set_defaults(
        run=lambda arguments: choose_cluster(load_settings()).load_image(arguments.file)
    )

    command = commands.add_parser("kubectl-path", help="print the path of a kubectl that fits")
    command.set_defaults(run=lambda _: print(build_binary(load_settings()).kubectl))

    command = commands.add_parser(
        "control-plane-up", help="only etcd, API server and controllers: no pods, no root, 5 s"
    )
    command.add_argument("--dir", type=Path, required=True, help="where it keeps all it has")
    command.add_argument("--port-base", type=int, help="first of three ports; free ones if absent")
    command.add_argument(
        "--controllers", default="*", help="the controller-manager's flag, as '*,-job-controller'"
    )
    command.add_argument(
        "--controller-qps", type=int, default=200, help="the controllers' writes per second"
    )
    command.set_defaults(run=_control_plane_up)

    command = commands.add_parser("control-plane-down", help="stop one and remove its directory")
    command.add_argument("--dir", type=Path, required=True)
    command.set_defaults(run=lambda arguments: stop_control_plane(arguments.dir))
    return parser


class Cluster(Protocol):
    """What both kinds of cluster can do; `up` and `down` do nothing when there is nothing to do."""

    name: str

    @property
    def host_address(self) -> str:
        """This machine, as the cluster's pods see it."""
        ...

    def up(self) -> None: ...
    def down(self) -> None: ...
    def is_up(self) -> bool: ...
    def load_image(self, archive: Path) -> None: ...


def choose_cluster(settings: Settings) -> Cluster:
    """kind where a Docker engine answers, else the local one. Both give the same kubeconfig."""
    return KindCluster(settings) if docker_answers() else LocalCluster(settings)


def _up() -> None:
    settings = load_settings()
    cluster = choose_cluster(settings)
    cluster.up()
    say(f"The {cluster.name} cluster is up: export KUBECONFIG={settings.kubeconfig}")


def _status() -> None:
    cluster = choose_cluster(load_settings())
    if not cluster.is_up():
        raise ClusterError(f"the {cluster.name} cluster is not up: `make cluster` starts it")
    print(f"{cluster.name} up")


def _images(programs: list[str]) -> None:
    settings = load_settings()
    cluster = choose_cluster(settings)
    archives = build_images(settings, programs, docker=cluster.name == "kind")
    for program, archive in archives.items():
        with step(f"Loading image {IMAGES[program].tag}"):
            cluster.load_image(archive)


def _wheels() -> None:
    for folder in sorted({image.wheels for image in IMAGES.values()}):
        download_wheels(folder)


def _control_plane_up(arguments: argparse.Namespace) -> None:
    base: int | None = arguments.port_base
    control_plane = ControlPlane(
        arguments.dir,
        arguments.controllers,
        controller_qps=arguments.controller_qps,
        network=Network((base, base + 1, base + 2)) if base else None,
        end_with_parent=False,
    )
    control_plane.start()
    print(control_plane.kubeconfig)


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except ClusterError as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
