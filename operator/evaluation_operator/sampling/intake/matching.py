"""Which jobs of its namespace an event belongs to. All rules are here.

**Namespace.** An event with the attribute `namespace` belongs to the jobs of that one only.

**Jobs with `spec.modelSelector`** take the events whose values equal every entry of it. A key is
the name of a CloudEvents attribute (`inferenceservicename`, `component`, `endpoint`, ...),
`annotations.KEY` for an annotation that the sender passes on as JSON in `annotations`, or
`model_name` and `model_version` for what a V2 response says in its body.

**Every other job** takes the events of its model and version, `models/MODEL/versions/VERSION`:

1. the model is the first of: attribute `inferenceservicename`, attribute `modelname`, V2's
   `model_name`;
2. `component` is `predictor`, or not given: what goes through a transformer or explainer is not
   what the model saw;
3. the version is the first of: annotation `evaluations.dev/model-version`, attribute
   `modelversion`, V2's `model_version`, attribute `endpoint`. Nothing is guessed: without any of
   them the event belongs to no job.

What is given without text counts as not given here. A job that does not sample now (paused,
stopped) takes nothing.

**Requests of V2** do not say what the response's body will. So a request goes to every job that it
may still turn out to belong to, and the response decides: halves meet only in its jobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

import orjson

from evaluation_operator.bodies.values import Json, Payload
from evaluation_operator.domain.naming import ANNOTATION_MODEL_VERSION
from evaluation_operator.domain.sampled_job import SampledJob
from evaluation_operator.sampling.records import Event, Reason, Side

_ANNOTATIONS: Final = "annotations."
_IN_BODY: Final = ("model_name", "model_version")
# Names of models in counts and messages; none in Kubernetes is longer.
_MAXIMUM_NAME: Final = 253

Jobs = tuple[SampledJob, ...]
Told = dict[str, str]


class Match(NamedTuple):
    """The jobs that take an event, or why there is none (`reason`; None iff there are jobs).

    `model` and `version` as far as the event tells them, at most 253 characters each. `is_final`:
    nothing that the body may say can change this, so there is no need to match once more.
    """

    jobs: tuple[SampledJob, ...]
    reason: Reason | None
    model: str | None
    version: str | None
    is_final: bool = True


@dataclass(slots=True)
class _Model:
    """Jobs of one model by version, and all of them."""

    all: Jobs = ()
    versions: dict[str, Jobs] = field(default_factory=dict)


class Matcher:
    """Finds the jobs of an event by look-ups; keeps nothing of the events it has seen.

    Made anew whenever the jobs change. The cost of a match does not grow with their number, unless
    an event tells nothing at all of its model.
    """

    def __init__(self, jobs: Iterable[SampledJob], namespace: str) -> None:
        self._namespace = namespace
        self._models: dict[str, _Model] = {}
        self._named: Jobs = ()
        selecting: list[SampledJob] = []
        named: list[SampledJob] = []
        for job in jobs:
            (selecting if job.selector else named).append(job)
        self._named = tuple(named)
        for job in named:
            model = self._models.setdefault(job.model, _Model())
            model.all += (job,)
            model.versions[job.version] = (*model.versions.get(job.version, ()), job)
        self._selecting = _by_rarest_entry(selecting)
        self._asks_bodies = any(key in job.selector for job in selecting for key in _IN_BODY)

    def match(self, event: Event, told: Payload | None = None) -> Match:
        """The jobs that take the event. `told` is its body; None: it was not read yet, and then
        these are all jobs that it may still lead to, so none means that it need not be read."""
        attributes = event.attributes
        namespace = attributes.get("namespace")
        is_open = told is None or (told.is_v2 and event.side is Side.REQUEST)
        annotations = _annotations(attributes.get("annotations"))
        model = attributes.get("inferenceservicename") or attributes.get("modelname")
        version = annotations.get(ANNOTATION_MODEL_VERSION) or attributes.get("modelversion")
        is_final = True
        if told is not None:
            model = model or told.model_name
            version = version or told.model_version
        elif not model or not version or self._asks_bodies:
            is_final = False
        if not is_open:
            version = version or attributes.get("endpoint")
        if namespace and namespace != self._namespace:
            return _match((), Reason.OTHER_NAMESPACE, model, version)
        jobs, reason = self._of_model(attributes, model or None, version or None, is_open)
        if self._selecting:
            jobs += self._of_selectors(attributes, annotations, told, is_open)
        sampling = tuple([job for job in jobs if job.is_sampling])
        if jobs and not sampling:
            reason = Reason.NOT_SAMPLING
        return _match(sampling, reason, model, version, is_final)

    def _of_model(
        self, attributes: Mapping[str, str], model: str | None, version: str | None, is_open: bool
    ) -> tuple[Jobs, Reason]:
        """Jobs without a selector; the reason holds if there are none."""
        if attributes.get("component") not in (None, "", "predictor"):
            return (), Reason.OTHER_COMPONENT
        if model is None:
            jobs = self._named if is_open else ()
            if version is not None:
                jobs = tuple(job for job in jobs if job.version == version)
            return jobs, Reason.UNKNOWN_MODEL
        found = self._models.get(model)
        if found is None:
            return (), Reason.UNKNOWN_MODEL
        if version is None:
            return found.all if is_open else (), Reason.UNKNOWN_VERSION
        return found.versions.get(version, ()), Reason.UNKNOWN_VERSION

    def _of_selectors(
        self,
        attributes: Mapping[str, str],
        annotations: Mapping[str, str],
        told: Payload | None,
        is_open: bool,
    ) -> Jobs:
        body = {
            "model_name": told.model_name if told else None,
            "model_version": told.model_version if told else None,
        }

        def value(key: str) -> str | None:
            if key in body:
                return body[key]
            if key.startswith(_ANNOTATIONS):
                return annotations.get(key[len(_ANNOTATIONS) :])
            return attributes.get(key.lower())

        def takes(job: SampledJob) -> bool:
            return all(
                value(key) == wanted or (is_open and key in body and body[key] is None)
                for key, wanted in job.selector.items()
            )

        found: list[SampledJob] = []
        for key, by_value in self._selecting.items():
            given = value(key)
            if given is not None:
                found += filter(takes, by_value.get(given, ()))
            elif is_open and key in body:
                found += (job for jobs in by_value.values() for job in jobs if takes(job))
        return tuple(found)


def _by_rarest_entry(jobs: list[SampledJob]) -> dict[str, dict[str, list[SampledJob]]]:
    """Jobs with a selector under one entry of it, key and value: one that few others have, so
    that few are compared, and of attributes rather than of bodies, which come late."""
    uses = Counter(entry for job in jobs for entry in job.selector.items())
    found: dict[str, dict[str, list[SampledJob]]] = {}
    for job in jobs:
        key, value = min(
            job.selector.items(), key=lambda entry: (entry[0] in _IN_BODY, uses[entry], entry)
        )
        found.setdefault(key, {}).setdefault(value, []).append(job)
    return found


@lru_cache(maxsize=64)
def _annotations(text: str | None) -> Told:
    """The annotations that an event passes on; none where they cannot be read. A server sends the
    same ones with every event."""
    if not text or text == "{}":
        return {}
    try:
        document: Json = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(document, dict):
        return {}
    return {key: value for key, value in document.items() if isinstance(value, str)}


def _match(
    jobs: Jobs, reason: Reason, model: str | None, version: str | None, is_final: bool = True
) -> Match:
    # Without jobs the body need not be read: with it there would be no more.
    return Match(
        jobs, None if jobs else reason, _clipped(model), _clipped(version), is_final or not jobs
    )


def _clipped(name: str | None) -> str | None:
    return name[:_MAXIMUM_NAME] if name else None
