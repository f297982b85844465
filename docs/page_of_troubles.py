"""troubleshooting.md, from the enum of reasons and what is said of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from textwrap import fill
from typing import NamedTuple

from evaluation_operator.domain import explanations as of
from evaluation_operator.domain.explanations import (
    CODES,
    EXPLANATIONS,
    PLACEHOLDERS,
    Explanation,
    Place,
)
from evaluation_operator.domain.reasons import Reason

MADE_BY = "<!-- Made by docs/generate.py from domain/explanations. Do not edit. -->"

WIDTH = 110

INTRODUCTION = """\
# Troubleshooting

What stands still says why. Read in this order, and stop where you find a reason. Each has its place
here, `#` and its name in lower case: `troubleshooting.md#failedcreate`.

```sh
kubectl get evj -n NAMESPACE                      # STATE, READY and REASON; HELD UP: a run waits
kubectl evaluations describe JOB -n NAMESPACE     # its first lines: what needs you
kubectl describe evj JOB -n NAMESPACE             # the conditions, and the Events of the last hour
kubectl get events -n NAMESPACE --field-selector involvedObject.name=JOB --sort-by=.lastTimestamp
kubectl describe pod -n NAMESPACE -l evaluations.dev/dataset=RUN
kubectl logs -n evaluation-operator deployment/evaluation-operator --tail=100
```

[Standstills](standstills.md) shows what the second command prints in a dozen of them, and
`kubectl evaluations explain REASON` prints what is written here, wherever you are.

In commands, these stand for names of yours:

{placeholders}

An edit is best made where the manifest is kept: a GitOps tool that applies a job sets back what
`kubectl edit` has changed.
"""


class Section(NamedTuple):
    """`place`: where reasons of other sections are met, too, that are to be named here."""

    title: str
    introduction: str
    reasons: Mapping[Reason, Explanation]
    place: Place | None = None


SECTIONS = (
    Section(
        "A job that is not ready",
        """
`Ready` says whether sampling and schedule work. While it is False, either `Reconciling` is True
(what is missing may still come, and the job goes on by itself) or `Stalled` (only an edit helps).
""",
        of.OF_JOBS,
        Place.READY,
    ),
    Section(
        "A run or a check that stands still",
        """
`kubectl get evj` shows it under HELD UP. The message of the run in `status.active` begins with the
reason, and an Event of the job has it too. Of a version they stand in `Ready` and
`status.message`, of a table check in `Ready` of the job. Sampling goes on meanwhile, and no row is
lost: what a run does not evaluate, the next one does.

**After an edit of `spec.runTemplate`** a run that has begun keeps the Job that it has. Delete the
Job, and the operator makes it anew, as the job says now:

```sh
kubectl delete job RUN -n NAMESPACE
```

The second Job of a run that people label is named `RUN-eval`. The pods of a table check have the
label `evaluations.dev/component=table-check` in place of the run's name. A version's spec is
immutable: make another version.
""",
        of.OF_TROUBLES,
        Place.RUN,
    ),
    Section(
        "How runs end",
        """
Every run tells its beginning and its end by an Event of the job. Why one failed stands in
`status.attempts` (the newest ten) and in the last words of its pod; `kubectl evaluations describe`
shows them.
""",
        of.OF_RUNS,
        Place.ATTEMPT,
    ),
    Section(
        "The model's quality",
        """
`QualityAcceptable` is there where the job has an `evaluationJobAlertConfig`. It never makes
`Ready` False.
""",
        of.OF_QUALITY,
    ),
    Section(
        "Runs that wait for the sampler",
        """
`SamplerBehind` is set and cleared with runs. Why single predictions give no row is counted by
reasons of its own, which `kubectl evaluations sampling JOB` shows: see [sampling.md](sampling.md).
""",
        of.OF_THE_SAMPLER,
    ),
    Section(
        "The logger of an InferenceService",
        """
`LoggerManaged` is there where the job has `spec.manageLogger`. What is in the way is looked at
again every five minutes; runs go on.
""",
        of.OF_LOGGERS,
        Place.LOGGER,
    ),
    Section(
        "Runs that people label",
        """
The condition `Labeled` of the run's Dataset is False while people label, and True when the run
goes on. `kubectl evaluations labeling JOB` shows it for all runs of a job. What is in the way is
tried again, ever more rarely, at most ten minutes apart; no answer is lost.
""",
        of.OF_PEOPLE,
        Place.LABELED,
    ),
    Section(
        "A version",
        """
`kubectl get evjv` shows STATE and REASON; `status.message` says more. A version in Creating or
Queuing waits, and goes on by itself when its reason is gone.
""",
        of.OF_VERSIONS,
        Place.VERSION,
    ),
)
CODES_INTRODUCTION = """
## Attempts, by their code

Every failure in `status.attempts`, in `status.partialFailures` of a version and in the outcome of
a Dataset has a canonical gRPC code. The first says why the run failed; others are rows or items
that it names.

| code | | what it means | what then | reasons |
| --- | --- | --- | --- | --- |
"""


def rendered() -> str:
    parts = [MADE_BY, _introduction(), *(_section(it) for it in SECTIONS), _codes()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _introduction() -> str:
    names = [f"| `{name}` | {meaning} |" for name, meaning in PLACEHOLDERS.items()]
    table = "\n".join(["| | |", "| --- | --- |", *names])
    text = INTRODUCTION.format(placeholders=table)
    asking = [reason for reason in sorted(Reason) if EXPLANATIONS[reason].cure]
    well = [reason for reason in sorted(Reason) if not EXPLANATIONS[reason].cure]
    index = f"Reasons that may ask for something: {_links(asking)}."
    return f"{text}\n{_filled(index)}\n\n{_filled(f'That all is well: {_links(well)}.')}"


def _section(section: Section) -> str:
    others = [
        reason
        for reason, it in EXPLANATIONS.items()
        if section.place in it.seen and reason not in section.reasons
    ]
    lines = [f"## {section.title}", section.introduction.strip()]
    if others:
        lines.append(_filled(f"Here too: {_links(others)}."))
    return "\n\n".join([*lines, *(_entry(*item) for item in section.reasons.items())])


def _entry(reason: Reason, it: Explanation) -> str:
    lines = [f"### {reason}", _filled(f"*{'; '.join(it.seen)}*"), _filled(it.meaning)]
    if it.cure:
        lines.append(_filled(f"**What to do.** {it.cure}"))
    if it.commands:
        lines.append("\n".join(["```sh", *it.commands, "```"]))
    return "\n\n".join(lines)


def _codes() -> str:
    return CODES_INTRODUCTION + "\n".join(_code_lines())


def _code_lines() -> Iterator[str]:
    for code, it in CODES.items():
        reasons = _links(it.reasons)
        yield f"| {code} | `{code.name}` | {it.meaning} | {it.next} | {reasons} |"


def _filled(text: str) -> str:
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _links(reasons: Iterable[Reason]) -> str:
    return ", ".join(map(_link, reasons))


def _link(reason: Reason) -> str:
    return f"[{reason}](#{reason.lower()})"
