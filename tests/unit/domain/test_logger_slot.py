"""Who may have KServe's logger slot: every state that it can be found in, as a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from evaluation_operator.api.evaluation_job import EvaluationJob
from evaluation_operator.api.evaluation_job_status import EvaluationJobStatus
from evaluation_operator.controller.refusals import kserve_fault
from evaluation_operator.domain.facts.logger import LoggerRefusal, LoggerSlot, parse_logger_for
from evaluation_operator.domain.plan import ApplyLogger, Plan, RemoveFinalizer
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.snapshot import JobSnapshot
from evaluation_operator.kube import Forbidden, NotFound
from tests.builders import make_evaluation_job, stored
from tests.unit.domain.world import JobWorld

ANNOTATION = "evaluations.dev/model-version"
URL = "http://evaluation-sampler.fruit.svc/"
WANTED = {"mode": "all", "url": URL, "metadataAnnotations": [ANNOTATION]}
FREE = LoggerSlot("ripeness", uid="u", version="v1", welcome=("ripeness",))
OURS = replace(
    FREE,
    is_set=True,
    url=URL,
    mode="all",
    annotations=(ANNOTATION,),
    managers=("evaluation-operator",),
)
GONE = LoggerSlot("ripeness", problem=kserve_fault(NotFound("not found")))
LOCKED = LoggerSlot("ripeness", problem=kserve_fault(Forbidden("forbidden")))


class LoggerWorld(JobWorld):
    """A job of which the operator knows, with a service in a certain state."""

    def __init__(
        self, slot: LoggerSlot, *, held: bool = False, opted_in: bool = False, **spec: Any
    ) -> None:
        self.slots: dict[str, LoggerSlot] = {}
        self.refusals: tuple[LoggerRefusal, ...] = ()
        super().__init__(**spec)
        self.slots = {slot.service: slot}
        if held:
            self.own["status"]["managedLogger"] = "ripeness"
        if opted_in:
            self.own["status"]["managedLoggerOptedIn"] = True

    def snapshot(self) -> JobSnapshot:
        return replace(super().snapshot(), loggers=self.slots, logger_refusals=self.refusals)


def applied(plan: Plan) -> list[ApplyLogger]:
    return [action for action in plan.actions if isinstance(action, ApplyLogger)]


def told(plan: Plan) -> dict[str, Any]:
    conditions = plan.status.to_dict().get("conditions", []) if plan.status else []
    return next((item for item in conditions if item["type"] == "LoggerManaged"), {})


@dataclass(frozen=True)
class Case:
    what: str
    slot: LoggerSlot
    reason: Reason | None
    writes: Any = None
    manage: bool = True
    held: bool = False
    opted_in: bool = False
    says: str = ""
    keeps: bool = False


THEIRS = replace(OURS, url="http://drift.example/", managers=("helm",))
SHARED = replace(OURS, managers=("evaluation-operator", "kubectl-edit"), mode="request")
STALE = replace(OURS, url="http://old.example/")
UNASKED = replace(FREE, welcome=())
HELD = replace(OURS, welcome=())
CURE = "annotate inferenceservice ripeness -n fruit --overwrite evaluations.dev/logger-for=ripeness"
CASES = [
    Case("a free slot is taken", FREE, Reason.LOGGER_SET, WANTED, keeps=True),
    Case("also where every job may", replace(FREE, welcome=("*",)), Reason.LOGGER_SET, WANTED,
         keeps=True),
    Case("one that is taken stays so", OURS, Reason.LOGGER_SET, keeps=True),
    Case("an old address is set anew", STALE, Reason.LOGGER_SET, WANTED, keeps=True),
    Case("somebody else's is left", THEIRS, Reason.LOGGER_SLOT_TAKEN, says="helm"),
    Case("also one that was ours", SHARED, Reason.LOGGER_SLOT_TAKEN, says="kubectl-edit"),
    Case("one with our address is fine", replace(OURS, managers=("helm",), welcome=()),
         Reason.LOGGER_SET, says="as helm has set"),
    Case("others' annotations are passed on too",
         replace(OURS, wanted_by_others=True, others_annotations=("team",)), Reason.LOGGER_SET,
         WANTED | {"metadataAnnotations": [ANNOTATION, "team"]}, keeps=True),
    Case("no annotation is told", replace(OURS, version=None), Reason.VERSION_UNKNOWN,
         says="is missing", keeps=True),
    Case("another version is told", replace(FREE, version="v9"), Reason.VERSION_UNKNOWN, WANTED,
         says="is 'v9'", keeps=True),
    Case("no service is told", GONE, Reason.INFERENCE_SERVICE_NOT_FOUND),
    Case("no right is told", LOCKED, Reason.PERMISSION_DENIED, says="manifests/kserve"),
    Case("not without its owner's word", UNASKED, Reason.NOT_OPTED_IN, says=CURE),
    Case("nor with a word for another job", replace(FREE, welcome=("other",)),
         Reason.NOT_OPTED_IN, says="logger-for=other,ripeness"),
    Case("nor where another job has it", replace(HELD, wanted_by_others=True),
         Reason.NOT_OPTED_IN, says=CURE),
    Case("held from before it stays", HELD, Reason.NOT_OPTED_IN, held=True, says=CURE, keeps=True),
    Case("unwritten, also out of date", replace(STALE, welcome=()), Reason.NOT_OPTED_IN, held=True,
         says="out of date", keeps=True),
    Case("one that is gone since is not made anew", UNASKED, Reason.NOT_OPTED_IN, held=True),
    Case("with the word it is written again", STALE, Reason.LOGGER_SET, WANTED, held=True,
         keeps=True),
    Case("a word withdrawn releases", HELD, Reason.NOT_OPTED_IN, "release", held=True,
         opted_in=True),
    Case("but not from another job", replace(HELD, wanted_by_others=True), Reason.NOT_OPTED_IN,
         held=True, opted_in=True),
    Case("what cannot be read is no word", LOCKED, Reason.PERMISSION_DENIED, held=True,
         opted_in=True, keeps=True),
    Case("given back", OURS, None, "release", manage=False, held=True),
    Case("without its owner's word too", HELD, None, "release", manage=False, held=True),
    Case("not while another job wants it", replace(OURS, wanted_by_others=True), None,
         manage=False, held=True),
    Case("nor what somebody else has set since", THEIRS, None, manage=False, held=True),
    Case("nothing is left of a service that is gone", GONE, None, manage=False, held=True),
    Case("what cannot be given back is told", LOCKED, Reason.PERMISSION_DENIED, manage=False,
         held=True, says="could not be removed", keeps=True),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_what_becomes_of_the_slot(case: Case) -> None:
    world = LoggerWorld(case.slot, held=case.held, opted_in=case.opted_in)
    world.edit(manageLogger=case.manage)
    plan = world.decide()
    want = [] if case.writes is None else [None if case.writes == "release" else case.writes]
    assert [action.logger for action in applied(plan)] == want
    assert told(plan).get("reason") == case.reason
    assert case.says in told(plan).get("message", "")
    assert isinstance(plan.status, EvaluationJobStatus)
    assert (plan.status.managed_logger is not None) == case.keeps
    by_word = case.opted_in or "ripeness" in case.slot.welcome or "*" in case.slot.welcome
    assert (plan.status.managed_logger_opted_in or False) == (case.keeps and by_word)
    ready = next(item for item in plan.status.conditions if item.type == "Ready")
    assert ready.status == "True"


def test_a_refusal_is_told_once_and_not_tried_again_at_once() -> None:
    world = LoggerWorld(FREE)
    world.edit(manageLogger=True)
    world.refusals = (LoggerRefusal("ripeness", Reason.LOGGER_REFUSED, "a webhook says no"),)
    plan = world.settle()
    assert applied(plan) == []
    assert "a webhook says no" in world.condition("LoggerManaged")["message"]
    assert world.decide().wake_at == world.now + world.policy.logger_retry
    assert world.decide().status is None


def test_a_logger_from_before_becomes_one_by_its_owners_word_and_goes_with_it() -> None:
    """An upgrade may not roll models, so what was set stays; from the owner's word on, it counts,
    and its withdrawal too."""
    world = LoggerWorld(HELD, held=True)
    world.edit(manageLogger=True)
    assert applied(world.settle()) == []
    assert world.condition("LoggerManaged")["status"] == "True"
    world.slots = {"ripeness": OURS}
    assert applied(world.settle()) == []
    assert world.condition("LoggerManaged")["reason"] == "LoggerSet"
    world.slots = {"ripeness": HELD}
    assert [action.logger for action in applied(world.decide())] == [None]


@pytest.mark.parametrize(
    ("text", "jobs"),
    [
        ("ripeness", ("ripeness",)),
        ("canary, ripeness", ("canary", "ripeness")),
        ("*", ("*",)),
        ("", ()),
        ("true", ("true",)),
        ("Ripe, $(reboot), fr*", ()),
    ],
)
def test_the_owners_annotation_is_read_as_names(text: str, jobs: tuple[str, ...]) -> None:
    """What is no name is never repeated in a message that people copy commands from."""
    assert parse_logger_for(text) == jobs


def test_jobs_without_the_owners_word_have_no_say_in_the_logger_of_others() -> None:
    """A job that wanted `payments` too would else choose which annotations its events carry."""
    stranger = EvaluationJob.from_dict(
        stored(
            make_evaluation_job(
                "loot", spec={"manageLogger": True, "modelSelector": {"annotations.card": "x"}}
            )
        )
    )
    body = {
        "metadata": {
            "name": "ripeness",
            "uid": "u",
            "annotations": {"evaluations.dev/logger-for": "ripeness"},
        }
    }
    slot = LoggerSlot.from_body(body, [stranger])
    assert (slot.wanted_by_others, slot.others_annotations) == (False, ())


def test_a_deleted_job_goes_whether_or_not_its_logger_can_be_removed() -> None:
    world = LoggerWorld(OURS, held=True)
    world.edit(manageLogger=True)
    world.delete()
    plan = world.decide()
    assert [action.logger for action in applied(plan)] == [None]
    world.refusals = (LoggerRefusal("ripeness", Reason.LOGGER_REFUSED, "a webhook says no"),)
    plan = world.decide()
    assert applied(plan) == []
    assert RemoveFinalizer() in plan.final_actions
    assert any("a webhook says no" in event.message for event in plan.events)


def test_managed_fields_say_who_has_set_it() -> None:
    def entry(manager: str, fields: Any) -> dict[str, Any]:
        return {"manager": manager, "fieldsV1": fields}

    body = {
        "metadata": {
            "name": "ripeness",
            "uid": "u",
            "managedFields": [
                entry("helm", {"f:spec": {"f:predictor": {"f:logger": {"f:url": {}}}}}),
                entry("kserve", {"f:status": {}}),
                entry("kubectl", {"f:spec": {"f:predictor": {"f:model": {}}}}),
                entry("odd", {"f:spec": 7}),
            ],
        },
        "spec": {"predictor": {"logger": {"url": "http://x/"}}},
    }
    slot = LoggerSlot.from_body(body, ())
    assert (slot.managers, slot.is_ours, slot.url) == (("helm",), False, "http://x/")
    bare = LoggerSlot.from_body({"metadata": {"name": "n", "uid": "u"}}, ())
    assert (bare.is_set, bare.managers) == (False, ())


@pytest.mark.parametrize("slot", [FREE, THEIRS], ids=["ours", "theirs"])
def test_passwords_in_an_address_are_not_shown(slot: LoggerSlot) -> None:
    address = "http://somebody:secret@drift.example/path?key=secret"
    world = LoggerWorld(replace(slot, url=address if slot.is_set else ""))
    world.policy = replace(world.policy, sampler_url=address)
    world.edit(manageLogger=True)
    message = told(world.decide())["message"]
    assert "drift.example" in message
    assert "secret" not in message


def test_a_logger_at_what_is_no_address_is_told_like_any_other() -> None:
    """Each turn of the job ended at such an address, and its runs with it."""
    world = LoggerWorld(replace(THEIRS, url="http://[drift"))
    world.edit(manageLogger=True)
    assert "sends to a store" in told(world.decide())["message"]
