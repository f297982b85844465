"""Writes the pages beside this file that are made from the code.

python docs/generate.py           writes them
python docs/generate.py --check   exits with 1 if one is out of date
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import page_of_results
import page_of_troubles

PAGES: Mapping[str, Callable[[], str]] = {
    "results.md": page_of_results.rendered,
    "troubleshooting.md": page_of_troubles.rendered,
}


def stale(folder: Path) -> list[str]:
    """The pages that are not as they would be written now."""
    return [name for name, rendered in PAGES.items() if _read(folder / name) != rendered()]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(arguments: list[str]) -> int:
    folder = Path(__file__).parent
    if arguments == ["--check"]:
        found = stale(folder)
        for name in found:
            print(f"docs/{name}: out of date, run `make docs`", file=sys.stderr)
        return 1 if found else 0
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    for name, rendered in PAGES.items():
        (folder / name).write_text(rendered(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
