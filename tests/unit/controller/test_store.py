"""The operator's picture of the cluster: never older than known, and it knows whom to wake."""

from __future__ import annotations

import time
from typing import Any

import pytest

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.controller.keys import Key, job_key, version_key
from evaluation_operator.controller.store import Store
from evaluation_operator.controller.stored import trimmed_metadata
from evaluation_operator.domain.manifests.table_check import build_table_check
from evaluation_operator.domain.naming import FINALIZER
from evaluation_operator.domain.policy import Policy
from tests.builders import (
    NAMESPACE,
    Manifest,
    make_dataset,
    make_evaluation_job,
    make_human_job,
    make_instruction,
    make_spec_set,
    make_version,
    merged,
    stored,
)

JOB = job_key(NAMESPACE, "ripeness")


def at(manifest: Manifest, version: int, **metadata: Any) -> Manifest:
    return stored(manifest, resourceVersion=str(version), **metadata)


def store_with(*manifests: Manifest) -> Store:
    store = Store()
    for manifest in manifests:
        store.apply(manifest["kind"], manifest)
    return store


def description(store: Store) -> str:
    found = store.jobs.get((NAMESPACE, "ripeness"))
    assert found is not None
    return str(found.parse()["spec"]["description"])


def test_older_never_replaces_newer() -> None:
    new = at(make_evaluation_job(spec={"description": "new"}), 10)
    old = at(make_evaluation_job(spec={"description": "old"}), 9)
    store = store_with(new)

    assert store.apply("EvaluationJob", old) == set()
    assert store.apply("EvaluationJob", new) == set(), "what is known is no news"
    assert description(store) == "new"
    assert store.apply("EvaluationJob", at(old, 11)) == {JOB}


def test_late_news_of_a_namesake_hides_nothing() -> None:
    """A job was deleted and made anew; its predecessor's last event came after its own first."""
    first = at(make_evaluation_job(spec={"description": "first"}), 5, uid="first")
    second = at(make_evaluation_job(spec={"description": "second"}), 9, uid="second")
    store = store_with(first, second)

    assert store.apply("EvaluationJob", at(first, 7, uid="first")) == set()
    assert store.apply("EvaluationJob", at(first, 8, uid="first"), deleted=True) == set()
    assert description(store) == "second"
    assert store.jobs.has_uid("second")
    assert not store.jobs.has_uid("first")


def test_a_deletion_is_news_once() -> None:
    job = at(make_evaluation_job(), 5)
    store = store_with(job)

    assert store.apply("EvaluationJob", job, deleted=True) == {JOB}
    assert store.apply("EvaluationJob", job, deleted=True) == set()
    assert len(store.jobs) == 0


@pytest.mark.parametrize(
    "message",
    [
        "[" * 4000,
        '{"code": 2, "partialFailures": [{"code": "two"}]}',
        '{"code": 2, "partialFailures": [{"code": null}]}',
        '{"code": 2, "partialFailures": [{"code": Infinity}]}',
    ],
)
def test_the_last_words_of_a_pod_stop_nobody(message: str) -> None:
    """Whoever may make a pod in one namespace gave it the operator's label and such words. The
    sweep ended by them, its end failed the probe, and the operator that was started then met them
    in its first sweep: it never worked again, for anybody."""
    ended = {"terminated": {"exitCode": 1, "message": message}}
    labels = {"evaluations.dev/job": "ripeness"}
    pod = labelled("Pod", "p", **labels) | {
        "status": {"containerStatuses": [{"name": "run", "state": ended}]}
    }
    store = store_with(pod)

    [found] = store.pods.owned_by("uid-of-owner")
    assert found.exit_code == 1
    assert found.verdict is None


def test_an_object_that_cannot_be_read_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    odd = at(merged(make_dataset(), {"spec": {"scheduledTime": "never"}}), 5)
    store = Store()

    assert store.apply("Dataset", odd) == set()
    assert len(store.datasets) == 0
    assert "is left out" in caplog.text


def test_a_list_finds_what_a_watch_did_not_tell() -> None:
    gone = at(make_evaluation_job(), 5)
    there = at(make_evaluation_job("other"), 6)
    store = store_with(gone, there)
    started = time.monotonic()
    store.apply("EvaluationJob", at(make_evaluation_job("newcomer"), 7))

    keys = store.vanished("EvaluationJob", {(NAMESPACE, "other")}, started, None)

    assert keys == {JOB}
    assert len(store.jobs) == 2, "what came after the list began is not missed by it"


def test_a_list_of_one_namespace_says_nothing_of_others() -> None:
    store = store_with(at(make_evaluation_job(), 5))

    assert store.vanished("EvaluationJob", set(), time.monotonic(), "elsewhere") == set()


def labelled(kind: str, name: str, **labels: str) -> Manifest:
    meta = {"labels": labels, "ownerReferences": [{"uid": "uid-of-owner", "controller": True}]}
    return at({"kind": kind, "metadata": {"name": name, "namespace": NAMESPACE} | meta}, 50)


def check_job() -> Manifest:
    job = EvaluationJob.from_dict(at(make_evaluation_job(), 1))
    return at(dict(build_table_check(job, Policy())), 50)


WAKES: dict[str, tuple[Manifest, set[Key]]] = {
    "a spec set wakes the jobs that use it": (
        at(make_spec_set(), 50),
        {JOB, job_key(NAMESPACE, "asked")},
    ),
    "another spec set wakes nobody": (at(make_spec_set("unused"), 50), set()),
    "an instruction wakes the jobs for people": (
        at(make_instruction(), 50),
        {job_key(NAMESPACE, "asked")},
    ),
    "a run's pod wakes its job": (
        labelled("Pod", "p", **{"evaluations.dev/job": "ripeness"}),
        {JOB},
    ),
    "a version's pod wakes its version": (
        labelled(
            "Pod",
            "p",
            **{"evaluations.dev/job": "ripeness", "evaluations.dev/version": "ripeness-again"},
        ),
        {version_key(NAMESPACE, "ripeness-again")},
    ),
    "a stranger's pod wakes nobody": (labelled("Pod", "p", app="web"), set()),
    "a table check wakes every job of its table": (
        check_job(),
        {JOB, job_key(NAMESPACE, "asked")},
    ),
    "a job wakes its versions": (
        at(make_evaluation_job(spec={"paused": True}), 50),
        {JOB, version_key(NAMESPACE, "ripeness-again"), version_key(NAMESPACE, "third")},
    ),
    "a version without a number wakes itself": (
        at(make_version(), 50),
        {version_key(NAMESPACE, "ripeness-again")},
    ),
    "a version with a number wakes the one that is next": (
        at(make_version(status={"number": 1}), 50),
        {version_key(NAMESPACE, "ripeness-again"), version_key(NAMESPACE, "third")},
    ),
    "a version that comes wakes the one that is next": (
        at(make_version("youngest"), 50),
        {version_key(NAMESPACE, "ripeness-again"), version_key(NAMESPACE, "youngest")},
    ),
}


@pytest.mark.parametrize(("news", "want"), WAKES.values(), ids=WAKES.keys())
def test_whom_news_concerns(news: Manifest, want: set[Key]) -> None:
    store = store_with(
        at(make_evaluation_job(), 1),
        at(merged(make_human_job(), {"metadata": {"name": "asked"}}), 2),
        at(make_version(), 3),
        at(make_version("third"), 4),
    )

    assert store.apply(news["kind"], news) == want


def test_a_deleted_version_wakes_those_that_waited_for_its_number() -> None:
    first, second = at(make_version(), 3), at(make_version("third"), 4)
    waiting = version_key(NAMESPACE, "third")

    assert waiting in store_with(first, second).apply("EvaluationJobVersion", first, deleted=True)
    names = {(NAMESPACE, "third")}
    store = store_with(first, second)
    later = time.monotonic() + 1
    assert waiting in store.vanished("EvaluationJobVersion", names, later, None)


def test_a_deleted_job_wakes_those_that_wait_for_its_model_version() -> None:
    told = {"status": {"conditions": [{"type": "Stalled", "reason": "ModelVersionTaken"}]}}
    holder, rival = at(make_evaluation_job(), 1), at(make_evaluation_job("rival"), 2)
    store = store_with(holder, merged(rival, told), at(make_evaluation_job("idle"), 3))

    woken = store.apply("EvaluationJob", holder, deleted=True)

    assert woken == {JOB, job_key(NAMESPACE, "rival")}


def test_a_deletion_looks_at_those_alone_that_wait_for_a_model_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every job's JSON was searched for its reason, twice a deletion: 26 ms beside 10,000 jobs."""
    others = [at(make_evaluation_job(f"job-{number}"), 10 + number) for number in range(20)]
    gone = at(make_evaluation_job(), 1)
    store = store_with(gone, *others)
    monkeypatch.setattr(store.jobs, "items", lambda: pytest.fail("it goes through all of them"))
    assert store.apply("EvaluationJob", gone, deleted=True) == {JOB}


def test_children_are_found_by_their_owner() -> None:
    owner = [{"uid": "uid-of-ripeness", "controller": True}]
    dataset = at(make_dataset(metadata={"ownerReferences": owner}), 7)
    store = store_with(dataset)
    assert [item.name for item in store.datasets.owned_by("uid-of-ripeness")] == [
        dataset["metadata"]["name"]
    ]

    store.apply("Dataset", dataset, deleted=True)
    assert list(store.datasets.owned_by("uid-of-ripeness")) == []


def test_what_nobody_reads_is_not_kept() -> None:
    applied = "kubectl.kubernetes.io/last-applied-configuration"
    given = {"managedFields": [{}], "labels": {"a": "b"}, "annotations": {applied: "{}"}}
    found = store_with(at(make_evaluation_job(metadata=given), 1)).jobs.get((NAMESPACE, "ripeness"))

    assert found is not None
    assert not given.keys() & found.parse()["metadata"].keys()


def test_a_version_hears_of_no_more_siblings_than_it_asks_for() -> None:
    """Each change of a version woke all others of its job, and each of them read all others to
    find its number: some thousands of one tenant kept the operator from all other work."""
    store = Store()
    for place in range(40):
        store.apply("EvaluationJobVersion", at(make_version(f"v{place:02}"), place + 1))
    store.apply("EvaluationJobVersion", at(make_version("a", spec={"evaluationJob": "other"}), 50))

    def found() -> list[tuple[str, int | None]]:
        return [(it.name, it.number) for it in store.siblings_of(NAMESPACE, "ripeness")]

    assert found() == [("v00", None)]
    for place in range(40):
        numbered = at(make_version(f"v{place:02}", status={"number": place + 1}), 100 + place)
        woken = store.apply("EvaluationJobVersion", numbered)
        names = {key.name for key in woken}
        assert names == {f"v{it:02}" for it in (place, place + 1) if it < 40}
        following = [(f"v{place + 1:02}", None)] if place < 39 else []
        assert found() == [*following, (f"v{place:02}", place + 1)]

    last = at(make_version("v39", status={"number": 40}), 200)
    store.apply("EvaluationJobVersion", last, deleted=True)
    assert found() == [("v38", 39)]
    older = at(make_version("v20"), 300, creationTimestamp="2020-01-01T00:00:00Z")
    store.apply("EvaluationJobVersion", older)
    assert found() == [("v20", None), ("v38", 39)]


def test_of_a_large_object_a_digest_is_kept() -> None:
    """200 jobs of 1.2 MB each were kept whole, though few are worked on: 1,275 MB at a restart."""
    told = {"conditions": [{"type": "Stalled", "status": "True", "reason": "ModelVersionTaken"}]}
    job = at(make_evaluation_job(spec={"description": "x" * 20_000}, status=told), 1)
    store = store_with(job, at(make_version(spec={"labels": ["x" * 20_000]}), 2))

    found = store.jobs.get((NAMESPACE, "ripeness"))
    assert found is not None
    assert not found.is_whole
    assert len(found.body) < 1000
    assert found.parse()["spec"]["modelVersion"] == job["spec"]["modelVersion"]
    assert [it.name for it in store.siblings_of(NAMESPACE, "ripeness")] == ["ripeness-again"]
    rival = at(make_evaluation_job("rival"), 3)
    store.apply("EvaluationJob", rival)
    assert JOB in store.apply("EvaluationJob", rival, deleted=True)


@pytest.mark.parametrize(
    "metadata",
    [
        {"annotations": {"example.org/note": "x" * 250_000}},
        {"labels": {f"example.org/label-{n}": "x" * 60 for n in range(5_000)}},
        {"finalizers": [f"example.org/finalizer-{n}" for n in range(20_000)]},
        {"ownerReferences": [{"kind": "Pod", "uid": f"uid-{n}" * 9} for n in range(5_000)]},
        {"managedFields": [{"manager": f"manager-{n}" * 9} for n in range(5_000)]},
    ],
    ids=lambda metadata: next(iter(metadata)),
)
def test_no_part_of_the_metadata_makes_an_object_large(metadata: Manifest) -> None:
    found = store_with(at(make_evaluation_job(metadata=metadata), 1)).jobs.get(
        (NAMESPACE, "ripeness")
    )

    assert found is not None
    assert found.is_whole, "it is worked on without being read again"
    assert len(found.body) < 3000


def test_of_long_lists_what_is_looked_for_is_kept() -> None:
    others = [f"example.org/{n}" for n in range(9)]
    owners = [{"kind": "Pod", "uid": f"uid-{n}"} for n in range(9)]
    mine = {"kind": "EvaluationJob", "uid": "uid-of-ripeness", "controller": True}
    kept = trimmed_metadata(
        {"finalizers": [*others, FINALIZER], "ownerReferences": [*owners, mine]}
    )

    assert kept == {"finalizers": [FINALIZER, others[0]], "ownerReferences": [mine]}
    assert trimmed_metadata({"finalizers": [FINALIZER]}) == {"finalizers": [FINALIZER]}
    assert trimmed_metadata({"finalizers": [], "ownerReferences": []}) == {}
