"""What is written to a terminal, whatever stands in the cluster.

Who may write a job or an annotation spec set may put escape sequences and bidirectional overrides
into labels and descriptions: an administrator's terminal would then show what its author wants,
hide lines, change its title, or in old ones even type.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import yaml

from evaluation_operator.cli import output
from evaluation_operator.cli.errors import CliError
from evaluation_operator.cli.output import (
    Output,
    print_fields,
    print_table,
    print_title,
    reports_errors,
    say,
    tell,
    write,
    write_manifests,
)
from evaluation_operator.visible import is_visible

EVIL = (
    "ripe\x1b[2J\x1b]0;title\x07 \x9b31m \rhidden\nQualityAcceptable: True "
    "\u202egnp.exe\u2066 \x85 \u2028"
)
SHOWN = (
    r"ripe\x1b[2J\x1b]0;title\x07 \x9b31m \rhidden\nQualityAcceptable: True "
    r"\u202egnp.exe\u2066 \x85 \u2028"
)
HARMLESS = "größer 大 👩‍🌾 \u200f<b>bold</b> [red]x[/red]"


def written(capsys: pytest.CaptureFixture[str]) -> str:
    """All that was written, of which nothing but the ends of lines may be hidden."""
    text = "".join(capsys.readouterr())
    assert is_visible(text.replace("\n", ""))
    return text


def test_no_text_moves_the_cursor_or_adds_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    say(EVIL)
    tell(EVIL)
    assert written(capsys) == f"{SHOWN}\n" * 2
    print_fields([("Description", EVIL), ("Title", HARMLESS)])
    assert written(capsys).splitlines() == [
        f"Description:  {SHOWN}",
        f"Title:        {HARMLESS}",
    ]


def test_no_cell_and_no_title_does(capsys: pytest.CaptureFixture[str]) -> None:
    print_title(EVIL)
    print_table(("LABEL", "#ITEMS"), [(EVIL, "1"), (HARMLESS, "2")], indent=2)
    text = written(capsys)
    assert len(text.splitlines()) == 5
    assert text.count(SHOWN) == 2
    assert HARMLESS in text


@pytest.mark.parametrize("form", [Output.JSON, Output.YAML])
def test_documents_hold_the_very_text_in_escapes(
    form: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    content: dict[str, object] = {"evil": EVIL, "harmless": HARMLESS, EVIL: [1]}
    write(content, form)
    text = written(capsys)
    assert (json.loads if form is Output.JSON else yaml.safe_load)(text) == content


def test_what_is_harmless_is_written_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    write({"a": "größer 大"}, Output.YAML)
    assert written(capsys) == "a: größer 大\n"
    write_manifests([{"a": 1}, {"b": 2}])
    assert written(capsys) == "a: 1\n---\nb: 2\n"


@pytest.mark.parametrize("form", list(Output))
def test_no_error_does(form: Output, capsys: pytest.CaptureFixture[str]) -> None:
    @reports_errors
    def command(output: Output) -> None:
        raise CliError(f"label {EVIL}", details=[EVIL])

    with pytest.raises(BaseException):  # noqa: B017, PT011
        command(output=form)
    assert "gnp.exe" in written(capsys)


def test_nothing_is_written_but_by_this_module() -> None:
    """So that a command that is added cannot forget it."""
    folder = Path(output.__file__).parent
    for module in sorted(folder.glob("*.py")):
        calls = [it for it in ast.walk(ast.parse(module.read_text())) if isinstance(it, ast.Call)]
        names = {ast.unparse(it.func) for it in calls}
        if module.name != "output.py":
            writing = {"print", "typer.echo", "typer.secho", "click.echo", "console", "Console"}
            assert not names & writing, module.name
            assert not [it for it in names if it.startswith(("sys.stdout", "sys.stderr"))]
