"""Whatever keeps a job or a run from going on, what a person sees of it, and that it heals.

The operator and the control plane are real; what a kubelet or a scheduler would say is written as
they write it. Each test stands for a section of docs/standstills.md.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from evaluation_operator.domain.stalled import Limits
from evaluation_operator.evaluator.main import execute
from evaluation_operator.kube import (
    EVALUATION_JOB_VERSIONS,
    EVALUATION_JOBS,
    EVENTS,
    JOBS,
    PODS,
    SERVICE_ACCOUNTS,
    ApiError,
    Resource,
)
from tests.builders import Manifest
from tests.cluster.control_plane import ControlPlane
from tests.conftest import Tell
from tests.integration.eventually import eventually
from tests.integration.kubelet import NODE
from tests.integration.lab import POLICY, Lab, condition, quiet, ready, reason, state, writes
from tests.integration.standstills import STANDSTILLS, Page, read_sections

pytestmark = pytest.mark.integration

QUICK = replace(POLICY, trouble_after=timedelta(seconds=0.3))
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota")
LIMIT_RANGES = Resource("", "v1", "limitranges", "LimitRange")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tell: Tell) -> Page:
    return Page(monkeypatch, tell)


def held_up(wanted: str) -> Callable[[Manifest], bool]:
    """A predicate of a job's status: its only run tells that reason."""
    return lambda status: (
        [(run.get("message") or "").partition(":")[0] for run in status.get("active", [])]
        == [wanted]
    )


def goes_on(status: Manifest) -> bool:
    """Its only run is active, and nothing is told of it."""
    return [run.keys() for run in status.get("active", [])] == [{"name", "scheduledTime"}]


async def succeeds(lab: Lab, run: str) -> None:
    """What had kept the run's pod away is gone: it is made, starts, and the run ends well."""
    await lab.kubelet.start(run)
    await lab.job(holds=goes_on)
    await lab.finish(run)
    status = await lab.job(holds=state("SCHEDULED"))
    assert status["latestEvaluation"]["name"] == run
    assert "attempts" not in status


async def refuse_pods(lab: Lab) -> None:
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "no-pods"}}
    await lab.apply(QUOTAS, body | {"spec": {"hard": {"pods": "0"}}})


async def apply(plane: ControlPlane, *bodies: Manifest) -> None:
    """What belongs to no namespace."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
    await asyncio.to_thread(plane.kubectl, "apply", "-f", "-", stdin=text)


async def test_a_quota_that_refuses_the_pod(lab: Lab, page: Page) -> None:
    async with lab.operator(policy=QUICK):
        await lab.ready_job()
        await refuse_pods(lab)
        run = await lab.go_to_slot()
        status = await lab.job(holds=held_up("FailedCreate"))
        assert status["active"][0]["phase"] == "Queuing"
        await page.shows("quota", lab)

        await lab.delete(QUOTAS, "no-pods")
        await succeeds(lab, run)
    assert (await lab.reasons()).count("FailedCreate") >= 1


async def test_a_trouble_costs_one_write_and_another_one_to_take_it_back(lab: Lab) -> None:
    """A run without trouble takes four: Dataset, Job, that it is active, what came out."""
    async with lab.operator(policy=QUICK) as operator:
        await lab.ready_job()
        await refuse_pods(lab)
        await quiet(operator)
        before = writes(operator)
        run = await lab.go_to_slot()
        await lab.job(holds=held_up("FailedCreate"))
        await quiet(operator)
        assert writes(operator) - before <= 3 + 1

        standing_still = writes(operator)
        await eventually(lambda: refusals(lab, run), lambda count: count >= 3)
        await quiet(operator)
        assert writes(operator) == standing_still, "the same trouble is no news"

        await lab.delete(QUOTAS, "no-pods")
        await succeeds(lab, run)
        await quiet(operator)
        assert writes(operator) - before <= 4 + 2


async def refusals(lab: Lab, run: str) -> int:
    """How often the Job controller has said that it may not make the pod."""
    return sum(
        [
            int(item.get("count") or 1)
            async for item in lab.kube.list(EVENTS, lab.namespace)
            if item["reason"] == "FailedCreate" and item["involvedObject"]["name"] == run
            if item["involvedObject"]["kind"] == "Job"
        ]
    )


async def test_a_limit_range_that_forbids_what_the_run_asks_for(lab: Lab, page: Page) -> None:
    limits = {"type": "Container", "max": {"memory": "128Mi"}}
    body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}}
    async with lab.operator(policy=QUICK):
        await lab.ready_job()
        await lab.apply(LIMIT_RANGES, body | {"spec": {"limits": [limits]}})
        run = await lab.go_to_slot()
        await lab.job(holds=held_up("FailedCreate"))
        await page.shows("limits", lab)

        small = {"resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "128Mi"}}}
        await lab.edit_job(runTemplate=small)
        await lab.delete(JOBS, run)
        await succeeds(lab, run)


async def test_an_admission_policy_that_refuses_the_pod(
    lab: Lab, page: Page, control_plane: ControlPlane
) -> None:
    group, name = "admissionregistration.k8s.io/v1", f"owners-{lab.namespace}"
    ours = {"matchLabels": {"kubernetes.io/metadata.name": lab.namespace}}
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
    policy = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [pods | {"resources": ["pods"]}]},
            "validations": [
                {
                    "expression": "has(object.metadata.labels.owner)",
                    "message": "every pod needs the label owner",
                }
            ],
        },
    }
    binding = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": ours},
        },
    }
    async with lab.operator(policy=QUICK):
        await lab.ready_job()
        await apply(control_plane, policy, binding)
        await eventually(lambda: refuses_pods(lab))
        run = await lab.go_to_slot()
        await lab.job(holds=held_up("FailedCreate"))
        await page.shows("policy", lab)

        kind = "validatingadmissionpolicybinding"
        await asyncio.to_thread(control_plane.kubectl, "delete", kind, name)
        await succeeds(lab, run)


async def test_an_admission_webhook_that_does_not_answer(
    lab: Lab, page: Page, control_plane: ControlPlane
) -> None:
    name = f"sidecars-{lab.namespace}"
    webhook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "sidecars.mesh.example",
                "clientConfig": {"url": "https://127.0.0.1:1/pods"},
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": lab.namespace}
                },
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                    }
                ],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "failurePolicy": "Fail",
            }
        ],
    }
    async with lab.operator(policy=QUICK):
        await lab.ready_job()
        await apply(control_plane, webhook)
        await eventually(lambda: refuses_pods(lab))
        run = await lab.go_to_slot()
        await lab.job(holds=held_up("FailedCreate"))
        await page.shows("webhook", lab)

        kind = "validatingwebhookconfiguration"
        await asyncio.to_thread(control_plane.kubectl, "delete", kind, name)
        await succeeds(lab, run)


async def refuses_pods(lab: Lab) -> bool:
    """Whether a pod that nobody needs is refused: admission is told of its rules a little later."""
    container = {"name": "any", "image": "any"}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any"}}
    try:
        await lab.apply(PODS, body | {"spec": {"containers": [container]}})
    except ApiError:
        return True
    await lab.kube.delete(PODS, lab.namespace, "any")
    await lab.is_gone(PODS, "any")
    return False


async def test_a_service_account_that_was_deleted_while_a_run_is_due(lab: Lab, page: Page) -> None:
    """The job stayed Ready for as long as it was believed to be, and the run RUNNING for hours."""
    async with lab.operator(policy=QUICK):
        await lab.ready_job()
        await lab.delete(SERVICE_ACCOUNTS, "evaluation-runner")
        run = await lab.go_to_slot()
        await lab.job(holds=held_up("FailedCreate"))
        status = await lab.job(holds=reason("Ready", "NamespaceNotReady"))
        command = f"kubectl apply -n {lab.namespace} -k manifests/namespace"
        assert command in condition(status, "Ready")["message"]
        assert command in status["active"][0]["message"]
        await page.shows("account", lab)

        account = {"apiVersion": "v1", "kind": "ServiceAccount"}
        await lab.apply(SERVICE_ACCOUNTS, account | {"metadata": {"name": "evaluation-runner"}})
        await lab.job(holds=ready)
        await succeeds(lab, run)


async def test_a_secret_that_does_not_exist(lab: Lab, page: Page, tmp_path: Path) -> None:
    """In the words of the program of a check: the kubelet mounts an empty folder."""
    async with lab.operator(policy=QUICK):
        await lab.apply_job(runTemplate={"envFrom": [{"secretRef": {"name": "evaluation-db"}}]})
        check, words = await lab.check_name(), tmp_path / "termination-log"
        environment = {
            "EVALUATION_TABLE_URI": tmp_path.as_uri(),
            "EVALUATION_SECRETS_DIR": str(tmp_path),
            "EVALUATION_SECRETS": "evaluation-db",
        }
        code = execute(["check"], environment, words)
        await lab.kubelet.fail_with(check, code, words.read_text())
        status = await lab.job(holds=reason("Ready", "TableInvalid"))
        assert "Secret 'evaluation-db'" in condition(status, "Ready")["message"]
        await page.shows("secret", lab)

        lab.clock.offset += timedelta(minutes=1)
        await lab.pass_check()
        await lab.job(holds=ready)


async def test_an_image_that_could_not_be_pulled_until_the_deadline(lab: Lab, page: Page) -> None:
    """The Job controller deletes the pod at the deadline, and all that it said was gone with it."""
    image = "registry.invalid/evaluator:v1"
    why = f'failed to resolve reference "{image}": dial tcp: lookup registry.invalid: no such host'
    said = f'Back-off pulling image "{image}": ErrImagePull: failed to pull and unpack image: {why}'
    allowing = replace(QUICK, limits=Limits(allowed_images=("registry.invalid/*",)))
    async with lab.operator(policy=allowing):
        await lab.ready_job(runTemplate={"image": image})
        run = await lab.go_to_slot()
        await lab.kubelet.fail_to_pull(run, said)
        status = await lab.job(holds=held_up("ImagePullBackOff"))
        assert "no such host; name an image that can be pulled" in status["active"][0]["message"]

        await lab.kube.patch(JOBS, lab.namespace, run, {"spec": {"activeDeadlineSeconds": 1}})
        status = await lab.job(holds=state("SCHEDULED"))
        [attempt] = status["attempts"]
        deadline, trouble = attempt["partialFailures"]
        assert (deadline["code"], trouble["code"]) == (4, 9)
        assert "no such host; name an image that can be pulled" in trouble["message"]
        await page.shows("image", lab)
        event = await told(lab, "RunFailed")
        assert "activeDeadlineSeconds" in event
        assert "no such host" in event


async def test_a_run_that_needs_more_memory_than_it_may_have(lab: Lab, page: Page) -> None:
    """It was "exit code 137"."""
    async with lab.operator(policy=QUICK):
        await lab.ready_job()
        run = await lab.go_to_slot()
        await lab.kubelet.start(run)
        await lab.kubelet.exceed_memory(run)
        await lab.job(holds=held_up("OOMKilled"))
        await page.shows("memory", lab)

        more = {"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}}
        await lab.edit_job(runTemplate={"resources": more})
        await lab.delete(JOBS, run)
        await eventually(lambda: memory_of(lab, run), lambda memory: memory == "2Gi")
        await succeeds(lab, run)


async def test_a_pod_for_which_no_node_has_room(lab: Lab, page: Page) -> None:
    async with lab.operator(policy=QUICK):
        await lab.ready_job()
        run = await lab.go_to_slot()
        await lab.kubelet.find_no_node(
            run, "0/3 nodes are available: 1 node(s) had untolerated taint, 2 Insufficient memory."
        )
        await lab.job(holds=held_up("Unschedulable"))
        await page.shows("nodes", lab)

        await succeeds(lab, run)


async def test_a_volume_that_cannot_be_attached(lab: Lab, page: Page) -> None:
    """The pod said nothing but ContainerCreating, and only an Event why."""
    async with lab.operator(policy=QUICK):
        await lab.ready_job()
        run = await lab.go_to_slot()
        await lab.kubelet.take(run)
        said = 'Multi-Attach error for volume "pvc-7d0b5c1e" Volume is already used by pod(s) train'
        await lab.kubelet.warn(run, "FailedAttachVolume", said)
        await lab.job(holds=held_up("FailedAttachVolume"))
        await page.shows("volume", lab)

        await succeeds(lab, run)


async def test_a_check_of_a_table_whose_pod_cannot_be_made(lab: Lab, page: Page) -> None:
    """After ten minutes the table was blamed, at which nobody had looked."""
    async with lab.operator(policy=QUICK):
        await refuse_pods(lab)
        await lab.apply_job()
        status = await lab.job(holds=reason("Ready", "TableNotChecked"))
        assert "exceeded quota: no-pods" in condition(status, "Ready")["message"]
        await page.shows("check", lab)

        await lab.delete(QUOTAS, "no-pods")
        await lab.pass_check()
        await lab.job(holds=ready)


async def test_a_node_that_is_gone_with_its_pod(
    lab: Lab, page: Page, control_plane: ControlPlane
) -> None:
    """No kubelet is here to answer, as none is there. To delete the pod by force, as it was told,
    did not help: the Job's finalizer kept it."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
    await apply(control_plane, node)
    async with lab.operator(policy=QUICK):
        await lab.ready_job()
        run = await lab.go_to_slot()
        await lab.kubelet.take(run)
        await lab.kubelet.start(run)
        await lab.job(holds=goes_on)
        pod = (await lab.kubelet.pod(run))["metadata"]["name"]
        await lab.kube.delete(PODS, lab.namespace, pod)
        lab.clock.offset += timedelta(minutes=2)
        status = await lab.job(holds=held_up("PodLost"))
        assert f"kubectl delete node {NODE}" in status["active"][0]["message"]
        await page.shows("node", lab)

        await asyncio.to_thread(control_plane.kubectl, "delete", "node", NODE)
        await eventually(lambda: another_pod(lab, run, pod), seconds=150)
        await succeeds(lab, run)


async def another_pod(lab: Lab, run: str, pod: str) -> bool:
    return any(it["metadata"]["name"] != pod for it in await lab.kubelet.pods(run))


async def test_a_job_that_somebody_has_suspended(lab: Lab, page: Page) -> None:
    async with lab.operator(policy=QUICK):
        await lab.ready_job()
        run = await lab.go_to_slot()
        await lab.kubelet.start(run)
        await lab.kube.patch(JOBS, lab.namespace, run, {"spec": {"suspend": True}})
        await lab.job(holds=held_up("Suspended"))
        await page.shows("suspended", lab)

        await lab.kube.patch(JOBS, lab.namespace, run, {"spec": {"suspend": False}})
        await succeeds(lab, run)


async def test_a_model_version_that_another_job_evaluates(lab: Lab, page: Page) -> None:
    async with lab.operator(policy=QUICK):
        await lab.ready_job("earlier")
        await lab.apply_job()
        status = await lab.job(holds=reason("Stalled", "ModelVersionTaken"))
        assert status["stalled"] == "Stalled"
        await page.shows("taken", lab)

        await lab.delete(EVALUATION_JOBS, "earlier")
        await lab.job(holds=ready)


async def test_a_version_whose_pod_was_evicted(lab: Lab, page: Page) -> None:
    """It stayed `Running` without a pod, and could not be terminated."""
    async with lab.operator(policy=QUICK):
        await lab.ready_job()
        await lab.apply_version()
        run = "evjv-again"
        await lab.dataset(run)
        await lab.kubelet.start(run)
        await lab.version(holds=state("Running"))
        await lab.kubelet.evict(run, "The node was low on resource: ephemeral-storage.")
        status = await lab.version(holds=reason("Ready", "Evicted"))
        assert status["state"] == "Queuing"
        await page.shows("version", lab)

        await lab.kube.patch(
            EVALUATION_JOB_VERSIONS, lab.namespace, "again", {"spec": {"terminate": True}}
        )
        await lab.version(holds=state("Terminated"))


async def memory_of(lab: Lab, run: str) -> str:
    """What the run's Job allows its program."""
    job = await lab.kube.get(JOBS, lab.namespace, run)
    [container] = job["spec"]["template"]["spec"]["containers"]
    return str(container["resources"]["limits"]["memory"])


async def told(lab: Lab, wanted: str) -> str:
    """The message of the first Event of that reason; waits for it."""

    async def look() -> list[str]:
        found = lab.kube.list(EVENTS, lab.namespace)
        return [item["message"] async for item in found if item["reason"] == wanted]

    return (await eventually(look))[0]


def test_the_document_has_nothing_else() -> None:
    assert [*read_sections()] == [it.title for it in STANDSTILLS.values()]
