"""What decisions say and make, word for word: statuses, Events and manifests.

The other tests look at what matters in a case. Here whole statuses and manifests are approved, so
that none of their words changes unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.domain.allowances import Allowances, job_breaches
from evaluation_operator.domain.cover import Window
from evaluation_operator.domain.facts.troubles import of_refusal
from evaluation_operator.domain.manifests.dataset import build_dataset
from evaluation_operator.domain.sampled_job import read_job
from tests.builders import (
    Manifest,
    found_good,
    make_detection_job,
    make_evaluation_job,
    make_human_job,
    make_text_job,
    merged,
    stored,
)
from tests.golden import assert_as_approved
from tests.unit.domain import (
    test_allowances,
    test_future,
    test_logger_slot,
    test_readiness,
    test_standing,
    test_versions,
)
from tests.unit.domain.stories import STORIES, Worlds
from tests.unit.domain.world import DAY, FIRST_RUN, INSTRUCTION, JobWorld, VersionWorld, World

WORLDS = Worlds(JobWorld, VersionWorld)


def approve(name: str, content: object) -> None:
    text = yaml.safe_dump(plain(content), sort_keys=False, width=100, allow_unicode=True)
    assert_as_approved(Path(__file__).parent / "approved" / f"{name}.yaml", text)


def plain(value: Any) -> Any:
    """As YAML shows it, without the anchors of what is one object in two places."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def events_of(world: World) -> list[str]:
    return [
        f"{'Warning' if it.warning else 'Normal'} {it.reason}: {it.message}" for it in world.events
    ]


def of_object(body: Manifest) -> Manifest:
    """What was written of it; the rest is the API server's."""
    meta = body["metadata"]
    written = {name: meta[name] for name in ("labels", "annotations") if name in meta}
    owners = [f"{it['kind']} {it['name']}" for it in meta.get("ownerReferences", ())]
    return written | {"owners": owners, "spec": body["spec"]}


def told(world: World) -> Manifest:
    return {"status": world.status, "events": events_of(world)}


@pytest.mark.parametrize("name", STORIES)
def test_a_story(name: str) -> None:
    world, steps = STORIES[name](WORLDS)
    chapters: list[Manifest] = []
    for step in [lambda: None, *steps]:
        before = {*world.datasets, *world.jobs}
        world.events.clear()
        step()
        plan = world.settle()
        made = {**world.datasets, **world.jobs}
        new = {key: of_object(body) for key, body in made.items() if key not in before}
        chapters.append(told(world) | {"created": new, "wake at": plan.wake_at})
    approve(name.replace(" ", "-").replace(",", ""), chapters)


def after(world: World, *changes: Callable[[Any], object]) -> Manifest:
    for change in changes:
        change(world)
        world.settle()
    return told(world)


def test_what_keeps_a_job_from_running() -> None:
    hindrances = test_readiness.HINDRANCES.items()
    approve("hindrances", {name: after(JobWorld(), it.change) for name, it in hindrances})


def test_what_is_said_where_no_rows_are_to_be_covered_yet() -> None:
    found = {}
    for delay in ("1h", "48h", "720h"):
        world = JobWorld(labelDelay=delay)
        found[delay] = after(world, lambda it: it.at_slot(0), lambda it: it.at_slot(1))
    approve("label-delays", found)


def test_what_checks_of_tables_say() -> None:
    found = {}
    for name, check in test_readiness.CHECKS.items():
        world = JobWorld(checked=False)
        world.settle()
        world.fail(world.check_name, check.said, reason=check.reason)
        found[name] = after(world, lambda _: None)
    approve("checks", found)


def test_what_stands_still() -> None:
    found = {}
    for name, case in test_standing.CASES.items():
        standing = test_standing.standing(case)
        found[name] = [standing.phase, standing.message]
    approve("standing-still", found)


def test_what_holds_a_version_up() -> None:
    found: dict[str, Manifest] = {}
    for name, wait in test_versions.OBSTACLES.items():
        found[name] = after(VersionWorld(), wait.change)
    for name, wait in test_versions.WAITS.items():
        found[name] = after(VersionWorld(), lambda _: None, wait.change)
    for name, (template, _, _) in test_versions.REFUSED.items():
        found[name] = after(VersionWorld(runTemplate=template), lambda _: None)
    found["a label that there is not"] = after(VersionWorld(labels=["rotten"]), lambda _: None)
    approve("versions", found)


def test_what_administrators_do_not_allow() -> None:
    found = {}
    for name, (template, _, _) in test_allowances.REFUSED.items():
        job = EvaluationJob.from_dict(test_allowances.with_template(**template))
        found[name] = [f"{it.field}: {it.message}" for it in job_breaches(job, Allowances())]
    approve("allowances", found)


def test_what_is_said_of_loggers() -> None:
    found = {}
    for case in test_logger_slot.CASES:
        world = test_logger_slot.LoggerWorld(case.slot, held=case.held, opted_in=case.opted_in)
        world.edit(manageLogger=case.manage)
        found[case.what] = test_logger_slot.told(world.decide())
    approve("loggers", found)


def test_what_is_said_of_times_that_lie_ahead() -> None:
    found = {}
    for name, case in test_future.FORGERIES.items():
        world = JobWorld()
        test_future.run_days(world, 0, 2)
        world.own["status"] |= case.writes(world.status)
        world.events.clear()
        found[name] = after(world, lambda _: None)["events"]
    approve("times-ahead", found)


LABELED: dict[str, Callable[..., Manifest]] = {
    "images": make_human_job,
    "boxes": make_detection_job,
    "texts": make_text_job,
}
WISHES = {
    "labelMissingGroundTruth": True,
    "labeling": {
        "backend": "studio",
        "deadline": "36h",
        "onDelete": "Delete",
        "minimumNewLabels": 5,
    },
}
HUMAN = {
    "instruction": "how-to-tell",
    "annotatedDatasetDisplayName": "Fruit, labelled",
    "annotatedDatasetDescription": "by three",
    "labelGroup": "fruit",
    "languageCode": "de-DE",
    "replicaCount": 3,
    "questionDuration": "60s",
    "contributorEmails": ["a@example.com"],
    "userEmailAddress": "b@example.com",
}
NEEDED = ("instruction", "annotatedDatasetDisplayName")
OPTIONS: dict[str, Manifest] = {
    "images": {"imageClassificationConfig": {"answerAggregationType": "UNANIMOUS_VOTE"}},
    "boxes": {"boundingPolyConfig": {"instructionMessage": "tight boxes"}},
    "texts": {
        "textClassificationConfig": {"sentimentConfig": {"enableLabelSentimentSelection": True}}
    },
}


@pytest.mark.parametrize("kind", LABELED)
def test_what_people_are_asked(kind: str) -> None:
    found = {}
    for told_as, config, wishes in (("plainly", {}, {}), ("with wishes", OPTIONS[kind], WISHES)):
        human = (
            HUMAN if wishes else {"instruction": "how-to-tell", "annotatedDatasetDisplayName": "x"}
        )
        whole = {"evaluationJobConfig": config | {"humanAnnotationConfig": human}}
        job = stored(LABELED[kind](spec=whole | {"labelMissingGroundTruth": True} | wishes))
        dataset = build_dataset(
            EvaluationJob.from_dict(job),
            FIRST_RUN,
            [Window(FIRST_RUN - DAY, FIRST_RUN, 2)],
            labels=("ripe", "unripe"),
            instruction=INSTRUCTION,
        )
        found[told_as] = of_object(dataset.to_dict())
    approve(f"asked-{kind}", found)


REFUSALS = (
    "exceeded quota: small, requested: pods=1, used: pods=5, limited: pods=5",
    "failed quota: small: must specify limits.cpu",
    'pods "x" is forbidden: violates PodSecurity "restricted:latest": privileged',
    'Internal error occurred: failed calling webhook "guard": no such host',
    'admission webhook "guard" denied the request: no',
    'serviceaccount "evaluation-runner" not found',
    "maximum memory usage per Container is 1Gi, but limit is 4Gi",
    "something else",
)


def test_what_is_said_of_refusals() -> None:
    approve("refusals", [of_refusal("Job", "run", text) for text in REFUSALS])


SAMPLED: dict[str, Manifest] = {
    "a job that is sampled": {},
    "with other keys": {
        "spec": {
            "modelSelector": {"inferenceservicename": "ripeness"},
            "evaluationJobConfig": {
                "bigqueryImportKeys": {"reference_json_key": "image", "data_json_key": "body"}
            },
        }
    },
    "one that is paused": {"spec": {"paused": True}},
    "one that is deleted": {"metadata": {"deletionTimestamp": "2026-03-02T08:00:00Z"}},
    "one that the operator has not seen": {"status": {"intervalDays": None}},
    "one that waits for its model version": {"status": {"state": "STOPPED"}},
    "one whose table is another now": {"status": {"sampledTableDigest": "x"}},
    "one that reads BigQuery": {
        "spec": {
            "evaluationJobConfig": {"inputConfig": {"tableSource": {"inputUri": "bq://a.b.c"}}}
        }
    },
    "one of a newer CRD": {"spec": {"paused": "perhaps"}},
    "one of no model version": {"spec": {"modelVersion": "ripeness"}},
}


def test_what_the_sampler_makes_of_jobs() -> None:
    accepted = {"status": {"state": "SCHEDULED", "intervalDays": 7}}
    job = merged(found_good(make_evaluation_job()), accepted)
    found = {}
    for name, changes in SAMPLED.items():
        known = read_job(stored(merged(job, changes)))
        sampled = None
        if known.job is not None:
            sampled = {it: getattr(known.job, it) for it in known.job.__slots__}
            answers = known.job.answers
            assert answers is not None
            sampled["answers"] = {
                "config": answers.config.to_dict(),
                "keys": answers.keys.to_dict(),
            }
        found[name] = {"why not": known.why_not, "job": sampled}
    approve("sampled-jobs", found)
