"""The labelling demo, from its first line to its last."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from evaluation_operator.api.evaluation import Evaluation
from manifests.demo.labeling.demo import DIGITS, JOBS, NAMESPACE, SCENES, pictures
from manifests.demo.labeling.models import share_of_right
from manifests.demo.labeling.people import FURTHER, PEOPLE
from tests.conftest import Tell
from tests.e2e.demonstration import Demonstration, run_demo
from tests.e2e.live import OPERATOR_NAMESPACE, Live

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def demo(live: Live) -> Demonstration:
    return run_demo("labeling/demo.py")


@pytest.fixture(scope="module")
def evaluations(live: Live, demo: Demonstration) -> Mapping[str, Evaluation]:
    """The first of each job."""
    found = [Evaluation.from_dict(body) for body in live.list("evaluation", NAMESPACE)]
    assert sorted(it.spec.evaluation_job for it in found) == sorted([*JOBS, "digits"])
    return {it.spec.evaluation_job: it for it in found if it.spec.supersedes is None}


@pytest.fixture(scope="module")
def revision(live: Live, demo: Demonstration) -> Evaluation:
    """The only one."""
    found = [Evaluation.from_dict(body) for body in live.list("evaluation", NAMESPACE)]
    (superseding,) = [it for it in found if it.spec.supersedes is not None]
    return superseding


def test_it_works(demo: Demonstration, tell: Tell) -> None:
    tell(f"{demo.output}\n--- the demo with people took {demo.seconds:.0f} s")
    assert demo.exit_code == 0, demo.output


def test_it_says_who_answered_and_how_well(demo: Demonstration) -> None:
    for person in PEOPLE:
        assert f"{person.name} answers every item; {person.error_rate:.0%} are wrong" in demo.output
        assert f"{person.name} has answered {DIGITS + SCENES} items" in demo.output
    for person in FURTHER:
        assert re.search(rf"{person.name} has answered \d+ items that were in dispute", demo.output)


def test_it_shows_how_far_people_are(demo: Demonstration) -> None:
    assert "Runs that wait for people" in demo.output
    for job, total in zip(JOBS, (DIGITS, SCENES), strict=True):
        assert f"{job}: {total} tasks at http://" in demo.output
        assert f"{job}: {total} of {total} items were answered by" in demo.output


def test_digits_are_judged_by_what_most_people_read(
    demo: Demonstration, evaluations: Mapping[str, Evaluation]
) -> None:
    spec = evaluations["digits"].spec
    people = spec.labeling
    assert people is not None
    assert (people.asked_item_count, people.answered_item_count) == (DIGITS, DIGITS)
    assert people.annotator_count == len(PEOPLE) + len(FURTHER)
    assert spec.evaluated_item_count == DIGITS - (people.unresolved_item_count or 0)
    assert people.agreement is not None
    assert f"{people.agreement:.4f}" in demo.output
    assert 0.5 < people.agreement < 0.9
    digits, _ = pictures()
    assert spec.accuracy == pytest.approx(share_of_right(digits), abs=0.05)
    assert f"{spec.accuracy:.4f}" in demo.output


def test_what_was_really_written_comes_late_and_supersedes_what_people_read(
    demo: Demonstration, evaluations: Mapping[str, Evaluation], revision: Evaluation
) -> None:
    first = evaluations["digits"]
    assert revision.spec.supersedes == first.name
    assert first.status.superseded_by == revision.name
    digits, _ = pictures()
    assert revision.spec.accuracy == pytest.approx(share_of_right(digits))
    assert revision.spec.evaluated_item_count == DIGITS
    assert (first.spec.coverage or 0) < (revision.spec.coverage or 0) == 1
    assert first.name in demo.output
    assert revision.name in demo.output


def test_scenes_are_judged_by_the_boxes_that_most_people_drew(
    demo: Demonstration, evaluations: Mapping[str, Evaluation]
) -> None:
    spec = evaluations["scenes"].spec
    metrics = spec.evaluation_metrics
    assert metrics is not None
    detection = metrics.object_detection_metrics
    assert detection is not None
    assert detection.coco is not None
    for name, figure in detection.coco.to_dict().items():
        assert f"{name} {figure:.4f}" in demo.output
    _, scenes = pictures()
    drawn = sum(len(scene.boxes) for scene in scenes)
    assert detection.truth_box_count == pytest.approx(drawn, abs=drawn * 0.1)
    people = spec.labeling
    assert people is not None
    assert people.asked_item_count == SCENES


def test_the_operator_has_its_own_clock_and_all_namespaces_back(
    live: Live, demo: Demonstration
) -> None:
    deployment = live.get("deployment", "evaluation-operator", OPERATOR_NAMESPACE)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    names = {it["name"] for it in container["env"]}
    assert not names & {"EVALUATION_CLOCK_OFFSET_SECONDS", "EVALUATION_NAMESPACES"}
