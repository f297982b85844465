"""Names and labels. A run's name is its lock, so every name here is a pure function."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta

MOUNT_PATH = "/var/lib/evaluations/table"
"""Where a run pod finds the volume of a `file://` table: one fixed path, in every pod."""

FINALIZER = "evaluations.dev/operator"
REPORTING_COMPONENT = "evaluations.dev/operator"
"""Of the operator's Events."""
KOPF_FINALIZER = "evaluations.dev/kopf"
"""Set by nobody: Kopf wants a name for what it is not asked to do."""
FINALIZER_ORPHAN = "orphan"
"""Kubernetes' own, on what was deleted with `--cascade=orphan`: what it owns is to stay."""
LABEL_JOB = "evaluations.dev/job"
LABEL_VERSION = "evaluations.dev/version"
LABEL_DATASET = "evaluations.dev/dataset"
LABEL_COMPONENT = "evaluations.dev/component"
LABEL_STEP = "evaluations.dev/step"
"""On the Jobs and pods of a run with people: `cut`, before they label, or `evaluate`, after."""
LABEL_TABLE = "evaluations.dev/table"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_QUEUE = "kueue.x-k8s.io/queue-name"
RUN_CONTAINER = "run"
"""Of a run's pod the container with the program; others may be put beside it."""

ANNOTATION_FAILED_CHECKS = "evaluations.dev/failed-checks"
"""On the Job of a table check: how many checks of the same table failed before it, in a row."""

ANNOTATION_REEVALUATE = "evaluations.dev/reevaluate"
"""On an EvaluationJob: the run that is to be evaluated again with the labels that there are now,
and, after a space, anything that tells one request from the next."""

MANAGED_BY = "evaluation-operator"
COMPONENT_RUN = "run"
COMPONENT_TABLE_CHECK = "table-check"
COMPONENT_MODEL_VERSION = "model-version"
COMPONENT_SAMPLER = "sampler"
COMPONENT_LABELER = "labeler"
SAMPLER_LEASES = f"{LABEL_COMPONENT}={COMPONENT_SAMPLER}"
"""Selects the Leases of the sampler's replicas."""

LABELER_LEASE = "evaluation-labeler"
"""Held by the labeler of a namespace, and renewed by it every 10 seconds while it works."""

FIELD_MANAGER = "evaluation-operator"
"""As whom the operator writes; what it applies to objects of others carries this name."""
SAMPLER_URL = "http://evaluation-sampler.{namespace}.svc/"
"""Where the sampler of a namespace listens, as manifests/sampler installs it."""
ANNOTATION_MODEL_VERSION = "evaluations.dev/model-version"
"""On a model server, and passed on in its events: which model version answers."""

ANNOTATION_LOGGER_FOR = "evaluations.dev/logger-for"
"""On an InferenceService, by its owner: for which EvaluationJobs of its namespace the operator may
set its logger, as names with commas between, or `*` for all of them."""

ANNOTATION_FLUSHED_THROUGH = "evaluations.dev/flushed-through"
"""On a sampler replica's Lease: every row that it stamped before this time is in its table."""
ANNOTATION_SAMPLING = "evaluations.dev/sampling"
"""On the same Lease: what the replica has counted, as JSON, for people to look at."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_RUN = "evj-"
_VERSION_RUN = "evjv-"


def is_version_run(run: str) -> bool:
    """Whether it is the run of a version, which takes no rows away from scheduled ones."""
    return run.startswith(_VERSION_RUN)


def run_name(job: str, scheduled_time: datetime) -> str:
    """The name of a scheduled run's Dataset, Job and Evaluation."""
    minutes = int((scheduled_time - _EPOCH).total_seconds() // 60)
    return f"{_RUN}{job}-{minutes}"


def run_time(job: str, run: str) -> datetime | None:
    """The time that the name of a job's run, or of a revision of it, tells."""
    found = re.fullmatch(rf"{_RUN}{re.escape(job)}-([0-9]{{1,9}})(-r[0-9]+)?", run)
    return _EPOCH + timedelta(minutes=int(found[1])) if found is not None else None


def evaluate_job_name(run: str) -> str:
    """The second Job of a run with people; the first has the run's own name."""
    return f"{run}-eval"


def revision_name(run: str, number: int) -> str:
    """A run evaluated again, from 1: the name of its Dataset, Job and Evaluation."""
    return f"{run}-r{number}"


def version_run_name(version: str) -> str:
    return f"{_VERSION_RUN}{version}"


def table_check_name(digest: str) -> str:
    return f"evc-{digest[:16]}"


def model_version_lease_name(model: str, version: str) -> str:
    """One Lease for a model version of a namespace: who holds it evaluates it."""
    return f"evaluation-model-{_short_hash(model, version)}"


def sampler_lease_name(replica: str) -> str:
    """One Lease a replica of the sampler, both named like its pod: `evaluation-sampler-0`."""
    return replica


def table_digest(*parts: str) -> str:
    """What tells one table definition from another; jobs of equal digest share one check."""
    return _hash(*parts)


def _hash(*parts: str) -> str:
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()


def _short_hash(*parts: str) -> str:
    return _hash(*parts)[:16]
