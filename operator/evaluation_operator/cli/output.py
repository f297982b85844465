"""How answers and errors are written: for people, or as JSON or YAML for programs.

Answers go to stdout. An error goes to stderr as a line, or to stdout as an object where the
caller asked for one, so that a program always reads what it asked for. Progress goes to stderr.

Labels, descriptions and messages in a cluster are anybody's, and a terminal does what characters
in them say: all that is written goes through `visible`.
"""

from __future__ import annotations

import functools
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from textwrap import wrap
from typing import TYPE_CHECKING, ParamSpec

import typer

from evaluation_operator.cli.errors import CliError
from evaluation_operator.visible import is_visible, visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console

P = ParamSpec("P")

PROGRAM = "kubectl-evaluations"
_WIDE = 10_000
_GAP = 3
_LEAST_ROOM = 30


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def reports_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Show a CliError in the form that the command's `output` asks for, and exit with its code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        output = kwargs.get("output")
        try:
            command(*args, **kwargs)
        except BrokenPipeError:
            raise
        except (CliError, OSError) as problem:
            error = problem if isinstance(problem, CliError) else _of_file(problem)
            _show_error(error, output if isinstance(output, Output) else Output.TABLE)
            raise typer.Exit(error.exit_code) from None

    return run


def _of_file(error: OSError) -> CliError:
    where = f"{error.filename}: " if error.filename else ""
    return CliError(f"{where}{error.strerror or error}; name a file that can be read and written")


def _show_error(error: CliError, output: Output) -> None:
    if output is not Output.TABLE:
        write(error.to_dict(), output)
        return
    for line in (error.message, *error.details):
        say(f"error: {line}" if line is error.message else f"  {line}")


def write(content: Mapping[str, object], output: Output) -> None:
    """A JSON or YAML document."""
    if output is Output.JSON:
        typer.echo(visible_json(json.dumps(content, indent=2, ensure_ascii=False)))
        return
    typer.echo(_yaml(content), nl=False)


def write_manifests(documents: Iterable[Mapping[str, object]]) -> None:
    """YAML that kubectl takes."""
    typer.echo("---\n".join(map(_yaml, documents)), nl=False)


def _yaml(content: Mapping[str, object]) -> str:
    """Where any character is hidden, all but ASCII is written as escapes."""
    import yaml

    plain = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=_WIDE)
    if is_visible(plain.replace("\n", "")):
        return plain
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=False, width=_WIDE)


def say(line: str) -> None:
    """A line for people that is not the answer."""
    typer.echo(visible(line), err=True)


def tell(line: str) -> None:
    """A line of the answer, for people."""
    typer.echo(visible(line))


def console() -> Console:
    """For answers. Where nobody looks, a line is as long as it has to be."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDE
    return Console(width=width, markup=False, highlight=False, emoji=False, soft_wrap=True)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """`Name:  value` lines; what has no value is left out, and a name is not repeated."""
    shown = [(name, value) for name, value in fields if value]
    width = max((len(name) for name, _ in shown), default=0) + 3
    last = ""
    for name, value in shown:
        title = "" if name == last else f"{visible(name)}:"
        first, *others = wrapped(value, width)
        typer.echo(f"{title:<{width}}{first}")
        for line in others:
            typer.echo(f"{'':<{width}}{line}")
        last = name


def terminal_width() -> int | None:
    """None where nobody looks: a program reads lines as long as they have to be."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def wrapped(text: str, indent: int) -> list[str]:
    """The lines of a text that begins so far to the right, made visible. Where there is hardly any
    room left, the terminal itself breaks it as it likes."""
    width, text = terminal_width(), visible(text)
    room = (width or 0) - indent
    if room < _LEAST_ROOM:
        return [text]
    return wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]


def plural(count: int, noun: str) -> str:
    """`1 day`, `2 days`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def print_title(title: str) -> None:
    typer.echo(f"\n{visible(title)}:")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], indent: int = 0) -> None:
    """Columns without lines, as kubectl prints them; `#` before a name aligns to the right. The
    last one, where messages stand, is wrapped at the width of a terminal."""
    from rich.cells import cell_len
    from rich.padding import Padding
    from rich.table import Table

    lines = [[*map(visible, row)] for row in rows]
    room = [max(map(cell_len, column)) for column in zip(columns, *lines, strict=True)]
    start = indent + sum(room[:-1]) + _GAP * (len(room) - 1)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column in columns:
        justify = "right" if column.startswith("#") else "left"
        table.add_column(column.removeprefix("#"), justify=justify)  # type: ignore[arg-type]
    for line in lines:
        table.add_row(*line[:-1], "\n".join(wrapped(line[-1], start)))
    console().print(Padding(table, (0, 0, 0, indent), expand=False))
