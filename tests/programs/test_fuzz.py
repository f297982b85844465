"""No body, however odd, does anything but give items or say why not, in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

SHAPES: Final = 12_000


def test_twelve_thousand_shapes_are_taken_or_refused_in_half_a_gibibyte() -> None:
    """A tensor of 781 KiB took 736 MiB, one of 3.9 MiB 2.6 GB: here the process would end."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.programs.fuzz", f"--shapes={SHAPES}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert sum(sum(counts.values()) for counts in found.values()) == SHAPES
    # It would be no test of what is made of a body if none were sound.
    assert found["body"].keys() == {"taken", "Unreadable", "TooMuch", "NoPrediction"}
    assert found["document"].keys() == {"taken", "NotAnEvent", "Refused"}
    assert found["plain"].keys() >= {"taken", "BadPrediction"}
    assert all(counts["taken"] >= 100 for counts in found.values())
