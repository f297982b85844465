"""The offline validator against the table that the API server is judged by too."""

from __future__ import annotations

import pytest

from evaluation_operator.api.crd import KINDS
from evaluation_operator.offline import validate_manifest, validate_update
from evaluation_operator.offline.structural import without_nulls
from tests.builders import Manifest
from tests.manifest_table import BAD, EDITS, GOOD, Bad, Edit, operator_faults

MODELS = {kind.KIND: kind for kind in KINDS}


def admitted(manifest: Manifest) -> Manifest:
    """What of a manifest the API server keeps: no status, no property that is null."""
    return {key: without_nulls(part) for key, part in manifest.items() if key != "status"}


@pytest.mark.parametrize("manifest", GOOD.values(), ids=GOOD.keys())
def test_a_good_manifest_has_no_fault(manifest: Manifest) -> None:
    assert validate_manifest(manifest) == []


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_manifest_is_refused_with_field_and_cure(bad: Bad) -> None:
    lines = [str(fault) for fault in validate_manifest(bad.manifest)]

    text = "\n".join(lines)
    assert lines
    assert all(word in text for word in bad.want_words), text


@pytest.mark.parametrize("manifest", GOOD.values(), ids=GOOD.keys())
def test_the_operator_finds_no_fault_in_a_good_manifest(manifest: Manifest) -> None:
    assert operator_faults(admitted(manifest)) == []


@pytest.mark.parametrize("bad", [bad for bad in BAD.values() if bad.want_refused_by == "operator"])
def test_the_operator_stalls_what_no_schema_can_refuse(bad: Bad) -> None:
    text = "\n".join(str(fault) for fault in operator_faults(admitted(bad.manifest)))

    assert text
    assert all(word in text for word in bad.want_words), text


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edit_is_judged_by_what_stands_already(edit: Edit) -> None:
    text = "\n".join(str(fault) for fault in validate_update(edit.old, edit.new))

    assert bool(text) == bool(edit.want_words), text
    assert all(word in text for word in edit.want_words), text


@pytest.mark.parametrize("manifest", GOOD.values(), ids=GOOD.keys())
def test_what_is_read_is_written_back_the_same(manifest: Manifest) -> None:
    kind = MODELS[manifest["kind"]]
    read = kind.from_dict(admitted(manifest))

    assert kind.from_dict(read.to_dict()) == read
