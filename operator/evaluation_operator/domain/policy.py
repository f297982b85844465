"""What the operator's own configuration lets jobs do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from evaluation_operator.domain.naming import SAMPLER_URL
from evaluation_operator.domain.stalled import Limits


@dataclass(frozen=True, slots=True)
class Policy:
    """`image` is that of run pods; `limits` say what a runTemplate may ask for instead.

    `table_check_retry`: how long after a failed check of a table comes the next; twice as long
    after each further one, up to `table_check_longest_retry`.
    `max_active_runs`: how many Jobs of runs, checks and versions a namespace has at once, 0 for any
    number; `place_retry`: how often what waits for a place looks again, should nobody wake it.
    `trouble_after`: how long something may take to start before Events are asked why it does not.
    `settle`: how long after its time a run starts at the earliest, for rows that are under way
    to a table which others fill. `flush_retry`: how often a run that waits for the sampler looks
    again. `sampler_url`: what `{namespace}` is put into to get the sampler of a namespace.
    `logger_retry`: how often a logger that could not be set is tried again. `labeler_retry`: how
    often it is looked whether somebody still brings the answers of people.
    """

    image: str = "evaluation-evaluator:dev"
    image_pull_policy: str = "IfNotPresent"
    service_account: str = "evaluation-runner"
    limits: Limits = field(default_factory=Limits)
    allow_terminate_running: bool = False
    retry: timedelta = timedelta(seconds=15)
    trouble_after: timedelta = timedelta(seconds=20)
    table_check_retry: timedelta = timedelta(seconds=60)
    table_check_longest_retry: timedelta = timedelta(hours=1)
    max_active_runs: int = 50
    place_retry: timedelta = timedelta(minutes=1)
    settle: timedelta = timedelta(0)
    flush_retry: timedelta = timedelta(seconds=3)
    sampler_url: str = SAMPLER_URL
    logger_retry: timedelta = timedelta(minutes=5)
    create_deadline: timedelta = timedelta(minutes=10)
    namespace_component: str = "manifests/namespace"
    labeler_component: str = "manifests/labeler"
    labeler_retry: timedelta = timedelta(minutes=1)
