"""Of KServe only the kind, with the part of its schema that matters."""

from __future__ import annotations

import json
from typing import Any

from tests.builders import Manifest
from tests.cluster.control_plane import ControlPlane

ANNOTATION = "evaluations.dev/model-version"
LOGGER_FOR = "evaluations.dev/logger-for"
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
STRINGS = {
    "type": "array",
    "items": {"type": "string"},
    "x-kubernetes-list-type": "atomic",
}
LOGGER = {
    "type": "object",
    "properties": {
        "mode": {"type": "string", "enum": ["all", "request", "response"]},
        "url": {"type": "string"},
        "metadataAnnotations": STRINGS,
    },
}
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "inferenceservices.serving.kserve.io"},
    "spec": {
        "group": "serving.kserve.io",
        "scope": "Namespaced",
        "names": {
            "plural": "inferenceservices",
            "singular": "inferenceservice",
            "kind": "InferenceService",
        },
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "predictor": {
                                        "type": "object",
                                        "properties": {"model": OPEN, "logger": LOGGER},
                                    }
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


def apply_kserve(control_plane: ControlPlane) -> None:
    """Install the kind and wait until it is served."""
    control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(CRD))
    name = f"crd/{CRD['metadata']['name']}"  # type: ignore[index]
    control_plane.kubectl("wait", "--for=condition=Established", name, "--timeout=60s")


def service(name: str = "ripeness", *, logger_for: str | None = "*", **predictor: Any) -> Manifest:
    """With the word of its owner for every job, unless told otherwise."""
    annotations = {ANNOTATION: "v1"} | ({LOGGER_FOR: logger_for} if logger_for else {})
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"predictor": {"model": {"storageUri": "pvc://models/ripeness"}, **predictor}},
    }
