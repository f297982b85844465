"""What somebody with edit rights may not get by writing an object."""

from __future__ import annotations

import pytest

from tests import escalations
from tests.escalations import ESCALATIONS, Escalation, Judge, judged

OFFLINE = {name: it for name, it in ESCALATIONS.items() if it.refused_by is not Judge.RBAC}


@pytest.mark.parametrize("case", OFFLINE.values(), ids=OFFLINE.keys())
def test_an_escalation_is_refused_or_does_no_harm(case: Escalation) -> None:
    """Of these manifests 60 were admitted and acted on: pods with the priority of the node's own
    programs, the volume of a database, the tokens of the sampler, names that walk through the
    API's paths, a megabyte in a field that nobody reads."""
    assert judged(case.manifest) is case.refused_by
    assert (case.refused_by is Judge.NOBODY) == bool(case.harmless)


def test_the_documents_table_of_escalations_is_up_to_date() -> None:
    assert escalations.main(["--check"]) == 0, "python -m tests.escalations > docs/escalations.tsv"
