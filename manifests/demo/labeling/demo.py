"""From a bare cluster to two Evaluations whose truth people gave: `make demo-labeling`.

Two models were asked about pictures of which nobody knows the truth: handwritten digits, and scenes
that are drawn of them. A run of each brings its pictures to a real Label Studio beside the cluster,
where scripted people answer, some of them carelessly; then both are evaluated. In the end it turns
out what the digits really are, and their run is evaluated again. It starts anew each time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

if __name__ == "__main__":
    # Run by path: the checkout's other modules are found from its root.
    sys.path[0] = str(Path(__file__).resolve().parents[3])

from evaluation_operator.api.base import format_time
from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.labeling.backends.label_studio.config import IMAGE_KEY
from manifests.demo.access import Cluster, finish
from manifests.demo.installing import ahead_of_time, install
from manifests.demo.labeling.models import (
    digit_labels,
    digit_rows,
    scene_rows,
    share_of_right,
)
from manifests.demo.labeling.people import (
    FURTHER,
    PEOPLE,
    Answerer,
    Session,
    drawing,
    reading,
)
from manifests.demo.labeling.pictures import (
    Digit,
    Scene,
    draw_scenes,
    known_boxes,
    known_labels,
    make_digits,
)
from manifests.demo.labeling.results import show_digits, show_next_steps, show_scenes
from manifests.demo.labeling.runs import (
    dataset_of,
    import_labels,
    import_rows,
    labeled,
    status_of,
)
from manifests.demo.labeling.studio import install_labeler, project_of
from manifests.demo.model.digits import split_images
from manifests.demo.showing import console, step
from tests.cluster.cluster import choose_cluster
from tests.cluster.host import ClusterError, wait_until
from tests.cluster.label_studio import LabelStudio
from tests.cluster.settings import CHECKOUT, load_settings

NAMESPACE = "digits-people"
JOBS = ("digits", "scenes")
DIGITS = 60
SCENES = 20
_SECONDS = 120.0
_PROGRESS_SECONDS = 10.0


@dataclass(frozen=True)
class Work:
    """What people do for a job: `rows` are the model's predictions as JSON lines."""

    rows: str
    answer: Answerer


def main() -> int:
    try:
        demonstrate()
    except ClusterError as error:
        console.print(f"error: {error}", markup=False)
        return 1
    return 0


def demonstrate() -> None:
    """Raises ClusterError with what kubectl, Label Studio or a run said."""
    cluster = Cluster(NAMESPACE)
    with ExitStack() as stack:
        with step("Installing the operator: kubectl apply -k manifests/overlays/trial"):
            install(cluster)
        with step("Starting a real Label Studio beside the cluster, where five people sign up"):
            address = choose_cluster(load_settings()).host_address
            server = stack.enter_context(LabelStudio(listen=address))
            sessions = {it.name: Session.sign_up(it, server) for it in (*PEOPLE, *FURTHER)}
            for session in sessions.values():
                stack.callback(session.close)
            introduce()
        with step(
            f"Two EvaluationJobs with labelMissingGroundTruth, and a labeler in {NAMESPACE!r}"
        ):
            offset = deploy(cluster, server)
        with step("Predictions without truth: kubectl evaluations rows import"):
            work = make_work(created(cluster) + timedelta(seconds=1))
            bring_predictions(cluster, work)
        with step(f"The operator's clock is set ahead to when the runs are due, by {offset}"):
            stack.enter_context(ahead_of_time(cluster, offset))
        with step("Each run's first pod cuts its rows, and the labeler opens a project"):
            projects = wait_for_projects(cluster, server)
        with step("People label, each in a session of their own"):
            label(cluster, sessions, projects, work)
        with step("Each run's second pod evaluates"):
            evaluations = {job: wait_for_evaluation(cluster, job) for job in JOBS}
        with step("Labels that come late: what was really written, and the run evaluated again"):
            revision = evaluate_again(cluster, evaluations["digits"])
        console.print()
        show_digits([evaluations["digits"], revision], share_of_right(pictures()[0]))
        show_scenes(evaluations["scenes"])
    show_next_steps(cluster)


def introduce() -> None:
    for person in PEOPLE:
        console.print(f"    {person.name} answers every item; {person.error_rate:.0%} are wrong")
    for person in FURTHER:
        console.print(f"    {person.name} where they disagree; {person.error_rate:.0%} are wrong")


def deploy(cluster: Cluster, server: LabelStudio) -> timedelta:
    """How far off the runs are. What an earlier demo left goes first."""
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s")
    folder = CHECKOUT / "manifests" / "demo" / "labeling"
    cluster.kubectl("apply", "--kustomize", folder)
    due: dict[str, datetime] = {}

    def are_scheduled() -> bool:
        times = {job: status_of(cluster, job).get("nextRunTime") for job in JOBS}
        due.update({job: datetime.fromisoformat(it) for job, it in times.items() if it})
        return len(due) == len(JOBS)

    wait_until(are_scheduled, "both jobs to know their next run", _SECONDS, 0.5)
    offset = timedelta(seconds=round((max(due.values()) - datetime.now(UTC)).total_seconds()))
    for job, time in due.items():
        console.print(f"    {job}: its next run is due at {format_time(time)}")
    install_labeler(cluster, server, offset)
    return offset


def created(cluster: Cluster) -> datetime:
    """When the later of the jobs was; what is older than a job is not its own."""
    jobs = [cluster.get("evaluationjob", job) for job in JOBS]
    return max(datetime.fromisoformat(it["metadata"]["creationTimestamp"]) for it in jobs)


def pictures() -> tuple[list[Digit], list[Scene]]:
    _, asked = split_images()
    return make_digits(asked, DIGITS), draw_scenes(asked, SCENES)


def make_work(since: datetime) -> dict[str, Work]:
    digits, scenes = pictures()
    console.print(f"    {DIGITS} real digits, which scikit-learn brings, read by a classifier")
    console.print(f"    {SCENES} scenes, drawn of real digits at random places, read by a detector")
    return {
        "digits": Work(digit_rows(digits, since), reading(known_labels(digits))),
        "scenes": Work(scene_rows(scenes, since), drawing(known_boxes(scenes))),
    }


def bring_predictions(cluster: Cluster, work: Mapping[str, Work]) -> None:
    for job, it in work.items():
        console.print(f"    {import_rows(cluster, job, it.rows).splitlines()[0]}")


def wait_for_projects(cluster: Cluster, server: LabelStudio) -> dict[str, int]:
    """By job, once everything that people are asked is there."""
    found: dict[str, int] = {}

    def are_open() -> bool:
        for job in JOBS:
            number = project_of(server, cluster, job)
            if number is not None and labeled(dataset_of(cluster, job)).get("reason") == "Labeling":
                found[job] = number
        return len(found) == len(JOBS)

    waiting_for(cluster, are_open, "the runs to ask people")
    for job, number in found.items():
        total = dataset_of(cluster, job)["status"]["totalCount"]
        console.print(f"    {job}: {total} tasks at {server.url}/projects/{number}")
    return found


def label(
    cluster: Cluster,
    sessions: Mapping[str, Session],
    projects: Mapping[str, int],
    work: Mapping[str, Work],
) -> None:
    """Three answer everything, at the same time; then the others what is still open."""

    def answer_all(session: Session) -> int:
        return sum(session.label(projects[job], IMAGE_KEY, work[job].answer) for job in JOBS)

    with ThreadPoolExecutor() as pool:
        answers = {it.name: pool.submit(answer_all, sessions[it.name]) for it in PEOPLE}
        while wait(answers.values(), timeout=_PROGRESS_SECONDS).not_done:
            show_progress(cluster)
        for name, it in answers.items():
            console.print(f"    {name} has answered {it.result()} items")
    for job in JOBS:
        console.print(f"\n[bold]kubectl evaluations labeling {job}[/bold]")
        console.print(finish({job: cluster.evaluations("labeling", job)}, "labeling")[job])
    further = dict.fromkeys([it.name for it in FURTHER], 0)

    def is_all_labeled() -> bool:
        for name in further:
            further[name] += answer_all(sessions[name])
        return all(labeled(dataset_of(cluster, job)).get("status") == "True" for job in JOBS)

    waiting_for(cluster, is_all_labeled, "all items to be labelled")
    for name, count in further.items():
        console.print(f"    {name} has answered {count} items that were in dispute")
    for job in JOBS:
        console.print(f"    {job}: {labeled(dataset_of(cluster, job))['message']}")


def show_progress(cluster: Cluster) -> None:
    counts = {job: dataset_of(cluster, job)["status"] for job in JOBS}
    told = (f"{job} {it['completedCount']} of {it['totalCount']}" for job, it in counts.items())
    console.print(f"    done: {', '.join(told)}", style="dim")


def wait_for_evaluation(cluster: Cluster, job: str) -> Evaluation:
    def is_there() -> bool:
        return bool(status_of(cluster, job).get("latestEvaluation"))

    waiting_for(cluster, is_there, f"the Evaluation of {job}")
    name = status_of(cluster, job)["latestEvaluation"]["name"]
    return Evaluation.from_dict(cluster.get("evaluation", name))


def evaluate_again(cluster: Cluster, first: Evaluation) -> Evaluation:
    """With the truth instead of what people took for it; the first Evaluation stays."""
    digits, _ = pictures()
    told = import_labels(cluster, "digits", digit_labels(digits)).splitlines()[0]
    console.print(f"    {told}")
    again = cluster.evaluations("reevaluate", first.name, "--wait", "--output", "json")
    said = finish({first.name: again}, "reevaluate")[first.name]
    return Evaluation.from_dict(json.loads(said))


def waiting_for(cluster: Cluster, condition: Callable[[], bool], what: str) -> None:
    """Raises ClusterError at once when a run has failed, and else when the time is over."""

    def holds() -> bool:
        for job in JOBS:
            if attempts := status_of(cluster, job).get("attempts"):
                raise ClusterError(f"the run of {job} failed: {attempts[-1]['partialFailures']}")
        return condition()

    try:
        wait_until(holds, what, _SECONDS, 1)
    except ClusterError as error:
        told = {job: status_of(cluster, job).get("conditions") for job in JOBS}
        raise ClusterError(f"{error}: {json.dumps(told)}") from error


if __name__ == "__main__":
    sys.exit(main())
