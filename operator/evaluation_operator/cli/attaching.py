"""What a user gives to a model server, a Broker or a shell, so that a job's predictions arrive."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.names import ResourceNameError, parse_model_version
from evaluation_operator.cli.errors import CliError
from evaluation_operator.cli.output import tell, write_manifests
from evaluation_operator.domain.facts.logger import needed_annotations
from evaluation_operator.domain.jobs.logger import opt_in_command
from evaluation_operator.domain.naming import ANNOTATION_MODEL_VERSION, SAMPLER_URL

BINARY_HEADER = "Inference-Header-Content-Length"
BROKER_URL = "http://broker-ingress.knative-eventing.svc.cluster.local/{namespace}/default"


@dataclass(frozen=True, slots=True)
class Attachment:
    """`notes` for people; then manifests (or a patch), or a command."""

    to: str
    sampler_url: str
    notes: tuple[str, ...]
    documents: tuple[Mapping[str, Any], ...] = field(default=())
    command: str | None = None

    def to_dict(self) -> dict[str, object]:
        return {
            "to": self.to,
            "samplerUrl": self.sampler_url,
            "notes": list(self.notes),
            "documents": [dict(document) for document in self.documents],
            "command": self.command,
        }


@dataclass(frozen=True, slots=True)
class _Place:
    job: EvaluationJob
    model: str
    version: str
    url: str

    @property
    def namespace(self) -> str:
        return self.job.namespace

    @property
    def service(self) -> str:
        """The InferenceService, which is named like the model unless the job says otherwise."""
        return self.job.spec.model_selector.get("inferenceservicename", self.model)


def attach_to(sender: str, body: Mapping[str, Any], url: str | None) -> Attachment:
    """`body`: the job as the API server has it. CliError for a URL or a job that cannot be."""
    job = EvaluationJob.from_dict(body)
    try:
        name = parse_model_version(job.spec.model_version, namespace=job.namespace)
    except ResourceNameError as error:
        raise CliError(str(error)) from error
    address = _checked(url or SAMPLER_URL.replace("{namespace}", job.namespace))
    return _SENDERS[sender](_Place(job, name.model, name.version, address))


def print_attachment(attachment: Attachment) -> None:
    """YAML that kubectl takes from a pipe, with the notes as its comments."""
    for note in attachment.notes:
        tell(f"# {note}")
    write_manifests(attachment.documents)
    if attachment.command is not None:
        for line in attachment.command.split("\n"):
            tell(line)


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CliError(f"--url: {url!r} is no http or https URL: write one like {SAMPLER_URL}")
    return url.rstrip("/") + "/"


def _kserve(place: _Place) -> Attachment:
    patch = {
        "metadata": {"annotations": {ANNOTATION_MODEL_VERSION: place.version}},
        "spec": {
            "predictor": {
                "logger": {
                    "mode": "all",
                    "url": place.url,
                    "metadataAnnotations": list(needed_annotations(place.job)),
                    "metadataHeaders": [BINARY_HEADER],
                }
            }
        },
    }
    notes = (
        f"A patch for InferenceService {place.service!r}; setting a logger rolls its pods:",
        f"kubectl evaluations attach {place.job.name} -n {place.namespace} --to kserve | kubectl "
        f"patch inferenceservice {place.service} -n {place.namespace} --type merge "
        "--patch-file /dev/stdin",
        "Where the sampler asks for a token: http://sampler:TOKEN@HOST/ as url (--url); whoever "
        "may read the InferenceService can read it.",
        "Or let the operator set it: spec.manageLogger: true in the job, and by the service's "
        "owner, beside what the annotation names already:",
        opt_in_command(place.namespace, place.service, [place.job.name]),
        "A predictor has one logger: if it is taken, use --to knative.",
    )
    return Attachment("kserve", place.url, notes, (patch,))


def _knative(place: _Place) -> Attachment:
    attributes = {
        key: value
        for key, value in place.job.spec.model_selector.items()
        if not key.startswith("annotations.") and key not in ("model_name", "model_version")
    } or {"inferenceservicename": place.service}
    trigger = {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": {
            "name": f"evaluation-sampler-{place.job.name}",
            "namespace": place.namespace,
        },
        "spec": {
            "broker": "default",
            # By the model, not by the type: requests and responses are both needed.
            "filter": {"attributes": attributes},
            "subscriber": {"uri": place.url},
            "delivery": {"retry": 5, "backoffPolicy": "exponential", "backoffDelay": "PT1S"},
        },
    }
    broker = BROKER_URL.replace("{namespace}", place.namespace)
    notes = (
        "A Trigger that brings a Broker's events to the sampler, whose replies carry none: pipe "
        "it to kubectl apply -f - (untried with a real Broker).",
        f"The InferenceService's spec.predictor.logger.url is then the Broker's: {broker}",
        f"with metadataAnnotations {list(needed_annotations(place.job))} and the annotation "
        f"{ANNOTATION_MODEL_VERSION}: {place.version}",
        f"Brokers send from their own namespace: kubectl apply -n {place.namespace} -k "
        "manifests/sampler/knative",
    )
    return Attachment("knative", place.url, notes, (trigger,))


def _envoy(place: _Place) -> Attachment:
    parts = urlsplit(place.url)
    fraction = place.job.spec.evaluation_job_config.example_sample_percentage
    settings = [
        f"EVALUATION_MODEL={place.model}",
        f"EVALUATION_MODEL_VERSION={place.version}",
        f"EVALUATION_FRACTION={fraction:g}",
        f"EVALUATION_SAMPLER_HOST={parts.hostname}",
        f"EVALUATION_SAMPLER_PORT={parts.port or 80}",
    ]
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": place.namespace,
        "components": ["manifests/envoy"],
        "configMapGenerator": [{"name": "evaluation-envoy", "literals": settings}],
    }
    notes = [
        "For the kustomization of your model server; `components` names a copy of "
        "manifests/envoy, and `resources` your own files.",
        'Give the Deployment or StatefulSet the label evaluations.dev/sampled: "true", and the '
        "Service the targetPort `sampled` (9080).",
        "EVALUATION_MODEL_PORT (8080) is the server's own port. No job can sample more than "
        "EVALUATION_FRACTION.",
    ]
    if parts.scheme == "https":
        raise CliError(f"--url: {place.url}: the sidecar speaks plain HTTP: name an http URL")
    if place.job.spec.model_selector:
        notes.append("The job has a spec.modelSelector: the sidecar's events must have all of it.")
    return Attachment("envoy", place.url, tuple(notes), (kustomization,))


def _http(place: _Place) -> Attachment:
    keys = place.job.spec.evaluation_job_config.bigquery_import_keys
    data = keys.data_json_key or keys.reference_json_key or "data"
    prediction = {keys.label_json_key: ["LABEL"], keys.label_score_json_key: [0.9]}
    body = {"id": "EVENT-1", "instances": [{data: "…"}], "predictions": [prediction]}
    url = f"{place.url}v1/jobs/{place.job.name}/predictions"
    command = (
        f"curl -i {shlex.quote(url)} \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    )
    notes = (
        "From a pod of the namespace; a list of such objects is taken too. The rows are "
        "EVENT-1/0, …: labels are imported by these ids.",
        "Where the sampler asks for a token: -H 'Authorization: Bearer TOKEN'",
    )
    return Attachment("http", place.url, notes, command=command)


_SENDERS: dict[str, Callable[[_Place], Attachment]] = {
    "kserve": _kserve,
    "knative": _knative,
    "envoy": _envoy,
    "http": _http,
}
