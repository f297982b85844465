"""docs/troubleshooting.md as the person at 3 in the morning reads it: whatever reason a status, an
attempt or an Event shows has its place there, and what it says to type can be typed."""

from __future__ import annotations

import ast
import re
import runpy
import shlex
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer.main

from evaluation_operator.api.codes import Code
from evaluation_operator.api.crd import KINDS, build_schema
from evaluation_operator.cli.main import app
from evaluation_operator.domain.conditions import Judgement, condition
from evaluation_operator.domain.explanations import CODES, EXPLANATIONS, OF_TROUBLES, PLACEHOLDERS
from evaluation_operator.domain.facts.logger import LoggerRefusal
from evaluation_operator.domain.facts.obstacle import Obstacle
from evaluation_operator.domain.facts.troubles import Trouble
from evaluation_operator.domain.jobs.quality import Quality
from evaluation_operator.domain.jobs.readiness import Readiness
from evaluation_operator.domain.plan import EventRecord
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.domain.runs.phase import Progress
from evaluation_operator.labeling.progress import TurnResult
from evaluation_operator.results.errors import RunError
from tests.cluster.settings import CHECKOUT

DOCS = CHECKOUT / "docs"
TEXT = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
SOURCES = CHECKOUT / "operator" / "evaluation_operator"
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = sorted({line.partition("  #")[0].strip() for it in BLOCKS for line in it.splitlines()})
VERBS = {
    *("annotate", "apply", "auth", "create", "delete", "describe", "edit", "get", "label", "logs"),
    *("patch", "set"),
}
KINDS_TO_TYPE = {
    *("evj", "evjv", "specset", "instructions.evaluations.dev", "datasets", "evaluation"),
    *(
        "job",
        "jobs",
        "pod",
        "pods",
        "node",
        "nodes",
        "events",
        "namespace",
        "secret",
        "secrets",
        "lease",
    ),
    *("serviceaccounts", "persistentvolumeclaim", "persistentvolumeclaims", "volumeattachments"),
    *("resourcequota", "limitrange", "networkpolicy"),
    *("validatingadmissionpolicybindings", "validatingwebhookconfigurations"),
    "mutatingwebhookconfigurations",
    # Of KServe and Kueue, where these are installed.
    *("inferenceservice", "inferenceservices", "workloads", "localqueues"),
}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def modules(*left_out: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCES.rglob("*.py")):
        name = str(path.relative_to(SOURCES))
        if not name.startswith(left_out):
            yield name, parsed(path)


# Nothing is missing.


def test_every_reason_is_explained_once_and_has_an_anchor() -> None:
    headings = Counter(re.findall(r"^### (\w+)$", TEXT, re.MULTILINE))

    assert set(EXPLANATIONS) == set(Reason)
    assert headings == Counter(map(str, Reason))


def test_no_two_headings_have_one_anchor() -> None:
    """`#labeling` led to a section once, which has no cure for it."""
    titles = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)

    repeated = [it for it, times in Counter(map(anchor_of, titles)).items() if times > 1]

    assert repeated == []


def test_every_reason_can_be_given() -> None:
    """One that nothing gives any more would send people looking for what there is not."""
    given = {
        node.attr
        for name, tree in modules("domain/explanations", "cli/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "Reason"
    }

    assert {reason.name for reason in Reason} - given == set()


def test_what_gives_a_reason_takes_it_from_the_one_enum() -> None:
    """The type checker does the rest: none of these can be made with any other text."""
    givers = (EventRecord, Judgement, TurnResult, Obstacle, LoggerRefusal, Quality, Readiness)

    for giver in (*givers, Progress, RunError, condition):
        assert get_type_hints(giver)["reason"] is Reason, giver


def test_no_reason_is_written_past_the_enum() -> None:
    """The labeler and the run's program had reasons of their own, as plain texts, which no list of
    reasons knew of."""
    found = [
        f"{name}: {text}"
        for name, tree in modules("api/", "sampling/")
        for node in ast.walk(tree)
        for text in reasons_in(node)
        if not text.startswith("FieldValue")
    ]

    assert found == ["kube/errors.py: NamespaceTerminating"], "of a request, for the operator"


def reasons_in(node: ast.AST) -> Iterator[str]:
    """Texts that stand where a reason is given: `reason="…"`, `reason = "…"`, `{"reason": "…"}`."""
    values: list[ast.expr | None] = []
    if isinstance(node, ast.Call):
        values = [it.value for it in node.keywords if it.arg == "reason"]
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(getattr(it, "id", getattr(it, "attr", "")) == "reason" for it in targets):
            values = [node.value]
    elif isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        values = [value for key, value in pairs if getattr(key, "value", "") == "reason"]
    for value in values:
        text = value.value if isinstance(value, ast.Constant) else None
        if isinstance(text, str) and re.fullmatch("[A-Z][A-Za-z0-9]+", text):
            yield text


def test_conditions_are_made_in_one_place() -> None:
    makers = {
        name
        for name, tree in modules("api/", "cli/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Condition"
    }

    assert makers == {"domain/conditions.py"}


def test_every_code_of_a_failure_is_explained() -> None:
    """`Code.NAME`, wherever a run, the operator or the labeler names one; and never a number."""
    named, bare = set(), set()
    for _, tree in modules("cli/", "api/codes.py"):
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(ast.Name("Code"), name):
                    named.add(Code[name])
                case ast.Call(ast.Name("Failure"), [ast.Constant(value), *_]):
                    bare.add(value)
                case ast.keyword("code", ast.Constant(int() as value)):
                    bare.add(value)

    assert named == set(CODES)
    assert bare == set()


def test_what_is_said_of_a_reason_stands_by_itself() -> None:
    """The command line prints it as well, where a link leads nowhere."""
    texts = [text for it in EXPLANATIONS.values() for text in (it.meaning, it.cure)]

    assert [text for text in texts if "](" in text] == []


def test_a_trouble_stands_beside_the_code_that_it_has_as_an_attempt() -> None:
    own = {Reason.QUEUED, Reason.STARTING, Reason.DEADLINE_EXCEEDED}
    listed = {reason: number for number, code in CODES.items() for reason in code.reasons}

    for reason in OF_TROUBLES.keys() - own:
        code = Trouble(reason, "", "").failure.code
        assert listed.get(reason, 9) == code, reason


# What it says is right.


def test_the_document_is_what_the_explanations_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(DOCS)
    stale = runpy.run_path(str(DOCS / "generate.py"))["stale"]

    assert stale(DOCS) == []
    assert "troubleshooting.md" in stale(tmp_path), "a file that is not there"
    (tmp_path / "troubleshooting.md").write_text(TEXT)
    assert "troubleshooting.md" not in stale(tmp_path)
    (tmp_path / "troubleshooting.md").write_text(TEXT.replace("EvaluationJob", "Job"))
    assert "troubleshooting.md" in stale(tmp_path), "a file that says something else"


def test_every_link_leads_somewhere() -> None:
    anchors = {anchor_of(title) for title in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)}
    links = re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", TEXT)

    assert len(links) > 100
    assert {anchor for file, anchor in links if not file} <= anchors
    files = {file for file, _ in links} - {""}
    assert [file for file in files if not (DOCS / file).exists()] == []


@pytest.mark.parametrize("document", ["README.md", "docs/concepts.md", "docs/cli.md"])
def test_who_reads_another_document_finds_it(document: str) -> None:
    assert "troubleshooting.md" in (CHECKOUT / document).read_text(encoding="utf-8")


def anchor_of(title: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_to_be_typed_can_be_typed(command: str) -> None:
    words = shlex.split(command)

    if words[:2] == ["kubectl", "evaluations"]:
        parse(words[2:])
    elif words[0] == "kubectl":
        assert words[1] in VERBS
        assert set(kinds_in(words[1:])) <= KINDS_TO_TYPE
    else:
        assert words == ["date", "--utc"]


def parse(words: list[str]) -> None:
    """A usage error for a command, an option or a number of arguments that there is not."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    command.make_context(command.name, words)


def kinds_in(words: list[str]) -> list[str]:
    if words[0] in ("apply", "logs", "auth", "set", "create"):
        return []
    return words[1].split(",")


def test_an_option_that_there_is_not_is_found() -> None:
    with pytest.raises(Exception, match="No such option: --for-ever"):
        parse(["pause", "JOB", "--for-ever"])


def test_names_of_yours_are_those_of_the_list() -> None:
    """Else nobody knows what to put in their place."""
    words = {word for it in COMMANDS for word in re.findall(r"\b[A-Z]{2,}\b", it)}

    assert words == PLACEHOLDERS.keys() | {"EVALUATION"} & words


def test_the_fields_that_it_names_exist() -> None:
    fields = set(re.findall(r"`((?:spec|status)\.[\w.\[\]]+)`", TEXT))
    known = {path for kind in KINDS for path in paths_of(build_schema(kind))}
    known |= {"spec.predictor.logger", "spec.modelSelector.inferenceservicename"}

    assert len(fields) > 15
    assert {it.replace("[]", "") for it in fields} - known == set()


def paths_of(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, part in schema.get("properties", {}).items():
        yield f"{path}{name}"
        yield from paths_of(part.get("items", part), f"{path}{name}.")


def test_the_settings_that_it_names_exist() -> None:
    known = (DOCS / "install.md").read_text(encoding="utf-8")

    named = set(re.findall(r"\bEVALUATION_\w+", TEXT))

    assert len(named) > 3
    assert {name for name in named if f"`{name}`" not in known} == set()


def test_the_settings_that_messages_name_exist() -> None:
    """An image that could not be pulled was said to come from EVALUATION_IMAGE, which is none."""
    documents = ("install.md", "labeling.md", "sampling.md")
    known = "".join((DOCS / it).read_text(encoding="utf-8") for it in documents)
    told = {
        name
        for path, tree in modules("domain/manifests", "domain/mounts")
        if path.startswith("domain/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in re.findall(r"\bEVALUATION_\w*[A-Z]\b", node.value)
    }

    assert len(told) > 8
    assert {name for name in told if f"`{name}`" not in known} == set()
