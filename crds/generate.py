"""Writes the CustomResourceDefinitions beside this file, from the models of the kinds.

python crds/generate.py           writes them
python crds/generate.py --check   exits with 1, and says which, if any is out of date
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from evaluation_operator.api.crd import KINDS, build_crd

HEADER = "# Made by crds/generate.py from operator/evaluation_operator/api. Do not edit.\n"


def rendered() -> dict[str, str]:
    """Content of each file, by its name."""
    return {
        f"{kind.PLURAL}.yaml": HEADER
        + yaml.safe_dump(build_crd(kind), sort_keys=False, width=100, allow_unicode=True)
        for kind in KINDS
    }


def stale(folder: Path) -> list[str]:
    """Files in `folder` that do not say what the models say, in words."""
    wanted = rendered()
    kept = {"kustomization.yaml"}
    unknown = {path.name for path in folder.glob("*.yaml")} - wanted.keys() - kept
    faults = [f"{name}: no kind makes this file, remove it" for name in sorted(unknown)]
    for name, text in wanted.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            faults.append(f"{name}: out of date, run `make crds`")
    return faults


def main(arguments: list[str]) -> int:
    folder = Path(__file__).parent
    if arguments == ["--check"]:
        faults = stale(folder)
        for fault in faults:
            print(f"crds/{fault}", file=sys.stderr)
        return 1 if faults else 0
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    for name, text in rendered().items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
