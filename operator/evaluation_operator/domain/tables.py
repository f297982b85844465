"""Which table a job reads, as far as it can be told without opening it."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.table_schemes import RESULTS_OPENED
from evaluation_operator.domain.naming import table_digest


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table's address, where runs write, and the volume that holds either."""

    uri: str
    results_uri: str
    volume_claim: str | None
    secrets: tuple[str, ...]

    @property
    def scheme(self) -> str:
        return self.uri.partition("://")[0]

    @property
    def digest(self) -> str:
        return table_digest(self.uri, self.results_uri, self.volume_claim or "", *self.secrets)

    @property
    def place_digest(self) -> str:
        """Of what a sampler writes to, whatever Secrets runs reach it with."""
        return table_digest(self.uri, self.results_uri, self.volume_claim or "")


def is_found_good(job: EvaluationJob) -> bool:
    """Whether a check of the table, as the spec has it now, has passed at some time."""
    source, status = table_source(job), job.status
    return source.place_digest == status.sampled_table_digest or (
        source.digest == status.table_digest
    )


def table_source(job: EvaluationJob) -> TableSource:
    """The job's table; a `bq://` one has no default place for results, so that stays empty."""
    source = job.spec.evaluation_job_config.input_config
    uri, claim = "", None
    if source.table_source is not None:
        uri, claim = source.table_source.input_uri, source.table_source.persistent_volume_claim_name
    elif source.bigquery_source is not None:
        uri = source.bigquery_source.input_uri
    template = job.spec.run_template
    secrets = (item.secret_ref.name for item in (template.env_from if template else None) or ())
    return TableSource(uri, _results_uri(job.spec.results_uri, uri), claim, tuple(secrets))


def _results_uri(given: str | None, table_uri: str) -> str:
    if given:
        return given.rstrip("/")
    if table_uri.partition("://")[0] in RESULTS_OPENED:
        return f"{table_uri.rstrip('/')}/_results"
    return ""
