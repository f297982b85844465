"""Which job a project is for, told in its description: Label Studio keeps nothing else of ours."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from evaluation_operator.api.base import Model
from evaluation_operator.labeling.backend import OnClose, ProjectSpec

_SIGN: Final = "evaluations.dev: "


class Marker(Model):
    """`owner` tells labelers apart that share a server, say two clusters' of one namespace."""

    owner: str
    namespace: str
    job: str
    job_uid: str
    on_close: OnClose
    is_closed: bool = False

    @classmethod
    def of(cls, spec: ProjectSpec, owner: str) -> Marker:
        return cls(
            owner=owner,
            namespace=spec.namespace,
            job=spec.job,
            job_uid=spec.job_uid,
            on_close=spec.on_close,
        )

    @classmethod
    def read(cls, description: str | None) -> Marker | None:
        """None for projects that are not ours."""
        _, sign, text = (description or "").partition(_SIGN)
        try:
            return cls.model_validate_json(text) if sign else None
        except ValidationError:
            return None

    def describe(self) -> str:
        return (
            f"Ground truth for the EvaluationJob {self.job} in {self.namespace}. "
            f"Leave the rest as it is.\n{_SIGN}{self.model_dump_json(by_alias=True)}"
        )
