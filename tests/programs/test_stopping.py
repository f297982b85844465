"""A run that is told to end, or is killed, and the next pod, which goes on from there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from evaluation_operator.api.verdict import LIMIT_BYTES
from evaluation_operator.domain.facts.pod import STOPPED_EXIT_CODE
from evaluation_operator.domain.manifests.pod import GRACE_SECONDS
from evaluation_operator.evaluator.stopping import WRITE_SECONDS
from evaluation_operator.kube import DATASETS, EVALUATIONS
from evaluation_operator.results import folder as folders
from evaluation_operator.results import layout
from evaluation_operator.results.ending import Ending
from evaluation_operator.results.errors import Stopped, termination_message
from evaluation_operator.results.folder import Folder, run_folder
from evaluation_operator.storage.options import TableOptions
from tests.builders import merged
from tests.cluster.host import wait_until
from tests.cluster.settings import CHECKOUT
from tests.stopped_run import SECONDS, Ended, blocks_signals, kubeconfig_of, run_until
from tests.unit.evaluator.api_server import ApiServer, api_server
from tests.unit.evaluator.labeled_site import WINDOW_START, Site, row

RUN: Final = "evj-ripeness-29541240"
NAMESPACE: Final = "fruit"
WRITES: Final = 60
"""More than a run has."""
OF_ITS_TIME: Final = ("createTime", "labelCutoffTime", "resultsUri")

# In a process of its own, which is the first of its namespace where it is told so.
PROGRAM: Final = """
import pathlib, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM] if sys.argv[2] else [])
from evaluation_operator.evaluator import settings, start
settings.TERMINATION_LOG = pathlib.Path(sys.argv.pop(1))
busy = sys.argv.pop(1)
if busy:
    import duckdb
    from evaluation_operator.evaluator import main
    def check(environment):
        pathlib.Path(busy).touch()
        big = "range(1000000000)"
        duckdb.execute(f"SELECT sum(hash(a.range + b.range)) FROM {big} a, {big} b").fetchall()
    main.check = check
start.main()
"""


@dataclass
class World:
    """A table of a few rows, and the API server that has a Dataset over them."""

    server: ApiServer
    place: Path
    dataset: Mapping[str, Any]

    def fresh(self, name: str) -> World:
        """The same, before anything has been done."""
        place = self.place / name
        place.mkdir()
        spec = {"resultsUri": (place / "results").as_uri()}
        self.server.objects.clear()
        dataset = merged(self.dataset, {"spec": spec})
        self.server.put(DATASETS.path(NAMESPACE, RUN), dataset)
        return World(self.server, place, dataset)

    def run(self, write: int | None = None, number: signal.Signals = signal.SIGTERM) -> Ended:
        scratch = self.place / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        environment = {
            "KUBECONFIG": str(kubeconfig_of(self.server.url, self.place)),
            "EVALUATION_NAMESPACE": NAMESPACE,
            "EVALUATION_DATASET": RUN,
            "EVALUATION_SCRATCH": str(scratch),
        }
        return run_until(write, number, environment, self.place)

    @property
    def folder(self) -> Folder:
        owner = self.dataset["spec"]["evaluationJob"]["uid"]
        return run_folder(self.dataset["spec"]["resultsUri"], owner, RUN, TableOptions())

    def files(self) -> dict[str, bytes]:
        found = (self.place / "results").rglob("*")
        return {file.name: file.read_bytes() for file in found if file.is_file()}

    def outcome(self) -> Mapping[str, Any] | None:
        status = self.server.objects[DATASETS.path(NAMESPACE, RUN)].get("status", {})
        found: Mapping[str, Any] | None = status.get("outcome")
        return found

    def evaluation(self) -> Mapping[str, Any]:
        """But for when it was made, and where."""
        spec = self.server.objects[EVALUATIONS.path(NAMESPACE, RUN)]["spec"]
        return {key: value for key, value in spec.items() if key not in OF_ITS_TIME}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    place = tmp_path_factory.mktemp("site")
    site = Site(place)
    site.fill(
        *(
            row(f"{number}", "ripe" if number % 3 else "unripe", **_at(number))
            for number in range(20)
        )
    )
    dataset = site.named(RUN, {}).to_dict()
    dataset["metadata"]["namespace"] = NAMESPACE
    with api_server() as server:
        yield World(server, place, dataset)


def _at(number: int) -> dict[str, Any]:
    moment = WINDOW_START + timedelta(minutes=number)
    return {"time": moment, "sampled_at": moment}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_wherever_a_run_is_stopped_the_next_pod_comes_to_the_same(
    world: World, number: signal.Signals
) -> None:
    """Every run that lost its pod began from nothing or, after its commit, was never marked as one
    that had: whoever counts labels or rows that come late passed it over for good."""
    undisturbed = world.fresh(f"undisturbed-{number}")
    assert undisturbed.run().code == 0
    wanted = undisturbed.evaluation(), set(undisturbed.files())

    seen = []
    for write in range(1, WRITES):
        one = world.fresh(f"{number}-{write}")
        ended = one.run(write, number)
        if not ended.at:
            break
        seen.append(ended.at.partition(" ")[0])
        left = one.files()
        if number is signal.SIGTERM:
            _check_end(one, ended, left)

        assert one.run().code == 0, ended.at
        files = one.files()
        assert (one.evaluation(), {name for name in files if name[0] != "."}) == wanted, ended.at
        assert (one.outcome() or {})["result"] == "Succeeded"
        if layout.CUT in left:
            for name in (layout.CUT, layout.ROWS):
                assert files[name] == left[name], f"{ended.at}: it was cut twice"
    else:
        pytest.fail(f"a run has more than {WRITES} writes")
    assert {"create_dir", "open_output_stream", "move", "POST", "PUT"} <= set(seen)
    assert len(seen) > 20


def _check_end(world: World, ended: Ended, left: Mapping[str, bytes]) -> None:
    """What it was about is whole, and nothing came after it."""
    assert not [name for name in left if name.startswith(".")], ended.at
    what, path = ended.at.split(" ")
    if what in ("open_output_stream", "move"):
        name = Path(path).name.lstrip(".").rpartition(".")[0]
        assert name in left, ended.at
    if what == "POST":
        assert world.evaluation()
    if world.outcome() is not None:
        assert layout.COMMITTED in left
        assert (ended.code, ended.verdict) == (0, {}), "the Job wants no other pod"
    else:
        assert ended.code == STOPPED_EXIT_CODE
        assert (ended.verdict["code"], ended.verdict["reason"]) == (14, "PodStopped")


def test_a_write_that_does_not_end_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume that does not answer must not keep the pod for longer than it is given."""
    one = world.fresh("hanging")
    folder = one.folder
    ending, writing = Ending(), threading.Event()
    monkeypatch.setattr(folders, "ending", ending)

    def chunks() -> Iterator[bytes]:
        yield b"half of it"
        writing.set()
        threading.Event().wait()

    threading.Thread(target=folder._write, args=("rows.parquet", chunks()), daemon=True).start()
    assert writing.wait(SECONDS)
    assert [name[:6] for name in one.files()] == [".rows."]
    assert ending.begin(0.01), "and another pod has to do it"
    ending.take_back()
    assert one.files() == {}


def test_what_the_end_waits_for() -> None:
    ending = Ending()
    inside, may_leave, came_in = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        with ending.waits():
            inside.set()
            may_leave.wait(SECONDS)
            with ending.waits():  # a write that consists of others is one
                ending.is_in_time()

    def come_late() -> None:
        with ending.waits():
            came_in.set()

    begun: list[bool] = []
    end = threading.Thread(target=lambda: begun.append(ending.begin(SECONDS)))
    threading.Thread(target=write, daemon=True).start()
    assert inside.wait(SECONDS)
    end.start()
    wait_until(lambda: ending.has_begun, "the end to begin", SECONDS, 0.001)
    threading.Thread(target=come_late, daemon=True).start()
    assert not begun, "it waits for the write"
    may_leave.set()
    end.join(SECONDS)
    assert begun == [False], "the write was the last"
    assert not came_in.is_set(), "and no other began"


def test_the_times_of_an_end_fit_into_what_the_pod_is_given() -> None:
    assert Stopped.exit_code == STOPPED_EXIT_CODE
    assert WRITE_SECONDS < 2 < GRACE_SECONDS
    assert len(termination_message(Stopped("SIGTERM", 3.6e5)).encode()) < LIMIT_BYTES


def _start(tmp_path: Path, *, is_first: bool, busy: bool) -> subprocess.Popen[bytes]:
    """`evaluation-run check`, where wanted within a query that takes days."""
    if is_first and os.geteuid() != 0:
        pytest.skip("only root makes process namespaces here")
    within = ["unshare", "--pid", "--fork", "--kill-child"] if is_first else []
    told = [str(tmp_path / "verdict"), str(tmp_path / "busy") if busy else "", "check"]
    environment = os.environ | {
        "PYTHONPATH": str(CHECKOUT / "operator"),
        "EVALUATION_TABLE_URI": (tmp_path / "table").as_uri(),
    }
    return subprocess.Popen([*within, sys.executable, "-c", PROGRAM, *told], env=environment)


def _program_of(process: subprocess.Popen[bytes], *, is_first: bool) -> int:
    if not is_first:
        return process.pid
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(lambda: bool(children.read_text()), "unshare to fork", SECONDS, 0.005)
    program = int(children.read_text().split()[0])
    command = Path(f"/proc/{program}/cmdline")
    # Until then it blocks signals on its own account.
    wait_until(lambda: not command.read_bytes().startswith(b"unshare"), "Python", SECONDS, 0.005)
    return program


@pytest.mark.parametrize("busy", [False, True], ids=["while it is imported", "within DuckDB"])
@pytest.mark.parametrize("is_first", [False, True], ids=["any process", "the first process"])
def test_sigterm_ends_the_program_at_once(tmp_path: Path, is_first: bool, busy: bool) -> None:
    """It was the first process of its container and had no handler: Linux dropped the signal, and
    the pod went on until it was killed. A handler of Python's would have waited for the query."""
    process = _start(tmp_path, is_first=is_first, busy=busy)
    try:
        program = _program_of(process, is_first=is_first)
        if busy:
            is_there = (tmp_path / "busy").exists
        else:

            def is_there() -> bool:
                return blocks_signals(program)

        wait_until(is_there, "the program to be there", SECONDS, 0.001)
        os.kill(program, signal.SIGTERM)
        assert process.wait(SECONDS) == STOPPED_EXIT_CODE
    finally:
        process.kill()
        process.wait()
    verdict = json.loads((tmp_path / "verdict").read_text())
    assert (verdict["status"], verdict["reason"]) == ("UNAVAILABLE", "PodStopped")
    assert verdict["message"].startswith("told to end by SIGTERM after ")
    assert "goes on from what this one has written" in verdict["message"]
    assert not (tmp_path / "table").exists()
