"""The soft limit of files, in processes whose limits are the test's."""

from __future__ import annotations

import subprocess
import sys

import pytest

from evaluation_operator.serving.files import HEALTH_CONNECTIONS, OWN_FILES
from tests.cluster.settings import CHECKOUT

_SHARE = """
import resource
from evaluation_operator.serving.files import share_files
shares = share_files(1000)
print(shares.traffic, shares.health, *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "traffic", "raised"),
    [
        (256, 4096, 1000, 4096),
        (4096, 4096, 1000, 4096),
        (256, 1024, 1024 - HEALTH_CONNECTIONS - OWN_FILES, 1024),
        (256, 256, 96, 256),
    ],
)
def test_the_limit_is_raised_as_far_as_it_may_be(
    soft: int, hard: int, traffic: int, raised: int
) -> None:
    limited = f'set -e; ulimit -Sn {soft}; ulimit -Hn {hard}; exec "$0" -c "$1"'
    done = subprocess.run(
        ["bash", "-c", limited, sys.executable, _SHARE],
        env={"PYTHONPATH": str(CHECKOUT / "operator")},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [str(it) for it in (traffic, HEALTH_CONNECTIONS, raised, hard)]
