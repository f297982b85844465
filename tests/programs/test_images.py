"""What the images are made of: known to the byte before anything is built."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.settings import CHECKOUT

PROGRAMS = ("operator", "evaluator", "sampler", "labeler")
DOCKERFILES = [CHECKOUT / "Dockerfile", CHECKOUT / "manifests" / "demo" / "Dockerfile"]
PINNED = re.compile(r"^([a-z0-9.-]+)==(\S+)", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
ENTRY = re.compile(r"^[a-z0-9.-]+==.*(?:\n[ ]+(?:--hash|#).*)*", re.MULTILINE)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_images_stand_on_one_base_that_nobody_can_exchange(dockerfile: Path) -> None:
    """By a tag alone, whoever may push to the registry decides what runs in every cluster."""
    text = dockerfile.read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE))
    bases = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) - stages
    assert bases == {"${PYTHON_IMAGE}"}
    [base] = re.findall(r"^ARG PYTHON_IMAGE=(\S+)", text, re.MULTILINE)
    assert re.fullmatch(r"docker\.io/library/python:[\w.-]+@sha256:[0-9a-f]{64}", base)
    assert base in DOCKERFILES[0].read_text()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_bill_of_materials_names_every_pinned_package_and_its_hashes(program: str) -> None:
    lock = (CHECKOUT / f"requirements-{program}.lock").read_text()
    # With the environment that is there, whatever has been edited since it was made.
    ready = ("--old-file=.venv/.installed", f"BIN={Path(sys.executable).parent}")
    make = ["make", "--silent", *ready, "sbom", f"PROGRAMS={program}"]
    subprocess.run(make, cwd=CHECKOUT, check=True)
    found = json.loads((CHECKOUT / "build" / "sbom" / f"{program}.json").read_text())
    assert found["bomFormat"] == "CycloneDX"
    listed = {
        (item["name"], item["version"]): {
            digest["content"] for place in item["externalReferences"] for digest in place["hashes"]
        }
        for item in found["components"]
    }
    assert set(listed) == set(PINNED.findall(lock))
    for entry in ENTRY.findall(lock):
        [pinned] = PINNED.findall(entry)
        assert listed[pinned] == set(HASH.findall(entry)), pinned
