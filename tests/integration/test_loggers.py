"""spec.manageLogger against a real API server: KServe's slot is taken, kept and given back.

Of KServe only the kind is there, with the part of its schema that matters.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluation_operator.kube import EVALUATION_JOBS, INFERENCE_SERVICES, Kube
from tests.builders import Manifest
from tests.cluster.control_plane import ControlPlane
from tests.cluster.host import ClusterError, wait_until
from tests.cluster.settings import CHECKOUT
from tests.integration.eventually import eventually
from tests.integration.kserve import ANNOTATION, LOGGER_FOR, apply_kserve, service
from tests.integration.lab import POLICY, Lab, condition, quiet, ready, reason, writes

pytestmark = pytest.mark.integration

ACCOUNT = "evaluation-operator"
QUICK = replace(POLICY, logger_retry=timedelta(seconds=0.3))


@pytest.fixture(scope="module")
def _kserve(control_plane: ControlPlane) -> None:
    apply_kserve(control_plane)


async def logger_of(lab: Lab, name: str = "ripeness") -> Manifest:
    body = await lab.kube.get(INFERENCE_SERVICES, lab.namespace, name)
    return body["spec"]["predictor"].get("logger") or {}


async def without_logger(lab: Lab, name: str = "ripeness") -> None:
    await eventually(lambda: logger_of(lab, name), lambda logger: not logger)


def ours(lab: Lab) -> Manifest:
    return {
        "mode": "all",
        "url": f"http://evaluation-sampler.{lab.namespace}.svc/",
        "metadataAnnotations": [ANNOTATION],
    }


async def test_a_cluster_without_kserve_is_told_so(lab: Lab) -> None:
    """Before the others, which install it."""
    async with lab.operator():
        await lab.ready_job(manageLogger=True)
        status = await lab.job(holds=reason("LoggerManaged", "KServeNotFound"))
        assert condition(status, "LoggerManaged")["status"] == "False"
        assert ready(status)


@pytest.mark.usefixtures("_kserve")
async def test_the_slot_is_taken_once_kept_and_given_back(lab: Lab) -> None:
    await lab.apply(INFERENCE_SERVICES, service())
    async with lab.operator() as operator:
        await lab.ready_job()
        await quiet(operator)
        before = writes(operator)
        await lab.edit_job(manageLogger=True)
        status = await lab.job(holds=reason("LoggerManaged", "LoggerSet"))
        await quiet(operator)
        assert await logger_of(lab) == ours(lab)
        assert condition(status, "LoggerManaged")["status"] == "True"
        assert status["managedLogger"] == "ripeness"
        assert writes(operator) - before == 2, "the service and the status"

        name = await lab.go_to_slot()
        await lab.finish(name)
        await lab.job(holds=lambda status: status.get("latestEvaluation"))
        await quiet(operator)
        assert writes(operator) - before <= 2 + 4

        await lab.edit_job(manageLogger=False)
        status = await lab.job(holds=lambda status: "managedLogger" not in status)
        assert not condition(status, "LoggerManaged")
        body = await lab.kube.get(INFERENCE_SERVICES, lab.namespace, "ripeness")
        assert body["spec"] == service()["spec"]


async def annotate(lab: Lab, logger_for: str | None, name: str = "ripeness") -> None:
    patch = {"metadata": {"annotations": {LOGGER_FOR: logger_for}}}
    await lab.kube.patch(INFERENCE_SERVICES, lab.namespace, name, patch, field_manager="owner")


async def write_count(lab: Lab, name: str = "ripeness") -> Any:
    """Goes up when a service's spec is written, which rolls its model."""
    body = await lab.kube.get(INFERENCE_SERVICES, lab.namespace, name)
    return body["metadata"]["generation"]


@pytest.mark.usefixtures("_kserve")
async def test_a_job_cannot_have_the_predictions_of_a_service_whose_owner_says_nothing(
    lab: Lab,
) -> None:
    """Somebody with `evaluations-edit` alone, who may not patch any InferenceService, wrote a job
    with `manageLogger`, somebody else's model as `inferenceservicename` and a table of his own. The
    operator, which may, set the logger of that service for him: every request and answer of
    `payments` went into his table."""
    await lab.apply(INFERENCE_SERVICES, service("payments", logger_for=None))
    async with lab.operator(policy=QUICK):
        await lab.ready_job(
            "loot", manageLogger=True, modelSelector={"inferenceservicename": "payments"}
        )
        status = await lab.job("loot", reason("LoggerManaged", "NotOptedIn"))
        told = condition(status, "LoggerManaged")
        assert told["status"] == "False"
        cure = f"annotate inferenceservice payments -n {lab.namespace} --overwrite"
        assert f"{cure} {LOGGER_FOR}=loot" in told["message"]
        assert await logger_of(lab, "payments") == {}
        assert await write_count(lab, "payments") == 1
        assert ready(status), "sampling by other means goes on"

        await annotate(lab, "loot", "payments")
        await lab.job("loot", reason("LoggerManaged", "LoggerSet"))
        assert await logger_of(lab, "payments") == ours(lab)


@pytest.mark.usefixtures("_kserve")
async def test_a_logger_from_before_owners_were_asked_stays_until_one_has_spoken(
    lab: Lab,
) -> None:
    """The upgrade itself may not roll a model. Afterwards the owner's word counts: given, nothing
    changes; withdrawn, the logger goes."""
    await lab.apply(INFERENCE_SERVICES, service(logger_for=None))
    async with lab.operator(policy=QUICK):
        await lab.ready_job()
    await lab.kube.apply(
        INFERENCE_SERVICES,
        lab.namespace,
        {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": "ripeness"},
            "spec": {"predictor": {"logger": ours(lab)}},
        },
    )
    await lab.edit_job(manageLogger=True)
    job = await lab.kube.get(EVALUATION_JOBS, lab.namespace, "ripeness")
    job["status"]["managedLogger"] = "ripeness"
    await lab.kube.replace_status(EVALUATION_JOBS, lab.namespace, job)
    count = await write_count(lab)

    async with lab.operator(policy=QUICK):
        status = await lab.job(holds=reason("LoggerManaged", "NotOptedIn"))
        assert condition(status, "LoggerManaged")["status"] == "True"
        await annotate(lab, "other, ripeness")
        status = await lab.job(holds=reason("LoggerManaged", "LoggerSet"))
        assert await write_count(lab) == count
        assert status["managedLoggerOptedIn"] is True

    await annotate(lab, "other")
    async with lab.operator(policy=QUICK):
        await lab.job(holds=reason("LoggerManaged", "NotOptedIn"))
        await without_logger(lab)


@pytest.mark.usefixtures("_kserve")
async def test_a_deleted_job_gives_the_slot_back_unless_another_needs_it(lab: Lab) -> None:
    await lab.apply(INFERENCE_SERVICES, service())
    async with lab.operator():
        await lab.ready_job(manageLogger=True)
        await lab.apply_job("second", manageLogger=True, modelVersion="models/ripeness/versions/v2")
        status = await lab.job("second", reason("LoggerManaged", "VersionUnknown"))
        told = condition(status, "LoggerManaged")["message"]
        assert f"its annotation {ANNOTATION} is 'v1'" in told
        assert f"--overwrite {ANNOTATION}=v2" in told

        await lab.delete(EVALUATION_JOBS, "ripeness")
        await lab.is_gone(EVALUATION_JOBS, "ripeness")
        assert await logger_of(lab) == ours(lab)
        await lab.delete(EVALUATION_JOBS, "second")
        await without_logger(lab)


@pytest.mark.usefixtures("_kserve")
async def test_the_logger_of_somebody_else_is_left_alone(lab: Lab) -> None:
    theirs = {"mode": "all", "url": "http://somebody:secret@drift.example/"}
    await lab.apply(INFERENCE_SERVICES, service(logger=theirs))
    async with lab.operator(policy=QUICK):
        await lab.ready_job(manageLogger=True)
        status = await lab.job(holds=reason("LoggerManaged", "LoggerSlotTaken"))
        told = condition(status, "LoggerManaged")
        assert told["status"] == "False"
        assert "drift.example" in told["message"]
        assert "Knative" in told["message"]
        assert "secret" not in told["message"]
        assert ready(status)
        assert await logger_of(lab) == theirs

        await lab.kube.patch(
            INFERENCE_SERVICES,
            lab.namespace,
            "ripeness",
            {"spec": {"predictor": {"logger": None}}},
            field_manager="somebody",
        )
        await lab.job(holds=reason("LoggerManaged", "LoggerSet"))
        assert await logger_of(lab) == ours(lab)


@pytest.mark.usefixtures("_kserve")
async def test_a_service_that_comes_late_is_found_by_its_selector(lab: Lab) -> None:
    async with lab.operator(policy=QUICK):
        selector = {"inferenceservicename": "fruit", "annotations.team": "north"}
        await lab.ready_job(manageLogger=True, modelSelector=selector)
        status = await lab.job(holds=reason("LoggerManaged", "InferenceServiceNotFound"))
        assert ready(status)
        await lab.apply(INFERENCE_SERVICES, service("fruit"))
        await lab.job(holds=reason("LoggerManaged", "LoggerSet"))
        wanted = ours(lab) | {"metadataAnnotations": [ANNOTATION, "team"]}
        assert await logger_of(lab, "fruit") == wanted

        await lab.apply(INFERENCE_SERVICES, service("berries"))
        await lab.edit_job(modelSelector={"inferenceservicename": "berries"})
        await lab.job(holds=lambda status: status.get("managedLogger") == "berries")
        await without_logger(lab, "fruit")


@pytest.fixture(scope="module")
def installed(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig of the operator's own account, with the rights of manifests/base alone."""
    base = CHECKOUT / "manifests" / "base"
    for name in ("namespace", "service-account", "operator-role"):
        control_plane.kubectl("apply", "-f", str(base / f"{name}.yaml"))
    token = control_plane.kubectl("create", "token", ACCOUNT, "-n", ACCOUNT).strip()
    content = yaml.safe_load(control_plane.kubeconfig.read_text())
    content["users"] = [
        {"name": user["name"], "user": {"token": token}} for user in content["users"]
    ]
    path = tmp_path_factory.mktemp("rights") / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.usefixtures("_kserve")
async def test_the_right_is_an_installation_of_its_own(
    lab: Lab, control_plane: ControlPlane, installed: Path
) -> None:
    await lab.apply(INFERENCE_SERVICES, service())
    async with lab.operator(await Kube.connect(str(installed)), policy=QUICK):
        await lab.ready_job(manageLogger=True)
        status = await lab.job(holds=reason("LoggerManaged", "PermissionDenied"))
        assert "kubectl apply -k manifests/kserve" in condition(status, "LoggerManaged")["message"]
        assert ready(status)
        name = await lab.go_to_slot()
        await lab.finish(name)
        await lab.job(holds=lambda status: status.get("latestEvaluation"))

        control_plane.kubectl("apply", "-k", str(CHECKOUT / "manifests" / "kserve"))
        await lab.job(holds=reason("LoggerManaged", "LoggerSet"))
        assert await logger_of(lab) == ours(lab)

        control_plane.kubectl("delete", "-k", str(CHECKOUT / "manifests" / "kserve"))
        await lab.delete(EVALUATION_JOBS, "ripeness")
        await lab.is_gone(EVALUATION_JOBS, "ripeness")
        await eventually(lab.reasons, lambda reasons: "PermissionDenied" in reasons)


@pytest.mark.usefixtures("_kserve")
async def test_a_service_that_its_admission_refuses_holds_nothing_up(
    lab: Lab, control_plane: ControlPlane
) -> None:
    """As KServe's own webhooks may, or a policy that forbids loggers."""
    policy = {"apiVersion": "v1", "kind": "List", "items": no_loggers(lab)}
    control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(policy))
    await lab.apply(INFERENCE_SERVICES, service())
    logger = json.dumps({"spec": {"predictor": {"logger": {"mode": "all"}}}})
    attempt = ("patch", "inferenceservice", "ripeness", "--type=merge", f"-p={logger}")

    def is_refused() -> bool:
        try:
            control_plane.kubectl("-n", lab.namespace, *attempt, "--dry-run=server")
        except ClusterError as error:
            return "no loggers here" in str(error)
        return False

    wait_until(is_refused, "the policy to count", 60)
    async with lab.operator(policy=QUICK) as operator:
        await lab.ready_job(manageLogger=True)
        status = await lab.job(holds=reason("LoggerManaged", "LoggerRefused"), seconds=40)
        assert "no loggers here" in condition(status, "LoggerManaged")["message"]
        assert ready(status)
        before = writes(operator)
        name = await lab.go_to_slot()
        await lab.finish(name)
        await lab.job(holds=lambda status: status.get("latestEvaluation"))
        assert writes(operator) - before <= 4, "a write that was refused is none"
        await lab.delete(EVALUATION_JOBS, "ripeness")
        await lab.is_gone(EVALUATION_JOBS, "ripeness")


def no_loggers(lab: Lab) -> list[Manifest]:
    """An admission policy for the namespace of the test."""
    group = "admissionregistration.k8s.io/v1"
    name = f"no-loggers-{lab.namespace}"
    rule = {
        "apiGroups": ["serving.kserve.io"],
        "apiVersions": ["v1beta1"],
        "operations": ["UPDATE"],
        "resources": ["inferenceservices"],
    }
    check = {
        "expression": "!has(object.spec.predictor.logger)",
        "message": "no loggers here",
    }
    policy = {"matchConstraints": {"resourceRules": [rule]}, "validations": [check]}
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": lab.namespace}}
        },
    }
    return [
        {
            "apiVersion": group,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": policy,
        },
        {
            "apiVersion": group,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": binding,
        },
    ]
