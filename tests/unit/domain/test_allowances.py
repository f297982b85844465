"""What the administrator lets jobs ask for, and what becomes of a job that asks for more."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.domain.allowances import (
    Allowances,
    is_claim_for_tables,
    job_breaches,
)
from evaluation_operator.domain.policy import Policy
from evaluation_operator.domain.quantities import parse_quantity
from evaluation_operator.domain.stalled import Limits
from tests.builders import ABSENT, Manifest, make_evaluation_job, make_human_job, merged
from tests.unit.domain.world import JobWorld, VersionWorld


def with_template(**template: Any) -> Manifest:
    return make_evaluation_job(spec={"runTemplate": template})


def node_affinity(key: str) -> dict[str, Any]:
    terms = [{"matchExpressions": [{"key": key, "operator": "Exists"}]}]
    required = {"nodeSelectorTerms": terms}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def preferred_nodes(key: str) -> dict[str, Any]:
    preference = {"matchExpressions": [{"key": key, "operator": "Exists"}]}
    liked = [{"weight": 1, "preference": preference}]
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": liked}}


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "the priority of the node's own programs": (
        {"priorityClassName": "system-node-critical"},
        "spec.runTemplate.priorityClassName",
        "EVALUATION_ALLOWED_PRIORITY_CLASSES",
    ),
    "every taint": (
        {"tolerations": [{"operator": "Exists"}]},
        "spec.runTemplate.tolerations[0].key",
        "EVALUATION_ALLOWED_TOLERATIONS",
    ),
    "the taint of the control plane": (
        {"tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]},
        "spec.runTemplate.tolerations[0].key",
        "EVALUATION_ALLOWED_TOLERATIONS",
    ),
    "the node of another tenant": (
        {"nodeSelector": {"kubernetes.io/hostname": "node-of-another-tenant"}},
        "spec.runTemplate.nodeSelector",
        "EVALUATION_ALLOWED_NODE_LABELS",
    ),
    "that node by affinity": (
        {"affinity": node_affinity("kubernetes.io/hostname")},
        "spec.runTemplate.affinity.nodeAffinity",
        "EVALUATION_ALLOWED_NODE_LABELS",
    ),
    "that node, if it can be": (
        {"affinity": preferred_nodes("kubernetes.io/hostname")},
        "spec.runTemplate.affinity.nodeAffinity",
        "EVALUATION_ALLOWED_NODE_LABELS",
    ),
    "another's registry": (
        {"imagePullSecrets": [{"name": "registry-admin"}]},
        "spec.runTemplate.imagePullSecrets[0].name",
        "EVALUATION_ALLOWED_PULL_SECRETS",
    ),
    "more memory than there is": (
        {"resources": {"requests": {"memory": "100Ti"}}},
        "spec.runTemplate.resources.requests.memory",
        "EVALUATION_MAX_RESOURCES",
    ),
    "all GPUs": (
        {"resources": {"limits": {"nvidia.com/gpu": 64}}},
        "spec.runTemplate.resources.limits.nvidia.com/gpu",
        "EVALUATION_MAX_RESOURCES",
    ),
    "huge pages": (
        {"resources": {"limits": {"hugepages-1Gi": "1Gi"}}},
        "spec.runTemplate.resources.limits.hugepages-1Gi",
        "EVALUATION_MAX_RESOURCES",
    ),
    "a month": (
        {"activeDeadlineSeconds": 2_592_000},
        "spec.runTemplate.activeDeadlineSeconds",
        "EVALUATION_MAX_DEADLINE",
    ),
    "the tokens of the sampler": (
        {"envFrom": [{"secretRef": {"name": "evaluation-sampler-tokens"}}]},
        "spec.runTemplate.envFrom[0].secretRef.name",
        "part of the operator",
    ),
}


@pytest.mark.parametrize(
    ("template", "want_field", "want_word"), REFUSED.values(), ids=REFUSED.keys()
)
def test_a_job_does_not_get_a_pod_that_stands_out(
    template: dict[str, Any], want_field: str, want_word: str
) -> None:
    """A job got `system-node-critical`, every toleration and a node of the control plane, though
    its author could not have made such a pod."""
    [fault] = job_breaches(EvaluationJob.from_dict(with_template(**template)), Allowances())

    assert fault.field == want_field
    assert want_word in fault.message
    assert fault.reason == "NotAllowed"


ALLOWED: dict[str, dict[str, Any]] = {
    "nothing special": {"backoffLimit": 1, "queueName": "evaluations"},
    "a zone": {"nodeSelector": {"topology.kubernetes.io/zone": "a"}},
    "a processor": {"affinity": node_affinity("kubernetes.io/arch")},
    "an amount that is just right": {"resources": {"limits": {"memory": "32Gi", "cpu": "8000m"}}},
    "a registry for evaluations": {"imagePullSecrets": [{"name": "evaluation-registry"}]},
    "a day": {"activeDeadlineSeconds": 86_400},
    "a Secret whose name only begins alike": {
        "envFrom": [{"secretRef": {"name": "evaluation-samplers"}}]
    },
}


@pytest.mark.parametrize("template", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_any_pod_may_have_needs_no_permission(template: dict[str, Any]) -> None:
    assert job_breaches(EvaluationJob.from_dict(with_template(**template)), Allowances()) == []


def test_the_administrator_may_allow_all_of_it() -> None:
    allowances = Allowances(
        priority_classes=("system-*",),
        tolerations=("*",),
        node_labels=("*",),
        pull_secrets=("*",),
        max_resources={"memory": parse_quantity("200Ti"), "nvidia.com/gpu": Decimal(64)},
        max_deadline_seconds=2_592_000,
    )
    for name, (template, _, _) in REFUSED.items():
        if name in ("huge pages", "the tokens of the sampler"):
            continue
        job = EvaluationJob.from_dict(with_template(**template))
        assert job_breaches(job, allowances) == [], name


@pytest.mark.parametrize(
    "address",
    ["x,victim@corp.example", "a:b;c@corp.example", "<victim@corp.example>", "a%b@corp.example"],
)
def test_an_old_address_that_names_two_people_is_refused_by_name(address: str) -> None:
    """Objects from before the schema was strict are still there."""
    human = {"evaluationJobConfig": {"humanAnnotationConfig": {"userEmailAddress": address}}}

    [fault] = job_breaches(EvaluationJob.from_dict(make_human_job(spec=human)), Allowances())

    assert fault.field.endswith("humanAnnotationConfig.userEmailAddress")
    assert "one mailbox" in fault.message


def test_mail_goes_only_to_the_domains_of_the_list() -> None:
    human = {
        "userEmailAddress": "owner@corp.example",
        "contributorEmails": ["anyone@competitor.example"],
    }
    manifest = make_human_job(spec={"evaluationJobConfig": {"humanAnnotationConfig": human}})
    allowances = Allowances(email_domains=("corp.example",))

    [fault] = job_breaches(EvaluationJob.from_dict(manifest), allowances)

    assert fault.field.endswith("contributorEmails[0]")
    assert "EVALUATION_ALLOWED_EMAIL_DOMAINS" in fault.message


@pytest.mark.parametrize(
    ("name", "labels", "want"),
    [
        ("evaluations", {}, True),
        ("evaluations-fast", {}, True),
        ("data-postgresql-0", {}, False),
        ("accepted-evaluation-sampler-0", {}, False),
        ("predictions", {"evaluations.dev/table": "true"}, True),
        ("predictions", {"evaluations.dev/table": "false"}, False),
    ],
)
def test_a_claim_is_for_tables_by_its_name_or_by_a_label_of_its_owner(
    name: str, labels: dict[str, str], want: bool
) -> None:
    assert is_claim_for_tables(name, labels) is want


def test_a_job_that_is_not_allowed_goes_on_sampling_and_runs_once_it_is() -> None:
    world = JobWorld(checked=False, runTemplate={"priorityClassName": "system-node-critical"})
    world.settle()

    assert world.condition("Ready")["reason"] == "NotAllowed"
    assert world.condition("Stalled")["status"] == "False"
    assert world.status["state"] == "SCHEDULED"
    assert world.jobs == {}, "not even a check of its table"

    world.edit(runTemplate=ABSENT)
    world.settle()
    world.complete_check()
    world.settle()
    assert world.condition("Ready")["status"] == "True"


def test_a_job_that_says_nothing_lives_no_longer_than_is_allowed() -> None:
    limits = Limits(allowances=Allowances(max_deadline_seconds=600))
    world = JobWorld(policy=Policy(limits=limits))
    world.at_slot(0)

    assert world.jobs[world.active[0]]["spec"]["activeDeadlineSeconds"] == 600


@pytest.mark.parametrize(
    "resources",
    [
        {"requests": {"cpu": "1"}},
        {"limits": {"cpu": "1"}},
        {"limits": {"memory": "0"}},
        {"limits": {"memory": 0}, "requests": {"memory": "1Gi"}},
        {"limits": {"memory": "0.000Gi"}},
    ],
)
def test_whoever_names_no_limit_of_memory_gets_no_more_than_may_be_asked_for(
    resources: dict[str, Any],
) -> None:
    """A template with any resources took the default limit away: to ask for one CPU was to get all
    the memory of the node. The kubelet takes a limit of 0 for none."""
    allowances = Allowances(max_resources={"cpu": Decimal(2), "memory": Decimal(2**32)})
    world = JobWorld(policy=Policy(limits=Limits(allowances=allowances)))
    world.edit(runTemplate={"resources": resources})
    world.at_slot(0)

    [container] = world.jobs[world.active[0]]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == str(2**32)
    asked = resources.get("requests", {}).get("memory", "256Mi")
    assert container["resources"]["requests"]["memory"] == asked


def test_a_run_that_is_deleted_is_gone_soon() -> None:
    """Its Job gives its place back when it is deleted, and its pod went on for 30 seconds more. Who
    deleted versions as fast as they began had hundreds of pods where 50 were allowed. The program
    takes two seconds at most, and another image three."""
    world = JobWorld()
    world.at_slot(0)

    pod = world.jobs[world.active[0]]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 3


def test_a_run_does_not_fill_the_disk_of_its_node() -> None:
    world = JobWorld()
    world.at_slot(0)

    [scratch] = world.jobs[world.active[0]]["spec"]["template"]["spec"]["volumes"][:1]
    assert scratch == {"name": "scratch", "emptyDir": {"sizeLimit": str(100 * 2**30)}}


def test_the_claim_of_another_workload_is_not_mounted() -> None:
    """A job named the volume of a database, and its pods had it, writable."""
    world = JobWorld(checked=False)
    world.claim_is_for_tables = False
    world.settle()

    assert world.condition("Ready")["reason"] == "NotAllowed"
    assert "kubectl label persistentvolumeclaim predictions" in world.condition("Ready")["message"]
    assert world.jobs == {}


def test_a_template_that_is_edited_during_a_run_is_judged_again() -> None:
    """The template of the Job that evaluates was the one of that moment, and nobody judged it:
    while people labelled, its author wrote another one."""
    world = JobWorld(people=True)
    world.at_slot(0)
    run = world.active[0]
    del world.jobs[run]
    world.edit(runTemplate={"priorityClassName": "system-node-critical", "image": "evil:1"})

    world.settle()

    assert run not in world.jobs
    [active] = world.status["active"]
    assert "EVALUATION_ALLOWED_PRIORITY_CLASSES" in active["message"]

    world.edit(runTemplate=ABSENT)
    world.settle()
    assert run in world.jobs


def test_a_version_that_asks_for_what_is_not_allowed_has_failed() -> None:
    world = VersionWorld(runTemplate={"tolerations": [{"operator": "Exists"}]})
    world.settle()

    assert world.jobs == {}
    assert world.status["state"] == "Failed"
    [ready] = [item for item in world.status["conditions"] if item["type"] == "Ready"]
    assert ready["reason"] == "NotAllowed"


def test_a_version_does_not_get_a_pod_by_an_edit_of_its_job() -> None:
    world = VersionWorld()
    world.settle()
    del world.jobs[world.run_name]
    assert world.job is not None
    world.job = merged(world.job, {"spec": {"runTemplate": {"image": "evil:1"}}})

    world.settle()

    assert world.jobs == {}


def test_a_version_does_not_get_a_pod_by_an_edit_of_its_job_that_nobody_has_judged_yet() -> None:
    """An edit of a job wakes its versions, too. A version that had its turn first found the job
    Ready, as it was before, and made its pod by the template as it is now: with any image, of the
    priority of the node's own programs."""
    world = VersionWorld()
    assert world.job is not None
    good = world.job
    evil = {"image": "evil:1", "priorityClassName": "system-node-critical"}
    world.job = merged(good, {"spec": {"runTemplate": evil}})

    world.settle()

    assert world.jobs == {}
    [ready] = [item for item in world.status["conditions"] if item["type"] == "Ready"]
    assert ready["reason"] == "EvaluationJobNotReady"
    assert "EVALUATION_ALLOWED_PRIORITY_CLASSES" in ready["message"]

    world.job = good
    world.settle()
    assert world.run_name in world.jobs


def test_a_version_gets_no_pod_of_another_job_that_has_taken_the_name_of_its_own() -> None:
    """A job may be deleted with `--cascade=orphan`, so that its versions stay, and made anew with
    the volume claim of another workload. The new job was NotAllowed, but a run of a version that
    had no Job yet was given one, with that volume in it."""
    world = VersionWorld()
    world.settle()
    del world.jobs[world.run_name]
    assert world.job is not None
    world.job = merged(world.job, {"metadata": {"uid": "uid-of-another"}})

    world.settle()

    assert world.jobs == {}
    assert "delete the version" in world.status["message"]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("500m", "0.5"),
        (2, "2"),
        ("1.5G", "1500000000"),
        ("1Ki", "1024"),
        ("2Ei", str(2 * 1024**6)),
    ],
)
def test_amounts_are_read_as_kubernetes_writes_them(text: int | str, want: str) -> None:
    assert parse_quantity(text) == Decimal(want)


@pytest.mark.parametrize("text", ["", "-1", "much", "1 Gi", "1gi", "١"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        parse_quantity(text)
