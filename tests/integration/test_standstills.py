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
from evaluation_operator.kube import EVENTS, JOBS, PODS, SERVICE_ACCOUNTS, ApiError, Resource
from tests.builders import Manifest
from tests.cluster.control_plane import ControlPlane
from tests.integration.eventually import eventually
from tests.integration.lab import POLICY, Lab, condition, ready, reason, state
from tests.integration.standstills import STANDSTILLS, Page, read_sections

pytestmark = pytest.mark.integration

QUICK = replace(POLICY, trouble_after=timedelta(seconds=0.3))
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota")
LIMIT_RANGES = Resource("", "v1", "limitranges", "LimitRange")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(monkeypatch)


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


async def told(lab: Lab, wanted: str) -> str:
    """The message of the first Event of that reason; waits for it."""

    async def look() -> list[str]:
        found = lab.kube.list(EVENTS, lab.namespace)
        return [item["message"] async for item in found if item["reason"] == wanted]

    return (await eventually(look))[0]


def test_the_document_has_nothing_else() -> None:
    assert [*read_sections()] == [it.title for it in STANDSTILLS.values()]
