"""docs/standstills.md: what `kubectl evaluations describe` prints of jobs that stand still.

Its words are written here, its outputs by test_standstills.py: with UPDATE_DOCS=1 each test writes
what it has seen, else it compares. So that the page is the same each time, objects are read as if
all of them had been made on one certain day in one certain namespace; nothing else is changed.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import re
from datetime import UTC, datetime, timedelta
from textwrap import fill
from typing import Any, NamedTuple

import pytest

from evaluation_operator.cli import ages, output, showing_jobs
from evaluation_operator.domain.naming import run_name
from evaluation_operator.views import reading
from evaluation_operator.views.job import JobView
from tests.builders import NAMESPACE
from tests.cluster.settings import CHECKOUT
from tests.conftest import Tell
from tests.integration.lab import DAY, Lab
from tests.unit.cli.running import run_cli

FILE = CHECKOUT / "docs" / "standstills.md"
WIDTH = 110
MADE_BY = "<!-- Made by tests/integration/test_standstills.py with UPDATE_DOCS=1. Do not edit. -->"


class Standstill(NamedTuple):
    """What was done to the cluster, and what to look at and to type."""

    title: str
    text: str


INTRODUCTION = """
# Standstills

What `kubectl evaluations describe` prints of jobs that stand still, each made on a real control
plane, and what to do. [Troubleshooting](troubleshooting.md) has every reason there is.

A run that stands still says so within a minute. Once nothing is in its way it goes on by itself,
and what was said of it is taken back; a command is needed for that only where one is named. No row
is lost: what a run does not evaluate, the next one does.
"""
STANDSTILLS = {
    "quota": Standstill(
        "A quota refuses the run's pod",
        """The namespace got a ResourceQuota of `pods: 0` before the run was due. Sampling and
        schedule are in order, so `Ready` is True; the run is `Queuing`, and its message has the
        words of the API server. Raise the quota: `kubectl edit resourcequota -n fruit`.
        Kubernetes tries again by itself, at the latest after some minutes.""",
    ),
    "limits": Standstill(
        "A LimitRange forbids what the run asks for",
        """The namespace got a LimitRange of 128Mi a container, and runs may use 1Gi unless their
        job says otherwise. Either raise the limit, or let `spec.runTemplate.resources` fit it and
        delete the run's Job, which is then made anew as the job says.""",
    ),
    "policy": Standstill(
        "An admission policy refuses the run's pod",
        """A ValidatingAdmissionPolicy wants an owner's label on every pod. Whoever owns the
        policy has to let pods of the operator pass, which all have one label.""",
    ),
    "webhook": Standstill(
        "An admission webhook does not answer",
        """Every new pod of the namespace is shown to a webhook with `failurePolicy: Fail`, whose
        server is away. Nothing is wrong with the job: repair the webhook.""",
    ),
    "account": Standstill(
        "The service account was deleted while a run is due",
        """The namespace had been made ready, and then somebody deleted ServiceAccount
        `evaluation-runner`. The run says that its pod cannot be made, the job that it is not
        ready. One command mends both.""",
    ),
    "secret": Standstill(
        "A Secret of `envFrom` does not exist",
        """`spec.runTemplate.envFrom` names Secret `evaluation-db`, which nobody has applied. The
        pod of the table's check starts without it, so that it can say so. The check is made again
        by itself, ever more rarely; delete its Job to have it made at once.""",
    ),
    "image": Standstill(
        "The image could not be pulled until the deadline",
        """`spec.runTemplate.image` is in a registry that the nodes do not find. The run had said
        so since its first minute, and was ended at `spec.runTemplate.activeDeadlineSeconds`, here
        1 s. The attempt and the Event `RunFailed` have both: that time was up, and what it was
        spent on. Its rows go to the next run; mend the image before that.""",
    ),
    "memory": Standstill(
        "The run needs more memory than it may have",
        """The kernel killed the run's program. Kubernetes tries again, as often as
        `spec.runTemplate.backoffLimit` says, and each time it will end like that: raise
        `spec.runTemplate.resources` and delete the run's Job, which is then made anew.""",
    ),
    "nodes": Standstill(
        "No node has room for the run's pod",
        """The scheduler's words. When there is room, or a node is added, the pod starts by
        itself.""",
    ),
    "volume": Standstill(
        "The table's volume cannot be attached",
        """The claim of the table is `ReadWriteOnce`, and a pod on another node has it. The pod
        starts by itself once that one ends.""",
    ),
    "check": Standstill(
        "The pod that looks at the table cannot be made",
        """The namespace's quota was used up when the job came. Nothing is wrong with the table, and
        nothing is said of it: nobody has looked. When the quota allows a pod, the check goes on by
        itself.""",
    ),
    "node": Standstill(
        "The node of the run's pod is gone",
        """The node went away with the pod on it. Kubernetes has told the pod to end, and waits for
        a kubelet that never answers; the Job makes no other meanwhile, since the first may still
        be writing. Once the node is deleted, which clouds do by themselves, Kubernetes gives the
        pod up within a minute, and another one begins. Deleting the pod by force is not enough:
        the Job goes on waiting for it.""",
    ),
    "suspended": Standstill(
        "Somebody has suspended the run's Job",
        """`spec.suspend` of the Job was set by hand. A queue that does so, like Kueue, has its
        label on the Job, and is not blamed.""",
    ),
    "taken": Standstill(
        "Another job evaluates the same model version",
        """A model version has one job, so this one is `Stalled`: only an edit helps, which here is
        to delete one of the two. It takes over by itself when the other is gone.""",
    ),
    "version": Standstill(
        "A version's pod was evicted",
        """The node ran out of disk while an EvaluationJobVersion ran. The Job makes another pod;
        until it has begun the version is `Queuing` again, and may be terminated.""",
    ),
}

CREATED = datetime(2026, 3, 2, 8, tzinfo=UTC)
DUE = datetime(2026, 3, 2, 10, tzinfo=UTC)
ENDED = DUE + timedelta(minutes=4)
LOOK = timedelta(minutes=5)
_OVERVIEW = "\n\nName:"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_POD = re.compile(r"\b(evj-ripeness-\d{8}|evjv-again|evc-[0-9a-f]+)-[a-z0-9]{5}\b")


class Story:
    """Objects of a lab as they would be if it had been that day."""

    def __init__(self, lab: Lab, slot: datetime) -> None:
        self._slot = slot
        self._namespace = lab.namespace
        is_due = lab.clock.now() >= slot
        self.now = (DUE if is_due else CREATED) + LOOK

    def retell(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self.retell(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self.retell(item) for item in value]
        return self._text(value, key) if isinstance(value, str) else value

    def _text(self, text: str, key: str) -> str:
        text = _TIME.sub(lambda found: self._time(found[0], key), text)
        for day in range(-1, 3):
            after = day * DAY
            text = text.replace(_number(self._slot + after), _number(DUE + after))
        text = _POD.sub(r"\1-7xk2p", text)
        return re.sub(rf"\b{self._namespace}\b", NAMESPACE, text)

    def _time(self, text: str, key: str) -> str:
        time = datetime.fromisoformat(text)
        if (time - self._slot) % DAY == timedelta(0):
            told = DUE + (time - self._slot)
        elif key in ("attemptTime", "completionTime"):
            told = ENDED
        else:
            told = DUE + timedelta(minutes=1) if time > self._slot else CREATED
        return f"{told:%Y-%m-%dT%H:%M:%SZ}"


def _number(slot: datetime) -> str:
    """Of the run's name."""
    return run_name("", slot).rpartition("-")[2]


class Page:
    """The document, a section a standstill."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tell: Tell) -> None:
        self._monkeypatch = monkeypatch
        self._tell = tell

    async def shows(self, name: str, lab: Lab, job: str = "ripeness") -> None:
        """What `describe` prints now is what the document shows."""
        story = Story(lab, await lab.slot(name=job))
        with self._monkeypatch.context() as patch:
            _tell_as(story, patch)
            arguments = ("describe", job, "-n", lab.namespace, "--kubeconfig", str(lab.kubeconfig))
            result = await asyncio.to_thread(run_cli, *arguments)
        assert result.exit_code == 0, result.stderr
        shown = "\n".join(line.rstrip() for line in result.stdout.strip().splitlines())
        self._tell(f"--- {STANDSTILLS[name].title}:\n{shown.partition(_OVERVIEW)[0]}")
        self._compare(name, job, shown)

    def _compare(self, name: str, job: str, shown: str) -> None:
        command = f"$ kubectl evaluations describe {job} -n {NAMESPACE}"
        block = f"```console\n{command}\n{shown}\n```"
        title, text = STANDSTILLS[name]
        section = f"{title}\n\n{_filled(text)}\n\n{block}\n"
        sections = read_sections()
        if os.environ.get("UPDATE_DOCS"):
            self._write(sections | {title: section})
            return
        before = sections.get(title, "")
        if before != section:
            lines = difflib.unified_diff(
                before.splitlines(), section.splitlines(), str(FILE), "now", lineterm=""
            )
            pytest.fail(
                "\n".join(["UPDATE_DOCS=1 writes what is shown now:", *lines]), pytrace=False
            )

    def _write(self, sections: dict[str, str]) -> None:
        known = [it.title for it in STANDSTILLS.values() if it.title in sections]
        parts = [
            f"{MADE_BY}\n\n{_filled(INTRODUCTION)}\n",
            *(f"## {sections[title]}" for title in known),
        ]
        FILE.write_text("\n".join(parts), encoding="utf-8")


def read_sections() -> dict[str, str]:
    """By their titles; none where there is no document."""
    if not FILE.exists():
        return {}
    _, *sections = FILE.read_text(encoding="utf-8").split("\n## ")
    return {it.partition("\n")[0]: it.rstrip("\n") + "\n" for it in sections}


def _tell_as(story: Story, patch: pytest.MonkeyPatch) -> None:
    read = reading.read_job

    async def read_job(*arguments: Any) -> JobView:
        view = await read(*arguments)
        return JobView(*map(story.retell, (view.job, [*view.versions], view.evaluation)))

    class Then(datetime):
        @classmethod
        def now(cls, _: Any = None) -> Then:
            return cls.fromtimestamp(story.now.timestamp(), UTC)

    patch.setattr(reading, "read_job", read_job)
    patch.setattr(output, "terminal_width", lambda: WIDTH)
    for module in (showing_jobs, ages):
        patch.setattr(module, "datetime", Then)


def _filled(text: str) -> str:
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(
        fill(" ".join(it.split()), WIDTH, break_on_hyphens=False) for it in paragraphs
    )
