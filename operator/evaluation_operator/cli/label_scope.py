"""Whose rows imported labels are of: two jobs may share a table, and the ids of their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.names import ResourceNameError, parse_model_version
from evaluation_operator.cli.errors import CliError
from evaluation_operator.cli.target import Target
from evaluation_operator.tables.label_scope import shown_versions


@dataclass(frozen=True, slots=True)
class Scope:
    """What the command line says; neither: what the table and the file say."""

    model_version: tuple[str, str] | None = None
    is_for_all: bool = False

    def among(self, found: list[tuple[str, str]]) -> tuple[str, str] | None:
        """What all labels of a file are of; None: what each says. `found`: the model versions that
        the table has rows of. If it is one, labels are of that one."""
        if self.is_for_all or self.model_version is not None or len(found) != 1:
            return self.model_version
        return found[0]

    def warnings(self, found: list[tuple[str, str]], *, keeps_versions: bool) -> tuple[str, ...]:
        """What may not be as it was meant, of labels that went into such a table."""
        if len(found) > 1 and not keeps_versions:
            return (
                "the table of labels has no columns model and model_version, so each label counts "
                f"for every row of its id, of {shown_versions(found)}; add both, as text",
            )
        if not found and self == Scope():
            return (
                "the table has no rows yet: a label that names no model version counts for every "
                "one that gets a row of its id; give --model-version",
            )
        return ()


def choose_scope(
    files: Sequence[str],
    job: str | None,
    model_version: str | None,
    *,
    is_for_all: bool,
    target: Target,
) -> Scope:
    """What the options say together; CliError if they say two things."""
    said = [
        option
        for option, is_given in (
            ("-f or --job", bool(files or job)),
            ("--model-version", model_version is not None),
            ("--all-versions", is_for_all),
        )
        if is_given
    ]
    if len(said) > 1:
        raise CliError(f"{said[1]}: {said[0]} is given too: leave one of them out")
    if model_version is not None:
        return Scope(_parsed(model_version))
    if files:
        # Not above: what judges manifests is not in the sampler's image, where labels are imported.
        from evaluation_operator.cli.laptop_dataset import read_job_manifest

        return Scope(_version_of(read_job_manifest(files, job)))
    if job is not None:
        # The client takes half a second to import, and most imports are for no cluster.
        from evaluation_operator.cli.cluster import in_cluster
        from evaluation_operator.views.reading import read_job

        view = in_cluster(target, lambda kube, home: read_job(kube, home, job))
        return Scope(_version_of(EvaluationJob.from_dict(view.job)))
    return Scope(is_for_all=is_for_all)


def _parsed(text: str) -> tuple[str, str]:
    """A project is a namespace, which no table knows of."""
    project = text.split("/")[1] if text.startswith("projects/") else ""
    try:
        version = parse_model_version(text, namespace=project, field="--model-version")
    except ResourceNameError as error:
        raise CliError(str(error)) from error
    return version.model, version.version


def _version_of(job: EvaluationJob) -> tuple[str, str]:
    version = parse_model_version(job.spec.model_version, namespace=job.namespace)
    return version.model, version.version
