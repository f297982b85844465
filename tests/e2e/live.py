"""The cluster with pods, as tests see it: kubectl, the operator as a user installs it, tables.

The operator of a cluster is one, so tests share it; each has a namespace of its own.
"""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.builders import merged
from tests.cluster.binary import build_binary
from tests.cluster.host import find_program, run, wait_until
from tests.cluster.overlay import Overlay, shifted_clock
from tests.cluster.settings import CHECKOUT, Settings
from tests.e2e.loading import MOUNT, build_loading

Body = dict[str, Any]

OPERATOR_NAMESPACE = "evaluation-operator"
OPERATOR = f"system:serviceaccount:{OPERATOR_NAMESPACE}:evaluation-operator"
RUN_SECONDS = 120.0
"""More than any run of a few rows takes, on a machine that is busy with other things."""

KEYS = {"data_json_key": "text", "label_json_key": "labels", "label_score_json_key": "scores"}


class Live:
    """A cluster that is up, with the images loaded."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.kubeconfig = settings.kubeconfig
        self._directory = directory
        self._program = find_program("kubectl") or build_binary(settings).kubectl

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        return run([self._program, "--kubeconfig", self.kubeconfig, *arguments], stdin=stdin)

    @contextmanager
    def watching(self, *arguments: str) -> Iterator[Iterator[Body]]:
        """The objects that a command with --watch prints, as they come."""
        command = [self._program, "--kubeconfig", self.kubeconfig, *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield _objects(process.stdout)
            finally:
                process.kill()

    def get(self, kind: str, name: str, namespace: str) -> Body:
        found: Body = json.loads(self.kubectl("get", kind, name, "-n", namespace, "-o", "json"))
        return found

    def list(self, kind: str, namespace: str, selector: str = "") -> list[Body]:
        said = self.kubectl("get", kind, "-n", namespace, "-l", selector, "-o", "json")
        items: list[Body] = json.loads(said)["items"]
        return items

    def apply(self, namespace: str, *bodies: Mapping[str, Any]) -> str:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
        where = ("--namespace", namespace, "--filename", "-")
        return self.kubectl("apply", "--server-side", "--validate=strict", *where, stdin=text)

    def wait_for(
        self,
        kind: str,
        name: str,
        namespace: str,
        condition: Callable[[Body], object],
        what: str,
        seconds: float = RUN_SECONDS,
    ) -> Body:
        """The object, once `condition` holds; the error shows what it was like at the end."""
        found: Body = {}

        def holds() -> bool:
            nonlocal found
            found = self.get(kind, name, namespace)
            return bool(condition(found))

        try:
            wait_until(holds, f"{kind} {name}: {what}", seconds, 0.5)
        except Exception as error:
            error.add_note(json.dumps(found.get("status"), indent=1))
            raise
        return found

    def wait_ready(self, name: str, namespace: str) -> Body:
        return self.wait_for(
            "evaluationjob", name, namespace, lambda job: ready(job)["status"] == "True", "Ready"
        )

    def can(self, user: str, verb: str, resource: str, namespace: str) -> bool:
        """Whether RBAC lets `user` do that; groups of service accounts are added."""
        groups = ["system:authenticated"]
        if user.startswith("system:serviceaccount:"):
            groups += ["system:serviceaccounts", f"system:serviceaccounts:{user.split(':')[2]}"]
        resource, _, subresource = resource.partition("/")
        group, _, plural = resource.rpartition(":")
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user,
                "groups": groups,
                "resourceAttributes": {
                    "namespace": namespace,
                    "verb": verb,
                    "group": group,
                    "resource": plural,
                    "subresource": subresource,
                },
            },
        }
        said = self.kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(review))
        return bool(json.loads(said)["status"]["allowed"])

    def install(
        self,
        clock_offset: timedelta = timedelta(0),
        namespaces: Sequence[str] = (),
        **settings: str,
    ) -> None:
        """The trial overlay, always with new pods, since images keep their name.

        A shifted clock is for the given namespaces alone: no other job is to think it is later.
        """
        environment = {"EVALUATION_NAMESPACES": ",".join(namespaces)} if namespaces else {}
        environment |= shifted_clock(clock_offset) | settings
        trial = CHECKOUT / "manifests" / "overlays" / "trial"
        overlay = Overlay(trial, "Deployment", "evaluation-operator", environment)
        self.kubectl("apply", "-k", overlay.write(self._folder()))
        self.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=60s")
        where = ("-n", OPERATOR_NAMESPACE)
        self.kubectl(
            "rollout", "status", "deployment/evaluation-operator", *where, "--timeout=120s"
        )
        wait_until(self._is_led, "the new operator to lead", 60, 0.5)

    def install_sampler(
        self, namespace: str, replicas: int = 1, clock_offset: timedelta = timedelta(0)
    ) -> None:
        """The namespace's sampler, with the operator's clock, always with new pods."""
        overlay = Overlay(
            CHECKOUT / "manifests" / "sampler",
            "StatefulSet",
            "evaluation-sampler",
            {"EVALUATION_SAMPLER_FLUSH_SECONDS": "5", **shifted_clock(clock_offset)},
            [
                {"op": "replace", "path": "/spec/replicas", "value": replicas},
                # So that a test can kill it: nobody inside can kill a container's first process.
                {
                    "op": "add",
                    "path": "/spec/template/spec/shareProcessNamespace",
                    "value": True,
                },
            ],
        )
        self.kubectl("apply", "-n", namespace, "-k", overlay.write(self._folder()))
        self.wait_sampler(namespace)

    def wait_sampler(self, namespace: str) -> None:
        where = ("-n", namespace, "--timeout=180s")
        self.kubectl("rollout", "status", "statefulset/evaluation-sampler", *where)

    def in_sampler(self, namespace: str, replica: int, *command: str, stdin: str = "") -> str:
        pod = ("-n", namespace, f"evaluation-sampler-{replica}", "-c", "sampler")
        return self.kubectl("exec", "-i", *pod, "--", *command, stdin=stdin)

    def operator_log(self) -> str:
        selector = "app.kubernetes.io/name=evaluation-operator"
        return self.kubectl("logs", "-n", OPERATOR_NAMESPACE, "-l", selector, "--tail=-1")

    def make_namespace(self, stem: str) -> str:
        """A new namespace that admits only restricted pods, made ready as its Ready says."""
        name = f"e2e-{stem}-{uuid.uuid4().hex[:6]}"
        self.apply("default", namespace_body(name))
        self.kubectl("apply", "-n", name, "-k", CHECKOUT / "manifests" / "namespace")
        return name

    def load(self, namespace: str, table: str, files: Mapping[str, bytes]) -> None:
        """Append the rows and labels of files to a table on the namespace's claim."""
        bodies = build_loading(table, files, table_uri(table))
        self.apply(namespace, *bodies)
        name = f"job/{bodies[1]['metadata']['name']}"
        self.kubectl("wait", "-n", namespace, "--for=condition=Complete", name, "--timeout=120s")

    def _folder(self) -> Path:
        folder = self._directory / uuid.uuid4().hex
        folder.mkdir()
        return folder

    def _is_led(self) -> bool:
        selector = "app.kubernetes.io/name=evaluation-operator"
        pods = [
            pod["metadata"]["name"]
            for pod in self.list("pods", OPERATOR_NAMESPACE, selector)
            if "deletionTimestamp" not in pod["metadata"]
        ]
        lease = self.get("lease", "evaluation-operator", OPERATOR_NAMESPACE)
        return len(pods) == 1 and lease["spec"].get("holderIdentity") in pods


def _objects(lines: Iterable[str]) -> Iterator[Body]:
    """Each ends with a brace at the beginning of a line."""
    text = ""
    for line in lines:
        text += line
        if line.startswith("}"):
            yield json.loads(text)
            text = ""


def ready(job: Body) -> Body:
    """The condition Ready; of status Unknown while there is none."""
    conditions = job.get("status", {}).get("conditions", [])
    return next((it for it in conditions if it["type"] == "Ready"), {"status": "Unknown"})


def table_uri(table: str) -> str:
    return f"file://{MOUNT}/{table}"


def namespace_body(name: str) -> Body:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    }


def spec_set(labels: Sequence[str]) -> Body:
    return {
        "apiVersion": "evaluations.dev/v1beta1",
        "kind": "AnnotationSpecSet",
        "metadata": {"name": "moods"},
        "spec": {
            "displayName": "Moods",
            "annotationSpecs": [{"displayName": label} for label in labels],
        },
    }


def text_job(name: str, table: Mapping[str, str], **changes: Any) -> Body:
    """A job for model `moods`, version `name`, every day, over a table source."""
    base = {
        "apiVersion": "evaluations.dev/v1beta1",
        "kind": "EvaluationJob",
        "metadata": {"name": name},
        "spec": {
            "description": "Moods of messages",
            "schedule": "every 24 hours",
            "modelVersion": f"models/moods/versions/{name}",
            "annotationSpecSet": "moods",
            "labelMissingGroundTruth": False,
            "evaluationJobConfig": {
                "inputConfig": {
                    "dataType": "TEXT",
                    "annotationType": "TEXT_CLASSIFICATION_ANNOTATION",
                    "classificationMetadata": {"isMultiLabel": False},
                    "tableSource": dict(table),
                },
                "evaluationConfig": {},
                "textClassificationConfig": {"annotationSpecSet": "moods"},
                "bigqueryImportKeys": KEYS,
                "exampleCount": 1000,
                "exampleSamplePercentage": 1,
            },
        },
    }
    return merged(base, changes)
