"""What an API server promises: a suite that the real one runs, and the one in memory."""

from __future__ import annotations

import copy

import pytest

from evaluation_operator.domain.naming import LABEL_JOB
from evaluation_operator.kube import (
    DATASETS,
    EVALUATION_JOBS,
    LEASES,
    AlreadyExists,
    ApiServer,
    Conflict,
    NotFound,
    Rejected,
)
from tests.builders import Manifest, make_dataset, make_evaluation_job, merged

ABSENT = "there-is-none"
FINALIZER = "example.com/waits"


class ApiServerContract:
    """A server gives the fixtures `api`, and `namespace`, in which there is nothing."""

    @pytest.fixture
    async def job(self, api: ApiServer, namespace: str) -> Manifest:
        return await api.create(EVALUATION_JOBS, namespace, made("ripeness", namespace))

    async def test_what_is_made_gets_an_identity_and_no_status(self, job: Manifest) -> None:
        meta = job["metadata"]
        assert meta["uid"]
        assert meta["resourceVersion"]
        assert meta["creationTimestamp"].endswith("Z")
        assert (meta["generation"], job.get("status")) == (1, None)

    async def test_a_name_is_taken_once(
        self, api: ApiServer, namespace: str, job: Manifest
    ) -> None:
        with pytest.raises(AlreadyExists):
            await api.create(EVALUATION_JOBS, namespace, made("ripeness", namespace))
        again = await api.get(EVALUATION_JOBS, namespace, "ripeness")
        assert again["metadata"]["uid"] == job["metadata"]["uid"]

    async def test_what_is_not_there_is_not_found(self, api: ApiServer, namespace: str) -> None:
        with pytest.raises(NotFound):
            await api.get(EVALUATION_JOBS, namespace, ABSENT)
        with pytest.raises(NotFound):
            await api.delete(EVALUATION_JOBS, namespace, ABSENT)
        with pytest.raises(NotFound):
            await api.patch(EVALUATION_JOBS, namespace, ABSENT, {"metadata": {"labels": {}}})

    async def test_the_status_is_written_alone_and_counts_no_generation(
        self, api: ApiServer, namespace: str, job: Manifest
    ) -> None:
        wanted = merged(job, {"spec": {"paused": True}, "status": {"state": "SCHEDULED"}})
        after = await api.replace_status(EVALUATION_JOBS, namespace, wanted)
        assert after["status"] == {"state": "SCHEDULED"}
        assert "paused" not in after["spec"]
        assert after["metadata"]["generation"] == 1
        assert after["metadata"]["resourceVersion"] != job["metadata"]["resourceVersion"]

    async def test_a_spec_is_written_without_the_status_and_counts_a_generation(
        self, api: ApiServer, namespace: str, job: Manifest
    ) -> None:
        told = merged(job, {"status": {"state": "SCHEDULED"}})
        there = await api.replace_status(EVALUATION_JOBS, namespace, told)
        changes = {"spec": {"paused": True}, "status": {"state": "STOPPED"}}
        after = await api.replace(EVALUATION_JOBS, namespace, merged(there, changes))
        assert (after["spec"]["paused"], after["status"]) == (True, {"state": "SCHEDULED"})
        assert after["metadata"]["generation"] == 2

    async def test_who_writes_second_meets_a_conflict(
        self, api: ApiServer, namespace: str, job: Manifest
    ) -> None:
        told = merged(job, {"status": {"state": "SCHEDULED"}})
        await api.replace_status(EVALUATION_JOBS, namespace, copy.deepcopy(told))
        version = job["metadata"]["resourceVersion"]
        lock = {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
        finalizer = {"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]}
        with pytest.raises(Conflict):
            await api.replace_status(EVALUATION_JOBS, namespace, told)
        with pytest.raises(Conflict):
            await api.replace(EVALUATION_JOBS, namespace, job)
        with pytest.raises(Conflict):
            await api.edit(EVALUATION_JOBS, namespace, "ripeness", [lock, finalizer])
        patch = {"metadata": {"resourceVersion": version, "labels": {"a": "b"}}}
        with pytest.raises(Conflict):
            await api.patch(EVALUATION_JOBS, namespace, "ripeness", patch)

    async def test_a_namesake_is_another_object(
        self, api: ApiServer, namespace: str, job: Manifest
    ) -> None:
        with pytest.raises(Conflict, match=r"(?i)uid"):
            await api.delete(EVALUATION_JOBS, namespace, "ripeness", uid="of-another")
        told = merged(job, {"metadata": {"uid": "of-another"}, "status": {"state": "SCHEDULED"}})
        with pytest.raises(Conflict):
            await api.replace_status(EVALUATION_JOBS, namespace, told)

    async def test_a_merge_patch_adds_and_takes_away(
        self, api: ApiServer, namespace: str, job: Manifest
    ) -> None:
        add = {"metadata": {"annotations": {"example.com/a": "1", "example.com/b": "2"}}}
        await api.patch(EVALUATION_JOBS, namespace, "ripeness", add)
        take = {"metadata": {"annotations": {"example.com/a": None}}}
        after = await api.patch(EVALUATION_JOBS, namespace, "ripeness", take)
        assert after["metadata"]["annotations"] == {"example.com/b": "2"}

    async def test_a_list_is_edited_where_it_stands(
        self, api: ApiServer, namespace: str, job: Manifest
    ) -> None:
        def at(path: str, op: str = "add", **value: object) -> Manifest:
            return {"op": op, "path": f"/metadata/{path}", **value}

        one, two = FINALIZER, f"{FINALIZER}-too"
        where = (EVALUATION_JOBS, namespace, "ripeness")
        await api.edit(*where, [at("finalizers", value=[one])])
        after = await api.edit(*where, [at("finalizers/-", value=two)])
        assert after["metadata"]["finalizers"] == [one, two]
        after = await api.edit(*where, [at("finalizers/0", "remove")])
        assert after["metadata"]["finalizers"] == [two]
        with pytest.raises(Rejected):
            await api.edit(*where, [at("ownerReferences/-", value={})])
        await api.edit(*where, [at("finalizers/0", "remove")])

    async def test_a_deleted_object_waits_for_its_finalizers(
        self, api: ApiServer, namespace: str, job: Manifest
    ) -> None:
        held = {"metadata": {"finalizers": [FINALIZER]}}
        await api.patch(EVALUATION_JOBS, namespace, "ripeness", held)
        await api.delete(EVALUATION_JOBS, namespace, "ripeness", uid=job["metadata"]["uid"])
        there = await api.get(EVALUATION_JOBS, namespace, "ripeness")
        assert there["metadata"]["deletionTimestamp"]
        free = {"metadata": {"finalizers": None}}
        await api.patch(EVALUATION_JOBS, namespace, "ripeness", free)
        with pytest.raises(NotFound):
            await api.get(EVALUATION_JOBS, namespace, "ripeness")

    async def test_a_list_has_what_its_selectors_choose(
        self, api: ApiServer, namespace: str
    ) -> None:
        for name in ("evj-one-1", "evj-one-2", "evj-two-1"):
            body = make_dataset(name)
            here = {"namespace": namespace, "labels": {LABEL_JOB: name[4:7]}}
            await api.create(DATASETS, namespace, merged(body, {"metadata": here}))
        found = [body async for body in api.list(DATASETS, namespace)]
        assert [body["metadata"]["name"] for body in found] == [
            "evj-one-1",
            "evj-one-2",
            "evj-two-1",
        ]
        assert {(body["apiVersion"], body["kind"]) for body in found} == {
            (DATASETS.api_version, "Dataset")
        }
        labels = api.list(DATASETS, namespace, label_selector=f"{LABEL_JOB}=one")
        assert [body["metadata"]["name"] async for body in labels] == ["evj-one-1", "evj-one-2"]
        fields = api.list(DATASETS, namespace, field_selector="metadata.name=evj-two-1")
        assert [body["metadata"]["name"] async for body in fields] == ["evj-two-1"]
        pages = [page async for page in api.pages(DATASETS, namespace)]
        assert sum(len(page["items"]) for page in pages) == 3
        assert all(page["metadata"]["resourceVersion"] for page in pages)

    async def test_a_body_is_the_caller_s_own(
        self, api: ApiServer, namespace: str, job: Manifest
    ) -> None:
        job["spec"].clear()
        async for body in api.list(EVALUATION_JOBS, namespace):
            body["spec"].clear()
        assert (await api.get(EVALUATION_JOBS, namespace, "ripeness"))["spec"]

    async def test_a_lease_is_taken_by_whoever_writes_first(
        self, api: ApiServer, namespace: str
    ) -> None:
        body = {"metadata": {"name": "held"}, "spec": {"holderIdentity": "one"}}
        kinds = {"apiVersion": LEASES.api_version, "kind": LEASES.kind}
        held = await api.create(LEASES, namespace, body | kinds)
        taken = merged(held, {"spec": {"holderIdentity": "two"}})
        await api.replace(LEASES, namespace, copy.deepcopy(taken))
        with pytest.raises(Conflict):
            await api.replace(LEASES, namespace, taken)


def made(name: str, namespace: str) -> Manifest:
    return merged(make_evaluation_job(name), {"metadata": {"namespace": namespace}})
