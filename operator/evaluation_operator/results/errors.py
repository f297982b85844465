"""How a run can fail, drawn by what should happen next: try again, or tell somebody.

The exit code tells Kubernetes (a Job's podFailurePolicy) and the gRPC code tells people; both go
into the attempt that the operator records.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from evaluation_operator.api.base import RpcStatus
from evaluation_operator.api.codes import Code
from evaluation_operator.api.verdict import Verdict
from evaluation_operator.domain.conditions import clip
from evaluation_operator.domain.facts.dataset import Failure
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.redaction import redact
from evaluation_operator.storage import errors as table_errors

_FAILURES_KEPT = 5


class RunError(Exception):
    """A run that cannot go on."""

    exit_code = 70
    code = Code.INTERNAL
    reason: Reason = Reason.INTERNAL

    def __init__(self, message: str, partial_failures: Sequence[Failure] = ()) -> None:
        self.message = redact(message)
        super().__init__(self.message)
        self.partial_failures = tuple(partial_failures)


class InvalidRun(RunError):
    """The Dataset or the environment asks for something that no attempt can do."""

    exit_code = 2
    code = Code.INVALID_ARGUMENT
    reason = Reason.INVALID_RUN


class NothingUsable(RunError):
    """Rows are there, but none can be evaluated: no labels, or all of them faulty."""

    exit_code = 65
    code = Code.FAILED_PRECONDITION
    reason = Reason.NOTHING_USABLE


class TableInvalid(RunError):
    """The table has the wrong schema, or is no table: somebody has to repair it."""

    exit_code = 66
    code = Code.FAILED_PRECONDITION
    reason = Reason.TABLE_INVALID


class Unavailable(RunError):
    """The table, the results or the API server cannot be reached: another attempt may do."""

    exit_code = 75
    code = Code.UNAVAILABLE
    reason = Reason.TABLE_UNAVAILABLE


class NotWhole(Unavailable):
    """A run's results are asked for before it has written all of them."""


class Stopped(RunError):
    """The program was told to end, by a signal: that says nothing of the run."""

    exit_code = 143
    code = Code.UNAVAILABLE
    reason = Reason.POD_STOPPED

    def __init__(self, signal: str, seconds: float) -> None:
        super().__init__(
            f"told to end by {signal} after {seconds:.0f} s, as pods are that are deleted, evicted "
            "or past their deadline; the Job's next pod, if there is one, goes on from what this "
            "one has written"
        )


def termination_message(error: RunError) -> str:
    """The verdict that the operator reads, at most as long as Kubernetes keeps it."""
    failures = error.partial_failures[:_FAILURES_KEPT]
    verdict = Verdict(
        code=error.code,
        status=error.code.name,
        reason=error.reason,
        message=clip(error.message, 1200),
        partial_failures=[
            RpcStatus(code=it.code, message=clip(redact(it.message), 400)) for it in failures
        ],
    )
    return verdict.to_text()


@contextlib.contextmanager
def table_problems() -> Iterator[None]:
    """Errors of tables, as runs speak of them."""
    try:
        yield
    except (
        table_errors.TableInvalid,
        table_errors.AccessRefused,
        table_errors.BackendUnavailable,
    ) as error:
        raise TableInvalid(str(error)) from error
    except table_errors.TableError as error:
        raise Unavailable(str(error)) from error
