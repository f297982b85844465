"""What history costs: a job's run beside those before it, a deletion beside the jobs that stay.

`--operator CHECKOUT` measures that checkout's code in the same way.

    python -m tests.bench.history [--runs 500] [--rows 1000] [--operator CHECKOUT]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

EARLY = 5
ROUNDS = 7
FIRST = datetime(2026, 3, 2, 10, tzinfo=UTC)
DAY = timedelta(days=1)
JOBS = (100, 10_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--rows", type=int, default=1000, help="that each run evaluates")
    parser.add_argument("--operator", type=Path)
    arguments = parser.parse_args()
    if arguments.operator is not None:
        sys.path.insert(0, str(arguments.operator.resolve() / "operator"))
    print("| what | first | last | ratio |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as place:
        runs = _runs(Path(place), arguments.runs, arguments.rows)
    _tell(f"a job's run {EARLY} and {arguments.runs}, of {arguments.rows} rows", *runs)
    _tell("a deletion beside {} and {} jobs".format(*JOBS), *(_deletion(it) for it in JOBS))


def _tell(what: str, first: float, last: float) -> None:
    cells = (what, f"{first * 1000:.2f} ms", f"{last * 1000:.2f} ms", f"{last / first:.2f}")
    print(f"| {' | '.join(cells)} |", flush=True)


def _runs(place: Path, count: int, rows: int) -> tuple[float, float]:
    """Seconds of the whole run but for telling the cluster; those between only cut their rows."""
    from evaluation_operator.evaluator.run_rows import RunOptions, obtain_cut
    from evaluation_operator.results import layout
    from evaluation_operator.tables.open import open_table
    from tests.unit.evaluator.labeled_site import Site, row

    site = Site(place)
    taken = {}
    for number in range(1, count + 1):
        start = FIRST + (number - 1) * DAY
        site.fill(*(row(f"{number}-{it}", "ripe", **_at(start)) for it in range(rows)))
        window = {"startTime": start.isoformat(), "endTime": (start + DAY).isoformat()}
        site.dataset = site.named(f"evj-ripeness-{number:08}", {"windows": [window]})
        site.folder = site.folder_of(site.dataset)
        if number in (EARLY, count):
            taken[number] = min(_evaluations(site))
        with tempfile.TemporaryDirectory() as scratch, closing(open_table(site.uri)) as table:
            obtain_cut(site.dataset, table, site.folder, RunOptions(Path(scratch)))
        site.folder.write_json(layout.COMMITTED, {})
    return taken[EARLY], taken[count]


def _at(start: datetime) -> dict[str, datetime]:
    return {"time": start, "sampled_at": start + DAY / 2, "interval_start": start}


def _evaluations(site: object) -> Iterator[float]:
    from tests.unit.evaluator.labeled_site import Site

    assert isinstance(site, Site)
    for _ in range(ROUNDS):
        site.folder.delete()
        begun = time.perf_counter()
        site.evaluate()
        yield time.perf_counter() - begun
    site.folder.delete()


def _deletion(count: int) -> float:
    """Seconds that the operator's picture takes to know whom a deletion concerns."""
    from evaluation_operator.controller.store import Store
    from tests.builders import NAMESPACE, make_evaluation_job, stored

    store = Store()
    bodies = []
    for number in range(count + ROUNDS):
        here = {"namespace": NAMESPACE, "uid": f"uid-{number}"}
        bodies.append(stored(make_evaluation_job(f"job-{number}", metadata=here)))
        store.apply("EvaluationJob", bodies[-1])
    taken = []
    for body in bodies[-ROUNDS:]:
        begun = time.perf_counter()
        store.apply("EvaluationJob", body, deleted=True)
        taken.append(time.perf_counter() - begun)
    return min(taken)


if __name__ == "__main__":
    main()
