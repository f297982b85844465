"""The control plane that integration tests stand on, and what they may do to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.control_plane import API_SERVER, ETCD, ControlPlane
from tests.cluster.host import wait_until

pytestmark = pytest.mark.integration


def test_objects_survive_the_crash_of_the_api_server_and_of_etcd(tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as control_plane:
        control_plane.kubectl("create", "namespace", "survivor")
        before = control_plane.processes.pid(API_SERVER)
        control_plane.restart_apiserver()
        assert control_plane.processes.pid(API_SERVER) != before
        control_plane.kill(ETCD)
        assert not control_plane.is_ready()
        control_plane.start()
        assert control_plane.kubectl("get", "namespace", "survivor", "-o", "name")
    assert control_plane.processes.pid(API_SERVER) is None


def test_two_run_side_by_side_each_with_its_own_controllers(tmp_path: Path) -> None:
    """Where the Job controller is left out, a Job gets no status and no pod."""
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job"},
        "spec": {
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "program", "image": "none"}],
                }
            }
        },
    }
    with (
        ControlPlane(tmp_path / "whole") as whole,
        ControlPlane(tmp_path / "jobless", "*,-job-controller") as jobless,
    ):
        for control_plane in (whole, jobless):
            control_plane.kubectl("create", "-f", "-", stdin=json.dumps(job))
        get = ("get", "job", "job", "-o", "jsonpath={.status.active}")
        wait_until(lambda: whole.kubectl(*get) == "1", "the Job's pod", 30)
        assert jobless.kubectl(*get) == ""


def test_a_pid_file_that_names_another_program_is_not_believed(tmp_path: Path) -> None:
    """A killed run leaves its pid files, and the numbers in them are given out again."""
    control_plane = ControlPlane(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / f"{ETCD}.pid").write_text("1 12345\n")
    assert not control_plane.processes.is_running(ETCD)
