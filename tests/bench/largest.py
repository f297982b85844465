"""The largest EvaluationJobs that the API server admits: by their schema, or by metadata.

The schema bounds each field, and etcd the whole, to 1.5 MiB. What fills it is the affinity of the
run's pod to other pods, the largest part that a decision needs, so that nothing of it can be
dropped. (Affinity to nodes names labels that an administrator has to allow first.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from evaluation_operator.api.affinity import LABEL_KEY_LENGTH
from tests.builders import Manifest, make_evaluation_job, merged
from tests.cluster.settings import CHECKOUT

DOMAIN = ".".join(["x" * 60] * 4)
ETCD_BYTES = 1_500_000
"""etcd's limit of a request is 1.5 MiB; the rest is for metadata, status and managed fields."""

Schema = Mapping[str, Any]


def largest_job(name: str, size: int = ETCD_BYTES) -> Manifest:
    """At most `size` bytes of JSON, and not much less where the schema lets it be so large."""
    schema = _schema()["properties"]
    spec = schema["spec"]["properties"]
    job = make_evaluation_job(name, spec={"description": _text(spec["description"], 0)})
    affinity = _fullest(spec["runTemplate"]["properties"]["affinity"], 0)
    del affinity["nodeAffinity"]
    for part, kinds in _places(affinity):
        wanted = part[kinds]
        while wanted and _size(job, affinity) > size:
            wanted.pop()
        if not wanted:
            del part[kinds]
    return merged(job, {"spec": {"runTemplate": {"affinity": affinity}}})


def heavy_job(name: str) -> Manifest:
    """A megabyte as it is stored: annotations up to what the API server lets them have, and
    finalizers, of which it writes each into managedFields once more."""
    metadata = {
        "annotations": {"example.org/note": "x" * 250_000},
        "finalizers": [f"{DOMAIN}/{'x' * 50}-{n:04}" for n in range(1_500)],
    }
    spec = {"modelVersion": f"models/{name}/versions/v1"}
    return make_evaluation_job(name, metadata=metadata, spec=spec)


@cache
def _schema() -> Schema:
    crd = yaml.safe_load((CHECKOUT / "crds" / "evaluationjobs.yaml").read_text())
    schema: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _size(job: Manifest, affinity: Manifest) -> int:
    return len(json.dumps(job).encode()) + len(json.dumps(affinity).encode())


def _places(affinity: Manifest) -> list[tuple[Manifest, str]]:
    """The lists of terms that may be left out one by one."""
    strengths = ("preferred", "required")
    return [
        (affinity[kind], f"{strength}DuringSchedulingIgnoredDuringExecution")
        for kind in ("podAntiAffinity", "podAffinity")
        for strength in strengths
    ]


def _fullest(schema: Schema, number: int) -> Any:
    """A value with every field, every list and every text as long as it may be."""
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            values = {key: _fullest(part, number) for key, part in fields.items()}
            return {key: value for key, value in values.items() if value != {}}
        case "array":
            return [_fullest(schema["items"], n) for n in range(schema["maxItems"])]
        case "integer":
            return schema["maximum"]
        case "string":
            return schema["enum"][0] if "enum" in schema else _text(schema, number)
    raise ValueError(f"no value is known for {schema}")


def _text(schema: Schema, number: int) -> str:
    """No two of a list alike; of the characters that take most bytes, where these are allowed."""
    length, pattern = schema["maxLength"], schema.get("pattern", "")
    if length == LABEL_KEY_LENGTH:
        return f"{DOMAIN}/{'x' * 61}{number:02}"
    texts = [f"{letter * (length - 2)}{number:02}" for letter in ("\N{GRINNING FACE}", "x")]
    return next(text for text in texts if re.search(pattern, text))
