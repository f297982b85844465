"""Runs that people label, in pods and in a real Label Studio: what breaks on the way loses nothing,
and somebody in a browser brings each type's Evaluation about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evaluation_operator.labeling.backends.label_studio.config import IMAGE_KEY
from manifests.demo.access import Cluster
from manifests.demo.installing import ahead_of_time
from manifests.demo.labeling.models import digit_rows, share_of_right
from manifests.demo.labeling.people import Person, Session, reading
from manifests.demo.labeling.pictures import Digit, data_uri, known_labels, make_digits
from manifests.demo.labeling.runs import dataset_of, import_rows, in_labeler, labeled, status_of
from manifests.demo.labeling.studio import LABELER, install_labeler, project_of
from manifests.demo.model.digits import LABELS, split_images
from tests.builders import merged
from tests.cluster.host import ClusterError, wait_until
from tests.cluster.label_studio import LabelStudio
from tests.conftest import Tell
from tests.e2e.live import OPERATOR_NAMESPACE, RUN_SECONDS, Body, Live, spec_set, table_uri
from tests.integration.label_page import draw_box, logged_in, open_next, photograph, submit

pytestmark = pytest.mark.cluster

ITEMS = 6
ASKED = 3
MOODS = ("glad", "sad", "angry", "calm")
INSTRUCTION = "Look at all of it."
PHOTOGRAPH = photograph("flower.jpg")
TEXT = "Friendly people, and soup that was cold."
CAREFUL = (Person("fay", 0), Person("gil", 0), Person("hal", 0))
READ_LABELS = """
import json, sys, pyarrow.parquet
table = pyarrow.parquet.read_table(sys.argv[1])
print(json.dumps(table.select(["row_id", "groundtruth", "total_votes"]).to_pylist()))
"""


@dataclass(frozen=True)
class Site:
    """A namespace at the minute when its jobs' first runs are due, and a tool for people."""

    live: Live
    cluster: Cluster
    studio: LabelStudio
    digits: Sequence[Digit]

    def eventually(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, what, RUN_SECONDS, 0.5)

    def labeled(self, job: str, reason: str) -> Body:
        """The Dataset's status, once its condition Labeled gives the reason."""

        def holds() -> bool:
            return labeled(dataset_of(self.cluster, job)).get("reason") == reason

        try:
            self.eventually(holds, f"{job} to be {reason}")
        except ClusterError as error:
            raise ClusterError(f"{error}: {self._what_is_known(job)}") from error
        status: Body = dataset_of(self.cluster, job)["status"]
        return status

    def _what_is_known(self, job: str) -> str:
        """Of its run: by the cluster, by the labeler, and by the tool."""
        told = json.dumps(dataset_of(self.cluster, job).get("status"))
        where = ("--namespace", self.cluster.namespace, "--tail=30")
        log = self.live.kubectl("logs", LABELER, *where)
        query = f"project={project_of(self.studio, self.cluster, job)}&fields=all"
        tasks = json.dumps(self.studio.call("GET", f"/api/tasks/?{query}"))
        return f"{told}\nlabeler: {log}\nLabel Studio: {tasks[-2000:]}"

    def project(self, job: str) -> int:
        self.labeled(job, "Labeling")
        number = project_of(self.studio, self.cluster, job)
        assert number is not None
        return number

    def lose_pod(self, name: str) -> None:
        """Take the first pod of a Job away as soon as it is there, before it can have ended."""
        where = ("--namespace", self.cluster.namespace, "--selector")
        pods = (*where, f"batch.kubernetes.io/job-name={name}")

        def is_lost() -> bool:
            said = self.live.kubectl(
                "delete", "pod", *pods, "--force", "--grace-period=0", "--wait=false"
            )
            return "deleted" in said

        wait_until(is_lost, f"a pod of {name}", RUN_SECONDS, 0.05)

    def evaluation(self, job: str) -> Body:
        """The spec of the job's only one."""

        def is_there() -> bool:
            return bool(status_of(self.cluster, job).get("latestEvaluation"))

        self.eventually(is_there, f"{job} to be evaluated")
        assert status_of(self.cluster, job).get("attempts", []) == []
        found = [
            body["spec"]
            for body in self.live.list("evaluation", self.cluster.namespace)
            if body["spec"]["evaluationJob"] == job
        ]
        assert len(found) == 1
        spec: Body = found[0]
        return spec


def human_job(
    name: str,
    kind: str,
    key: str,
    config: Mapping[str, Any],
    people: int = 1,
    labels: str = "moods",
) -> Body:
    """A job whose truth people give, with labels of that set; `kind` is an annotation type without
    its last word, `key` that of the data."""
    data_type, _, _ = kind.partition("_")
    (options,) = config.values()
    is_multi = options.get("allowMultiLabel", False)
    detection = {"boundingBoxUnits": "PIXELS"} if "BOX" in kind else {}
    overlap = {"boundingBoxEvaluationOptions": {"iouThreshold": 0.5}} if detection else {}
    choices = {} if detection else {"classificationMetadata": {"isMultiLabel": is_multi}}
    source = {"inputUri": table_uri(name), "persistentVolumeClaimName": "evaluations"}
    return {
        "apiVersion": "evaluations.dev/v1beta1",
        "kind": "EvaluationJob",
        "metadata": {"name": name},
        "spec": {
            "description": "Labelled by people",
            "schedule": "every 24 hours",
            "modelVersion": f"models/{name}/versions/v2",
            "annotationSpecSet": labels,
            "labelMissingGroundTruth": True,
            **detection,
            "evaluationJobConfig": {
                "inputConfig": {
                    "dataType": data_type,
                    "annotationType": f"{kind}_ANNOTATION",
                    "tableSource": source,
                    **choices,
                },
                "evaluationConfig": overlap,
                "humanAnnotationConfig": {
                    "instruction": "look",
                    "annotatedDatasetDisplayName": "Looked at",
                    "replicaCount": people,
                },
                **{
                    title: {"annotationSpecSet": labels, **given} for title, given in config.items()
                },
                "bigqueryImportKeys": {
                    "data_json_key": key,
                    "label_json_key": "labels",
                    "label_score_json_key": "scores",
                    **({"bounding_box_json_key": "boxes"} if detection else {}),
                },
                "exampleCount": 100,
                "exampleSamplePercentage": 1,
            },
        },
    }


TEXT_TYPE = "TEXT_CLASSIFICATION"
JOBS = {
    "digits": human_job(
        "digits",
        "IMAGE_CLASSIFICATION",
        "image",
        {"imageClassificationConfig": {}},
        people=ASKED,
        labels="digits",
    ),
    "photo": human_job("photo", "IMAGE_CLASSIFICATION", "image", {"imageClassificationConfig": {}}),
    "boxes": human_job("boxes", "IMAGE_BOUNDING_BOX", "image", {"boundingPolyConfig": {}}),
    "text": human_job("text", TEXT_TYPE, "text", {"textClassificationConfig": {}}),
    "texts": human_job(
        "texts",
        TEXT_TYPE,
        "text",
        {
            "textClassificationConfig": {
                "allowMultiLabel": True,
                "sentimentConfig": {"enableLabelSentimentSelection": True},
            }
        },
    ),
}
BOX = {"top_left": {"x": 64, "y": 43}, "bottom_right": {"x": 320, "y": 213}}
PREDICTIONS: Mapping[str, tuple[Body, Body]] = {
    "photo": ({"image": {"b64": PHOTOGRAPH}}, {"labels": ["glad", "sad"], "scores": [0.9, 0.1]}),
    "boxes": (
        {"image": {"b64": PHOTOGRAPH}},
        {"boxes": [BOX], "labels": ["calm"], "scores": [0.8]},
    ),
    "text": ({"text": TEXT}, {"labels": ["glad", "sad"], "scores": [0.6, 0.4]}),
    "texts": ({"text": TEXT}, {"labels": ["glad", "sad", "angry"], "scores": [0.9, 0.8, 0.1]}),
}


def row(job: str, time: datetime) -> str:
    asked, answered = PREDICTIONS[job]
    line = {
        "id": job,
        "model": job,
        "model_version": "v2",
        "time": time.isoformat(),
        "raw_data": {"instances": [asked]},
        "raw_prediction": {"predictions": [answered]},
    }
    return json.dumps(line) + "\n"


@pytest.fixture(scope="module")
def site(live: Live, studio: LabelStudio) -> Iterator[Site]:
    cluster = Cluster(live.make_namespace("people"))
    instruction = {
        "apiVersion": "evaluations.dev/v1beta1",
        "kind": "Instruction",
        "metadata": {"name": "look"},
        "spec": {"displayName": "How to look", "description": INSTRUCTION, "dataType": "IMAGE"},
    }
    digit_set = merged(spec_set(LABELS), {"metadata": {"name": "digits"}})
    live.apply(cluster.namespace, spec_set(MOODS), digit_set, instruction, *JOBS.values())
    job = live.wait_for(
        "evaluationjob",
        "digits",
        cluster.namespace,
        lambda it: it.get("status", {}).get("nextRunTime"),
        "to know its next run",
    )
    offset = datetime.fromisoformat(job["status"]["nextRunTime"]) - datetime.now(UTC)
    install_labeler(cluster, studio, offset)
    _, asked = split_images()
    digits = make_digits(asked, ITEMS)
    since = datetime.fromisoformat(job["metadata"]["creationTimestamp"]) + timedelta(seconds=2)
    import_rows(cluster, "digits", digit_rows(digits, since))
    for name in PREDICTIONS:
        import_rows(cluster, name, row(name, since))
    with ExitStack() as stack:
        stack.enter_context(ahead_of_time(cluster, offset))
        yield Site(live, cluster, studio, digits)
    live.kubectl("delete", "namespace", cluster.namespace, "--wait=false")


@pytest.fixture(scope="module")
def people(studio: LabelStudio) -> Iterator[list[Session]]:
    sessions = [Session.sign_up(person, studio) for person in CAREFUL]
    yield sessions
    for session in sessions:
        session.close()


def test_a_run_survives_whatever_dies_while_people_label(
    site: Site, people: Sequence[Session], tell: Tell
) -> None:
    """The pod that cuts, the operator, Label Studio, and the pod that evaluates."""
    live, cluster, studio = site.live, site.cluster, site.studio
    answer = reading(known_labels(site.digits))
    site.eventually(lambda: bool(dataset_of(cluster, "digits")), "the run")
    run = dataset_of(cluster, "digits")["metadata"]["name"]
    site.lose_pod(run)
    project = site.project("digits")
    assert sum(it.label(project, IMAGE_KEY, answer, limit=ITEMS // 2) for it in people[:2]) == ITEMS

    selector = ("--selector", "app.kubernetes.io/name=evaluation-operator")
    force = ("--force", "--grace-period=0", "--namespace", OPERATOR_NAMESPACE)
    live.kubectl("delete", "pod", *selector, *force)
    studio.stop()
    site.labeled("digits", "BackendUnavailable")
    studio.start()
    for session in people:
        session.label(project, IMAGE_KEY, answer)
    site.lose_pod(f"{run}-eval")
    site.labeled("digits", "AllLabeled")
    spec = site.evaluation("digits")

    told = {name: spec[name] for name in ("labeling", "accuracy", "evaluatedItemCount")}
    tell(f"--- both pods, the operator and Label Studio were lost; {json.dumps(told)}")
    # Whether its Job counts a lost pod depends on how far that had begun: see PodStopped.
    assert spec["labeling"] == {
        "askedItemCount": ITEMS,
        "answeredItemCount": ITEMS,
        "unresolvedItemCount": 0,
        "annotatorCount": len(people),
        "agreement": 1,
    }
    assert spec["evaluatedItemCount"] == ITEMS
    assert spec["accuracy"] == pytest.approx(share_of_right(site.digits))


def test_no_answer_is_lost_and_no_task_is_twice(site: Site) -> None:
    """After all that: Label Studio has each item once, and each answer is counted."""
    spec = site.evaluation("digits")
    jobs = [it["spec"]["evaluationJob"]["name"] for it in site.cluster.list("evds")]
    assert sorted(jobs) == sorted(JOBS)
    found: Any = site.studio.call("GET", "/api/projects/?include=id,title")
    title = f"{site.cluster.namespace}/digits"
    (project,) = [it["id"] for it in found["results"] if it["title"] == title]
    tasks: Any = site.studio.call("GET", f"/api/tasks/?project={project}&fields=all&page_size=100")
    shown = [task["data"][IMAGE_KEY] for task in tasks["tasks"]]
    assert sorted(shown) == sorted(data_uri(it.png) for it in site.digits)
    # By whom, not how often: the server may have stored an answer of theirs twice.
    answered = [{it["completed_by"] for it in task["annotations"]} for task in tasks["tasks"]]
    users: Any = site.studio.call("GET", "/api/users/")
    emails = {person.email for person in CAREFUL}
    asked = {it["id"] for it in users if it["email"] in emails}
    assert len(asked) == ASKED
    assert answered == [asked] * ITEMS

    path = spec["resultsUri"].removeprefix("file://").rstrip("/") + "/labels.parquet"
    labels = json.loads(in_labeler(site.cluster, "python3", "-c", READ_LABELS, path))

    said = {it["row_id"]: (json.loads(it["groundtruth"]), it["total_votes"]) for it in labels}
    assert said == {
        f"digits-{number:04d}": ({"labels": [it.label]}, ASKED)
        for number, it in enumerate(site.digits)
    }


async def test_somebody_in_a_browser_brings_each_types_evaluation_about(site: Site) -> None:
    projects = {job: f"{site.studio.url}/projects/{site.project(job)}" for job in PREDICTIONS}
    async with logged_in(site.studio) as page:
        await open_next(page, projects["photo"], INSTRUCTION)
        await page.get_by_role("checkbox", name="glad").check()
        await submit(page)
        await open_next(page, projects["boxes"], INSTRUCTION)
        await draw_box(page, "calm", (0.1, 0.1), (0.5, 0.5))
        await submit(page)
        await open_next(page, projects["text"], INSTRUCTION)
        await page.get_by_text(TEXT).wait_for()
        await page.get_by_role("checkbox", name="sad").check()
        await submit(page)
        await open_next(page, projects["texts"], INSTRUCTION)
        await page.get_by_role("checkbox", name="glad").check()
        await page.get_by_role("checkbox", name="sad").check()
        await page.get_by_role("checkbox", name="NEGATIVE").check()
        await submit(page)
        for job in PREDICTIONS:
            site.labeled(job, "AllLabeled")

    specs = {job: site.evaluation(job) for job in PREDICTIONS}

    for spec in specs.values():
        assert spec["labeling"]["annotatorCount"] == 1
        assert spec["evaluatedItemCount"] == 1
    assert {job: specs[job]["accuracy"] for job in ("photo", "text")} == {"photo": 1, "text": 0}
    precisions = {job: specs[job]["meanAveragePrecision"] for job in ("boxes", "texts")}
    assert precisions == pytest.approx({"boxes": 1, "texts": 1})
