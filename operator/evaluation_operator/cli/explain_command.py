"""`explain`: what a reason means that a status, an attempt or an Event has shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evaluation_operator.api.codes import Code
from evaluation_operator.cli.errors import CliError
from evaluation_operator.cli.options import OutputOption
from evaluation_operator.cli.output import (
    Output,
    print_fields,
    print_table,
    print_title,
    reports_errors,
    tell,
    write,
)

if TYPE_CHECKING:
    from evaluation_operator.domain.explanations import Explanation
    from evaluation_operator.domain.reasons import Reason


@reports_errors
def explain(
    reason: Annotated[
        str | None,
        typer.Argument(
            metavar="REASON", help="As a status shows it. Default: all.", show_default=False
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say what a reason means, and what to type.

    A reason stands in a condition, before the colon of a message, or in an Event.
    """
    from evaluation_operator.domain.explanations import EXPLANATIONS

    if reason is not None:
        found = _find(reason)
        _show(found, EXPLANATIONS[found], output)
    elif output is Output.TABLE:
        rows = [
            (str(reason), _plain(it.meaning.partition(". ")[0]))
            for reason, it in EXPLANATIONS.items()
        ]
        print_table(("REASON", "WHAT IT MEANS"), rows)
    else:
        write({"reasons": [_content(*item) for item in EXPLANATIONS.items()]}, output)


def _find(text: str) -> Reason:
    from difflib import get_close_matches

    from evaluation_operator.domain.reasons import Reason

    known = {it.lower(): it for it in Reason}
    wanted = text.strip().rstrip(":").lower()
    if wanted in known:
        return known[wanted]
    close = [str(known[it]) for it in get_close_matches(wanted, known, n=3)]
    cure = f"did you mean {' or '.join(close)}?" if close else "without REASON all are listed"
    raise CliError(f"{text!r} is no reason of this version: {cure}", code=Code.NOT_FOUND)


def _show(reason: Reason, it: Explanation, output: Output) -> None:
    if output is not Output.TABLE:
        write(_content(reason, it), output)
        return
    print_fields(
        [
            ("Reason", reason),
            *(("Seen in", _plain(place)) for place in it.seen),
            ("What it means", _plain(it.meaning)),
            ("What to do", _plain(it.cure) or "nothing: all is well"),
        ]
    )
    if it.commands:
        print_title("What to type")
        for command in it.commands:
            tell(f"  {command}")


def _content(reason: Reason, it: Explanation) -> dict[str, object]:
    return {
        "reason": str(reason),
        "seen": [_plain(place) for place in it.seen],
        "meaning": _plain(it.meaning),
        "cure": _plain(it.cure),
        "commands": list(it.commands),
    }


def _plain(text: str) -> str:
    """Without the marks of a document."""
    return text.replace("`", "")
