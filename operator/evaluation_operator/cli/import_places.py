"""Which files an import is of: files, folders, patterns, and standard input."""

from __future__ import annotations

import glob
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from evaluation_operator.api.codes import Code
from evaluation_operator.cli.errors import CliError
from evaluation_operator.tables.import_files import ENDINGS, has_known_ending
from evaluation_operator.tables.schema import LABEL_SCHEMA, ROW_SCHEMA

STANDARD_INPUT: Final = "-"
_GZIP: Final = b"\x1f\x8b"
_OUR_COLUMNS: Final = frozenset((*ROW_SCHEMA.names, *LABEL_SCHEMA.names))


@contextmanager
def files_of(places: Sequence[str]) -> Iterator[list[Path]]:
    """All of them, each once; CliError for a place that has none. Standard input, which is JSON,
    lies in a file for that long: an import reads what it is given more than once."""
    found: dict[Path, None] = {}
    # A folder only where one is needed: a container may have no place for it.
    with ExitStack() as stack:
        for place in dict.fromkeys(places):
            if place == STANDARD_INPUT:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="import-"))
                found[_kept_input(Path(folder))] = None
            else:
                found.update(dict.fromkeys(_files_at(place)))
        yield list(found)


def _kept_input(folder: Path) -> Path:
    head = sys.stdin.buffer.read(len(_GZIP))
    path = folder / ("standard-input.json.gz" if head == _GZIP else "standard-input.json")
    with path.open("wb") as file:
        file.write(head)
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path


def _files_at(place: str) -> list[Path]:
    path = Path(place)
    if path.is_dir():
        return _files_below(path)
    if path.exists() or not glob.has_magic(place):
        return [path]
    found = [Path(name) for name in sorted(glob.glob(place, recursive=True))]
    if not found:
        raise CliError(f"{place}: no file has such a name", code=Code.NOT_FOUND)
    return [file for path in found for file in (_files_below(path) if path.is_dir() else [path])]


def _files_below(folder: Path) -> list[Path]:
    """But for those that writers of tables hide, as `_SUCCESS` and `.crc`."""
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if any(part.startswith((".", "_")) for part in parts) or not has_known_ending(path):
            continue
        if path.is_file():
            _check_partitions(path, parts[:-1])
            found.append(path)
    if not found:
        raise CliError(
            f"{folder}: this folder has no file that ends in {', '.join(ENDINGS)}",
            code=Code.NOT_FOUND,
        )
    return found


def _check_partitions(path: Path, folders: Sequence[str]) -> None:
    for name in folders:
        column = name.partition("=")[0]
        if column != name and column in _OUR_COLUMNS:
            raise CliError(
                f'{path}: column "{column}" stands in the name of the folder {name!r}, where an '
                "import does not read it; write it into the files"
            )
